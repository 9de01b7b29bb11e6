"""Rows as JSON, with text that commands no terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from pipeline.inert import inert_json

if TYPE_CHECKING:
    import pyarrow as pa


def json_lines(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[str]:
    """Rows as JSON objects, one text per row, without line ends."""
    from json.encoder import encode_basestring

    from pipeline.cli.cells import json_texts

    keys = [inert_json(encode_basestring(field.name)) + ": " for field in schema]
    for batch in batches:
        columns = [
            [key + text for text in json_texts(column)]
            for key, column in zip(keys, batch.columns, strict=True)
        ]
        for row in zip(*columns, strict=True):
            yield f"{{{', '.join(row)}}}"


def write_jsonl(schema: pa.Schema, batches: Iterator[pa.RecordBatch], out: TextIO) -> None:
    """Write rows as JSON objects, one a line."""
    out.writelines(f"{line}\n" for line in json_lines(schema, batches))


def write_json(schema: pa.Schema, batches: Iterator[pa.RecordBatch], out: TextIO) -> None:
    """Write rows as one JSON list of objects."""
    before = "["
    for line in json_lines(schema, batches):
        out.write(f"{before}{line}")
        before = ",\n "
    out.write("[]\n" if before == "[" else "]\n")
