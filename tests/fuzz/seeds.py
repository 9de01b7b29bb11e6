"""Real records to be mutated: the samples, and the dumps that lie beside the checkout."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.zstd import zstd

ROOT = Path(__file__).parents[2]
PLACES = (ROOT / "data" / "samples", ROOT.parent / "shared" / "corpus")
_OF_A_SHAPE = 4
"""Records that are taken of those with the same keys and types, in the order of the files."""
_LARGEST = 20_000
"""Documents that are mutated whole are no longer [byte]."""


@dataclass(frozen=True)
class Seeds:
    """What is mutated: records as lines, and whole dumps."""

    records: list[bytes]
    documents: list[bytes]


def seeds() -> Seeds:
    """All of them, the same and in the same order each time."""
    records: dict[str, list[bytes]] = {}
    documents = []
    for place in PLACES:
        for path in sorted(place.rglob("*")):
            content = _content(path) if path.is_file() else b""
            lines = content.splitlines()
            if 0 < len(content) <= _LARGEST and path.suffix != ".tsv":
                documents.append(content)
            else:
                documents.extend(b"\n".join(lines[at : at + 9]) for at in range(0, len(lines), 97))
            for line in [*lines, *_events(content)]:
                if shape := _shape(line):
                    alike = records.setdefault(shape, [])
                    if len(alike) < _OF_A_SHAPE and line not in alike:
                        alike.append(line)
    return Seeds([line for alike in records.values() for line in alike], documents)


def _content(path: Path) -> bytes:
    raw = path.read_bytes()
    if raw.startswith(b"\x1f\x8b"):
        return gzip.decompress(raw)
    return zstd.decompress(raw) if raw.startswith(b"\x28\xb5\x2f\xfd") else raw


def _events(content: bytes) -> list[bytes]:
    """The events of a document, as lines."""
    try:
        value = json.loads(content)
    except ValueError:
        return []
    found, stack = [], [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict) and "message" in item and "created_at" in item:
            found.append(json.dumps(item, ensure_ascii=len(found) % 2 == 0).encode())
        elif isinstance(item, dict | list):
            stack.extend(item.values() if isinstance(item, dict) else item)
    return found


def _shape(line: bytes) -> str | None:
    """The keys and types of a record; None where it is no JSON object."""
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return _outline(value) if isinstance(value, dict) else None


def _outline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_outline(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(sorted({_outline(inner) for inner in value})) + "]"
    return type(value).__name__[0]
