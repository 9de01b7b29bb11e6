"""Which form some content has, told by the content alone."""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import Any

from pipeline import exact
from pipeline.contract import EVENT_OBJECTS
from pipeline.forms.lines import MARK
from pipeline.forms.results import is_results
from pipeline.shapes import holds_events, is_cut, is_event, loads, scan

_LINES_LOOKED_AT = 100
_SPACE = " \t\r\n"
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
_HEADER = r"""(?=[^\n]*[,;|\t])(?:["']?[\w ./-]*["']?[,;|\t])* *["']?"""
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
_NAME = r'\s*"[^"\\]*"\s*:\s*'
_QUOTED = re.compile(r'"(?:\s|\\[nrt])*[\[{](?:\s|\\[nrt])*(?:\\"|[\[{])')
_PAGE = re.compile(
    r'(?:\{\s*(?:"object"\s*:\s*"list"\s*,\s*|"has_more"\s*:\s*(?:true|false)\s*,\s*)*'
    r'"data"\s*:\s*)?\[\s*(?=\{)'
)
_OPENING = re.compile(r"^[\[{]", re.MULTILINE)
_LIST_FIRST = re.compile(rf'\{{(?:{_NAME}(?:"[^"\\]*"|[^\s"{{\[,]+)\s*,)*{_NAME}\[')
_NAMED = re.compile("|".join(map(re.escape, EVENT_OBJECTS)))


class Unrecognised(Exception):
    """The content is nothing that is read; the text names what it is, and says what to do."""

    def __init__(self, what: str) -> None:
        super().__init__(what if ": " in what else f"{what}: {_OTHERWISE}")


class Empty(Unrecognised):
    """There is no content, or white space only."""


def recognise(head: bytes, whole: bool) -> str:
    """Tell the form of some content.

    Args:
        head: the first bytes, decompressed; 1 MiB is plenty.
        whole: they are all there is.

    Returns:
        ``lines`` (one record a line), ``documents`` (JSON documents one after another) or
        ``results`` (a result file: CSV, plain or as base64 text).

    Raises:
        Unrecognised: it is neither; the text says in words what it is, and what to do.
    """
    _refuse_magic(head)
    line, ended, rest = head.partition(b"\n")
    if whole and not rest and _is_page(line.decode("latin-1")):
        return "documents"  # the usual page, told by its first event
    first = _value(line.decode("latin-1")) if line[:1] == b"{" and (ended or whole) else None
    if isinstance(first, dict) and isinstance(first.get("object"), str) and is_event(first):
        return "lines"  # the usual case, told without looking further
    # Structure is ASCII: a byte a character keeps invalid UTF-8 for the verdict on its record.
    text = head.removeprefix(MARK).decode("latin-1").lstrip(_SPACE)
    if not text:
        if whole:
            raise Empty("empty" if not head else "nothing but white space")
        return "lines"
    if _NOTEBOOK.match(text):
        raise Unrecognised(f"a Jupyter notebook, {_LATER}")
    lines = text.split("\n", _LINES_LOOKED_AT)
    bracketed = text[0] in "{["
    container = _container(lines[0], first) if bracketed else None
    if container is None and not any(_is_object(line) for line in lines):
        _refuse_controls(head, bracketed=bracketed)  # a log that lost blocks has objects
    complete = lines if whole and len(lines) <= _LINES_LOOKED_AT else lines[:-1]
    if container is not None:
        inside = container or text[0] == "[" or _pages(text, lines, whole) or _is_wrapped(text)
        return "documents" if inside else "lines"
    if bracketed:
        return _bracketed(text, complete, whole)
    if _string_of_events(text, whole):
        return "documents"
    if _pages(text, complete, whole) or _is_wrapped(text):
        return "documents"  # behind headers of a response, a prompt, a progress bar
    if any(_is_object(line) for line in complete[1:]):
        return "lines"
    if is_results(head):
        return "results"
    _refuse_text(text, bracketed=False)
    if any(_is_object(line) for line in text.split("\n")[_LINES_LOOKED_AT:]):
        return "lines"  # behind the rest of something else
    if whole and _value(text) is None and text.strip(_SPACE) != "null":
        raise Unrecognised("a text without JSON")
    raise Unrecognised("a JSON value without events")


def _bracketed(text: str, complete: list[str], whole: bool) -> str:
    """The form of a text that begins with a bracket, though its first line is no JSON value."""
    if not complete and not whole:
        return "documents" if text[0] == "[" or _LIST_FIRST.match(text) else "lines"
    if _begins_document(text, whole) or _pages(text, complete, whole) or _is_wrapped(text):
        return "documents"
    if sum(_is_object(line) for line in complete[1:]) > _followed(complete):
        return "lines"
    _refuse_text(text, bracketed=True)
    return "documents"


def _is_page(line: str) -> bool:
    """Whether a line begins as a list page or an array of what calls itself an event."""
    page = _PAGE.match(line)
    try:
        value, _ = scan(line, page.end()) if page else (None, 0)
    except (StopIteration, ValueError, RecursionError):
        return False
    return isinstance(value, dict) and value.get("object") in EVENT_OBJECTS


