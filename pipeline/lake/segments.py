"""Segments: immutable Parquet files, durable before they are named."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from pipeline.contract import TABLES
from pipeline.durable import sync

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
_GROUP_BYTES = 64 << 20
_ROWS, _BYTES = 20_000, 8 << 20
"""Of rows of Python values, and of rows that are read one after another, so many at once."""


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
        self._waiting: list[Mapping[str, Any]] = []
        self._waiting_bytes = 0

    def add(self, rows: Iterable[Mapping[str, Any]], size: int = 0) -> None:
        """Add rows of Python values, which wait until they are worth a row group.

        Args:
            rows: they, few of them.
            size: what they hold, if that may be much [byte].
        """
        self._waiting += rows
        self._waiting_bytes += size
        if len(self._waiting) >= _ROWS or self._waiting_bytes > _BYTES:
            self._flush()

    def _flush(self) -> None:
        self.write(pa.Table.from_pylist(self._waiting, schema=TABLES[self.kind]))
        self._waiting, self._waiting_bytes = [], 0

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
        most = _GROUP_BYTES * len(table) // max(table.nbytes, 1)
        self._writer.write_table(table, row_group_size=min(max(most, 1), ROW_GROUP))
        self._rows += len(table)
        if self.kind == "events":
            self._jobs.update(counts(table["job_id"]))
            self._speaks = self._speaks or _speaks(table)

    def finish(self) -> Staged | None:
        """Close the file; None where nothing was written."""
        self._flush()
        if self._writer is None:
            return None
        self._writer.close()
        self._writer = None
        return Staged(self._path, self.kind, self._rows, self._jobs, self._speaks)


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


def stage_rows(folder: Path, kind: str, rows: list[dict[str, Any]]) -> Staged | None:
    """Write rows of Python values as a staged file."""
    writer = SegmentWriter(folder, kind)
    writer.add(rows)
    return writer.finish()


def stage(folder: Path, kind: str, batches: Iterable[pa.RecordBatch]) -> Staged | None:
    """Write rows as a staged file, as they come."""
    writer = SegmentWriter(folder, kind)
    for table in row_groups(batches):
        writer.write(table.select(TABLES[kind].names).cast(TABLES[kind]))
    return writer.finish()


def row_groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Batches put together, of which the engine gives smaller ones."""
    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        waiting.append(batch)
        rows, size = rows + len(batch), size + batch.nbytes
        if rows >= ROW_GROUP or size > _GROUP_BYTES:
            yield pa.Table.from_batches(waiting)
            waiting, rows, size = [], 0, 0
    if waiting:
        yield pa.Table.from_batches(waiting)


def rows_of(files: Iterable[Path]) -> Iterator[pa.RecordBatch]:
    """The rows of segments as they lie, some megabytes at a time.

    The engine reads 2,048 rows at once, in each of its threads, however large they are.
    """
    for path in files:
        with pq.ParquetFile(path) as file:
            for number in range(file.num_row_groups):
                most = _at_once(file.metadata.row_group(number))
                yield from file.iter_batches(min(most, _ROWS), row_groups=[number])


def _at_once(group: pq.RowGroupMetaData) -> int:
    """How many rows of a row group are some megabytes."""
    return max(int(_BYTES * group.num_rows // max(group.total_byte_size, 1)), 1)


def longest_at_once(files: Iterable[Path]) -> int:
    """How many rows of segments are some megabytes, wherever they lie."""
    return min(map(_at_once, groups_of(files)), default=_ROWS)


def groups_of(files: Iterable[Path]) -> Iterator[pq.RowGroupMetaData]:
    """The row groups of segments, as their footers tell them."""
    for footer in map(pq.read_metadata, files):
        yield from map(footer.row_group, range(footer.num_row_groups))


def rejects_without(
    folder: Path, files: Iterable[Path], goes: Callable[[str, int, int], bool]
) -> Staged | None:
    """Stage the rejects of segments that stay.

    Args:
        folder: for staged files.
        files: the segments.
        goes: whether one does, by its source, position and byte offset.
    """

    def left() -> Iterator[pa.RecordBatch]:
        for batch in rows_of(files):
            keys = (batch[name].to_pylist() for name in ("source_id", "position", "byte_offset"))
            yield batch.filter(pa.array([not goes(*key) for key in zip(*keys, strict=True)]))

    return stage(folder, "rejects", left())


def rows_in(file: Path) -> int:
    """How many rows a Parquet file holds."""
    return int(pq.read_metadata(file).num_rows)


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
    sync(staged.path)
    target = folder / name
    staged.path.chmod(staged.path.stat().st_mode & 0o444 | 0o400)  # who may read, the umask says
    if target.exists() and target.stat().st_size == staged.path.stat().st_size:
        staged.path.unlink()
    else:
        staged.path.replace(target)
    return name


def hash_of(path: Path) -> str:
    """The hash of a file's content, by which segments are named."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()
