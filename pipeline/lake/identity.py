"""Events and their rows; of the same identity with different content, which one wins."""

from __future__ import annotations

from collections.abc import Mapping
from json.encoder import encode_basestring
from typing import Any

import xxhash

from pipeline.contract import COUNTERS, METRICS
from pipeline.exact import CONTENT_ID, Event
from pipeline.shapes import comparable, written


def rebuilt(row: Mapping[str, Any]) -> str:
    """The event of a row of `events` as JSON text, equal to what was read.

    Args:
        row: `created_at` in whole seconds; `object`, `event_id`, `level`, `message`, `type`,
            `data` and `extra` as in the contract.
    """
    extra = row["extra"]
    parts = []
    if row["object"] is not None:
        parts.append(f'"object": {encode_basestring(row["object"])}')
    if not row["event_id"].startswith(CONTENT_ID):  # one sent so is in `extra`
        parts.append(f'"id": {encode_basestring(row["event_id"])}')
    parts.append(f'"created_at": {row["created_at"]}')
    parts.append(f'"level": {encode_basestring(row["level"])}')
    parts.append(f'"message": {encode_basestring(row["message"])}')
    if row["data"] is not None:
        parts.append(f'"data": {row["data"]}')
    if row["type"] is not None:
        parts.append(f'"type": {encode_basestring(row["type"])}')
    if extra:
        parts.append(extra[1:-1])
    # One line an event: line breaks in `data` stand between its tokens, as text cannot hold them.
    return ("{" + ", ".join(parts) + "}").replace("\n", " ").replace("\r", " ")


def rank(row: Mapping[str, Any]) -> tuple[int, str]:
    """Place in the total order of contents: non-null leaves, then canonical text. Greatest wins."""
    content = comparable(rebuilt(row))
    return _leaves(content), written(content)


def content_hash(canonical: str) -> str:
    """Hash of a content by its canonical text, equal for contents that count as equal."""
    return xxhash.xxh3_128_hexdigest(canonical.encode())


def _leaves(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(_leaves, value.values()))
    if isinstance(value, list):
        return sum(map(_leaves, value))
    return value is not None


def event_row(
    event: Event, job: str, stream: str, source: str, position: int, offset: int, ordinal: int
) -> dict[str, Any]:
    """An event that was read exactly, as a row of the contract."""
    return {
        "job_id": job,
        "event_id": event.event_id,
        "created_at": event.created_at * 1_000_000,
        "level": event.level,
        "type": event.type,
        "message": event.message,
        **{name: event.counters.get(name) for name in COUNTERS},
        **{name: event.metrics.get(name) for name in METRICS},
        "other_metrics": list(event.other_metrics.items()) or None,
        "data": event.data,
        "extra": event.extra,
        "misfits": event.misfits or None,
        "object": event.object,
        "dialect": event.dialect,
        "stream_id": stream,
        "source_id": source,
        "position": position,
        "offset": offset,
        "ordinal": ordinal,
    }
