"""Blocks to staged files: several threads normalise, one hands out the work."""

from __future__ import annotations

import os
import queue
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline import exact
from pipeline.attribution import Scout
from pipeline.contract import (
    COUNTERS,
    EVENTS,
    METRICS,
    REJECT_PREFIX_BYTES,
    REJECTS,
)
from pipeline.forms.block import Block, Ints
from pipeline.forms.documents import expanded
from pipeline.lake.ledger import now
from pipeline.lake.reading import Reading
from pipeline.lake.segments import SegmentWriter, Staged
from pipeline.normalise import Normalised, Normaliser

_BATCH_BYTES = 4 << 20
_REJECT_BYTES = 8 << 20
_PENDING, _CONFLICT = -1, -2
_MIX = np.uint64(0x9E3779B97F4A7C15)
_CODED = ("job_id", "level", "type", "extra", "object", "dialect", "stream_id", "source_id")
_STAGED = pa.schema(
    [
        f.with_type(pa.dictionary(pa.int32(), pa.string())) if f.name in _CODED else f
        for f in EVENTS
    ]
)


@dataclass
class _Batch:
    """Records of one or many sources in one block, with where each came from."""

    block: Block
    source: Ints
    position: Ints
    stream: Ints


@dataclass
class Taken:
    """What an intake staged.

    Attributes:
        events: files of events whose job is known.
        pending: files of events whose job is not: job_id holds the stream's id.
        rejects: files of rejects.
        hashes: uint64[n], of (job, event id), for the events whose job is known.
    """

    events: list[Staged] = field(default_factory=list)
    pending: list[Staged] = field(default_factory=list)
    rejects: list[Staged] = field(default_factory=list)
    hashes: npt.NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))


ANY_REPEAT = np.zeros(2, np.uint64)
"""Hashes that make a commit look for repeats."""


