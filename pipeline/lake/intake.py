"""Blocks to staged files: several threads normalise, one hands out the work."""

from __future__ import annotations

import os
import queue
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.lake.batches import Batch, Shared, joined, tail
from pipeline.lake.ledger import now
from pipeline.lake.reading import Reading
from pipeline.lake.segments import Staged, stage_table
from pipeline.lake.worker import Worker

_BATCH_BYTES = 4 << 20


@dataclass
class Taken:
    """What an intake staged.

    Attributes:
        events: files of events whose job is known.
        pending: files of events whose job is not: job_id holds the stream's id.
        rejects: files of rejects.
        hashes: uint64[n], of (job, event id), for the events whose job is known.
        ties: pending stream -> job that its earlier part has in the lake.
    """

    events: list[Staged] = field(default_factory=list)
    pending: list[Staged] = field(default_factory=list)
    rejects: list[Staged] = field(default_factory=list)
    hashes: npt.NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    ties: dict[str, str] = field(default_factory=dict)


ANY_REPEAT = np.zeros(2, np.uint64)
"""Hashes that make a commit look for repeats."""


class Intake:
    """Takes readings in, one after another; `finish` returns what was staged."""

    def __init__(self, folder: Path, max_record_bytes: int, *, workers: int | None = None) -> None:
        """Prepare to stage below a folder."""
        self._max = max_record_bytes
        self._parts: list[Batch] = []
        self._waiting = 0
        self._wanted = workers or min(os.cpu_count() or 1, 4)
        self._workers: list[Worker] = []
        self._damaged: list[dict[str, object]] = []
        self._shared = Shared(folder, queue.Queue(maxsize=self._wanted + 1))

    def take(self, reading: Reading, advance: Callable[[int], None]) -> None:
        """Read a scouted source; `advance` is told the bytes of each block."""
        source = len(self._shared.readings)
        self._shared.readings.append(reading)
        found, reading.streams = list(reading.streams.values()), {}
        numbers = self._shared.streams.add(reading, found)
        firsts = np.array([s.first for s in found], dtype=np.int64)
        for block in reading.blocks(self._max):
            count = len(block)
            reading.records += count
            position = np.arange(block.position, block.position + count)
            stream = numbers[np.searchsorted(firsts, position, side="right") - 1]
            batch = Batch(block, np.full(count, source), position, stream, position)
            if reading.first > block.position:
                batch = tail(batch, reading.first - block.position)
            self._add(batch)
            advance(len(block.data))
        reading.records = max(reading.records - reading.first, 0)
        if reading.damage:
            self._damaged.append(_damage(reading))

    def _add(self, batch: Batch) -> None:
        if not len(batch.block):
            return
        self._parts.append(batch)
        self._waiting += len(batch.block.data)
        if self._waiting >= _BATCH_BYTES:
            self._dispatch()

    def _dispatch(self) -> None:
        if not self._parts:
            return
        batch = self._parts[0] if len(self._parts) == 1 else joined(self._parts)
        self._parts, self._waiting = [], 0
        # The first batch waits in the queue: a small intake starts one worker only.
        behind = not self._workers or not self._shared.batches.empty()
        if behind and len(self._workers) < self._wanted:
            self._workers.append(Worker(self._shared, len(self._workers)))
        self._put(batch)

    def _put(self, batch: Batch | None) -> None:
        while True:
            for worker in self._workers:
                if worker.error:
                    raise worker.error
            try:
                return self._shared.batches.put(batch, timeout=0.2)
            except queue.Full:
                continue

    def finish(self) -> Taken:
        """Wait for the workers; what they staged."""
        self._dispatch()
        for _ in self._workers:
            self._put(None)
        for worker in self._workers:
            worker.join()
            if worker.error:
                raise worker.error
        taken = Taken()
        for worker in self._workers:
            for (source, kind, name), count in worker.tally.items():
                self._shared.readings[source].count(kind, name, count)
            for target, writer in (
                (taken.events, worker.named), (taken.pending, worker.pending),
                (taken.rejects, worker.rejected),
            ):  # fmt: skip
                staged = writer.finish()
                if staged:
                    target.append(staged)
        staged = stage_table(self._shared.folder, "rejects", self._damaged)
        if staged:
            taken.rejects.append(staged)
        hashes = [h for worker in self._workers for h in worker.hashes]
        if hashes:
            taken.hashes = np.concatenate(hashes)
        return taken

    def abandon(self) -> None:
        """Stop the workers; their files are garbage."""
        for worker in self._workers:
            worker.stop = True
        while any(worker.is_alive() for worker in self._workers):
            try:
                self._shared.batches.put(None, timeout=0.05)
            except queue.Full:
                continue


def _damage(reading: Reading) -> dict[str, object]:
    """A reject that says where a compressed source broke off: nothing could be read from there."""
    end = reading.end
    position = reading.records + reading.first
    reading.records += 1
    reading.rejects["corrupt_compression"] += 1
    last = next(reversed(reading.streams), f"{reading.source_id}/0")
    return {
        "source_id": reading.source_id,
        "position": position,
        "byte_offset": end,
        "byte_length": 0,
        "reason": "corrupt_compression",
        "detail": f"{reading.damage}; what stands before was read",
        "raw": b"",
        "raw_hash": None,
        "first_seen_at": now(),
        "job_id": None,
        "stream_id": last,
        "ordinal": position,
    }
