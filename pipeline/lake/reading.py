"""One source on its way into the lake: what it is, whose it is, what became of its records."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import xxhash

from pipeline.attribution import Scout, Stream
from pipeline.contract import READER_VERSION
from pipeline.errors import UsageError
from pipeline.forms.block import Block
from pipeline.forms.compression import Damaged, opened
from pipeline.forms.documents import document_blocks
from pipeline.forms.lines import BLOCK_BYTES, Readable, line_blocks
from pipeline.forms.recognise import Unrecognised, recognise
from pipeline.sources import Source

_HEAD_BYTES = 1 << 20
_SMALL_BYTES = 4 << 20
"""Sources up to this size are read once and kept [byte]."""


@dataclass
class Reading:
    """A source and the state of its reading. `hint` is the job its name or the user tells."""

    source: Source
    told: str | None = None
    status: str = "new"
    problem: str | None = None
    content_hash: str = ""
    size: int = 0
    form: str = ""
    compression: str = "none"
    source_id: str = ""
    streams: dict[str, Stream] = field(default_factory=dict)
    """Stream id -> stream."""
    first: int = 0
    """Position from which records are new: above 0 only where a known file grew."""
    grown_from: dict[str, Any] | None = None
    reread: int | None = None
    """Position of a line that was cut off when the file was shorter."""
    records: int = 0
    blank: int = 0
    ignored: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)
    jobs: set[str] = field(default_factory=set)
    damage: str | None = None
    end: int = 0
    """Bytes that could be read, decompressed."""
    _content: bytes | None = None
    _blocks: list[Block] | None = None

    @property
    def path(self) -> str:
        """The path as shown to people."""
        return self.source.path

    @property
    def stored_path(self) -> str:
        """The path as the ledger keeps it: text, whatever bytes the name has."""
        return self.source.path.encode("utf-8", "backslashreplace").decode()

    @property
    def hint(self) -> str:
        """What beside the content decides how it is read."""
        return self.told or self.source.job_hint or ""

    def count(self, kind: str, name: str, number: int) -> None:
        """Add what a worker counted."""
        if kind == "records":
            self.records += number
        elif kind == "blank":
            self.blank += number
        elif kind == "jobs":
            self.jobs.add(name)
        else:
            (self.ignored if kind == "ignored" else self.rejects)[name] += number

    def fingerprint(self, spool: Path) -> None:
        """Hash the content; stdin is copied below `spool` first."""
        digest = xxhash.xxh3_128()
        if self.source.file is None:
            import sys

            copy = spool / "stdin"
            with copy.open("wb") as file:
                while piece := sys.stdin.buffer.read(1 << 20):
                    digest.update(piece)
                    self.size += file.write(piece)
            self.source.file = copy
        else:
            with self.source.file.open("rb", buffering=0) as file:
                while piece := file.read(_SMALL_BYTES):
                    digest.update(piece)
                    self.size += len(piece)
                    if len(piece) == self.size:
                        self._content = piece
            if self._content is not None and len(self._content) != self.size:
                self._content = None
        self.content_hash = digest.hexdigest()
        self.source_id = self._new_id()

    def start_afresh(self) -> None:
        """Read a file that seemed to have grown as a new one."""
        self.status, self.first, self.grown_from, self.reread = "new", 0, None, None
        self.source_id = self._new_id()

    def _new_id(self) -> str:
        key = f"{self.content_hash}|{self.hint}|{READER_VERSION}"
        return xxhash.xxh3_64_hexdigest(key.encode("utf-8", "surrogateescape"))

    def scout(self, max_record_bytes: int, *, force: bool) -> None:
        """Recognise the form and find the streams.

        Raises:
            UsageError: `--job-id` contradicts what the source says of itself.
        """
        try:
            self.form = self._recognise()
        except Unrecognised as error:
            self.status, self.problem = "refused", f"{self.path}: {error}"
            return
        scout = Scout(lines=self.form == "lines", hint=self.source.job_hint, told=self.told)
        blocks: list[Block] = []
        for block in self._read(max_record_bytes, passing=self._content is None):
            scout.see(block)
            if self._content is not None:
                blocks.append(block)
        if self._content is not None:
            self._blocks = blocks
        found = enumerate(scout.streams())
        self.streams = {f"{self.source_id}/{n}": stream for n, stream in found}
        contrary = next(
            (s.conflict for s in self.streams.values() if s.told_by == "flag" and s.conflict), None
        )
        if contrary and not force:
            raise UsageError(
                f"{self.path}: names job {contrary} itself, but --job-id says {self.told}: "
                "leave --job-id out, or add --force"
            )

    def blocks(self, max_record_bytes: int) -> Iterator[Block]:
        """The source's records, again."""
        if self._blocks is not None:
            yield from self._blocks
            self._blocks = self._content = None
        else:
            yield from self._read(max_record_bytes)

    def _open(self) -> BinaryIO:
        if self._content is not None:
            return io.BytesIO(self._content)
        assert self.source.file is not None
        return self.source.file.open("rb", buffering=0)

    def _recognise(self) -> str:
        with self._open() as file:
            stream, self.compression = opened(file)
            guard = _Guard(stream)
            head = b""
            while len(head) < _HEAD_BYTES and (piece := guard.read(_HEAD_BYTES - len(head))):
                head += piece
            whole = len(head) < _HEAD_BYTES or not guard.read(1)
        if guard.damage and not head:
            raise Unrecognised(f"{guard.damage}: nothing in it can be read")
        return recognise(head, whole)

    def _read(self, max_record_bytes: int, *, passing: bool = False) -> Iterator[Block]:
        with self._open() as file:
            stream, _ = opened(file)
            guard = _Guard(stream)
            guard.skip_mark()
            if self.form == "lines":
                wanted = BLOCK_BYTES
                if self.compression == "none":  # one byte more: the end is seen at once
                    wanted = min(wanted, self.size + 1)
                yield from line_blocks(
                    guard, max_record_bytes, offset=guard.skipped, passing=passing,
                    block_bytes=wanted,
                )  # fmt: skip
            else:
                yield from document_blocks(guard, max_record_bytes, offset=guard.skipped)
        self.damage, self.end = guard.damage, guard.passed


class _Guard:
    """A stream that ends where it is damaged, and says so afterwards."""

    def __init__(self, stream: Readable) -> None:
        self._stream, self._ahead = stream, b""
        self.damage: str | None = None
        self.skipped = self.passed = 0

    def read(self, size: int, /) -> bytes:
        if self._ahead:
            ahead, self._ahead = self._ahead, b""
            return ahead
        if self.damage:
            return b""
        try:
            piece = self._stream.read(size)
            self.passed += len(piece)
            return piece
        except Damaged as error:
            self.damage = str(error)
            return b""

    def readinto(self, view: memoryview, /) -> int:
        readinto = getattr(self._stream, "readinto", None)
        if self._ahead or self.damage or readinto is None:
            piece = self.read(len(view))
            view[: len(piece)] = piece
            return len(piece)
        got = int(readinto(view))
        self.passed += got
        return got

    def skip_mark(self) -> None:
        """Pass over a byte order mark."""
        head = b""
        while len(head) < 3 and (piece := self.read(3 - len(head))):
            head += piece
        if head == b"\xef\xbb\xbf":
            self.skipped = 3
        else:
            self._ahead = head
