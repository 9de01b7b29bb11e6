"""Few segments instead of many, sorted so that one job's curve is quick to read."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

from pipeline.contract import DATA_TABLES
from pipeline.lake import merge
from pipeline.lake.commit import Commit
from pipeline.lake.damage import damage
from pipeline.lake.engine import engine, over, rewrite
from pipeline.lake.segments import Staged, rows_of, stage
from pipeline.lake.store import Store
from pipeline.sqlfiles import sql_text
from pipeline.telling import Waiting

_SORTED = {"events": "lake/compacted", "companions": "lake/compacted_companions"}
MOST_SEGMENTS = 64
"""More live segments of a table than these are merged."""
MOST_TINY = 16
"""More tiny ones than these are: that takes a moment, and each file costs every question some."""
_TINY_BYTES, _TINY_ROWS = 1 << 20, 10_000


def compact_if_worth(store: Store, waiting: Waiting | None) -> int:
    """Merge small segments where a table has too many; how many were merged."""
    if not any(_small(segments, MOST_TINY) for segments in _by_size(store).values()):
        return 0
    return compact(store, waiting=waiting)


def compact(
    store: Store,
    *,
    everything: bool = False,
    keep_hours: float = 24,
    waiting: Waiting | None = None,
) -> int:
    """Merge segments; readers go on with the old files for a day.

    Args:
        store: the lake.
        everything: merge all segments, not only where there are too many.
        keep_hours: how long files that were replaced stay [h].
        waiting: told who holds the lake, if another process does.
    """
    merged = 0
    with (
        store.workspace() as folder,
        store.ledger.writing(waiting, task="compact"),
        engine(folder) as con,
    ):
        merging = {}
        for kind, segments in _by_size(store).items():
            if everything:  # snapshots are written whole in the end
                names = [s["name"] for s in segments] if kind in DATA_TABLES else []
            else:
                names = _small(segments, MOST_TINY // 2)  # or other tables have their turn soon
            if len(names) > 1:
                merging[kind] = [store.folder(kind) / name for name in names]
        of_data = (file for kind in DATA_TABLES for file in merging.get(kind, ()))
        if error := damage(of_data):  # before anything is published that nobody would name
            raise error
        commit = Commit(store, folder, "compact")
        for kind, chosen in merging.items():
            commit.exchange(chosen, _merged(con, folder, kind, chosen))
            merged += len(chosen)
        commit.finish(whole=everything)
    store.write_script()
    store.collect_garbage(timedelta(hours=keep_hours))
    return merged


def _merged(con: Any, folder: Path, kind: str, chosen: list[Path]) -> Staged | None:
    if kind not in _SORTED:
        return stage(folder, kind, rows_of(chosen))
    if kind == "events" and merge.is_long(chosen):
        return stage(folder, kind, merge.merged(con, folder, chosen))
    over(con, "merging", chosen, kind)
    return rewrite(con, folder, kind, sql_text(_SORTED[kind]))


def _by_size(store: Store) -> dict[str, list[sqlite3.Row]]:
    """Table -> its live segments, the smallest first."""
    found: dict[str, list[sqlite3.Row]] = {}
    for segment in sorted(store.ledger.live_segments(), key=lambda s: (s["byte_count"], s["name"])):
        found.setdefault(segment["kind"], []).append(segment)
    return found


def _small(segments: list[sqlite3.Row], most_tiny: int) -> list[str]:
    """The segments to merge: the smallest, as long as one is no more than twice all before it.

    Each row is then rewritten a number of times that grows with the logarithm of the lake.
    """
    if len(segments) <= MOST_SEGMENTS:
        tiny = [s["name"] for s in segments if _is_tiny(s)]
        return tiny if len(tiny) > most_tiny else []
    total = 0
    chosen: list[str] = []
    for segment in segments:
        if len(chosen) >= MOST_SEGMENTS // 2 and segment["byte_count"] > 2 * total:
            break
        chosen.append(segment["name"])
        total += segment["byte_count"]
    return chosen


def _is_tiny(segment: sqlite3.Row) -> bool:
    # In rows, too: to merge what compresses well takes memory all the same.
    return bool(segment["byte_count"] < _TINY_BYTES and segment["row_count"] < _TINY_ROWS)
