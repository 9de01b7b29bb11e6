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


class Manifest:
    """Reads the lines of a manifest, and tells what is wrong with it.

    Attributes:
        end: length of its whole lines [byte]; what follows was torn off while it was written.
        torn: something follows.
        link: what the next line has to hold.
        breaks: numbers of the lines that do not follow the line before them, or are no lines.
    """

    def __init__(self, path: Path) -> None:
        """Prepare to read a file, which need not exist."""
        self._path = path
        self.end = 0
        self.torn = False
        self.link = ""
        self.breaks: list[int] = []

    def lines(self) -> Iterator[tuple[int, Line]]:
        """Every line that can be read, with its number, from 1 on."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if not raw.endswith(b"\n"):
                    self.torn = True
                    return
                self.end += len(raw)
                line = _read(raw)
                if line is None or line.get("prev") != self.link:
                    self.breaks.append(number)
                self.link = _link(raw)
                if line is not None:
                    yield number, line


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
    return line if isinstance(line, dict) and isinstance(line.get("kind"), str) else None
