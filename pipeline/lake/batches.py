"""What passes between the thread that reads and those that normalise."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.attribution import Stream
from pipeline.forms.bits import Ints
from pipeline.forms.block import Block, Lines, Oversize, line_bounds
from pipeline.lake.reading import Reading
from pipeline.marks import column
from pipeline.normalise import records

PENDING, CONFLICT = -1, -2
"""Codes of streams whose job is not known yet, and of those whose evidence names two."""


@dataclass(frozen=True)
class Part:
    """A block of one source.

    Attributes:
        block: its records.
        source: number of the source.
        firsts: positions where its streams begin, those before the block included.
        numbers: of these streams.
        since: position from which records are wanted.
        line: position of all its records, where they lie inside one.
    """

    block: Block
    source: int
    firsts: Sequence[int]
    numbers: Sequence[int]
    since: int = 0
    line: int | None = None

    def streams(self) -> Ints:
        """The number of the stream of each record."""
        place = np.arange(len(self.block)) + self.block.position
        low = max(bisect_right(self.firsts, self.block.position) - 1, 0)
        here = slice(low, bisect_left(self.firsts, self.block.position + len(self.block)))
        return np.array(self.numbers[here])[np.searchsorted(self.firsts[here], place, "right") - 1]


@dataclass
class Batch:
    """Records of one or many sources in one block, with where each came from.

    Attributes:
        source: number of the source.
        position: ordinal in the source; of records inside a record, that one's.
        stream: number of the stream.
        place: ordinal among the records that only their order tells apart in time.
    """

    block: Block
    source: Ints
    position: Ints
    stream: Ints
    place: Ints


class Streams:
    """The streams of an intake by number.

    Attributes:
        ids: theirs.
        codes: of their jobs: the place in `jobs`, `PENDING` or `CONFLICT`.
        signs: -1 for those whose records run against time, else 1.
        jobs: ids of jobs, each once.
        conflicts: stream -> which two jobs its evidence names.
        exported: those below a line of an export.
    """

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.codes: list[int] = []
        self.signs: list[int] = []
        self.jobs: list[str] = []
        self._code: dict[str, int] = {}
        self.conflicts: dict[int, str] = {}
        self.exported: set[int] = set()
        self._lock = threading.RLock()

    def add(self, reading: Reading, end: str, stream: Stream) -> int:
        """Number a stream of a reading, by the end of its id, which stays as the file grows."""
        with self._lock:
            number = len(self.ids)
            if stream.conflict and stream.told_by != "flag":
                told = f"{stream.job} ({stream.told_by}) and {stream.conflict}"
                self.conflicts[number] = f"its evidence names {told}"
                self.codes.append(CONFLICT)
            else:
                self.codes.append(PENDING if stream.job is None else self.code(stream.job))
            if stream.told_by == "export":  # settled once, whatever its events say
                self.exported.add(number)
            self.signs.append(-1 if stream.newest_first else 1)
            self.ids.append(f"{reading.source_id}/{end}")
            reading.streams.setdefault(self.ids[-1], stream)
            return number

    def code_of(self, stream: Ints) -> Ints:
        """The codes of the jobs of streams."""
        return _looked_up(self.codes, stream)

    def code(self, job: str) -> int:
        """The code of a job."""
        with self._lock:
            if job not in self._code:
                self._code[job] = len(self.jobs)
                self.jobs.append(job)
            return self._code[job]


@dataclass
class Shared:
    """What the threads of one intake share.

    Attributes:
        folder: for staged files.
        readings: by number, as `Batch.source` counts them.
        source_ids: theirs.
        streams: by number, as `Batch.stream` counts them.
        oversize: (source, position) -> a record over the size limit.
        keys: known keys of payloads that the engine was asked for.
    """

    folder: Path
    readings: list[Reading] = field(default_factory=list)
    source_ids: list[str] = field(default_factory=list)
    streams: Streams = field(default_factory=Streams)
    oversize: dict[tuple[int, int], Oversize] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)

    def note_oversize(self, batch: Batch) -> None:
        """Remember what a batch keeps only a prefix of."""
        for index, over in batch.block.oversize.items():
            self.oversize[int(batch.source[index]), int(batch.position[index])] = over


def rows(batch: Batch, shared: Shared) -> pa.RecordBatch:
    """A batch as the engine reads it; all its records have a job, or none has."""
    streams, block = shared.streams, batch.block
    code = streams.code_of(batch.stream)
    last = np.zeros(len(block), dtype=bool)
    last[list(block.open_ends)] = True
    last[-1] |= block.unterminated
    stream_id = _coded(batch.stream, streams.ids)
    known = code >= 0
    provenance = {
        "job_id": _coded(np.where(known, code, 0), streams.jobs) if known.any() else stream_id,
        "stream_id": stream_id,
        "source_id": _coded(batch.source, shared.source_ids),
        "position": column(batch.position),
        "offset": column(block.offsets),
        "ordinal": column(batch.place * _looked_up(streams.signs, batch.stream)),
        "source": column(batch.source.astype(np.int32)),
        "stream": column(batch.stream.astype(np.int32)),
        "last": column(last),
    }
    return records(block, provenance, doubt=code == CONFLICT)


def _looked_up(table: Sequence[int], number: Ints) -> Ints:
    """The entries of a long table for numbers that lie close together."""
    low = int(number.min())
    near: Ints = np.array(table[low : int(number.max()) + 1], dtype=np.int64)
    return near[number - low]


def _coded(codes: Ints, words: list[str]) -> pa.DictionaryArray:
    """Codes, which come in runs, as a dictionary column that holds only the words in use."""
    turns = np.flatnonzero(np.diff(codes, prepend=codes[:1] - 1))
    used: dict[int, int] = {}
    indices = [used.setdefault(code, len(used)) for code in codes[turns].tolist()]
    return pa.DictionaryArray.from_arrays(
        column(np.repeat(np.array(indices, dtype=np.int32), np.diff(turns, append=len(codes)))),
        pa.array([words[code] for code in used]),
    )


def chosen(batch: Batch, mask: npt.NDArray[np.bool_]) -> Batch:
    """Some records of a batch."""
    block, index = batch.block, np.flatnonzero(mask)
    size = np.diff(block.bounds)
    number = dict(zip(index.tolist(), range(len(index)), strict=True))
    part = Block(
        block.data[np.repeat(mask, size)],
        np.concatenate([[0], np.cumsum(size[mask])]),
        block.position,
        block.offsets[mask],
        oversize={number[i]: over for i, over in block.oversize.items() if i in number},
        open_ends={number[i] for i in block.open_ends if i in number},
        unterminated=block.unterminated and bool(mask[-1]),
    )
    return Batch(
        part, batch.source[mask], batch.position[mask], batch.stream[mask], batch.place[mask]
    )


def joined(parts: Sequence[Part]) -> Batch:
    """Parts as one batch."""
    counts = [len(part.block) for part in parts]
    starts = np.cumsum([0, *counts[:-1]])
    first = np.array([part.block.position for part in parts]) - starts
    place = np.arange(sum(counts)) + np.repeat(first, counts)
    position = place
    if any(part.line is not None for part in parts):
        lines = [-1 if part.line is None else part.line for part in parts]
        line = np.repeat(lines, counts)
        position = np.where(line < 0, place, line)
    if all(len(part.numbers) == 1 for part in parts):
        stream = np.repeat([part.numbers[0] for part in parts], counts)
    else:
        stream = np.concatenate([part.streams() for part in parts])
    source = np.repeat([part.source for part in parts], counts)
    block = parts[0].block if len(parts) == 1 else _one(parts, counts)
    batch = Batch(block, source, position, stream, place)
    if any(part.since > part.block.position for part in parts):
        batch = chosen(batch, place >= np.repeat([part.since for part in parts], counts))
    return batch


def _one(parts: Sequence[Part], counts: Sequence[int]) -> Block:
    """The blocks of parts as one. Records that may be cut off keep that."""
    blocks = [part.block for part in parts]
    sizes = np.cumsum([0, *(len(block.data) for block in blocks)])
    data = np.concatenate([block.data for block in blocks])
    ends = np.cumsum(counts)
    lines = [block for block in blocks if isinstance(block, Lines)]
    if len(lines) == len(blocks):
        last = [int(h) for b, h in zip(lines, sizes[1:], strict=True) if b.unterminated]
        open_ends = [end for end in last if end < len(data)]  # the other is found by itself
        bounds = np.sort(np.append(line_bounds(data), np.array(open_ends, dtype=np.int64)))
        skipped = np.array([block.offset for block in lines]) - sizes[:-1]
        offsets = bounds[:-1] + np.repeat(skipped, counts)
    else:
        moved = [b.bounds[:-1] + low for b, low in zip(blocks, sizes[:-1], strict=True)]
        bounds = np.concatenate([*moved, sizes[-1:]])
        offsets = np.concatenate([block.offsets for block in blocks])
    whole = Block(data, bounds, 0, offsets)
    for block, end in zip(blocks, map(int, ends), strict=True):
        for index, over in block.oversize.items():
            whole.oversize[end - len(block) + index] = over
        whole.open_ends.update(end - len(block) + index for index in block.open_ends)
        if block.unterminated:
            whole.open_ends.add(end - 1)
    return whole
