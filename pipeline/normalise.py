"""Records to events: the engine reads what is regular, and hands on the odd few."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.contract import COUNTERS, METRICS
from pipeline.forms.block import Block
from pipeline.idle import Idle, started
from pipeline.marks import all_bytes, column, marks
from pipeline.sqlfiles import filled, literal, sql_text

CODED = ("job_id", "stream_id", "source_id")
"""Columns of few values in a batch, which come as dictionaries."""

PROVENANCE = pa.schema(
    [
        *(pa.field(name, pa.dictionary(pa.int32(), pa.string())) for name in CODED),
        pa.field("position", pa.int64()),
        pa.field("offset", pa.int64()),
        pa.field("ordinal", pa.int64()),
        pa.field("source", pa.int32()),
        pa.field("stream", pa.int32()),
        pa.field("last", pa.bool_()),
    ]
)
"""What is known of a record before it is read: the columns of `contract.EVENTS` of these names,
numbers of its source and stream, and whether it may be cut off."""

RECORDS = pa.schema(
    [
        pa.field("raw", pa.string()),
        pa.field("bytes", pa.binary()),
        pa.field("payload", pa.string_view()),
        pa.field("quotes", pa.int32()),
        pa.field("flat", pa.bool_()),
        *PROVENANCE,
    ]
)
"""One row per record: its text where it may be regular, its bytes, its payload's text, its quotes,
and whether nothing is nested in its payload."""

OddReader = Callable[[bytes, int, int, int, int, int, bool], bool]
"""Is told (bytes, source, stream, position, offset, ordinal, last) of each record that is not
regular, by several threads; returns False."""

Keys = tuple[str, ...]
"""Known keys of payloads, in the order of the contract."""

ALL_KEYS: Keys = (*COUNTERS, *METRICS)

_SAMPLE = 1 << 18


def records(
    block: Block, provenance: Mapping[str, pa.Array], doubt: npt.NDArray[np.bool_] | None = None
) -> pa.RecordBatch:
    """A block as rows of `RECORDS`; its bytes are not copied.

    Args:
        block: of at least one record.
        provenance: the columns of `PROVENANCE`.
        doubt: bool[n], records that are odd whatever they are.
    """
    shape = marks(block)
    if doubt is not None:
        shape.whole[doubt] = False
    columns = {
        "raw": shape.texts(block),
        "bytes": all_bytes(block),
        "payload": shape.payloads(block),
        "quotes": column(shape.quotes),
        "flat": column(shape.flat),
        **provenance,
    }
    return pa.record_batch([columns[name] for name in RECORDS.names], schema=RECORDS)


def keys_in(batch: pa.RecordBatch) -> Keys:
    """Known keys that the ends of a batch of records show: asking for fewer is quicker.

    A record with another key is odd, not wrong.
    """
    data = memoryview(batch.column("bytes").buffers()[2])
    sample = bytes(data[:_SAMPLE]) + bytes(data[-_SAMPLE:])
    return (*COUNTERS, *(name for name in METRICS if f'"{name}"'.encode() in sample))


def _nobody(*_: object) -> bool:
    """Stands for the reader of an engine that is not used."""
    raise RuntimeError("no ingest uses this engine")


class _Engine:
    """A connection whose function `odd` hands on to whoever uses it at the moment."""

    def __init__(self) -> None:
        self.hand_on: OddReader = _nobody
        self.con = started()
        self.con.execute(sql_text("normalise/engine"))

        def odd(
            record: bytes, source: int, stream: int, position: int, offset: int, n: int, last: bool
        ) -> bool:
            return self.hand_on(record, source, stream, position, offset, n, last)

        parameters: Any = ["BLOB", "INTEGER", "INTEGER", "BIGINT", "BIGINT", "BIGINT", "BOOLEAN"]
        options: Any = {"null_handling": "special", "side_effects": True}
        self.con.create_function("odd", odd, parameters, "BOOLEAN", **options)

    def close(self) -> None:
        self.con.remove_function("odd")  # or neither is ever freed
        self.con.close()


_ENGINES = Idle(_Engine)


@contextmanager
def engine(odd: OddReader) -> Iterator[duckdb.DuckDBPyConnection]:
    """An engine that knows the words of events and hands odd records on."""
    used = _ENGINES.take()
    used.hand_on = odd
    try:
        yield used.con
    except BaseException:
        used.close()
        raise
    used.hand_on = _nobody
    _ENGINES.put_back(used)


@atexit.register
def _close() -> None:
    for used in _ENGINES.drain():
        used.close()


def stage(
    con: duckdb.DuckDBPyConnection, batches: pa.RecordBatchReader, keys: Keys, path: Path
) -> int:
    """Write the regular events among records to a Parquet file as they come; how many."""
    con.register("records", batches)
    query = filled("normalise/stage", regular=regular(keys), target=literal(path))
    try:
        (count,) = con.execute(query).fetchall()[0]
    finally:
        con.unregister("records")
    return int(count)


@cache
def regular(keys: Keys) -> str:
    """The query that reads regular records whose payloads have no other known keys."""

    def each(form: str, joint: str, names: Sequence[str] = keys) -> str:
        return joint.join(form.format(name) for name in names)

    return filled(
        "normalise/regular",
        keys=each('"{0}": "DOUBLE"', ", "),
        metrics=", ".join(
            f"d.{n} as {n}" if n in keys else f"null::double as {n}" for n in METRICS
        ),
        given=each("(d.{0} is not null)::integer", " + "),
        sum=each("coalesce(d.{0}, 0)", " + "),
        truths=each("d.{0} in (0, 1)", " or "),
        known=each("{0}", "|", ALL_KEYS),
    )
