"""The lake's events as they were read, one JSON text a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.lake.identity import rebuilt
from pipeline.sqlfiles import sql_text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def events(con: DuckDBPyConnection, job_id: str | None) -> Iterator[str]:
    """Yield, for each job, a line that names it and then its events, oldest first.

    Events carry no job id. The naming line is a `fine_tuning.job` object with nothing but the
    id, as dumps have it; reading the export, it tells whose the lines below it are.
    """
    with con:
        job = None
        reader = con.sql(sql_text("lake/export"), params={"job_id": job_id}).to_arrow_reader(10_000)
        for batch in reader:
            for row in batch.to_pylist():
                if row["job_id"] != job:
                    job = row["job_id"]
                    yield json.dumps({"object": "fine_tuning.job", "id": job}, ensure_ascii=False)
                yield rebuilt(row)