def _value(line: str) -> Any | None:
    """The JSON value on a line; None where there is none."""
    try:
        return loads(line)
    except (ValueError, RecursionError):
        return None


_STRANGE = bytes(set(range(32)) - set(b"\t\n\r\f\x1b"))


def _refuse_magic(head: bytes) -> None:
    if head.startswith(b"PK\x03\x04") and head[30:].startswith(_IN_OFFICE):
        raise Unrecognised(f"an Excel workbook or the like, {_LATER}")
    if head.startswith(_MAGICS):
        raise Unrecognised(next(name for magic, name in _MAGIC if head.startswith(magic)))
    if head[257:262] == b"ustar":
        raise Unrecognised("a tar archive: unpack it first")


def _refuse_controls(head: bytes, *, bracketed: bool) -> None:
    """Name what has too many control characters to be text; a few may stand in broken JSON."""
    start = head[:4096]
    strange = len(start) - len(start.translate(None, _STRANGE))
    if strange <= len(start) // 20 and (bracketed or b"\0" not in start):
        return
    even, odd = start[::2].count(0), start[1::2].count(0)
    if max(even, odd) > 10 * max(1, min(even, odd)):
        raise Unrecognised("UTF-16 text: convert it to UTF-8")
    raise Unrecognised("binary data")


def _refuse_text(text: str, *, bracketed: bool) -> None:
    """Name a form of text that is known, though not read."""
    for pattern, name in _BRACKETED if bracketed else _TEXTS:
        if re.match(pattern, text, re.IGNORECASE):
            raise Unrecognised(name)


def _begins_document(text: str, whole: bool) -> bool:
    """Whether the text begins with a JSON value of several lines, cut off perhaps."""
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError as error:
        return is_cut(text, error.msg, error.pos)
    except (ValueError, RecursionError):
        return True
    return "\n" in text[:end] or not whole


def _is_wrapped(text: str) -> bool:
    """Whether the first event on a line lies inside of something else, as in a log's entries.

    Such lines are a run of events only where they are read as documents.
    """
    at = 0
    for _ in range(_LINES_LOOKED_AT):
        named = _NAMED.search(text, at) if at >= 0 else None
        if named is None:
            break
        at = text.find("\n", named.end())
        line = text[text.rfind("\n", 0, named.start()) + 1 : at if at >= 0 else None]
        if (container := _container(line)) is not None:
            return container
    return False


def _pages(text: str, lines: list[str], whole: bool) -> bool:
    """Whether JSON values of several lines hold events, and hardly one lies on a line of its own.

    Lines go on being lines when a page is appended: what they say of jobs is for lines.
    """
    events = sum(isinstance(value := _value(line), dict) and is_event(value) for line in lines)
    return events <= _followed(lines) and _begins_later(text, whole)


def _followed(lines: list[str]) -> int:
    """How many lines are an object and a comma, as an array has them."""
    ends = (line.rstrip(_SPACE) for line in lines)
    return sum(_is_object(line[:-1]) for line in ends if line.endswith(","))


def _begins_later(text: str, whole: bool) -> bool:
    """Whether a later line begins a JSON value with events inside that is no line by itself."""
    for match in islice(_OPENING.finditer(text), _LINES_LOOKED_AT):
        start = match.start()
        try:
            value, end = scan(text, start)
        except json.JSONDecodeError as error:
            told = any(text.find(name, start) >= 0 for name in EVENT_OBJECTS)
            cut = not whole and is_cut(text, error.msg, error.pos)
            if told and cut and text.find("\n", start) >= 0:  # else it is a line
                return True
        except (StopIteration, ValueError, RecursionError):
            continue
        else:
            behind = text[end : text.find("\n", end) + 1 or None].strip(_SPACE + ",")
            if (behind or text.find("\n", start, end) >= 0) and holds_events(value):
                return True
    return False


def _container(line: str, value: Any | None = None) -> bool | None:
    """Whether a line holds events inside; None where it is no JSON object or array.

    Args:
        line: the text.
        value: what it says, where that is known.
    """
    line = line.strip(_SPACE)
    value = _value(line) if value is None else value
    if isinstance(value, dict) and is_event(value):
        return False
    if not isinstance(value, dict | list):
        return None
    return isinstance(exact.judge(value, line), exact.Container)


def _string_of_events(text: str, whole: bool) -> bool:
    """Whether a text begins with JSON that was written into a string once more."""
    lines = text.split("\n", _LINES_LOOKED_AT)
    if len(lines) == 1 and not whole:
        return bool(_QUOTED.match(text))
    for line in filter(str.strip, lines):
        value = _value(line)
        if not isinstance(value, str) or holds_events(value):
            return isinstance(value, str)
    return False


def _is_object(line: str) -> bool:
    line = line.strip(_SPACE)
    return line[:1] == "{" and _container(line) is not None
