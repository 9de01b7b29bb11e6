"""Readings to staged files: one thread reads, the engine's threads parse and write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipeline.dialects import all_openai, has_azure
from pipeline.exact import JOB_FIELDS
from pipeline.forms.block import Block
from pipeline.lake.batches import PENDING, Batch, Part, Shared, chosen, joined, rows
from pipeline.lake.ledger import now
from pipeline.lake.odd import OddRecords
from pipeline.lake.reading import Misjudged, Reading
from pipeline.lake.segments import stage_rows
from pipeline.lake.staging import Staging
from pipeline.lake.taken import Taken

_BATCH_BYTES = 4 << 20
_RECORD_BYTES = 64
"""A short record counts as so many, for what is kept beside its bytes."""


class Intake:
    """Takes readings in, one after another; `finish` returns what was staged."""

    def __init__(self, folder: Path, max_record_bytes: int) -> None:
        """Prepare to stage below a folder."""
        self._max = max_record_bytes
        self._parts: list[Part] = []
        self._waiting = 0
        self._damaged: list[dict[str, object]] = []
        self._shared = Shared(folder)
        self._odd = OddRecords(self._shared)
        self._stagings: dict[bool, Staging] = {}
        self._staging(False)  # its engine starts while the first source is hashed

    def take(self, reading: Reading, advance: Callable[[int], None]) -> None:
        """Read a source; `advance` is told the bytes of each block.

        Raises:
            Misjudged: see `Reading.attributed`.
        """
        source = len(self._shared.readings)
        self._shared.readings.append(reading)
        self._shared.source_ids.append(reading.source_id)
        numbers: list[int] = []
        firsts: list[int] = []
        for block, streams in reading.attributed(self._max):
            for ordinal, stream in enumerate(streams[len(numbers) :], len(numbers)):
                numbers.append(self._shared.streams.add(reading, f"{ordinal}", stream))
                firsts.append(stream.first)
            reading.records += len(block)
            if reading.first:
                streams_of = Part(block, source, firsts, numbers).streams()
                self._odd.recall(block, streams_of, reading.first)
            if not len(block):
                continue
            for piece in block.pieces(_BATCH_BYTES // _RECORD_BYTES):
                part = Part(piece, source, firsts, numbers, reading.first)
                if reading.form == "results":  # no events: the engine would hand on each of them
                    self._odd.take(joined([part]))
                    continue
                self._parts.append(part)
                self._waiting += max(len(piece.data), _RECORD_BYTES * len(piece))
                if self._waiting >= _BATCH_BYTES:
                    self._dispatch()
                advance(len(piece.data))
        for ordinal, last in enumerate(reading.found or []):
            reading.streams[f"{reading.source_id}/{ordinal}"] = last
        reading.records = max(reading.records - reading.first, 0)
        if reading.damage:
            self._damaged.append(_damage(reading))

    def _dispatch(self) -> None:
        while parts := [*self._parts, *self._odd.inner()]:
            self._parts, self._waiting = [], 0
            batch = joined(parts)
            self._see_to_trust(parts, batch)
            if (blank := batch.block.blank()).any():  # millions of them are no work
                self._odd.pass_over(batch.source[blank])
                batch = chosen(batch, ~blank)
            if not len(batch.stream):  # all of it was known, as of a file that grew
                continue
            if _name_their_jobs(batch.block):  # the engine would hand on each of them
                self._odd.take(batch)
                continue
            self._shared.note_oversize(batch)
            pending = self._shared.streams.code_of(batch.stream) == PENDING
            for kind, mask in ((False, ~pending), (True, pending)):
                if mask.any():
                    part = batch if mask.all() else chosen(batch, mask)
                    self._staging(kind).put(rows(part, self._shared))

    def _see_to_trust(self, parts: Sequence[Part], batch: Batch) -> None:
        """Look whether sources that were told by their ends hold ids of the other form.

        That is soonest told of many at once.

        Raises:
            Misjudged: one does.
        """
        trusted = [part.block for part in parts if self._shared.readings[part.source].trusted]
        if trusted and not all_openai(batch.block) and any(map(has_azure, trusted)):
            raise Misjudged

    def _staging(self, pending: bool) -> Staging:
        if pending not in self._stagings:
            self._stagings[pending] = Staging(self._shared, self._odd)
        return self._stagings[pending]

    def finish(self) -> Taken:
        """Wait until all is staged; the files."""
        taken = Taken()
        self._dispatch()
        while self._stagings:
            for pending in list(self._stagings):
                files = taken.pending if pending else taken.events
                files.extend(self._stagings[pending].finish())
                del self._stagings[pending]
            self._dispatch()  # what was found inside the last records
        taken.add(self._odd.finish())
        for reading in self._shared.readings:
            reading.records += reading.inner
        staged = stage_rows(self._shared.folder, "rejects", self._damaged)
        taken.rejects.extend([staged] if staged else [])
        return taken

    def result_files(self) -> Mapping[str, set[str]]:
        """Result file -> jobs whose objects name it; to be asked when all is staged."""
        return self._odd.companions.files

    def abandon(self) -> None:
        """Stop; what was staged is garbage."""
        for staging in self._stagings.values():
            staging.abandon()


def _name_their_jobs(block: Block) -> bool:
    """Whether records name their job themselves, so far as can be told without reading them."""
    first = block.raw(0)
    names = [name for field in JOB_FIELDS if (name := f'"{field}"'.encode()) in first]
    return any(block.text.count(name, 0, len(block.data)) >= len(block) for name in names)


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
