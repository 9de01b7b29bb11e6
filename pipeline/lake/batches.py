"""What passes between the thread that reads and those that normalise."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.attribution import Stream
from pipeline.forms.block import Block, Ints
from pipeline.lake.reading import Reading

PENDING, CONFLICT = -1, -2
"""Codes of streams whose job is not known yet, and of those whose evidence names two."""


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
    """The streams of an intake by number, with their jobs as codes."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.codes: list[int] = []
        self.signs: list[int] = []
        self.jobs: list[str] = []
        self._code: dict[str, int] = {}
        self.conflicts: dict[int, str] = {}
        self._inside: Counter[tuple[str, int]] = Counter()
        self._lock = threading.RLock()

    def add(self, reading: Reading, found: Sequence[Stream], line: int | None = None) -> Ints:
        """Number the streams of a reading, or of one line of it; their numbers.

        Their ids stay what they are when the file grows.
        """
        with self._lock:
            start = len(self.ids)
            for ordinal, stream in enumerate(found):
                name = f"{ordinal}"
                if line is not None:
                    name = f"{line}.{self._inside[reading.source_id, line]}"
                    self._inside[reading.source_id, line] += 1
                if stream.conflict and stream.told_by != "flag":
                    told = f"{stream.job} ({stream.told_by}) and {stream.conflict}"
                    self.conflicts[len(self.ids)] = f"its evidence names {told}"
                    self.codes.append(CONFLICT)
                else:
                    self.codes.append(PENDING if stream.job is None else self.code(stream.job))
                self.signs.append(-1 if stream.newest_first else 1)
                self.ids.append(f"{reading.source_id}/{name}")
                reading.streams[self.ids[-1]] = stream
            return np.arange(start, len(self.ids))

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
        streams: by number, as `Batch.stream` counts them.
        batches: the work; None ends a worker.
        lock: for what several workers change.
        equal: how often a stream held an event without id so far.
    """

    folder: Path
    batches: queue.Queue[Batch | None]
    readings: list[Reading] = field(default_factory=list)
    streams: Streams = field(default_factory=Streams)
    lock: threading.Lock = field(default_factory=threading.Lock)
    equal: Counter[tuple[int, str]] = field(default_factory=Counter)


def tail(batch: Batch, skip: int) -> Batch:
    """A batch without its first records."""
    block = batch.block
    skip = min(skip, len(block))
    rest = Block(
        block.data, block.bounds[skip:], block.position + skip, block.offsets[skip:],
        oversize={i - skip: o for i, o in block.oversize.items() if i >= skip},
        unterminated=block.unterminated,
    )  # fmt: skip
    if len(rest):
        low = int(rest.bounds[0])
        rest.data, rest.bounds = rest.data[low:], rest.bounds - low
    return Batch(
        rest, batch.source[skip:], batch.position[skip:], batch.stream[skip:], batch.place[skip:]
    )


def joined(parts: list[Batch]) -> Batch:
    """Many small batches as one. Records that may be cut off keep that by ending their batch."""
    sizes = np.cumsum([0, *(len(p.block.data) for p in parts)])
    bounds = [p.block.bounds[:-1] + low for p, low in zip(parts, sizes[:-1], strict=True)]
    block = Block(
        np.concatenate([p.block.data for p in parts]),
        np.concatenate([*bounds, sizes[-1:]]),
        0,
        np.concatenate([p.block.offsets for p in parts]),
    )
    counts = np.cumsum([0, *(len(p.block) for p in parts)])
    for part, low in zip(parts, counts[:-1], strict=True):
        for index, over in part.block.oversize.items():
            block.oversize[int(low) + index] = over
        if part.block.unterminated:
            block.open_ends.add(int(low) + len(part.block) - 1)
    return Batch(
        block,
        np.concatenate([p.source for p in parts]),
        np.concatenate([p.position for p in parts]),
        np.concatenate([p.stream for p in parts]),
        np.concatenate([p.place for p in parts]),
    )
