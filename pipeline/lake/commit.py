"""A commit: files that become live or cease to be, together, and the ledger's snapshots of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.contract import DATA_TABLES, LEDGER_TABLES, TABLES
from pipeline.durable import sync
from pipeline.errors import LakeError
from pipeline.lake.damage import damage
from pipeline.lake.ledger import now
from pipeline.lake.segments import Staged, publish
from pipeline.lake.store import Store


class Commit:
    """Files that become live or cease to be, together; used inside `ledger.writing`."""

    def __init__(self, store: Store, folder: Path, command: str) -> None:
        """Open a commit of a command, with a folder for files that are staged for it."""
        self.store, self.folder, self.ledger = store, folder, store.ledger
        self.id = self.ledger.begin_commit(command)
        self.moment = now()
        self.last_event_at: datetime | None = None
        """When the last event happened of those it read, new or not."""
        self._touched: set[Path] = set()

    def add(self, staged: Staged | None) -> None:
        """Make a staged file durable and live."""
        if staged is None:
            return
        folder = self.store.folder(staged.kind)
        size = staged.path.stat().st_size
        name = publish(staged, folder)
        self._touched.add(folder)
        self.ledger.add_segment(name, staged, size, self.id)

    def exchange(self, old: Sequence[Path], new: Staged | None) -> None:
        """Put a staged file, or none, in place of live ones.

        Raises:
            LakeError: one of these is damaged: its rows would be taken for sound ones from now on.
        """
        if error := damage(path for path in old if path.parent.name in DATA_TABLES):
            raise error
        for path in old:  # first: what is put in their place may be equal to one of them
            self.ledger.remove_segment(path.name)
        self.add(new)

    def finish(self, *, whole: bool = False) -> None:
        """Complete the counts, write the ledger's snapshots, make the names durable.

        A snapshot is a file for each commit with the rows it brought, until a commit changes
        earlier rows: a whole one each time would make the work, and the room, of many small commits
        grow with their square. Compaction merges the files.

        Args:
            whole: write the snapshots whole.
        """
        self.ledger.end_commit(self.id, self.last_event_at)
        for table in LEDGER_TABLES:
            anew = whole or table in self.ledger.rewritten
            old = self.store.live(table) if anew else []
            self.exchange(old, self._snapshot(table, None if anew else self.id))
        for folder in self._touched:
            sync(folder)

    def _snapshot(self, table: str, commit_id: int | None) -> Staged | None:
        rows = self.ledger.snapshot(table, commit_id)
        if not rows:
            return None
        path = self.folder / f"{table}-{self.id}.parquet"
        content = from_ledger(rows, TABLES[table])
        with path.open("wb", buffering=1 << 20) as file:
            pq.write_table(content, file, compression="zstd", store_schema=False)
        return Staged(path, table, len(rows))


def from_ledger(rows: Sequence[sqlite3.Row], schema: pa.Schema) -> pa.Table:
    """Rows of the ledger, one at least, under the names and types of a schema."""
    columns = dict(zip(rows[0].keys(), zip(*rows, strict=True), strict=True))
    if "byte_count" in columns:
        columns["bytes"] = columns.pop("byte_count")
    arrays = []
    for field in schema:
        values: Sequence[Any] = columns[field.name]
        if pa.types.is_timestamp(field.type):
            values = [_moment(field.name, value) for value in values]
        elif pa.types.is_boolean(field.type):
            values = [value != 0 for value in values]
        arrays.append(pa.array(values, field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


@lru_cache(64)  # the sources of a commit have one
def _moment(name: str, told: str | None) -> datetime | None:
    try:
        return None if told is None else datetime.fromisoformat(told).astimezone(UTC)
    except (ValueError, OverflowError):
        raise LakeError(
            f"ledger.db: damaged ({name} is {told!r}, no time): bring it back from a copy"
        ) from None
