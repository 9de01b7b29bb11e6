"""Few segments instead of many, sorted so that one job's curve is quick to read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from pipeline.contract import DATA_TABLES
from pipeline.lake import settle
from pipeline.lake.store import Commit, Store
from pipeline.sqlfiles import sql_text

_SORTED = {"events": "lake/compacted", "companions": "lake/compacted_companions"}
MOST_SEGMENTS = 64
"""More live segments of a table than these are merged."""
MOST_TINY = 16
"""More tiny ones than these are: that takes a moment, and each file costs every question some."""
_TINY_BYTES = 1 << 20


def compact_if_worth(store: Store, waiting: Callable[[str], None] | None = None) -> int:
    """Merge small segments where a table has too many; how many were merged."""
    if not any(_small(sized, MOST_TINY) for sized in _sized(store).values()):
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
        for kind, sized in _sized(store).items():
            if everything:  # snapshots are written whole in the end
                names = [name for _, name in sized] if kind in DATA_TABLES else []
            else:
                names = _small(sized, MOST_TINY // 2)  # or other tables have their turn soon
            if len(names) < 2:
                continue
            chosen = [store.folder(kind) / name for name in names]
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


def _sized(store: Store) -> dict[str, list[tuple[int, str]]]:
    """Table -> its live segments by size [byte], the smallest first."""
    found: dict[str, list[tuple[int, str]]] = {}
    for segment in store.ledger.live_segments():
        found.setdefault(segment["kind"], []).append((segment["byte_count"], segment["name"]))
    return {kind: sorted(sized) for kind, sized in found.items()}


def _small(sized: list[tuple[int, str]], most_tiny: int) -> list[str]:
    """The segments to merge: the smallest, as long as one is no more than twice all before it.

    Each row is then rewritten a number of times that grows with the logarithm of the lake.
    """
    if len(sized) <= MOST_SEGMENTS:
        tiny = [name for size, name in sized if size < _TINY_BYTES]
        return tiny if len(tiny) > most_tiny else []
    total = 0
    chosen: list[str] = []
    for size, name in sized:
        if len(chosen) >= MOST_SEGMENTS // 2 and size > 2 * total:
            break
        chosen.append(name)
        total += size
    return chosen
