"""Contents that lost their identity to another: kept once each, beside the events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.contract import TABLES
from pipeline.lake import settle
from pipeline.lake.commit import Commit
from pipeline.lake.engine import engine, over, rewrite
from pipeline.lake.identity import rebuilt
from pipeline.lake.segments import SegmentWriter, Staged, rows_in
from pipeline.sqlfiles import sql_text

_TOLD = "from told semi join new_variants using (job_id, event_id, content_hash)"
_STAYING = "from one_file anti join new_variants using (job_id, event_id, content_hash)"


def stage(con: duckdb.DuckDBPyConnection, commit: Commit) -> tuple[Staged | None, Counter[str]]:
    """Stage the contents that lost, by the tables `ranked` and `disputed`.

    Returns:
        Them, each once and in its least text; and how many each source told.
    """
    writer = SegmentWriter(commit.folder, "variants")
    counts: Counter[str] = Counter()
    for lost in settle.pages(con, settle.LOST):
        rows = list(_once(lost, commit.moment))
        writer.write(pa.Table.from_pylist(rows, schema=TABLES["variants"]))
        counts.update(row["source_id"] for row in rows)
    return writer.finish(), counts


def _once(lost: Iterable[dict[str, Any]], moment: datetime) -> Iterator[dict[str, Any]]:
    """Each content once, in its least text."""
    seen: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in lost:
        event = rebuilt(row)
        variant = {name: row.get(name) for name in TABLES["variants"].names}
        variant |= {"event": event, "first_seen_at": moment}
        key = row["job_id"], row["event_id"], row["content_hash"]
        if event < seen.setdefault(key, variant)["event"]:
            seen[key] = variant
    yield from seen.values()


def bring(commit: Commit, told: Staged | None, replaced: Mapping[str, str]) -> set[str]:
    """Make staged variants live, but for those that the lake has: the least text stays.

    Args:
        commit: what they are part of.
        told: the variants that were staged.
        replaced: sources to be replaced, and the one that begins with each.

    Returns:
        Of the sources to be replaced those that have variants still.
    """
    files = commit.store.live("variants")
    if not files or not (told or replaced):
        commit.add(told)
        return set()
    folder = commit.folder
    with engine(folder) as con:
        over(con, "told", [told.path] if told else [], "variants")
        over(con, "held_variants", files, "variants")
        settle.hold_replaced(con, replaced)
        con.execute(sql_text("lake/new_variants"))
        left = con.execute(
            f"select distinct source_id from ({_STAYING.replace('one_file', 'held_variants')})"
            " semi join replaced using (source_id)"
        ).fetchall()
        for file in files if told else []:
            over(con, "one_file", [file], "variants")
            ((staying,),) = con.execute(f"select count(*) from ({_STAYING})").fetchall()
            if staying < rows_in(file):
                commit.exchange([file], rewrite(con, folder, "variants", _STAYING, [file]))
        commit.add(rewrite(con, folder, "variants", _TOLD, [told.path]) if told else None)
    return {source for (source,) in left}


def rename(con: Any, commit: Commit, jobs: Mapping[str, str]) -> None:
    """Let the variants of jobs follow their events, each content once."""
    files = commit.store.live("variants")
    held = {job for f in files for job in pq.read_table(f, columns=["job_id"])[0].to_pylist()}
    if not held & set(jobs):
        return
    con.read_parquet([str(file) for file in files]).create_view("variants", replace=True)
    query = sql_text("lake/renamed_variants")
    commit.exchange(files, rewrite(con, commit.folder, "variants", query, files))
