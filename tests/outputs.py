"""Tables made for a test, and what a format writes of them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from pipeline.cli.output import write_rows

UTC_TIME = pa.timestamp("us", tz="UTC")


def rows(**columns: object) -> pa.Table:
    """A table from lists or Arrow arrays."""
    return pa.table(columns)


def written(table: pa.Table, format: str, tmp_path: Path) -> str:
    """What a format writes into a file."""
    path = tmp_path / f"out.{format}"
    assert write_rows(table.to_reader(max_chunksize=2), format, str(path)) == table.num_rows
    return path.read_text(encoding="utf-8")
