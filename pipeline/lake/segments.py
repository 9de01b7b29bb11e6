"""Segments: immutable Parquet files, durable before they are named."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from pipeline.contract import TABLES

_CODED = ["job_id", "level", "type", "object", "dialect", "stream_id", "source_id", "extra",
          "reason", "detail"]  # fmt: skip
"""Columns of few values, worth a dictionary."""
_RANGED = ["job_id", "created_at", "step", "position"]
"""Columns whose range per row group lets a reader pass it over."""
_DELTA = ["created_at", "step", "position", "offset", "ordinal", "byte_offset"]
"""Integers that grow in small steps."""
_WRITE_BATCH = 1 << 16
ROW_GROUP = 122_880
"""Rows whose ranges a reader looks at together, for each column of each question: a large lake has
few groups, and they are enough for its threads."""
_PAGE = 4_096
"""Rows a reader unpacks together: few, so that one job's curve is quick."""


@dataclass
class Staged:
    """A finished file that no reader knows yet.

    Attributes:
        path: where it lies, below `tmp/`.
        kind: the table it belongs to.
        rows: how many rows it holds.
        jobs: rows per job (events only).
        speaks: a message in it may tell a step that no payload gives (events only).
    """

    path: Path
    kind: str
    rows: int
    jobs: dict[str, int] = field(default_factory=dict)
    speaks: bool = False


class SegmentWriter:
    """Writes one staged file, opened with the first row group."""

    def __init__(self, folder: Path, kind: str) -> None:
        """Prepare to write rows of a table below a folder."""
        self._folder, self.kind = folder, kind
        self._writer: pq.ParquetWriter | None = None
        self._path = folder / f"{kind}-{uuid.uuid4().hex}.parquet"
        self._rows = 0
        self._jobs: Counter[str] = Counter()
        self._speaks = False

    def write(self, table: pa.Table) -> None:
        """Add rows as one row group."""
        if not len(table):
            return
        if self._writer is None:
            names = table.column_names
            self._writer = pq.ParquetWriter(
                self._path,
                table.schema,
                compression="zstd",
                compression_level=1,
                use_dictionary=[n for n in _CODED if n in names],
                write_statistics=[n for n in _RANGED if n in names],
                column_encoding={n: "DELTA_BINARY_PACKED" for n in _DELTA if n in names},
                write_batch_size=_WRITE_BATCH,
                max_rows_per_page=_PAGE,
                store_schema=False,
            )
        self._writer.write_table(table, row_group_size=ROW_GROUP)
        self._rows += len(table)
        if self.kind == "events":
            self._jobs.update(counts(table["job_id"]))
            self._speaks = self._speaks or _speaks(table)

    def finish(self) -> Staged | None:
        """Close the file; None where nothing was written."""
        if self._writer is None:
            return None
        self._writer.close()
        self._writer = None
        return Staged(self._path, self.kind, self._rows, self._jobs, self._speaks)

    def abandon(self) -> None:
        """Close and delete the file."""
        if self._writer is not None:
            self._writer.close()
            self._path.unlink(missing_ok=True)


def counts(column: pa.ChunkedArray) -> Counter[str]:
    """How often each value occurs in a text column."""
    return Counter(value for chunk in column.chunks for value in chunk.to_pylist())


def _speaks(events: pa.Table) -> bool:
    """What `sql/lake/speaks.sql` asks, of rows in memory."""
    for batch in events.select(["step", "message"]).to_batches():
        steps, messages = batch.columns
        stepless = np.flatnonzero(np.isnan(steps.to_numpy(zero_copy_only=False).astype(float)))
        if any((messages[i].as_py() or "").startswith("Step ") for i in stepless.tolist()):
            return True
    return False


def stage_table(folder: Path, kind: str, rows: list[dict[str, object]]) -> Staged | None:
    """Write rows of Python values as a staged file."""
    if not rows:
        return None
    writer = SegmentWriter(folder, kind)
    writer.write(pa.Table.from_pylist(rows, schema=TABLES[kind]))
    return writer.finish()


def last_event_at(files: Iterable[Path]) -> datetime | None:
    """When the last event of some segments happened, as their footers tell."""
    times: list[datetime] = []
    for file in files:
        footer = pq.read_metadata(file)
        place = footer.schema.names.index("created_at")
        groups = (footer.row_group(number).column(place) for number in range(footer.num_row_groups))
        times.extend(group.statistics.max for group in groups if group.statistics)
    return max(times, default=None)


def publish(staged: Staged, folder: Path) -> str:
    """Make a staged file durable under its content's name; the name it now has.

    A file that has the name already stays: a reader that runs may open that one, not its equal.
    """
    name = f"{hash_of(staged.path)}.parquet"
    with staged.path.open("rb") as file:
        os.fsync(file.fileno())
    target = folder / name
    staged.path.chmod(0o440)
    if target.exists() and target.stat().st_size == staged.path.stat().st_size:
        staged.path.unlink()
    else:
        staged.path.replace(target)
    return name


def hash_of(path: Path) -> str:
    """The hash of a file's content, by which segments are named."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
