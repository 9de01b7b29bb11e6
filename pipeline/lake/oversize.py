"""Records of which the lake keeps a beginning, or without credentials, from their files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xxhash

from pipeline.forms.compression import opened
from pipeline.lake.guard import Guard
from pipeline.lake.store import Store
from pipeline.lake.version import open_regular

_PIECE = 1 << 20


def whole(store: Store, reject: Mapping[str, Any], limit: int) -> bytes | None:
    """All bytes of a record of which the lake may keep a beginning only, or credentials masked.

    They are read from its file, if they still lie there: their hash tells.

    Args:
        store: the lake.
        reject: a reject with `raw_hash`.
        limit: longest record that passes [byte].

    Returns:
        The bytes; None where the record is too long still, or its bytes cannot be had.
    """
    size = reject["byte_length"]
    if size > limit:
        return None
    raw: bytes = reject["raw"]
    if hashed(raw) == reject["raw_hash"]:
        return raw
    source = store.ledger.source(reject["source_id"])
    if source is None:
        return None
    try:
        with open_regular(Path(source["path"])) as file:
            raw = _between(Guard(opened(file)[0]), reject["byte_offset"], size)
    except OSError:
        return None
    return raw if hashed(raw) == reject["raw_hash"] else None


def hashed(raw: bytes) -> str:
    """The hash by which bytes are known again."""
    return xxhash.xxh3_128_hexdigest(raw)


def _between(content: Guard, start: int, size: int) -> bytes:
    """Some bytes of a stream; fewer where it ends before."""
    while start and (passed := content.read(min(start, _PIECE))):
        start -= len(passed)
    found = bytearray()
    while len(found) < size and (piece := content.read(min(size - len(found), _PIECE))):
        found += piece
    return bytes(found)
