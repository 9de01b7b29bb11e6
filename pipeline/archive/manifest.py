"""The manifest: a JSON line for each response, each holding the hash of the line before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Line = dict[str, Any]

NAME = "manifest.jsonl"
_LINK = 16  # hex digits of a link: to tell loss, not to resist forgery

_NONE = type(None)
_BODY = {"path": str, "bytes": int, "sha256": str, "stored": int}
_PAGE = {
    **_BODY, "walk": int, "final": bool, "page": int, "after": (str, _NONE), "count": int,
    "first": (str, _NONE), "last": (str, _NONE), "has_more": bool,
}  # fmt: skip
_FIELDS: dict[str, dict[str, Any]] = {
    "jobs": {**_PAGE, "listed": dict},
    "job": {**_BODY, "job": str, "listed": dict},
    "events": {**_PAGE, "job": str},
    "checkpoints": {**_PAGE, "job": str},
    "file": {**_BODY, "job": str, "file": str},
    "content": {**_BODY, "job": str, "file": str},
    "gone": {"job": str, "what": str},
    "vanished": {"job": str},
    "shown": {"job": str, "events": list},
    "judged": {"job": str, "rules": list},
    "mend": {"breaks": list, "lost": list},
    "stray": _BODY,
}
"""What a line of each kind must hold to be one; a changed line may hold anything."""
_OWED = {"status": str, "settled": bool, "files": list}


class Manifest:
    """Reads the lines of a manifest, and tells what is wrong with it.

    Attributes:
        end: length of its whole lines [byte]; what follows was torn off while it was written.
        torn: something follows.
        link: what the next line has to hold.
        breaks: numbers of the lines that do not follow the line before them, or are no lines, and
            the last line read before each, which may have been changed: it is not believed.
    """

    def __init__(self, path: Path) -> None:
        """Prepare to read a file, which need not exist."""
        self._path = path
        self.end = 0
        self.torn = False
        self.link = ""
        self.breaks: dict[int, Line] = {}

    def lines(self) -> Iterator[tuple[int, Line]]:
        """Every line that can be read, with its number, from 1 on."""
        if not self._path.exists():
            return
        last: Line = {}
        with self._path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if not raw.endswith(b"\n"):
                    self.torn = True
                    return
                self.end += len(raw)
                line = _read(raw)
                if line is None or line.get("prev") != self.link:
                    self.breaks[number] = last
                self.link = _link(raw)
                if line is not None:
                    last = line
                    yield number, line


def is_ours(path: Path) -> bool | None:
    """Whether a file says that it is a manifest, by any of its lines.

    Returns:
        None of one that says nothing yet: it is empty, or holds the beginning of a first line.
    """
    begun: bool | None = None
    with path.open("rb") as file:
        for raw in file:
            if not raw.endswith(b"\n"):
                return begun if _is_begun(raw) else False
            line, begun = _read(raw), False
            if line and line["kind"] in _FIELDS and isinstance(line.get("prev"), str):
                return True
    return begun


def _is_begun(raw: bytes) -> bool:
    """Whether a line may be one of ours that was cut off; a power cut leaves zeros."""
    raw = raw.rstrip(b"\0")
    starts = [f'{{"kind":"{kind}",'.encode() for kind in _FIELDS]
    return any(raw.startswith(start) or start.startswith(raw) for start in starts)


def encode(lines: list[Line], link: str) -> tuple[bytes, str]:
    """Lines to be appended after a line with this link, and the link of the last."""
    out = []
    for line in lines:
        raw = json.dumps({**line, "prev": link}, separators=(",", ":")).encode() + b"\n"
        link = _link(raw)
        out.append(raw)
    return b"".join(out), link


def _link(raw: bytes) -> str:
    return hashlib.sha256(raw.rstrip(b"\n")).hexdigest()[:_LINK]


def _read(raw: bytes) -> Line | None:
    try:
        line = json.loads(raw)
    except ValueError:
        return None
    if not isinstance(line, dict) or not isinstance(line.get("kind"), str):
        return None
    wanted = _FIELDS.get(line["kind"], {})
    if not _holds(line, wanted):
        return None
    owed = line.get("listed", {}).values()
    if not all(isinstance(job, dict) and _holds(job, _OWED) for job in owed):
        return None
    named = [name for key in ("lost", "events", "rules") for name in line.get(key, ())]
    whole = all(isinstance(number, int) for number in line.get("breaks", ()))
    return line if whole and all(isinstance(name, str) for name in named) else None


def _holds(value: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(name in value and isinstance(value[name], kind) for name, kind in wanted.items())
