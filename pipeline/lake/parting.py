"""Contents that lost their identity under a job that is not theirs: events once more."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import exact
from pipeline.lake import settle
from pipeline.lake.identity import event_row
from pipeline.lake.segments import Staged, stage_rows
from pipeline.lake.store import Commit, Store
from pipeline.sqlfiles import sql_text

_KEY = ("job_id", "event_id", "content_hash")


def part(
    store: Store,
    con: Any,
    folder: Path,
    commit: Commit,
    source: str,
    streams: Mapping[str, str],
    job: str,
) -> tuple[Staged | None, int]:
    """Let what streams of a source told, and what lost to it, be events of their own jobs.

    Two jobs may have equal ids: under one job by mistake, one content of each lost.

    Args:
        store: the lake.
        con: an engine with `renaming` (events of the old jobs) and `names` (streams that go).
        folder: for staged files.
        commit: makes the change.
        source: whose streams go.
        streams: they, each with its old job.
        job: where they go to.

    Returns:
        The events, which may lose once more, and how many more than the rows of `streams` go.
    """
    files = store.live("variants")
    if not files:
        return None, 0
    settle.over(con, "variants", files, "variants")
    asked = {"source": source, "jobs": sorted(set(streams.values()))}
    found = con.sql(sql_text("lake/parted_variants"), params=asked).to_arrow_table().to_pylist()
    told = cache(store.ledger.streams)
    rows: list[dict[str, Any]] = []
    more: set[str] = set()
    keys: list[tuple[str, ...]] = []
    counts: dict[str, Counter[str]] = defaultdict(Counter)
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
        counts[variant["source_id"]].update(events=1, duplicates=-1)
    if keys:
        columns = dict(zip(_KEY, map(list, zip(*keys, strict=True)), strict=True))
        con.register("parted", pa.table(columns))
        query = f"from variants anti join parted using ({', '.join(_KEY)})"
        commit.exchange(files, settle.rewrite(con, folder, "variants", query))
        store.ledger.recount(counts)
    return stage_rows(folder, "events", rows), len(more)


def _stream_of(variant: Mapping[str, Any], streams: Any) -> Any:
    """The stream that told a content."""
    at, job = variant["position"], variant["job_id"]
    for stream in streams:
        if stream["first_position"] <= at <= stream["last_position"] and stream["job_id"] == job:
            return stream
    return None
