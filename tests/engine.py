"""One engine with all views, for all lakes of a process: planning them takes most of a second."""

from __future__ import annotations

import tempfile
from functools import cache

import duckdb

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
    con = _connection()
    views.create(con, lake._store.files(), only=[])
    return con
