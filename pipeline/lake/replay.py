"""Another try for what was rejected."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any

from pipeline import exact
from pipeline.contract import UNATTRIBUTED_PREFIX
from pipeline.job_lines import MIXED_PREFIX
from pipeline.lake.change import Change
from pipeline.lake.commit import Commit
from pipeline.lake.identity import event_row
from pipeline.lake.inside import Found, inside
from pipeline.lake.intake import Taken
from pipeline.lake.oversize import Originals, hashed
from pipeline.lake.segments import SegmentWriter, last_event_at, rejects_without, rows_of
from pipeline.lake.store import Store
from pipeline.telling import Waiting


@dataclass(frozen=True)
class ReplayReport:
    """What became of the rejects when they were read again.

    Attributes:
        tried: rejects there were.
        passed: of them, none any more: events, companions, pages of these, or duplicates.
        still: of them, rejects still.
    """

    tried: int
    passed: int
    still: int


class _Passed:
    """What is no reject any more, staged as it is found.

    Attributes:
        keys: source, position and byte offset of those that were.
        counts: source id -> count -> change.
        ignored: source id -> kind -> how many.
        streams: rows of the ledger.
        ties: as of `Taken`.
    """

    def __init__(self, folder: Path) -> None:
        """Prepare to stage below a folder."""
        self.keys: set[tuple[str, int, int]] = set()
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.ignored: dict[str, Counter[str]] = defaultdict(Counter)
        self.streams: list[dict[str, Any]] = []
        self.ties: set[tuple[str, str]] = set()
        self._named, self._pending, self._beside = (
            SegmentWriter(folder, kind) for kind in ("events", "events", "companions")
        )

    def take(self, reject: Mapping[str, Any], found: Found) -> None:
        """Take in what a reject is after all."""
        source, size = reject["source_id"], reject["byte_length"]
        self.keys.add((source, reject["position"], reject["byte_offset"]))
        self.counts[source].update(found.counts)
        self.ignored[source].update(found.ignored)
        self.streams.extend(found.streams.values())
        self.ties.update(found.ties)
        rows: dict[SegmentWriter, list[dict[str, Any]]] = {self._beside: found.companions}
        for row in found.events:
            is_named = row["job_id"] != row["stream_id"]
            rows.setdefault(self._named if is_named else self._pending, []).append(row)
        for writer, those in rows.items():
            writer.add(those, size)

    def taken(self) -> Taken:
        """What was staged."""
        writers = (self._named, self._pending, self._beside)
        named, pending, beside = ([s] if (s := w.finish()) else [] for w in writers)
        mixed = {stream for stream, job in self.ties if job.startswith(MIXED_PREFIX)}
        return Taken(events=named, pending=pending, companions=beside, ties=self.ties, mixed=mixed)


def replay(store: Store, *, max_record_bytes: int, waiting: Waiting | None) -> ReplayReport:
    """Read all rejects again; see `Lake.replay_rejects`."""
    with (
        store.workspace() as folder,
        store.ledger.writing(waiting, task="rejects --replay"),
        Originals(store, max_record_bytes) as originals,
    ):
        passed, tried = _Passed(folder), 0

        @cache
        def streams_of(source: str) -> dict[str, Mapping[str, Any]]:
            """The streams of a source, with their jobs as they were assigned since, perhaps."""
            return {row["stream_id"]: dict(row) for row in store.ledger.streams(source)}

        def hint_of(source: str) -> str | None:
            row = store.ledger.source(source)
            return row["job_hint"] if row else None

        for reject in _in_turn(store.live("rejects")):
            tried += 1
            found = _again(reject, originals, streams_of, hint_of)
            if found is not None:
                passed.take(reject, found)
        if passed.keys:
            _commit(store, folder, passed)
    store.write_script()
    return ReplayReport(tried, len(passed.keys), tried - len(passed.keys))


def _commit(store: Store, folder: Path, passed: _Passed) -> None:
    """Put events and companions in the place of the rejects that they were."""
    commit = Commit(store, folder, "replay")
    files = store.live("rejects")
    left = rejects_without(folder, files, lambda *key: key in passed.keys)
    commit.exchange(files, left)
    store.ledger.recount(passed.counts)
    store.ledger.ignore(passed.ignored)
    store.ledger.put_streams(passed.streams)
    store.ledger.rewritten |= {"streams"} if passed.streams else set()  # of an earlier source
    taken = passed.taken()
    commit.last_event_at = last_event_at(s.path for s in (*taken.events, *taken.pending))
    change = Change(commit)
    settled, names = change.bring(taken)
    change.recount(settled, set())
    store.ledger.rename_jobs(names.streams, "shared")
    commit.finish()


def _in_turn(files: Iterable[Path]) -> Iterator[dict[str, Any]]:
    """Rejects as they lie, then, in the order of their files, those that are to be read there.

    Of these the lake does not hold all bytes, and what it holds of them is left out.
    """
    apart = []
    for batch in rows_of(files):
        for reject in batch.to_pylist():
            if reject["raw_hash"] is None or hashed(reject["raw"]) == reject["raw_hash"]:
                yield reject
            else:
                apart.append(reject | {"raw": b""})
    yield from sorted(apart, key=itemgetter("source_id", "byte_offset"))


_MASKED = b"*" * 8


def _again(
    reject: Mapping[str, Any],
    originals: Originals,
    streams_of: Callable[[str], Mapping[str, Mapping[str, Any]]],
    hint_of: Callable[[str], str | None],
) -> Found | None:
    """What a reject is for the present version, None where that is a reject still."""
    if reject["reason"] in ("job_conflict", "corrupt_compression"):
        return None
    if reject["raw_hash"] is None and _MASKED in reject["raw"]:  # kept before there was a hash
        return None
    raw = reject["raw"] if reject["raw_hash"] is None else originals.whole(reject)
    if raw is None:
        return None
    verdict = exact.read(raw)
    found = Found()
    place = (reject["source_id"], reject["position"], reject["byte_offset"])
    if isinstance(verdict, exact.Companions):
        return found if found.tell(verdict, None, *place) else None
    stream = reject["stream_id"]
    around = streams_of(reject["source_id"]).get(stream)
    if isinstance(verdict, exact.Container) and around is not None:
        return inside(raw, reject, around, hint_of(reject["source_id"]))
    if not isinstance(verdict, exact.Event):
        return None
    held = around["job_id"] if around is not None else stream
    job = verdict.job or (held if held != stream else reject["job_id"]) or stream
    if job.startswith(UNATTRIBUTED_PREFIX):  # named by its first event, which this one may be
        found.ties.add((stream, job))
        job = stream
    found.events = [event_row(verdict, job, stream, *place, reject["ordinal"])]
    found.counts["events"] += 1
    return found
