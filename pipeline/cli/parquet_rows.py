"""Rows as Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import UsageError

_NO_SUCH = pa.ArrowNotImplementedError, pa.ArrowInvalid
"""What is told of a type that Parquet lacks, by the type the one or the other."""


def write_parquet(schema: pa.Schema, batches: Iterator[pa.RecordBatch], out: IO[bytes]) -> None:
    """Write rows as they come.

    Raises:
        UsageError: Parquet has no such type; it names the columns.
    """
    try:
        with pq.ParquetWriter(out, schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_batch(batch)
    except _NO_SUCH as error:
        odd = ", ".join(field.name for field in schema if not _is_storable(field))
        raise UsageError(f"sql: {odd}: {error}: cast to varchar") from None


def _is_storable(field: pa.Field) -> bool:
    try:
        pq.write_table(pa.schema([field]).empty_table(), pa.BufferOutputStream())
    except _NO_SUCH:
        return False
    return True
