"""Rejects that were kept, read again by the present version."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipeline import exact
from pipeline.contract import DEFAULT_MAX_RECORD_BYTES, UNATTRIBUTED_PREFIX
from pipeline.lake import settle
from pipeline.lake.change import Change
from pipeline.lake.identity import event_row
from pipeline.lake.inside import Found, inside
from pipeline.lake.intake import Taken
from pipeline.lake.oversize import Originals
from pipeline.lake.segments import last_event_at, stage_table
from pipeline.lake.store import Commit, Store
from pipeline.sqlfiles import sql_text


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


@dataclass
class _Passed:
    """Where the rejects of all sources stood that are none any more, and what they are instead."""

    source_id: list[str] = field(default_factory=list)
    position: list[int] = field(default_factory=list)
    byte_offset: list[int] = field(default_factory=list)
    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    ignored: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    events: list[dict[str, Any]] = field(default_factory=list)
    companions: list[dict[str, Any]] = field(default_factory=list)
    streams: list[dict[str, Any]] = field(default_factory=list)
    ties: set[tuple[str, str]] = field(default_factory=set)

    def add(self, reject: Mapping[str, Any], found: Found) -> None:
        source = reject["source_id"]
        self.source_id.append(source)
        self.position.append(reject["position"])
        self.byte_offset.append(reject["byte_offset"])
        self.counts[source].update(found.counts)
        self.ignored[source].update(found.ignored)
        self.events += found.events
        self.companions += found.companions
        self.streams += found.streams.values()
        self.ties |= found.ties

    def places(self) -> pa.Table:
        kinds = {"source_id": pa.string(), "position": pa.int64(), "byte_offset": pa.int64()}
        return pa.table({name: pa.array(getattr(self, name), kinds[name]) for name in kinds})

    def staged(self, folder: Path) -> Taken:
        named = [row for row in self.events if row["job_id"] != row["stream_id"]]
        pending = [row for row in self.events if row["job_id"] == row["stream_id"]]
        return Taken(
            events=[s for s in [stage_table(folder, "events", named)] if s],
            pending=[s for s in [stage_table(folder, "events", pending)] if s],
            companions=[s for s in [stage_table(folder, "companions", self.companions)] if s],
            ties=self.ties,
        )


def replay(
    store: Store,
    *,
    max_record_bytes: int = DEFAULT_MAX_RECORD_BYTES,
    waiting: Callable[[str], None] | None = None,
) -> ReplayReport:
    """Read all rejects again; see `Lake.replay_rejects`."""
    with (
        store.workspace() as folder,
        store.ledger.writing(waiting, task="rejects --replay"),
        settle.engine(folder) as con,
        Originals(store, max_record_bytes) as originals,
    ):
        passed, tried = _Passed(), 0

        @cache
        def streams_of(source: str) -> dict[str, Mapping[str, Any]]:
            """The streams of a source, with their jobs as they were assigned since, perhaps."""
            return {row["stream_id"]: dict(row) for row in store.ledger.streams(source)}

        def hint_of(source: str) -> str | None:
            row = store.ledger.source(source)
            return row["job_hint"] if row else None

        for reject in _rejects(store, con):
            tried += 1
            found = _again(reject, originals, streams_of, hint_of)
            if found is not None:
                passed.add(reject, found)
        if passed.source_id:
            _commit(store, folder, con, passed)
    store.write_script()
    return ReplayReport(tried, len(passed.source_id), tried - len(passed.source_id))


def _rejects(store: Store, con: duckdb.DuckDBPyConnection) -> Iterator[dict[str, Any]]:
    """All rejects of a lake, those of a file together and in their order."""
    if files := store.live("rejects"):
        con.read_parquet([str(file) for file in files]).create_view("rejected", replace=True)
        in_order = con.sql("from rejected order by source_id, byte_offset")
        for batch in in_order.to_arrow_reader(1_000):
            yield from batch.to_pylist()


def _commit(store: Store, folder: Path, con: duckdb.DuckDBPyConnection, passed: _Passed) -> None:
    """Put events and companions in the place of the rejects that they were."""
    commit = Commit(store, folder, "replay")
    con.register("passed", passed.places())
    left = settle.rewrite(con, folder, "rejects", sql_text("lake/still_rejected"))
    commit.exchange(store.live("rejects"), left)
    store.ledger.recount(passed.counts)
    store.ledger.ignore(passed.ignored)
    store.ledger.put_streams(passed.streams)
    store.ledger.rewritten |= {"streams"} if passed.streams else set()  # of an earlier source
    taken = passed.staged(folder)
    commit.last_event_at = last_event_at(s.path for s in (*taken.events, *taken.pending))
    settled, names = Change(store, folder, commit).bring(taken)
    Change(store, folder, commit).recount(settled, set())
    store.ledger.rename_jobs(names.streams, "shared")
    commit.finish()


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