class _Streams:
    """The streams of an intake by number, with their jobs as codes."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.codes: list[int] = []
        self.signs: list[int] = []
        self.jobs: list[str] = []
        self._code: dict[str, int] = {}
        self._lock = threading.Lock()

    def add(self, reading: Reading, first_ordinal: int = 0) -> Ints:
        """Number the streams of a reading; their numbers."""
        start = len(self.ids)
        for ordinal, stream in enumerate(reading.streams[first_ordinal:], first_ordinal):
            self.ids.append(f"{reading.source_id}/{ordinal}")
            self.signs.append(-1 if stream.newest_first else 1)
            if stream.conflict and stream.told_by != "flag":
                self.codes.append(_CONFLICT)
            else:
                self.codes.append(_PENDING if stream.job is None else self.code(stream.job))
        return np.arange(start, len(self.ids))

    def code(self, job: str) -> int:
        """The code of a job."""
        with self._lock:
            if job not in self._code:
                self._code[job] = len(self.jobs)
                self.jobs.append(job)
            return self._code[job]


class Intake:
    """Takes readings in, one after another; `finish` returns what was staged."""

    def __init__(self, folder: Path, max_record_bytes: int, *, workers: int | None = None) -> None:
        """Prepare to stage below a folder."""
        self._folder, self._max = folder, max_record_bytes
        self._readings: list[Reading] = []
        self._streams = _Streams()
        self._parts: list[_Batch] = []
        self._waiting = 0
        self._wanted = workers or min(os.cpu_count() or 1, 4)
        self._workers: list[_Worker] = []
        self._queue: queue.Queue[_Batch | None] = queue.Queue(maxsize=self._wanted + 1)
        self.lock = threading.Lock()
        self.equal: Counter[tuple[int, str]] = Counter()

    def take(self, reading: Reading, progress: Any = None) -> None:
        """Read a scouted source."""
        source = len(self._readings)
        self._readings.append(reading)
        numbers = self._streams.add(reading)
        firsts = np.array([s.first for s in reading.streams], dtype=np.int64)
        for block in reading.blocks(self._max):
            count = len(block)
            reading.records += count
            position = np.arange(block.position, block.position + count)
            stream = numbers[np.searchsorted(firsts, position, side="right") - 1]
            batch = _Batch(block, np.full(count, source), position, stream)
            if reading.first > block.position:
                batch = _tail(batch, reading.first - block.position)
            self._add(batch)
            if progress:
                progress(len(block.data))
        reading.records = max(reading.records - reading.first, 0)

    def _add(self, batch: _Batch) -> None:
        if not len(batch.block):
            return
        self._parts.append(batch)
        self._waiting += len(batch.block.data)
        if self._waiting >= _BATCH_BYTES:
            self._dispatch()

    def _dispatch(self) -> None:
        if not self._parts:
            return
        batch = self._parts[0] if len(self._parts) == 1 else _joined(self._parts)
        self._parts, self._waiting = [], 0
        # The first batch waits in the queue: a small intake starts one worker only.
        if len(self._workers) < self._wanted and (not self._workers or not self._queue.empty()):
            self._workers.append(_Worker(self, len(self._workers)))
        self._put(batch)

    def _put(self, batch: _Batch | None) -> None:
        while True:
            for worker in self._workers:
                if worker.error:
                    raise worker.error
            try:
                return self._queue.put(batch, timeout=0.2)
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
                self._readings[source].count(kind, name, count)
            for target, writer in (
                (taken.events, worker.named), (taken.pending, worker.pending),
                (taken.rejects, worker.rejected),
            ):  # fmt: skip
                staged = writer.finish()
                if staged:
                    target.append(staged)
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
                self._queue.put(None, timeout=0.05)
            except queue.Full:
                continue

    # What follows runs in the workers.

    def job_of(self, stream: int) -> int:
        """Code of the job of a stream."""
        return self._streams.codes[stream]

    @property
    def streams(self) -> _Streams:
        """All streams so far."""
        return self._streams

    @property
    def readings(self) -> list[Reading]:
        """All readings so far."""
        return self._readings

    @property
    def batches(self) -> queue.Queue[_Batch | None]:
        """Where workers find their work."""
        return self._queue


class _Worker(threading.Thread):
    """Normalises batches and writes staged files of its own."""

    def __init__(self, intake: Intake, number: int) -> None:
        super().__init__(name=f"normalise-{number}", daemon=True)
        self._intake = intake
        folder = intake._folder
        self.named, self.pending = (SegmentWriter(folder, "events") for _ in range(2))
        self.rejected = SegmentWriter(folder, "rejects")
        self.hashes: list[npt.NDArray[np.uint64]] = []
        self.error: BaseException | None = None
        self.stop = False
        self._reject_rows: list[dict[str, Any]] = []
        self._reject_bytes = 0
        self.tally: Counter[tuple[int, str, str]] = Counter()
        self._moment = now()
        self.start()

    def run(self) -> None:
        try:
            normalise = Normaliser()
            try:
                while not self.stop and (batch := self._intake.batches.get()) is not None:
                    self._process(batch, normalise)
            finally:
                normalise.close()
            self._flush_rejects()
        except BaseException as error:
            self.error = error

    def _process(self, batch: _Batch, normalise: Normaliser) -> None:
        said = normalise(batch.block)
        streams = self._intake.streams
        stream = batch.stream[said.index]
        code = np.array(streams.codes, dtype=np.int64)[stream]
        named = code >= 0
        if named.all():
            self._write_regular(batch, said, said.index, code, None)
        else:
            for mask, pending in ((named, False), (code == _PENDING, True)):
                if mask.any():
                    self._write_regular(batch, said, said.index[mask], code[mask], mask, pending)
            for index in said.index[code == _CONFLICT]:
                self._reject(batch, int(index), self._conflict(batch, int(index)))
        rows: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
        for odd in said.odd:
            self._judge(batch, odd.index, odd.verdict, rows, normalise)
        for pending, some in rows.items():
            self._write_rows(some, pending, normalise)

    def _write_regular(
        self,
        batch: _Batch,
        said: Normalised,
        index: Ints,
        code: Ints,
        mask: npt.NDArray[np.bool_] | None,
        pending: bool = False,
    ) -> None:
        streams, count = self._intake.streams, len(index)
        if not count:
            return
        keep = None if mask is None else pa.array(mask)
        columns = {n: c if keep is None else c.filter(keep) for n, c in said.columns.items()}
        stream = batch.stream[index]
        columns["stream_id"] = _coded(stream, streams.ids)
        columns["job_id"] = columns["stream_id"] if pending else _coded(code, streams.jobs)
        columns["source_id"] = _coded(
            batch.source[index], [r.source_id for r in self._intake.readings]
        )
        columns["created_at"] = pa.array(
            columns["created_at"].to_numpy() * 1_000_000
        ).cast(EVENTS.field("created_at").type)
        position = batch.position[index]
        columns["position"] = pa.array(position)
        columns["offset"] = pa.array(batch.block.offsets[index])
        columns["ordinal"] = pa.array(position * np.array(streams.signs)[stream])
        for name in ("other_metrics", "extra", "misfits"):
            columns[name] = pa.nulls(count, _STAGED.field(name).type)
        for name in ("level", "type", "object", "dialect"):
            columns[name] = columns[name].cast(_STAGED.field(name).type)
        table = pa.table([columns[f.name] for f in _STAGED], schema=_STAGED)
        (self.pending if pending else self.named).write(table)
        if not pending:
            id_hash = said.id_hash if mask is None else said.id_hash[mask]
            self.hashes.append(id_hash ^ (code.astype(np.uint64) * _MIX))

    def _write_rows(self, rows: list[dict[str, Any]], pending: bool, norm: Normaliser) -> None:
        if not rows:
            return
        codes = np.array([row.pop("code") for row in rows])
        table = pa.Table.from_pylist(rows, schema=EVENTS)
        columns = [
            table[n].dictionary_encode().combine_chunks() if n in _CODED else table[n]
            for n in table.column_names
        ]
        (self.pending if pending else self.named).write(
            pa.table([_whole(c).cast(f.type) for c, f in zip(columns, _STAGED, strict=True)],
                     schema=_STAGED)
        )  # fmt: skip
        if not pending:
            id_hash = norm.hashes([row["event_id"] for row in rows])
            self.hashes.append(id_hash ^ (codes.astype(np.uint64) * _MIX))

    def _judge(
        self,
        batch: _Batch,
        index: int,
        verdict: exact.Verdict,
        rows: dict[bool, list[dict[str, Any]]],
        normalise: Normaliser,
    ) -> None:
        source = int(batch.source[index])
        reading = self._intake.readings[source]
        if isinstance(verdict, exact.Blank):
            self.tally[source, "blank", ""] += 1
        elif isinstance(verdict, exact.Ignored):
            self.tally[source, "ignored", verdict.kind] += 1
        elif isinstance(verdict, exact.Reject):
            self._reject(batch, index, verdict)
        elif isinstance(verdict, exact.Container):
            self._expand(batch, index, reading, normalise)
        else:
            self._event(batch, index, reading, verdict, rows)

    def _event(
        self,
        batch: _Batch,
        index: int,
        reading: Reading,
        event: exact.Event,
        rows: dict[bool, list[dict[str, Any]]],
    ) -> None:
        streams = self._intake.streams
        stream = int(batch.stream[index])
        code = self._intake.job_of(stream)
        if event.job is not None:
            if reading.told and event.job != reading.told and code != _CONFLICT:
                detail = f"the record names {event.job}, --job-id {reading.told}"
                return self._reject(batch, index, exact.Reject("job_conflict", detail))
            code = streams.code(event.job)
            self.tally[int(batch.source[index]), "jobs", event.job] += 1
        if code == _CONFLICT:
            return self._reject(batch, index, self._conflict(batch, index))
        event_id = event.event_id
        if event.dialect == "legacy" and event_id.startswith("hash-"):
            with self._intake.lock:  # equal events of one stream are told apart by their number
                self._intake.equal[stream, event_id] += 1
                number = self._intake.equal[stream, event_id]
            event_id = event_id if number == 1 else f"{event_id}-{number}"
        position = int(batch.position[index])
        pending = code == _PENDING
        job = streams.ids[stream] if pending else streams.jobs[code]
        event.event_id = event_id
        row = event_row(
            event, job, streams.ids[stream], reading.source_id, position,
            int(batch.block.offsets[index]), position * streams.signs[stream],
        )  # fmt: skip
        rows[pending].append({"code": code, **row})
        return None

    def _conflict(self, batch: _Batch, index: int) -> exact.Reject:
        reading = self._intake.readings[batch.source[index]]
        position = int(batch.position[index])
        stream = next(s for s in reading.streams if s.first <= position <= s.last)
        detail = f"its evidence names {stream.job} ({stream.told_by}) and {stream.conflict}"
        return exact.Reject("job_conflict", detail)

    def _expand(
        self, batch: _Batch, index: int, reading: Reading, normalise: Normaliser
    ) -> None:
        """Read the events inside one record: a page on a line, say."""
        inner = expanded(batch.block, index)
        scout = Scout(lines=False, hint=reading.source.job_hint, told=reading.told)
        scout.see(inner)
        found = scout.streams()
        with self._intake.lock:
            first = len(reading.streams)
            reading.streams.extend(found)
            numbers = self._intake.streams.add(reading, first)
        self.tally[int(batch.source[index]), "records", ""] += len(inner) - 1
        place = np.arange(len(inner))
        firsts = np.array([s.first for s in found])
        number = numbers[np.searchsorted(firsts, place, side="right") - 1]
        source = np.full(len(inner), batch.source[index])
        self._process(_Batch(inner, source, place, number), normalise)

    def _reject(self, batch: _Batch, index: int, reject: exact.Reject) -> None:
        reading = self._intake.readings[batch.source[index]]
        self.tally[int(batch.source[index]), "rejects", reject.reason] += 1
        over = batch.block.oversize.get(index)
        raw = batch.block.raw(index)
        raw = raw[:-1] if raw.endswith(b"\n") else raw
        if over:
            raw = raw[:REJECT_PREFIX_BYTES]
        stream = int(batch.stream[index])
        code = self._intake.job_of(stream)
        position = int(batch.position[index])
        self._reject_rows.append(
            {
                "source_id": reading.source_id,
                "position": position,
                "byte_offset": int(batch.block.offsets[index]),
                "byte_length": over.length if over else len(raw),
                "reason": reject.reason,
                "detail": reject.detail.encode("utf-8", "backslashreplace").decode(),
                "raw": raw,
                "raw_hash": over.hash if over else None,
                "first_seen_at": self._moment,
                "job_id": self._intake.streams.jobs[code] if code >= 0 else None,
                "stream_id": self._intake.streams.ids[stream],
                "ordinal": position * self._intake.streams.signs[stream],
            }
        )
        self._reject_bytes += len(raw)
        if self._reject_bytes > _REJECT_BYTES or len(self._reject_rows) > 10_000:
            self._flush_rejects()

    def _flush_rejects(self) -> None:
        if self._reject_rows:
            self.rejected.write(pa.Table.from_pylist(self._reject_rows, schema=REJECTS))
            self._reject_rows, self._reject_bytes = [], 0


def _coded(codes: Ints, words: list[str]) -> pa.DictionaryArray:
    """Codes as a dictionary column that holds only the words in use."""
    low = int(codes.min())
    if low == int(codes.max()):
        indices = np.zeros(len(codes), dtype=np.int32)
        return pa.DictionaryArray.from_arrays(pa.array(indices), pa.array([words[low]]))
    used, indices = np.unique(codes, return_inverse=True)
    return pa.DictionaryArray.from_arrays(
        pa.array(indices.astype(np.int32)), pa.array([words[int(i)] for i in used])
    )


def _whole(column: Any) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _tail(batch: _Batch, skip: int) -> _Batch:
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
    return _Batch(rest, batch.source[skip:], batch.position[skip:], batch.stream[skip:])


def _joined(parts: list[_Batch]) -> _Batch:
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
    return _Batch(
        block,
        np.concatenate([p.source for p in parts]),
        np.concatenate([p.position for p in parts]),
        np.concatenate([p.stream for p in parts]),
    )


def event_row(
    event: exact.Event, job: str, stream: str, source: str, position: int, offset: int, ordinal: int
) -> dict[str, Any]:
    """An event that was read exactly, as a row of the contract."""
    return {
        "job_id": job,
        "event_id": event.event_id,
        "created_at": event.created_at * 1_000_000,
        "level": event.level,
        "type": event.type,
        "message": event.message,
        **{name: event.counters.get(name) for name in COUNTERS},
        **{name: event.metrics.get(name) for name in METRICS},
        "other_metrics": list(event.other_metrics.items()) or None,
        "data": event.data,
        "extra": event.extra,
        "misfits": event.misfits or None,
        "object": event.object,
        "dialect": event.dialect,
        "stream_id": stream,
        "source_id": source,
        "position": position,
        "offset": offset,
        "ordinal": ordinal,
    }
