"""Contents that lost their identity under a job that is not theirs: events once more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any

import pyarrow as pa

from pipeline import exact
from pipeline.lake.commit import Commit
from pipeline.lake.engine import over, rewrite
from pipeline.lake.identity import event_row
from pipeline.lake.segments import Staged, stage_rows
from pipeline.sqlfiles import sql_text

_KEY = ("job_id", "event_id", "content_hash")


def free(con: Any, commit: Commit) -> tuple[Staged | None, Counter[str]]:
    """Let what lost to events that go to another job as their file grew be events once more.

    What the file's earlier self told, and lost, comes again with the whole.

    Args:
        con: an engine with `fresh`, `replaced` and `moved` (events that go).
        commit: makes the change.

    Returns:
        The events, which may lose once more, and how many each source told.
    """
    files = commit.store.live("variants")
    if not files:
        return None, Counter()
    over(con, "variants", files, "variants")
    con.execute(sql_text("lake/variants_again"))
    _take_out(con, commit, "variants_again")
    con.execute("create or replace temp view leaving as select job_id, event_id from moved")
    return part(con, commit, "", {}, "")[:2]


def part(
    con: Any, commit: Commit, source: str, streams: Mapping[str, str], job: str
) -> tuple[Staged | None, Counter[str], int]:
    """Let what streams of a source told, and what lost to it, be events of their own jobs.

    Two jobs may have equal ids: under one job by mistake, one content of each lost.

    Args:
        con: an engine with `leaving`: the events that go.
        commit: makes the change.
        source: whose streams go.
        streams: they, each with its old job.
        job: where they go to.

    Returns:
        The events, which may lose once more; how many each source told; and how many more than
        the rows of `streams` go.
    """
    files = commit.store.live("variants")
    if not files:
        return None, Counter(), 0
    over(con, "variants", files, "variants")
    asked = {"source": source, "jobs": sorted(set(streams.values()))}
    found = con.sql(sql_text("lake/parted_variants"), params=asked).to_arrow_table().to_pylist()
    told = cache(commit.ledger.streams)
    rows: list[dict[str, Any]] = []
    more: set[str] = set()
    keys: list[tuple[str, ...]] = []
    freed: Counter[str] = Counter()
    for variant in found:
        stream = _stream_of(variant, told(variant["source_id"]))
        event = exact.read(variant["event"].encode())
        if stream is None or not isinstance(event, exact.Event):
            continue
        goes = stream["stream_id"] in streams
        if not goes and not variant["is_free"]:
            continue
        place = (variant["source_id"], variant["position"], variant["offset"])
        ordinal = variant["position"] * (-1 if stream["newest_first"] else 1)
        own = job if goes else variant["job_id"]
        more.update([variant["event_id"]] if goes and not variant["is_free"] else [])
        row = event_row(event, own, stream["stream_id"], *place, ordinal)
        rows.append(row | {"event_id": variant["event_id"]})
        keys.append(tuple(variant[name] for name in _KEY))
        freed[variant["source_id"]] += 1
    if keys:
        columns = dict(zip(_KEY, map(list, zip(*keys, strict=True)), strict=True))
        con.register("parted", pa.table(columns))
        _take_out(con, commit, "parted")
    return stage_rows(commit.folder, "events", rows), freed, len(more)


def _take_out(con: Any, commit: Commit, table: str) -> None:
    """Take the contents that a table names out of the lake's variants."""
    if con.execute(f"from {table} limit 1").fetchall():
        query = f"from variants anti join {table} using ({', '.join(_KEY)})"
        files = commit.store.live("variants")
        commit.exchange(files, rewrite(con, commit.folder, "variants", query, files))


def _stream_of(variant: Mapping[str, Any], streams: Any) -> Any:
    """The stream that told a content."""
    at, job = variant["position"], variant["job_id"]
    for stream in streams:
        if stream["first_position"] <= at <= stream["last_position"] and stream["job_id"] == job:
            return stream
    return None
