"""One engine with all views, for all lakes of a process: planning them takes most of a second."""

from __future__ import annotations

import tempfile
import warnings
from functools import cache

import duckdb
import pyarrow as pa

from pipeline import open_lake, views
from pipeline.lake.lake import Lake


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    """A connection with all views, over whatever `lake_...` stand for at the moment."""
    with tempfile.TemporaryDirectory() as folder, open_lake(folder) as lake:
        lake.make()
        return lake.connect()


def asked(lake: Lake) -> duckdb.DuckDBPyConnection:
    """The views over a lake, until the next one is asked: nobody closes or changes them."""
    con, files = _connection(), lake._store.files()
    if files != _shown:
        views.create(con, files, only=[])
        _shown.update(files)
    return con


_shown: dict[str, list[str]] = {}
"""The files that the views stand over: most lakes are asked several times as they are."""


def fetched(con: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    """The rows of a query that is planned once: a relation is, and then again to be run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # few rows are copied in no time
        return con.execute(query).to_arrow_table()
