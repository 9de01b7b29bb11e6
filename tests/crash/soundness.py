"""Is a lake whole? Asked of the files and the ledger, and then of the product's verification."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import oracle
import oracle_reader
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
from engine import asked

from pipeline import open_lake
from pipeline.contract import DATA_TABLES
from pipeline.lake.lake import Lake

Row = tuple[Any, ...]
STRAY = "0" * 32
"""Name of the file that a harness leaves in a lake for a compaction to take away."""
FOLDERS = {name: name for name in DATA_TABLES}


def unsound(folder: Path, *, settled: bool = False) -> list[str]:
    """What is wrong with a lake, in words; nothing if it is whole.

    Args:
        folder: the lake's.
        settled: a command has ended well: `open.sql` has to be of this moment.
    """
    with sqlite3.connect(folder / "ledger.db") as db:
        said = [str(row[0]) for row in db.execute("pragma integrity_check")]
        live = db.execute(
            "select kind, name, row_count, byte_count from segments where removed_at is null"
        ).fetchall()
    db.close()
    wrong = [] if said == ["ok"] else [f"ledger.db: {text}" for text in said]
    for kind, name, rows, size in live:
        wrong += _damage(folder / FOLDERS.get(kind, "ledger") / name, rows, size)
    for empty in (folder / "ledger").glob("no-*.parquet"):
        wrong += [] if _rows(empty) == 0 else [f"{empty}: no empty table"]
    if wrong:
        return wrong
    script = folder / "open.sql"
    written = script.read_text("utf-8") if script.exists() else ""  # opening may mend it
    with open_lake(folder, create=False) as lake:
        wrong += [f"verify: {told}" for told in lake.verify().findings if STRAY not in told.place]
        if settled and not written.startswith(lake.snapshot()[0]):
            wrong.append("open.sql: not of the latest commit")
    return wrong


def _damage(path: Path, rows: int, size: int) -> list[str]:
    """What is wrong with one live file."""
    if not path.is_file():
        return [f"{path}: live, but not there"]
    content = path.read_bytes()
    if xxhash.xxh3_128_hexdigest(content) != path.stem:
        return [f"{path}: {len(content)} of {size} bytes, and not those of its name"]
    found = _rows(path)
    return [] if found == rows else [f"{path}: {found} rows instead of {rows}"]


def _rows(path: Path) -> int | None:
    """How many rows a Parquet file has; None if it is none."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowInvalid):
        return None


# -- what a lake holds, and what it should ---------------------------------------------------------

EVENTS = """
select job_id, event_id, epoch(created_at)::bigint, level, type, message, step, train_loss, data
from lake_events order by job_id, event_id
"""


def each_event(lake: Lake) -> Iterator[Row]:
    """The events of a lake in the order of job and id, as `events_of` gives those of dumps."""
    cursor = asked(lake).execute(EVENTS)
    while rows := cursor.fetchmany(10_000):
        for row in rows:
            yield (*row[:-1], row[-1] and canonical(json.loads(row[-1])))


def events_in(lake: Path) -> list[Row]:
    """All events of a lake."""
    with open_lake(lake, create=False) as opened:
        return list(each_event(opened))


def rejects_in(lake: Path) -> list[bytes]:
    """The bytes of a lake's rejects."""
    with open_lake(lake, create=False) as opened:
        rows = asked(opened).execute("select raw from lake_rejects order by all").fetchall()
    return [row[0] for row in rows]


def events_of(dumps: Iterable[Path], job: str | None = None) -> list[Row]:
    """The events of dumps as plain Python reads them, once each, all of them of `job` if given."""
    return sorted(
        (
            job or event.job_id, event.event_id, event.time, event.level, event.type,
            event.message, event.step, event.metrics.get("train_loss"),
            None if event.data is oracle.ABSENT else canonical(event.data),
        )
        for event in oracle_reader.read(dumps)
    )  # fmt: skip


def canonical(value: Any) -> str:
    """JSON text that is equal for equal values."""
    return json.dumps(value, sort_keys=True)
