"""One source on its way into the lake: what it is, whose it is, what became of its records."""

from __future__ import annotations

import io
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xxhash

from pipeline.attribution import Scout, Stream
from pipeline.contract import DEFAULT_MAX_EXPANSION, READER_VERSION
from pipeline.errors import UsageError
from pipeline.forms.block import Block
from pipeline.forms.compression import at_once, is_compressed, opened
from pipeline.forms.documents import document_blocks
from pipeline.forms.lines import MARK, line_blocks, lines_of
from pipeline.forms.recognise import recognise
from pipeline.forms.refusals import Empty, Unrecognised
from pipeline.forms.results import Broken64, result_blocks
from pipeline.lake.guard import Guard
from pipeline.lake.version import Refused, Version, hashed, open_regular
from pipeline.sources import Source, shown

_HEAD_BYTES = 1 << 20
_KEPT_BYTES = 32 << 20
"""Of compressed ones, if their content is no longer than this [byte]."""

_CUT: dict[str, Callable[..., Iterator[Block]]] = {
    "lines": line_blocks,
    "documents": document_blocks,
    "results": result_blocks,
}


class Misjudged(Exception):
    """A later block tells another job than was told of an earlier one."""


@dataclass(slots=True)
class Reading:
    """A source and the state of its reading. `hint` is the job its name or the user tells."""

    source: Source
    told: str | None = None
    force: bool = False
    beside: str | None = None
    """The job whose object names this result file."""
    max_expansion: int = DEFAULT_MAX_EXPANSION
    """How many times as long as a compressed file its content may be."""
    status: str = "new"
    kept_none: bool = False
    """It is known, and the lake keeps no reject of it."""
    problem: str | None = None
    content_hash: str = ""
    size: int = 0
    form: str = ""
    compression: str = "none"
    source_id: str = ""
    found: list[Stream] | None = None
    """The streams that the content tells; None before it was scouted."""
    job_objects: bool = True
    """Job objects between its lines were looked for."""
    trusted: bool = False
    """Its ids are held for OpenAI's by the first and the last: `dialects.has_azure` tells more."""
    streams: dict[str, Stream] = field(default_factory=dict)
    """Stream id -> stream, of all that were read, those inside records included."""
    first: int = 0
    """Position from which records are new: above 0 only where a known file grew."""
    grown_from: dict[str, Any] | None = None
    replaces: dict[str, Any] | None = None
    """The earlier self of a file that grew, if all is read."""
    reread: int | None = None
    """Position of a line that was cut off when the file was shorter."""
    records: int = 0
    inner: int = 0
    """Records found inside others, less these."""
    blank: int = 0
    ignored: Counter[str] = field(default_factory=Counter)
    companions: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)
    apart: set[str] = field(default_factory=set)
    """`stream id@job`: streams of events that name another job than theirs in a field."""
    about: set[str] = field(default_factory=set)
    """Jobs that are told about beside their events."""
    damage: str | None = None
    end: int = 0
    """Bytes that could be read, decompressed."""
    _content: bytes | None = None
    _is_inflated: bool = False
    """`_content` is not the file's but, decompressed, its content's."""
    _blocks: list[Block] | None = None

    @property
    def path(self) -> str:
        """The path as shown to people."""
        return self.source.path

    @property
    def stored_path(self) -> str:
        """The path as the ledger keeps it: text, whatever bytes the name has."""
        return shown(self.source.path)

    @property
    def hint(self) -> str:
        """What beside the content decides how it is read."""
        return self.told or self.source.job_hint or self.beside or ""

    @property
    def key(self) -> tuple[str, str]:
        """What makes it known: its content, and the job that it is read under."""
        return self.content_hash, self.hint

    def fingerprint(self, spool: Path) -> None:
        """Hash the content; stdin is copied below `spool` first."""
        if self.source.file is None:
            self.source.file = spool / "stdin"
            with self.source.file.open("wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
        self.content_hash, self.size, self._content = hashed(self.source.file)
        self.source_id = self._new_id()

    def start_afresh(self) -> None:
        """Read all of a file that could not be read on."""
        self.replaces, self.grown_from, self.first, self.reread = self.grown_from, None, 0, None
        self.source_id = self._new_id()

    def _new_id(self) -> str:
        key = f"{self.content_hash}|{self.hint}|{READER_VERSION}"
        return xxhash.xxh3_64_hexdigest(key.encode("utf-8", "surrogateescape"))

    def recognise(self) -> None:
        """Tell the form of the content."""
        try:
            self.form = self._recognise()
        except (Unrecognised, Refused) as error:
            if isinstance(error, Empty) and self.source.is_archived:
                self.status = "empty"  # as the server sent it: nothing is wrong with it
            else:
                self.refuse(error)

    def refuse(self, why: Exception) -> None:
        """Nothing of this source is to be taken in."""
        self.status, self.problem = "refused", f"{self.stored_path}: {why}"

    @property
    def is_new(self) -> bool:
        """It is to be taken in: whole, or what a known file has more."""
        return self.status in ("new", "grown")

    @property
    def is_homeless(self) -> bool:
        """It is a result file of which neither its name nor the user tells the job."""
        return self.form == "results" and not self.hint

    def belongs_to(self, job: str) -> None:
        """Take it for a result file of the job whose object names it."""
        self.beside = job
        self.source_id = self._new_id()

    @property
    def is_large(self) -> bool:
        """It is lines, and not kept in memory: better read once than twice."""
        return self.form == "lines" and self._content is None

    def scout(self, max_record_bytes: int, *, trusting: bool = False) -> None:
        """Find the streams; `trusting` as of `attribution.Scout`.

        Raises:
            UsageError: `--job-id` contradicts what the source says of itself.
        """
        try:
            self._look(max_record_bytes, trusting=trusting)
        except (Refused, Broken64) as why:
            self.refuse(why)

    def _look(self, max_record_bytes: int, *, trusting: bool = False) -> None:
        scout, blocks, size = self._scout(trusting=trusting), list[Block](), 0
        keeps = self._content is not None
        for block in self._read(max_record_bytes):
            scout.see(block)
            size += len(block.data)
            keeps = keeps and size <= _KEPT_BYTES
            if keeps:
                blocks.append(block)
            else:
                blocks.clear()
        if keeps:
            self._blocks, self._content = blocks, None
        self.trusted = scout.trusted
        self._found(scout)

    def attributed(self, max_record_bytes: int) -> Iterator[tuple[Block, Sequence[Stream]]]:
        """The source's blocks, each with the streams known so far: it lies within them.

        Where it was not scouted, each block waits for the next one, which may tell more of it.

        Raises:
            Misjudged: what was told of a block turned out wrong; scout, and read again.
            Refused: the source is not what it was, or expands too far; nothing of it counts.
            UsageError: as `scout`.
        """
        if self.found is None:
            scout, waiting = self._scout(sparing=True), None
            told: Sequence[Stream] = []
            for block in self._read(max_record_bytes):
                scout.see(block)
                self.job_objects = scout.job_objects
                if waiting is not None:
                    now = scout.so_far()
                    if now[-1].newest_first and not told:  # names follow what they name
                        break
                    told = _agreed(told, now)
                    yield waiting, told
                waiting = block
            else:
                found = self._found(scout)
                if waiting is not None:
                    if told and found[: len(told) - 1] != told[:-1]:
                        raise Misjudged
                    yield waiting, _agreed(told, found)
                return
            del waiting, block
            self.job_objects = True
            self._look(max_record_bytes)
        found = self.found or []
        for block in self._blocks if self._blocks is not None else self._read(max_record_bytes):
            yield block, found
        self._blocks = None

    def _scout(self, **how: Any) -> Scout:
        lines, hint = self.form != "documents", self.source.job_hint
        return Scout(lines=lines, hint=hint, told=self.told, beside=self.beside, **how)

    def _found(self, scout: Scout) -> list[Stream]:
        self.found = scout.streams()
        self.check(self.found)
        return self.found

    def check(self, found: Sequence[Stream]) -> None:
        """See that nothing which the source says of itself contradicts `--job-id`.

        Raises:
            UsageError: it does.
        """
        contrary = [s.conflict for s in found if s.told_by == "flag" and s.conflict]
        if contrary and not self.force:
            raise UsageError(
                f"{self.path}: names job {contrary[0]} itself, but --job-id says {self.told}: "
                "leave --job-id out, or add --force"
            )

    def _open(self) -> io.FileIO | io.BytesIO:
        if self._content is not None:
            return io.BytesIO(self._content)
        assert self.source.file is not None
        try:
            return open_regular(self.source.file)
        except OSError as error:
            problem = f"was changed while it was read ({error.strerror}): ingest it again"
            raise Refused(problem) from None

    def _recognise(self) -> str:
        if self._content is not None and is_compressed(self._content):
            most = min(_HEAD_BYTES, self.size * self.max_expansion)
            if short := at_once(self._content, most):
                self._content, self.compression = short
                self._is_inflated = True
        if self._content is not None and (self._is_inflated or not is_compressed(self._content)):
            return recognise(self._content[:_HEAD_BYTES], len(self._content) <= _HEAD_BYTES)
        with self._open() as file:
            stream, self.compression = opened(file)
            guard = Guard(stream)
            head = b""
            while len(head) < _HEAD_BYTES and (piece := guard.read(_HEAD_BYTES - len(head))):
                head += piece
            whole = len(head) < _HEAD_BYTES or not guard.read(1)
        if guard.damage and not head:
            raise Refused(f"{guard.damage}, nothing in it can be read: give a whole copy")
        return recognise(head, whole)

    def _read(self, max_record_bytes: int) -> Iterator[Block]:
        plain = self.compression == "none" or self._is_inflated
        if self._content is not None and self.form == "lines" and plain:
            skipped = len(MARK) if self._content.startswith(MARK) else 0
            yield lines_of(self._content[skipped:], max_record_bytes, offset=skipped)
            return
        with self._open() as file:
            version = Version(file, self.size)
            stream = file if self._is_inflated else opened(version)[0]
            most = None if plain else self.size * self.max_expansion
            guard = Guard(stream, most)
            guard.skip_mark()
            cut = _CUT[self.form]
            yield from cut(guard, max_record_bytes, offset=guard.skipped)
            if self._content is None:
                version.verify(self.content_hash)
        if guard.over:
            raise Refused(
                f"holds more than {self.max_expansion:,} times its {self.size:,} bytes: "
                "raise --max-expansion if that is meant"
            )
        self.damage, self.end = guard.damage, guard.passed


def _agreed(told: Sequence[Stream], now: Sequence[Stream]) -> Sequence[Stream]:
    """The streams as known now, if they only add to what was told."""
    if told and now[len(told) - 1]._replace(last=told[-1].last) != told[-1]:
        raise Misjudged
    if now[-1].newest_first:  # what names it may be yet to come
        raise Misjudged
    return now
