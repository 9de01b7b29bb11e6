"""Copies: one content is one stream, though only one of its names tells the job."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence

from pipeline.contract import UNATTRIBUTED_PREFIX
from pipeline.lake.growth import goes_on
from pipeline.lake.reading import Reading
from pipeline.lake.store import Store


def copies(store: Store, readings: Sequence[Reading]) -> set[tuple[str, str]]:
    """Streams and jobs of copies with the job that they are.

    Ids tell it as well, but those of Azure's metrics are no job's own.
    """
    found = set()
    known: dict[str, list[sqlite3.Row]] = defaultdict(list)
    alike: dict[str, list[Reading]] = defaultdict(list)
    for row in store.ledger.streams_of_contents([r.content_hash for r in readings]):
        known[row["content_hash"]].append(row)
    for reading in readings:
        alike[reading.content_hash].append(reading)
    for reading in readings:
        held, twins = known.get(reading.content_hash, ()), alike[reading.content_hash]
        # one that goes on is what it was, whatever it equals now
        if reading.grown_from is None and (held or len(twins) > 1):
            found |= _copied(reading, held, twins)
    return found


def _copied(
    reading: Reading, known: Sequence[sqlite3.Row], alike: Sequence[Reading]
) -> set[tuple[str, str]]:
    """What the copies of a reading tell.

    Args:
        reading: of a source.
        known: streams that the lake has of its content, its own among them.
        alike: readings of the same content, itself among them.
    """
    found = set()
    own = {
        name.removeprefix(f"{reading.source_id}/"): (name, stream)
        for name, stream in reading.streams.items()
        if not stream.conflict
    }
    for row in known:
        name, stream = own.get(row["stream_id"].partition("/")[2], ("", None))
        if (
            stream is None
            or row["source_id"] == reading.source_id
            or not goes_on(row, stream)
            or row["job_id"] == row["stream_id"]
        ):
            continue
        is_nameless = row["job_id"].startswith(UNATTRIBUTED_PREFIX)
        if stream.job and is_nameless:
            found.add((row["job_id"], stream.job))
        elif stream.job is None and not is_nameless:
            found.add((name, row["job_id"]))
    nameless = {end: told for end, told in own.items() if told[1].job is None}
    for other in alike if nameless else ():  # at most one of them is nameless: it has no hint
        for end, (name, stream) in nameless.items():
            twin = other.streams.get(f"{other.source_id}/{end}")
            if twin and twin.job and twin.first == stream.first:
                found.add((name, twin.job))
    return found
