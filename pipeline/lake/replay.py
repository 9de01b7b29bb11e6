"""Another try for what was rejected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from pathlib import Path
from shlex import quote
from typing import Any

from pipeline import exact
from pipeline.attribution import Stream
from pipeline.contract import UNATTRIBUTED_PREFIX
from pipeline.errors import LakeError, UsageError
from pipeline.job_lines import MIXED_PREFIX
from pipeline.lake.batches import Part, Shared, joined
from pipeline.lake.change import Change
from pipeline.lake.commit import Commit
from pipeline.lake.growth import held_streams, ties
from pipeline.lake.odd import OddRecords, Record
from pipeline.lake.originals import Originals, raw_hash
from pipeline.lake.reading import Reading
from pipeline.lake.reports import stream_rows
from pipeline.lake.segments import last_event_at, rejects_without, rows_of
from pipeline.lake.store import Store
from pipeline.sources import Source
from pipeline.telling import Waiting

_Row = Any
"""A row of a table, its values by their names."""


@dataclass(frozen=True)
class ReplayReport:
    """What became of the rejects when they were read again.

    Attributes:
        tried: rejects there were.
        passed: of them, none any more: what an ingest would make of them now.
        still: of them, rejects still.
    """

    tried: int
    passed: int
    still: int


class _Still(Exception):
    """Something in a record is a reject still."""


class _Again(OddRecords):
    """Rejects, taken in as an ingest takes in odd records.

    Attributes:
        readings: source id -> what was a reject of it; `records` counts these.
    """

    def __init__(self, folder: Path, *, is_trial: bool = False) -> None:
        """Prepare to stage below a folder, where nobody asks for it if it `is_trial`."""
        super().__init__(Shared(folder))
        self.readings: dict[str, Reading] = {}
        self._is_trial = is_trial
        self._asked: tuple[Any, ...] = ()

    def take_in(self, raw: bytes, reject: _Row, source: _Row, stream: _Row) -> bool:
        """Take in all of a reject, or nothing if it is one still: whether it was taken.

        Args:
            raw: its bytes.
            reject: what is kept of it.
            source: its source.
            stream: the stream that it lies in, with the job that it was given since, perhaps.
        """
        self._asked = (raw, reject, source, stream)
        source_id, stream_id = reject["source_id"], reject["stream_id"]
        if source_id not in self.readings:
            where = Source(source["path"], None, source["job_hint"])
            self.readings[source_id] = Reading(where, source_id=source_id, grown_from=dict(source))
        reading = self.readings[source_id]
        told_by, job = stream["told_by"], stream["job_id"]
        nameless = job == stream_id or job.startswith(UNATTRIBUTED_PREFIX)
        reading.told = job if told_by == "flag" else None
        around = Stream(
            stream["first_position"],
            stream["last_position"],
            bool(stream["newest_first"]),
            None if nameless else job,
            told_by,
            mixed=job.startswith(MIXED_PREFIX),
        )
        self._shared.readings[:] = [reading]
        number = self._shared.streams.add(reading, stream_id.partition("/")[2], around)
        place = (number, reject["position"], reject["byte_offset"], reject["ordinal"])
        try:
            self._judge(Record(raw, 0, *place, last=False))
            while parts := self.inner():
                self.take(joined(parts))
        except (_Still, UsageError):  # of a page that names another job than `--job-id`
            return False
        reading.records += 1
        return True

    def _expanded(self, record: Record) -> Part:
        trial = None if self._is_trial else _Again(self._shared.folder, is_trial=True)
        if trial and not trial.take_in(*self._asked):  # what is staged of a page stays staged
            raise _Still
        return super()._expanded(record)

    def _reject(self, record: Record, reject: exact.Reject) -> None:
        raise _Still


def replay(store: Store, *, max_record_bytes: int, waiting: Waiting | None) -> ReplayReport:
    """Read all rejects again; see `Lake.replay_rejects`."""
    with (
        store.workspace() as folder,
        store.ledger.writing(waiting, task="rejects --replay"),
        Originals(store, max_record_bytes) as originals,
    ):
        passed, keys, tried = _Again(folder), set[tuple[str, int, int]](), 0

        @cache
        def held(source_id: str) -> tuple[_Row, dict[str, _Row]]:
            streams = {row["stream_id"]: row for row in store.ledger.streams(source_id)}
            return store.ledger.source(source_id), streams

        for reject in _in_turn(store.live("rejects")):
            tried += 1
            raw = _bytes_of(reject, originals)
            if raw is None:
                continue
            source, streams = held(reject["source_id"])
            stream = streams.get(reject["stream_id"])
            if source is None or stream is None:
                what = "source" if source is None else "stream"
                lost = f"{store.path}/ledger.db: lacks {what} {reject[f'{what}_id']}"
                see = f"see `tunelog verify --lake {quote(str(store.path))}`"
                raise LakeError(f"{lost}, of which a reject is: {see}")
            if passed.take_in(raw, reject, source, stream):
                keys.add((reject["source_id"], reject["position"], reject["byte_offset"]))
        if keys:
            _commit(store, folder, passed, keys)
    store.write_script()
    return ReplayReport(tried, len(keys), tried - len(keys))


def _commit(store: Store, folder: Path, passed: _Again, keys: Set[tuple[str, int, int]]) -> None:
    """Put events and companions in the place of the rejects that they were.

    Args:
        store: the lake.
        folder: for staged files.
        passed: the events and companions.
        keys: source, position and byte offset of the rejects.
    """
    commit = Commit(store, folder, "replay")
    files = store.live("rejects")
    commit.exchange(files, rejects_without(folder, files, lambda *key: key in keys))
    readings = [reading for reading in passed.readings.values() if reading.records]
    store.ledger.recount({r.source_id: _counts(r) for r in readings})
    store.ledger.ignore({r.source_id: r.ignored for r in readings})
    taken = passed.finish()
    taken.ties = ties(store, readings)
    taken.mixed = {n for r in readings for n, s in r.streams.items() if s.mixed}
    commit.last_event_at = last_event_at(s.path for s in (*taken.events, *taken.pending))
    change = Change(commit)
    settled, names = change.bring(taken)
    change.recount(settled)
    held = held_streams(store, readings)
    rows = (row for reading in readings for row in stream_rows(reading, names, held))
    changed = [row for row in rows if row != held.get(row["stream_id"])]
    store.ledger.put_streams(changed)
    store.ledger.rewritten |= {"streams"} if changed else set()  # of an earlier source
    commit.finish()


def _counts(reading: Reading) -> dict[str, int]:
    """How what its rejects are after all changes the counts of a source."""
    companions = reading.companions.total()
    events = reading.records + reading.inner - companions - reading.ignored.total()
    return {
        "records": reading.inner,
        "rejects": -reading.records,
        "companions": companions,
        "events": events,
    }


def _in_turn(files: Iterable[Path]) -> Iterator[dict[str, Any]]:
    """Rejects as they lie, then, in the order of their files, those that are to be read there.

    Of these the lake does not hold all bytes, and what it holds of them is left out.
    """
    apart = []
    for batch in rows_of(files):
        for reject in batch.to_pylist():
            if reject["raw_hash"] is None or raw_hash(reject["raw"]) == reject["raw_hash"]:
                yield reject
            else:
                apart.append(reject | {"raw": b""})
    yield from sorted(apart, key=itemgetter("source_id", "byte_offset"))


_MASKED = b"*" * 8


def _bytes_of(reject: _Row, originals: Originals) -> bytes | None:
    """The bytes of a reject; None where they cannot be had, or tell no more than its reason."""
    if reject["reason"] in ("job_conflict", "corrupt_compression"):
        return None
    if reject["raw_hash"] is not None:
        return originals.whole(reject)
    raw: bytes = reject["raw"]
    return None if _MASKED in raw else raw  # masked before there was a hash
