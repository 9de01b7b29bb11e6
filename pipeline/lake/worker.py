"""One thread of an intake: batches of records to rows of staged files."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline import exact
from pipeline.attribution import Scout
from pipeline.contract import COUNTERS, EVENTS, METRICS, REJECT_PREFIX_BYTES, REJECTS
from pipeline.forms.block import Ints
from pipeline.forms.documents import expanded
from pipeline.lake.batches import CONFLICT, PENDING, Batch, Shared, joined
from pipeline.lake.ledger import now
from pipeline.lake.reading import Reading
from pipeline.lake.segments import SegmentWriter
from pipeline.normalise import Normalised, Normaliser

_REJECT_BYTES = 8 << 20
_MIX = np.uint64(0x9E3779B97F4A7C15)
_CODED = ("job_id", "level", "type", "extra", "object", "dialect", "stream_id", "source_id")
_STAGED = pa.schema(
    [f.with_type(pa.dictionary(pa.int32(), pa.string())) if f.name in _CODED else f for f in EVENTS]
)


class Worker(threading.Thread):
    """Normalises batches and writes staged files of its own."""

    def __init__(self, shared: Shared, number: int) -> None:
        """Start working."""
        super().__init__(name=f"normalise-{number}", daemon=True)
        self._shared = shared
        folder = shared.folder
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
        """Work until there is no more."""
        try:
            normalise = Normaliser()
            try:
                while not self.stop and (batch := self._shared.batches.get()) is not None:
                    self._process(batch, normalise)
            finally:
                normalise.close()
            self._flush_rejects()
        except BaseException as error:
            self.error = error

    def _process(self, batch: Batch, normalise: Normaliser) -> None:
        said = normalise(batch.block)
        streams = self._shared.streams
        stream = batch.stream[said.index]
        code = np.array(streams.codes, dtype=np.int64)[stream]
        named = code >= 0
        if named.all():
            self._write_regular(batch, said, said.index, code, None)
        else:
            for mask, pending in ((named, False), (code == PENDING, True)):
                if mask.any():
                    self._write_regular(batch, said, said.index[mask], code[mask], mask, pending)
            for index in said.index[code == CONFLICT]:
                self._reject(batch, int(index), self._conflict(batch, int(index)))
        rows: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
        containers: list[Batch] = []
        for odd in said.odd:
            if isinstance(odd.verdict, exact.Container):
                containers.append(self._expanded(batch, odd.index))
            else:
                self._judge(batch, odd.index, odd.verdict, rows)
        for pending, some in rows.items():
            self._write_rows(some, pending, normalise)
        if containers:
            self._process(joined(containers), normalise)

    def _write_regular(
        self,
        batch: Batch,
        said: Normalised,
        index: Ints,
        code: Ints,
        mask: npt.NDArray[np.bool_] | None,
        pending: bool = False,
    ) -> None:
        streams, count = self._shared.streams, len(index)
        if not count:
            return
        keep = None if mask is None else pa.array(mask)
        columns = {n: c if keep is None else c.filter(keep) for n, c in said.columns.items()}
        stream = batch.stream[index]
        columns["stream_id"] = _coded(stream, streams.ids)
        columns["job_id"] = columns["stream_id"] if pending else _coded(code, streams.jobs)
        columns["source_id"] = _coded(
            batch.source[index], [r.source_id for r in self._shared.readings]
        )
        columns["created_at"] = pa.array(columns["created_at"].to_numpy() * 1_000_000).cast(
            EVENTS.field("created_at").type
        )
        position = batch.position[index]
        columns["position"] = pa.array(position)
        columns["offset"] = pa.array(batch.block.offsets[index])
        columns["ordinal"] = pa.array(batch.place[index] * np.array(streams.signs)[stream])
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
        batch: Batch,
        index: int,
        verdict: exact.Verdict,
        rows: dict[bool, list[dict[str, Any]]],
    ) -> None:
        source = int(batch.source[index])
        reading = self._shared.readings[source]
        if isinstance(verdict, exact.Blank):
            self.tally[source, "blank", ""] += 1
        elif isinstance(verdict, exact.Ignored):
            self.tally[source, "ignored", verdict.kind] += 1
        elif isinstance(verdict, exact.Reject):
            self._reject(batch, index, verdict)
        elif isinstance(verdict, exact.Event):
            self._event(batch, index, reading, verdict, rows)

    def _event(
        self,
        batch: Batch,
        index: int,
        reading: Reading,
        event: exact.Event,
        rows: dict[bool, list[dict[str, Any]]],
    ) -> None:
        streams = self._shared.streams
        stream = int(batch.stream[index])
        code = self._shared.streams.codes[stream]
        if event.job is not None:
            if reading.told and event.job != reading.told and code != CONFLICT:
                detail = f"the record names {event.job}, --job-id {reading.told}"
                return self._reject(batch, index, exact.Reject("job_conflict", detail))
            code = streams.code(event.job)
        if code == CONFLICT:
            return self._reject(batch, index, self._conflict(batch, index))
        event_id = event.event_id
        if event.dialect == "legacy" and event_id.startswith("hash-"):
            with self._shared.lock:  # equal events of one stream are told apart by their number
                self._shared.equal[stream, event_id] += 1
                number = self._shared.equal[stream, event_id]
            event_id = event_id if number == 1 else f"{event_id}-{number}"
        position = int(batch.position[index])
        pending = code == PENDING
        job = streams.ids[stream] if pending else streams.jobs[code]
        stream_id = streams.ids[stream]
        if event.job is not None and event.job != self._told(reading, stream):
            stream_id = f"{reading.source_id}/{event.job}"
            self.tally[int(batch.source[index]), "jobs", event.job] += 1
        event.event_id = event_id
        row = event_row(
            event, job, stream_id, reading.source_id, position,
            int(batch.block.offsets[index]), int(batch.place[index]) * streams.signs[stream],
        )  # fmt: skip
        rows[pending].append({"code": code, **row})
        return None

    def _told(self, reading: Reading, stream: int) -> str | None:
        """The job of a stream, where it has one."""
        code = self._shared.streams.codes[stream]
        return self._shared.streams.jobs[code] if code >= 0 else None

    def _conflict(self, batch: Batch, index: int) -> exact.Reject:
        detail = self._shared.streams.conflicts[int(batch.stream[index])]
        return exact.Reject("job_conflict", detail)

    def _expanded(self, batch: Batch, index: int) -> Batch:
        """The events inside one record: a page on a line, say."""
        source, line = int(batch.source[index]), int(batch.position[index])
        reading = self._shared.readings[source]
        inner = expanded(batch.block, index)
        scout = Scout(lines=False, hint=reading.source.job_hint, told=reading.told)
        scout.see(inner)
        found = scout.streams()
        firsts = np.array([s.first for s in found])
        lying = [replace(stream, first=line, last=line) for stream in found]
        numbers = self._shared.streams.add(reading, lying, line)
        count = len(inner)
        self.tally[source, "records", ""] += count - 1
        place = np.arange(count)
        number = numbers[np.searchsorted(firsts, place, side="right") - 1]
        # Records of one string share its offset: their order in it keeps them apart.
        inner.offsets = inner.offsets + place - np.searchsorted(inner.offsets, inner.offsets)
        return Batch(inner, np.full(count, source), np.full(count, line), number, place)

    def _reject(self, batch: Batch, index: int, reject: exact.Reject) -> None:
        reading = self._shared.readings[batch.source[index]]
        self.tally[int(batch.source[index]), "rejects", reject.reason] += 1
        over = batch.block.oversize.get(index)
        raw = batch.block.raw(index)
        raw = raw[:-1] if raw.endswith(b"\n") else raw
        if over:
            raw = raw[:REJECT_PREFIX_BYTES]
        stream = int(batch.stream[index])
        code = self._shared.streams.codes[stream]
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
                "job_id": self._shared.streams.jobs[code] if code >= 0 else None,
                "stream_id": self._shared.streams.ids[stream],
                "ordinal": int(batch.place[index]) * self._shared.streams.signs[stream],
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
        same = pa.array(np.zeros(len(codes), dtype=np.int32))
        return pa.DictionaryArray.from_arrays(same, pa.array([words[low]]))
    used, indices = np.unique(codes, return_inverse=True)
    return pa.DictionaryArray.from_arrays(
        pa.array(indices.astype(np.int32)), pa.array([words[int(i)] for i in used])
    )


def _whole(column: Any) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


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
