"""Few segments instead of many, sorted so that one job's curve is quick to read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from pipeline.contract import DATA_TABLES
from pipeline.lake import settle
from pipeline.lake.store import Commit, Store
from pipeline.sqlfiles import sql_text

_SORTED = {"events": "lake/compacted", "companions": "lake/compacted_companions"}
MOST_SEGMENTS = 64
"""More live segments of a table than these are merged."""


def compact_if_worth(store: Store, waiting: Callable[[str], None] | None = None) -> int:
    """Merge small segments where a table has too many; how many were merged."""
    if all(len(store.ledger.live(kind)) <= MOST_SEGMENTS for kind in DATA_TABLES):
        return 0
    return compact(store, waiting=waiting)


def compact(
    store: Store,
    *,
    everything: bool = False,
    keep_hours: float = 24,
    waiting: Callable[[str], None] | None = None,
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
        settle.engine(folder) as con,
    ):
        commit = Commit(store, folder, "compact")
        for kind in DATA_TABLES:
            files = store.live(kind)
            chosen = files if everything else _small(files)
            if len(chosen) < 2:
                continue
            con.read_parquet([str(file) for file in chosen]).create_view("merging", replace=True)
            query = sql_text(_SORTED[kind]) if kind in _SORTED else "from merging"
            commit.add(settle.rewrite(con, folder, kind, query))
            for file in chosen:
                commit.remove(file)
            merged += len(chosen)
        commit.finish(whole=everything)
    store.write_script()
    store.collect_garbage(timedelta(hours=keep_hours))
    return merged


def _small(files: list[Path]) -> list[Path]:
    """The segments to merge: the smallest, as long as one is no more than twice all before it.

    Each row is then rewritten a number of times that grows with the logarithm of the lake.
    """
    if len(files) <= MOST_SEGMENTS:
        return []
    sized = sorted((file.stat().st_size, file) for file in files)
    total = 0
    chosen: list[Path] = []
    for size, file in sized:
        if len(chosen) >= MOST_SEGMENTS // 2 and size > 2 * total:
            break
        chosen.append(file)
        total += size
    return chosen
