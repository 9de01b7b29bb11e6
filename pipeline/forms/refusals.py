"""What is not read: named by how its content begins, with what to do."""

from __future__ import annotations

import re

from pipeline.contract import EVENT_OBJECTS

_LATER = "a form tunelog does not read yet: give the events as JSON"
_OTHERWISE = "leave it out, or give the dump itself"

_MAGIC = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive: unpack it first"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x1f\x8b", "gzip data in compressed data: unpack it once first"),
    (b"\x28\xb5\x2f\xfd", "zstd data in compressed data: unpack it once first"),
    (b"BZh", "bzip2 data: unpack it first"),
    (b"\xfd7zXZ", "xz data: unpack it first"),
    (b"7z\xbc\xaf", "a 7-Zip archive: unpack it first"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x80\x04", f"a Python pickle, {_LATER}"),
    (b"\x80\x05", f"a Python pickle, {_LATER}"),
    (b"\x7fELF", "a program"),
    (b"\x00\x00\xfe\xff", "UTF-32 text: convert it to UTF-8"),
    (b"\xff\xfe\x00\x00", "UTF-32 text: convert it to UTF-8"),
    (b"\xff\xfe", "UTF-16 text: convert it to UTF-8"),
    (b"\xfe\xff", "UTF-16 text: convert it to UTF-8"),
)

_MAGICS = tuple(magic for magic, _ in _MAGIC)
_IN_OFFICE = (b"[Content_Types].xml", b"xl/", b"docProps/", b"_rels/", b"mimetype")
"""What the first file in a workbook, which is a ZIP archive, may be called."""

_INSPECTED = "JavaScript as console.log prints it: print JSON.stringify(...) of it instead"
_BRACKETED = (
    (
        r"(?:.*\n){0,20}?.*(?:FineTun\w{0,40}Event\(|SyncCursorPage\[|"
        r"[\[{(]\s*'(?:object|data|id|created_at)': )",
        f"a Python repr of events, {_LATER}",
    ),
    (
        r"[\[\s]*\{\s*(?:object|data|id|created_at|level|message|type|options|body): ",
        _INSPECTED,
    ),
    (r"\[\d{10}\]", f"polling log lines, {_LATER}"),
    (r"\[?\d{4}-\d\d-\d\d[ T]\d\d:\d\d", f"log lines, {_LATER}"),
    (r"\[[A-Za-z][\w .:/-]*\] ", f"log lines, {_LATER}"),
)
_HEADER = r"""(?=[^\n]*[,;|\t])(?:["']?+[\w ./-]*+["']?[,;|\t])* *["']?"""
_FIELD = "(?:id|object|created_at|level|message|type)"
_ENDED = r"""["']? *(?:[,;|\t]|\r?\n)"""
_TEXTS = (
    *_BRACKETED,
    (r"(?:data|event|id|retry): ?\S", f"server-sent events, {_LATER}"),
    (r"(?:.*\n){0,20}?.*<OpenAIObject ", f"a printed OpenAIObject, {_LATER}"),
    (r"<(?:!doctype|html)", "an HTML page"),
    (r"<\?xml", "an XML document"),
    (r"(?:---\s)?(?:\w+: .*\n){0,3}(?:http_)?interactions:\s", f"a YAML cassette, {_LATER}"),
    (r"(?:---\s+)?(?:- )?object: ", f"YAML, {_LATER}"),
    (
        r"(?:eyJ|ewo|ew0K|W3s|Wwo|Ww0K|ZXlK|ZXdv|VzNz|V3dv)[\w+/\r\n-]{40}",
        "JSON in base64: decode it (base64 -d)",
    ),
    (f"{_HEADER}{_FIELD}{_ENDED}", f"a table of events, {_LATER}"),
    (f"{_HEADER}_?step{_ENDED}", "a table of steps: cells by commas, names as in a result file"),
    (r"[\w./-]+:(?:\d+:)?[{\"\[]", "lines with the name of their file: drop it (grep -h does)"),
    (r"(?:(?:var|let|const) )?[\w.$]+ ?[=(]\s*[{\[]", "JavaScript: cut the JSON out of it"),
    (r"\w*Page(?:<[^>\n]{0,99}>)? \{\s+\w+: ", _INSPECTED),
    (r"\x1e", "a JSON text sequence: delete its separators (tr -d '\\036')"),
    (
        rf'(?:.*\n){{0,40}}?.*"(?:{"|".join(map(re.escape, EVENT_OBJECTS))})\\*"',
        "JSON inside another text, such as comments or a log: cut it out",
    ),
    (
        r"(?:.*\n){0,20}?.*(?:Step \d+(?:/\d+)? ?[:,] ?train|Created fine-tun|Fine-tuning job )",
        f"polling log lines, {_LATER}",
    ),
    (r"[>*#\-\s]*\d{10}:", f"polling log lines, {_LATER}"),
)
_NOTEBOOK = re.compile(r'\{\s*"(?:cells|nbformat|metadata)"\s*:.*?"(?:cell_type|nbformat)"', re.S)


class Unrecognised(Exception):
    """The content is nothing that is read; the text names what it is, and says what to do."""

    def __init__(self, what: str) -> None:
        super().__init__(what if ": " in what else f"{what}: {_OTHERWISE}")


class Empty(Unrecognised):
    """There is no content, or white space only."""


_STRANGE = bytes(set(range(32)) - set(b"\t\n\r\f\x1b"))


def refuse_magic(head: bytes) -> None:
    """Name what its first bytes tell.

    Raises:
        Unrecognised: they do; as of the other functions here.
    """
    if head.startswith(b"PK\x03\x04") and head[30:].startswith(_IN_OFFICE):
        raise Unrecognised(f"an Excel workbook or the like, {_LATER}")
    if head.startswith(_MAGICS):
        raise Unrecognised(next(name for magic, name in _MAGIC if head.startswith(magic)))
    if head[257:262] == b"ustar":
        raise Unrecognised("a tar archive: unpack it first")


def refuse_controls(head: bytes, *, bracketed: bool) -> None:
    """Name what has too many control characters to be text; a few may stand in broken JSON."""
    start = head[:4096]
    strange = len(start) - len(start.translate(None, _STRANGE))
    if strange <= len(start) // 20 and (bracketed or b"\0" not in start):
        return
    even, odd = start[::2].count(0), start[1::2].count(0)
    if max(even, odd) > 10 * max(1, min(even, odd)):
        raise Unrecognised("UTF-16 text: convert it to UTF-8")
    raise Unrecognised("binary data")


def refuse_notebook(text: str) -> None:
    """Name a notebook, which is JSON all the same."""
    if _NOTEBOOK.match(text):
        raise Unrecognised(f"a Jupyter notebook, {_LATER}")


def refuse_text(text: str, *, bracketed: bool) -> None:
    """Name a form of text that is known, though not read."""
    for pattern, name in _BRACKETED if bracketed else _TEXTS:
        if re.match(pattern, text, re.IGNORECASE):
            raise Unrecognised(name)
