"""What a user would type instead, as a process: JSON to Parquet by DuckDB and by polars."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path


def duckdb_copy(source: str, target: str) -> None:
    """DuckDB's own reader with its inferred schema, to Parquet."""
    import duckdb

    query = (Path(__file__).parent / "copy.sql").read_text(encoding="utf-8")
    duckdb.connect().execute(query.replace("{source}", source).replace("{target}", target))


def polars_sink(source: str, target: str) -> None:
    """polars' streaming reader with its inferred schema, to Parquet."""
    import polars as pl

    pl.scan_ndjson(source).sink_parquet(target)


PEERS: dict[str, Callable[[str, str], None]] = {"duckdb": duckdb_copy, "polars": polars_sink}

if __name__ == "__main__":
    PEERS[sys.argv[1]](sys.argv[2], sys.argv[3])
