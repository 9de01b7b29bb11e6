"""Mending: a job for what has none, another try for what was rejected."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import exact
from pipeline.contract import DEFAULT_MAX_RECORD_BYTES, UNATTRIBUTED_PREFIX
from pipeline.errors import UsageError
from pipeline.lake import settle
from pipeline.lake.change import Change
from pipeline.lake.identity import event_row
from pipeline.lake.inside import Found, inside
from pipeline.lake.intake import Taken
from pipeline.lake.naming import check_job_id
from pipeline.lake.oversize import Originals
from pipeline.lake.segments import last_event_at, stage_table
from pipeline.lake.store import Commit, Store
from pipeline.sources import shown
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


def assign(
    store: Store,
    source: str,
    job: str,
    *,
    force: bool = False,
    waiting: Callable[[str], None] | None = None,
) -> int:
    """Give the events of a source's streams to a job; see `Lake.assign`."""
    check_job_id(job)
    source_id = _source_id(store, source)
    with store.workspace() as folder, store.ledger.writing(waiting, task="assign"):
        streams = store.ledger.streams(source_id)
        others = {row["stream_id"]: row["job_id"] for row in streams if row["job_id"] != job}
        nameless = {
            row["job_id"]
            for row in streams
            if row["stream_id"] in others
            and (row["job_id"].startswith(UNATTRIBUTED_PREFIX) or row["told_by"] == "unknown")
        }
        named = {stream: old for stream, old in others.items() if force and old not in nameless}
        jobs = {row["job_id"] for row in streams}
        # Streams that were given to another job by hand are not passed over without a word.
        elsewhere = {row["job_id"] for row in streams if row["told_by"] == "assigned"} - {job}
        done = job in jobs and not elsewhere
        if not nameless and not named and not done:
            raise UsageError(
                f"{source}: its events belong to {', '.join(sorted(jobs))} already: "
                "add --force to move them"
            )
        moved = 0
        if nameless or named:
            commit = Commit(store, folder, f"assign {source_id} {job}")
            moved = _move(store, folder, commit, source_id, nameless, named, job)
            commit.finish()
    store.write_script()
    return moved


def _source_id(store: Store, named: str) -> str:
    """The id of the one source of this id or path: as given, else as the same file's other path."""
    paths = (os.path.relpath(named), str(Path(named).absolute())) if named else ()
    for name in (named, *paths):
        found = store.ledger.find_sources(shown(name))
        if len(found) == 1:
            return str(found[0]["source_id"])
        if found:
            break
    what = "no such source" if not found else f"{len(found)} sources are called so"
    raise UsageError(
        f"{named or repr(named)}: {what}: `tunelog show sources` lists their ids and paths"
    )


def _move(
    store: Store,
    folder: Path,
    commit: Commit,
    source: str,
    nameless: set[str],
    named: Mapping[str, str],
    job: str,
) -> int:
    """Give nameless jobs, and streams of a source that others have, to a job; how many events."""
    change = Change(store, folder, commit)
    fresh: list[Any] = []
    with settle.engine(folder) as con:
        if nameless:  # each is one stream, maybe seen in several files: all of it moves
            change.rename(con, dict.fromkeys(sorted(nameless), job), "assigned", fresh)
        moved = sum(staged.rows for staged in fresh)
        if named:
            moved += change.move(con, source, named, job, fresh)
    settled, _ = change.bring(Taken(events=fresh))
    change.recount(settled, set())
    return moved


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
        files = store.live("rejects")
        rows: list[dict[str, Any]] = []
        beside: list[dict[str, Any]] = []
        streams: list[dict[str, Any]] = []
        keys: list[tuple[str, int, int]] = []
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        ignored: dict[str, Counter[str]] = defaultdict(Counter)
        ties: set[tuple[str, str]] = set()
        tried = 0

        @cache
        def streams_of(source: str) -> dict[str, Mapping[str, Any]]:
            """The streams of a source, with their jobs as they were assigned since, perhaps."""
            return {row["stream_id"]: dict(row) for row in store.ledger.streams(source)}

        def hint_of(source: str) -> str | None:
            row = store.ledger.source(source)
            return row["job_hint"] if row else None

        if files:
            con.read_parquet([str(file) for file in files]).create_view("rejected", replace=True)
            in_order = con.sql("from rejected order by source_id, byte_offset")
            for batch in in_order.to_arrow_reader(1_000):
                for reject in batch.to_pylist():
                    tried += 1
                    found = _again(reject, originals, streams_of, hint_of)
                    if found is None:
                        continue
                    source = reject["source_id"]
                    keys.append((source, reject["position"], reject["byte_offset"]))
                    counts[source].update(found.counts)
                    ignored[source].update(found.ignored)
                    rows.extend(found.events)
                    ties.update(found.ties)
                    beside.extend(found.companions)
                    streams.extend(found.streams.values())
        if keys:
            commit = Commit(store, folder, "replay")
            con.register(
                "passed",
                pa.table(
                    {
                        "source_id": pa.array([k[0] for k in keys]),
                        "position": pa.array([k[1] for k in keys], pa.int64()),
                        "byte_offset": pa.array([k[2] for k in keys], pa.int64()),
                    }
                ),
            )
            left = settle.rewrite(con, folder, "rejects", sql_text("lake/still_rejected"))
            commit.exchange(files, left)
            store.ledger.recount(counts)
            store.ledger.ignore(ignored)
            store.ledger.put_streams(streams)
            store.ledger.rewritten |= {"streams"} if streams else set()  # of an earlier source
            named = [r for r in rows if r["job_id"] != r["stream_id"]]
            pending = [r for r in rows if r["job_id"] == r["stream_id"]]
            taken = Taken(
                events=[s for s in [stage_table(folder, "events", named)] if s],
                pending=[s for s in [stage_table(folder, "events", pending)] if s],
                companions=[s for s in [stage_table(folder, "companions", beside)] if s],
                ties=ties,
            )
            commit.last_event_at = last_event_at(s.path for s in (*taken.events, *taken.pending))
            settled, names = Change(store, folder, commit).bring(taken)
            Change(store, folder, commit).recount(settled, set())
            store.ledger.rename_jobs(names.streams, "shared")
            commit.finish()
    store.write_script()
    return ReplayReport(tried, len(keys), tried - len(keys))


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
