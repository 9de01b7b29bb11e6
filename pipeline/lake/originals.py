"""Records of which the lake keeps a beginning, or without credentials, from their files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import xxhash

from pipeline.forms.compression import opened
from pipeline.lake.guard import Guard
from pipeline.lake.store import Store
from pipeline.lake.version import open_regular

_PIECE = 1 << 20


class Originals:
    """Records as they lie in their files: asked for in order, each file is read once, forwards."""

    def __init__(self, store: Store, limit: int) -> None:
        """Prepare to read.

        Args:
            store: the lake.
            limit: longest record that passes [byte].
        """
        self._store, self._limit = store, limit
        self._source = ""
        self._content: Guard | None = None
        self._file: BinaryIO | None = None
        self._passed = 0

    def __enter__(self) -> Originals:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def whole(self, reject: Mapping[str, Any]) -> bytes | None:
        """All bytes of a record of which the lake may keep a beginning only, or credentials masked.

        They are read from its file, if they still lie there: their hash tells.

        Args:
            reject: a reject with `raw_hash`.

        Returns:
            The bytes; None where the record is too long still, or its bytes cannot be had.
        """
        size, start = reject["byte_length"], reject["byte_offset"]
        if size > self._limit:
            return None
        raw: bytes = reject["raw"]
        if raw_hash(raw) == reject["raw_hash"]:
            return raw
        try:
            if reject["source_id"] != self._source or start < self._passed:
                self._open(reject["source_id"])
            raw = self._between(start, size)
        except OSError:
            self._close()
            return None
        return raw if raw_hash(raw) == reject["raw_hash"] else None

    def _open(self, source_id: str) -> None:
        self._close()
        self._source, self._passed = source_id, 0
        source = self._store.ledger.source(source_id)
        if source is not None:
            self._file = open_regular(Path(source["path"]))
            self._content = Guard(opened(self._file)[0])

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._source, self._content, self._file = "", None, None

    def _between(self, start: int, size: int) -> bytes:
        """Some bytes of the file; fewer where it ends before."""
        found = bytearray()
        while self._content is not None and len(found) < size:
            ahead = start - self._passed
            piece = self._content.read(min(ahead if ahead > 0 else size - len(found), _PIECE))
            if not piece:
                break
            self._passed += len(piece)
            if ahead <= 0:
                found += piece
        return bytes(found)


def raw_hash(raw: bytes) -> str:
    """The hash by which bytes are known again."""
    return xxhash.xxh3_128_hexdigest(raw)
