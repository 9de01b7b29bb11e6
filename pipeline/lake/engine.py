"""An engine over files of a lake: views of its tables, queries to staged files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from pipeline.contract import TABLES
from pipeline.idle import Idle, started
from pipeline.interrupts import hearing
from pipeline.lake.segments import Staged, longest_at_once, stage
from pipeline.sqlfiles import filled, literal

MEMORY_LIMIT = "1GB"
FEW_THREADS = "set threads = least(4, current_setting('threads'))"
"""Each holds rows of its own: the limit does not suffice for those of many."""
_BATCH_ROWS = 4_096
"""Rows that the engine hands on at once, where they are short."""


@contextmanager
def engine(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty engine with a memory limit, which spills below a folder of the lake."""
    used = _ENGINES.take()
    with hearing(used.cursor()) as con:
        spill = literal(folder)
        con.execute(f"set temp_directory = {spill}; attach ':memory:' as work; use work")
        yield con
        con.execute("use memory; detach work")
    if not any(folder.glob("duckdb_temp*")):  # one that spilled cannot spill elsewhere
        _ENGINES.put_back(used)


def _started() -> duckdb.DuckDBPyConnection:
    con = started(memory_limit=MEMORY_LIMIT, preserve_insertion_order=True)
    con.execute(FEW_THREADS)
    return con


_ENGINES = Idle(_started)


def over(
    con: duckdb.DuckDBPyConnection, name: str, files: Sequence[str | Path], kind: str = "events"
) -> None:
    """Make a view over files of a table; over none, an empty one."""
    if files:  # the engine takes all for as long as the first, and the shorter side of a join
        files = sorted(files, key=lambda file: Path(file).stat().st_size, reverse=True)
        relation = con.read_parquet([str(file) for file in files])
    else:
        relation = con.from_arrow(TABLES[kind].empty_table())
    relation.create_view(name, replace=True)


def renamed(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    view: str,
    files: Sequence[Path],
    key: str,
    names: Mapping[str, str],
) -> Staged | None:
    """Stage the rows of a view over files that have a job by their job_id or stream_id, under it.

    The table `names` (old, new) stays for who asks on.
    """
    con.register("names", pa.table({"old": list(names), "new": list(names.values())}))
    query = filled("lake/renamed", view=view, key=key)
    return rewrite(con, folder, "events", query, files)


def rewrite(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    kind: str,
    query: str,
    files: Sequence[Path] = (),
) -> Staged | None:
    """Stage the rows of a query, streaming.

    Args:
        con: an engine.
        folder: for the staged file.
        kind: the table they are of.
        query: gives them.
        files: where it has them from, if they may be long.
    """
    rows = min(longest_at_once(files), _BATCH_ROWS)
    return stage(folder, kind, con.sql(query).to_arrow_reader(rows))
