"""Sources that were staged and are not to be committed after all."""

from __future__ import annotations

from pathlib import Path

from duckdb import DuckDBPyConnection

from pipeline.lake.engine import engine, rewrite
from pipeline.lake.segments import Staged
from pipeline.lake.taken import Taken
from pipeline.sqlfiles import literal


def without_sources(folder: Path, taken: Taken, dropped: set[str]) -> Taken:
    """What was staged, less some sources."""
    listed = ", ".join(map(literal, sorted(dropped)))

    def kept(con: DuckDBPyConnection, files: list[Staged]) -> list[Staged]:
        left = []
        for old in files:
            con.read_parquet(str(old.path)).create_view("one_file", replace=True)
            query = f"from one_file where source_id not in ({listed})"
            staged = rewrite(con, folder, old.kind, query, [old.path])
            if staged:
                left.append(staged)
        return left

    with engine(folder) as con:
        return Taken(
            kept(con, taken.events),
            kept(con, taken.pending),
            kept(con, taken.rejects),
            kept(con, taken.companions),
        )
