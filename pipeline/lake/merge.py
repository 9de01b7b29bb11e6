"""Events of many bytes in one segment, sorted, in memory that does not grow with them.

The engine's sort holds 122,880 rows at once, however long they are. Here it sorts some megabytes
at a time, and the order of their keys, which are short; pyarrow puts the rows together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.contract import TABLES
from pipeline.lake.segments import groups_of, row_groups, rows_of
from pipeline.sqlfiles import sql_text

_LONG_ROW = 1_000
"""Rows of a row group that are longer on average may be too long for the engine [byte]."""
_MANY_BYTES = 128 << 20
"""So many it sorts, whatever they are."""
_READ_BYTES, _WRITTEN_BYTES = 1 << 20, 8 << 20
"""Of each run, and of all together, so many at once."""
_ORDERS = 1 << 16


def is_long(files: Iterable[Path]) -> bool:
    """Whether files hold more than the engine may be able to sort."""
    groups = list(groups_of(files))
    return sum(group.total_byte_size for group in groups) > _MANY_BYTES and any(
        group.total_byte_size > _LONG_ROW * group.num_rows for group in groups
    )


def merged(con: Any, folder: Path, files: Iterable[Path]) -> Iterator[pa.RecordBatch]:
    """The events of files in the order of `sql/lake/compacted.sql`.

    Args:
        con: an engine.
        folder: for the runs.
        files: segments.
    """
    runs: list[_Run] = []
    con.execute(sql_text("lake/run_keys"))
    schema = TABLES["events"]
    rows = (batch.select(schema.names).cast(schema) for batch in rows_of(files))
    for table in row_groups(rows):
        con.register("merging", table)
        con.execute(sql_text("lake/add_run_keys"), [len(runs)])
        path = folder / f"run-{len(runs)}.arrow"
        runs.append(_Run(path, con.sql(sql_text("lake/compacted")).to_arrow_table()))
        con.unregister("merging")
    row_bytes = np.array([run.row_bytes for run in runs])
    for batch in con.sql(sql_text("lake/run_order")).to_arrow_reader(_ORDERS):
        turns = batch.column(0).to_numpy()
        parts = np.cumsum(row_bytes[turns]) // _WRITTEN_BYTES
        for turn in np.split(turns, np.flatnonzero(np.diff(parts)) + 1):
            yield from _in_turn(runs, turn)


def _in_turn(runs: list[_Run], turns: Any) -> Iterable[pa.RecordBatch]:
    """The next rows of runs, one of the run that each turn names."""
    counts = np.bincount(turns, minlength=len(runs)).tolist()
    rows = [batch for run, n in zip(runs, counts, strict=True) for batch in run.take(n)]
    places = np.empty(len(turns), dtype=np.int64)
    places[np.argsort(turns, kind="stable")] = np.arange(len(turns))
    return pa.Table.from_batches(rows).take(pa.array(places)).to_batches()


class _Run:
    """Sorted rows in a file, taken from its beginning; it is open for moments: runs are many."""

    def __init__(self, path: Path, table: pa.Table) -> None:
        self.row_bytes = table.nbytes / len(table)
        self._path, self._read = path, 0
        self._rest = pa.RecordBatch.from_pylist([], table.schema)
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with (
            pa.OSFile(str(path), "wb") as file,
            pa.ipc.new_file(file, table.schema, options=options) as writer,
        ):
            writer.write_table(table, max(int(_READ_BYTES / self.row_bytes), 1))

    def take(self, count: int) -> Iterator[pa.RecordBatch]:
        """The next so many rows."""
        while count:
            if not len(self._rest):
                with pa.OSFile(str(self._path)) as file:
                    self._rest = pa.ipc.open_file(file).get_batch(self._read)
                self._read += 1
            taken = self._rest.slice(0, count)
            self._rest = self._rest.slice(len(taken))
            count -= len(taken)
            yield taken
