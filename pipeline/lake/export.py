"""The lake's events as they were read, one JSON text a line, and what is told beside them."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.contract import JOB_OBJECT, RESULT_OBJECT
from pipeline.lake.identity import rebuilt
from pipeline.sqlfiles import literal, sql_text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_BATCH_ROWS = 1_000
"""Rows that are at hand at once: payloads may be long."""


def lines(
    con: DuckDBPyConnection, job_id: str | None, spill: AbstractContextManager[Path | None]
) -> Iterator[str]:
    """Yield, for each job, what is told beside its events, a line that names it, its events.

    Events carry no job id. The naming line is a `fine_tuning.job` object with nothing but the
    id, as dumps have it; reading the export, it tells whose the lines below it are. Events come
    oldest first. Of objects the fields that the lake keeps are there; rows of result files are
    objects of their own, `tunelog.result`.

    Args:
        con: a connection to the lake, which is closed in the end.
        job_id: the job; all where it is None.
        spill: a folder for what is to be sorted, and does not fit into memory.
    """
    with spill as folder, con, con.cursor() as other:
        if folder:
            con.execute(f"set memory_limit = '1GB'; set temp_directory = {literal(folder)}")
        beside = _rows(con, "lake/export_companions", job_id)
        events = _rows(other, "lake/export", job_id)
        told = ((row["job_id"], 0, row) for row in beside)
        happened = ((row["job_id"], 1, row) for row in events)
        job = None
        for name, section, row in heapq.merge(told, happened, key=itemgetter(0, 1)):
            if not section:
                yield _companion(row)
                continue
            if name != job:
                job = name
                yield json.dumps({"object": JOB_OBJECT, "id": job}, ensure_ascii=False)
            yield rebuilt(row)


def _rows(con: DuckDBPyConnection, query: str, job_id: str | None) -> Iterator[dict[str, Any]]:
    reader = con.sql(sql_text(query), params={"job_id": job_id}).to_arrow_reader(_BATCH_ROWS)
    for batch in reader:
        yield from batch.to_pylist()


def _companion(row: dict[str, Any]) -> str:
    if row["kind"] != "result":
        return str(row["content"])
    naming = json.dumps({"object": RESULT_OBJECT, "job_id": row["job_id"]}, ensure_ascii=False)
    return f"{naming[:-1]}, {row['content'][1:]}"
