"""Records that the engine does not read: judged one by one, kept as what they are."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Set
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from pipeline import exact
from pipeline.attribution import Scout
from pipeline.companions import Companion
from pipeline.contract import (
    LEGACY_EVENT_OBJECT,
    REJECT_PREFIX_BYTES,
)
from pipeline.credentials import masked
from pipeline.forms.bits import Ints
from pipeline.forms.block import Block
from pipeline.forms.documents import expanded
from pipeline.job_lines import job_line
from pipeline.lake.batches import CONFLICT, PENDING, Batch, Part, Shared
from pipeline.lake.companions import CompanionRows
from pipeline.lake.identity import event_row
from pipeline.lake.ledger import now
from pipeline.lake.originals import raw_hash
from pipeline.lake.reading import Misjudged
from pipeline.lake.segments import SegmentWriter
from pipeline.lake.taken import Taken

_BAD_ROW = "no row of the result file: a whole step, and numbers or blanks below all its columns"


class Record(NamedTuple):
    """One record and where it stands."""

    raw: bytes
    source: int
    stream: int
    position: int
    offset: int
    ordinal: int
    last: bool


class OddRecords:
    """Takes odd records from several threads; writes staged files of what they are.

    Attributes:
        companions: what lies beside events.
        late: events with known metrics that the engine was not asked for.
        error: what stopped the reading.
    """

    def __init__(self, shared: Shared) -> None:
        """Prepare to stage."""
        self._shared = shared
        self._lock = threading.Lock()
        self._writers = {kind: SegmentWriter(shared.folder, "events") for kind in (False, True)}
        self._rejected = SegmentWriter(shared.folder, "rejects")
        self._inner: list[Part] = []
        self._inside: dict[tuple[str, int], Iterator[int]] = defaultdict(count)
        self._equal: Counter[tuple[Any, ...]] = Counter()
        self._moment = now()
        self.companions = CompanionRows(shared.folder)
        self.late = 0
        self.error: BaseException | None = None

    def read(self, *record: Any) -> bool:
        """Read one `Record`, told field by field; a `normalise.OddReader`."""
        try:
            with self._lock:
                if self.error is None:
                    self._judge(Record(*record))
        except BaseException as error:  # raised through the engine it would keep both alive
            self.error = error
        return False

    def take(self, batch: Batch) -> None:
        """Read records of which none is regular.

        Raises:
            Misjudged: see `Reading.attributed`.
        """
        self._shared.note_oversize(batch)
        block, last = batch.block, len(batch.block) - 1
        numbers = (batch.source, batch.stream, batch.position, block.offsets, batch.place)
        text, bounds = block.text, block.bounds.tolist()
        signs = self._shared.streams.signs
        with self._lock:
            plain = self._results(batch)
            for index, row in enumerate(zip(*(column.tolist() for column in numbers), strict=True)):
                if index in plain:
                    continue
                source, stream, position, offset, place = row
                raw = bytes(text[bounds[index] : bounds[index + 1]])
                ends = index in block.open_ends or (index == last and block.unterminated)
                ordinal = place * signs[stream]
                self._judge(Record(raw, source, stream, position, offset, ordinal, ends))

    def pass_over(self, sources: Ints) -> None:
        """Count blank lines, by the numbers of their sources."""
        with self._lock:
            for source, count in zip(*np.unique_counts(sources), strict=True):
                self._shared.readings[source].blank += int(count)

    def _results(self, batch: Batch) -> Set[int]:
        """Keep the rows of a result file whose contents are at hand, and whose job is known.

        Returns:
            Their indices.
        """
        told = {n: content for n, content in enumerate(batch.block.told) if content is not None}
        streams, stream = self._shared.streams, int(batch.stream[0])
        if not told or streams.codes[stream] < 0 or (batch.stream != stream).any():
            return set()
        reading = self._shared.readings[int(batch.source[0])]
        job = streams.jobs[streams.codes[stream]]
        plain = list(told)
        places = zip(
            batch.position[plain].tolist(), batch.block.offsets[plain].tolist(), strict=True
        )
        self.companions.add_results(told.values(), job, reading.source_id, places)
        reading.companions["result"] += len(plain)
        reading.about.add(job)
        return told.keys()

    def inner(self) -> list[Part]:
        """The records that were found inside others since the last call."""
        with self._lock:
            inner, self._inner = self._inner, []
        return inner

    def finish(self) -> Taken:
        """What was staged."""
        writers = (self._writers[False], self._writers[True], self._rejected, self.companions)
        events, pending, rejects, companions = (
            [staged] if (staged := writer.finish()) else [] for writer in writers
        )
        return Taken(events, pending, rejects, companions)

    def _judge(self, record: Record) -> None:
        reading = self._shared.readings[record.source]
        over = self._shared.oversize.get((record.source, record.position))
        if over is not None:
            detail = f"{over.length} bytes: see `tunelog rejects --replay --max-record-bytes`"
            return self._reject(record, exact.Reject("too_large", detail))
        if not reading.job_objects and job_line(record.raw, 0):
            raise Misjudged
        verdict = exact.read(record.raw, last=record.last)
        if isinstance(verdict, exact.Event):
            return self._event(record, verdict)
        if isinstance(verdict, exact.Reject):
            if reading.form == "results":
                verdict = exact.Reject("bad_row", _BAD_ROW)
            return self._reject(record, verdict)
        if isinstance(verdict, exact.Companions):
            return self._beside(record, verdict)
        if isinstance(verdict, exact.Container):
            self._inner.append(self._expanded(record))
        elif isinstance(verdict, exact.Ignored):
            reading.ignored[verdict.kind] += 1
        else:
            reading.blank += 1
        return None

    def _event(self, record: Record, event: exact.Event) -> None:
        streams, stream = self._shared.streams, record.stream
        reading = self._shared.readings[record.source]
        code = streams.codes[stream]
        stream_id, told = streams.ids[stream], streams.jobs[code] if code >= 0 else None
        if event.job is not None and stream not in streams.exported:
            if reading.told and event.job != reading.told and code != CONFLICT:
                detail = f"the record names {event.job}, --job-id {reading.told}"
                return self._reject(record, exact.Reject("job_conflict", detail))
            code = streams.code(event.job)
            if event.job != told:
                stream_id = f"{stream_id}@{event.job}"
                reading.apart.add(stream_id)
        if code == CONFLICT:
            detail = streams.conflicts[stream]
            return self._reject(record, exact.Reject("job_conflict", detail))
        event.tell_apart(self._equal, streams.ids[stream], event.job)
        pending = code == PENDING
        row = event_row(
            event, streams.ids[stream] if pending else streams.jobs[code], stream_id,
            reading.source_id, record.position, record.offset, record.ordinal,
        )  # fmt: skip
        self._writers[pending].add([row], len(record.raw))
        self.late += not self._shared.keys.issuperset(event.metrics)
        return None

    def _beside(self, record: Record, verdict: exact.Companions) -> None:
        """What is told about jobs; only the rows of a result file are about the stream's."""
        code = self._shared.streams.codes[record.stream]
        own = self._shared.streams.jobs[code] if code >= 0 else None
        if any(isinstance(c, Companion) and not (c.job or own) for c in verdict.found):
            detail = "a row of a result file without job_id, in a stream whose job is unknown"
            return self._reject(record, exact.Reject("missing_field", detail))
        reading = self._shared.readings[record.source]
        reading.inner += len(verdict.found) - 1
        for item in verdict.found:
            if isinstance(item, Companion):
                job = item.job or own or ""
                self.companions.add(item, job, reading.source_id, record.position, record.offset)
                reading.companions[item.kind] += 1
                reading.about.add(job)
            else:
                reading.ignored[item.kind] += 1
        return None

    def recall(self, block: Block, numbers: Ints, since: int) -> None:
        """Count the equal events without ids in what was read when the file was shorter.

        Args:
            block: records of a file that grew.
            numbers: the streams of its records.
            since: position from which records are new.
        """
        if LEGACY_EVENT_OBJECT.encode() not in block.text:
            return
        ids = self._shared.streams.ids
        for index in range(min(since - block.position, len(block))):
            raw = block.raw(index)
            event = exact.read(raw) if LEGACY_EVENT_OBJECT.encode() in raw else None
            if isinstance(event, exact.Event):
                event.tell_apart(self._equal, ids[numbers[index]], event.job)

    def _expanded(self, record: Record) -> Part:
        """The events inside one record: a page on a line, say."""
        reading, line = self._shared.readings[record.source], record.position
        inner = expanded(record.raw, record.offset)
        around = reading.streams[self._shared.streams.ids[record.stream]]
        below = around.job if around.told_by in ("beside", "export") else None
        by_hand = around.told_by == "assigned"
        hint = None if by_hand else reading.source.job_hint
        scout = Scout(lines=False, hint=hint, told=reading.told, below=below)
        scout.see(inner)
        found = scout.streams()
        if by_hand:  # since the records around were read
            found = [s if s.job else s._replace(job=around.job, told_by="assigned") for s in found]
        reading.check(found)
        numbers = []
        for stream in found:
            end = f"{line}.{next(self._inside[reading.source_id, line])}"
            lying = stream._replace(first=line, last=line)
            numbers.append(self._shared.streams.add(reading, end, lying))
        reading.inner += len(inner) - 1
        # Records of one string share its offset: their order in it keeps them apart.
        repeats = np.arange(len(inner)) - np.searchsorted(inner.offsets, inner.offsets)
        inner.offsets = inner.offsets + repeats
        return Part(inner, record.source, [s.first for s in found], numbers, line=line)

    def _reject(self, record: Record, reject: exact.Reject) -> None:
        streams, reading = self._shared.streams, self._shared.readings[record.source]
        reading.rejects[reject.reason] += 1
        over = self._shared.oversize.get((record.source, record.position))
        raw = record.raw.rstrip(b"\n")
        if over:
            raw = raw[: min(over.length, REJECT_PREFIX_BYTES)]  # without the \r of its end
        kept = masked(raw)
        code = streams.codes[record.stream]
        row = {
            "source_id": reading.source_id,
            "position": record.position,
            "byte_offset": record.offset,
            "byte_length": over.length if over else len(raw),
            "reason": reject.reason,
            "detail": reject.detail.encode("utf-8", "backslashreplace").decode(),
            "raw": kept,
            # of bytes that are not as they were read, too: replayed they would be others
            "raw_hash": over.hash if over else None if kept == raw else raw_hash(raw),
            "first_seen_at": self._moment,
            "job_id": streams.jobs[code] if code >= 0 else None,
            "stream_id": streams.ids[record.stream],
            "ordinal": record.ordinal,
        }
        self._rejected.add([row], len(record.raw))
