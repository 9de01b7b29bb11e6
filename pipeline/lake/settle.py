"""Before a commit: which of equal identities stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.contract import TABLES
from pipeline.idle import Idle, started
from pipeline.interrupts import hearing
from pipeline.lake.identity import content_hash, rank, rebuilt
from pipeline.lake.segments import Staged, stage
from pipeline.sqlfiles import sql_text

MEMORY_LIMIT = "1GB"
FEW_THREADS = "set threads = least(4, current_setting('threads'))"
"""Each holds rows of its own: the limit does not suffice for those of many."""
_BATCH_ROWS = 4_096
"""Rows that the engine hands on at once: however wide they are, `stage` sees to their bytes."""
_FEW = 10_000
"""Rows that are compared before an engine has started, identities that are looked at at once."""
_RANKED = pa.schema(
    [("job_id", pa.string()), ("event_id", pa.string()), ("same", pa.int64()),
     ("place", pa.int64()), ("content_hash", pa.string())]
)  # fmt: skip


@contextmanager
def engine(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty engine with a memory limit, which spills below a folder of the lake."""
    used = _ENGINES.take()
    with hearing(used.cursor()) as con:
        spill = str(folder).replace("'", "''")
        con.execute(f"set temp_directory = '{spill}'; attach ':memory:' as work; use work")
        yield con
        con.execute("use memory; detach work")
    if not any(folder.glob("duckdb_temp*")):  # one that spilled cannot spill elsewhere
        _ENGINES.put_back(used)


def _started() -> duckdb.DuckDBPyConnection:
    con = started(
        memory_limit=MEMORY_LIMIT,
        preserve_insertion_order=True,
        autoinstall_known_extensions=False,
        autoload_known_extensions=False,
    )
    con.execute(FEW_THREADS)
    return con


_ENGINES = Idle(_started)


def over(
    con: duckdb.DuckDBPyConnection, name: str, files: Sequence[str | Path], kind: str = "events"
) -> None:
    """Make a view over files of a table; over none, an empty one."""
    if files:
        relation = con.read_parquet([str(file) for file in files])
    else:
        relation = con.from_arrow(TABLES[kind].empty_table())
    relation.create_view(name, replace=True)


def renamed(
    con: duckdb.DuckDBPyConnection, folder: Path, view: str, key: str, names: Mapping[str, str]
) -> Staged | None:
    """Stage the rows of a view for whose job_id or stream_id there is a job, under that job.

    The table `names` (old, new) stays for who asks on.
    """
    con.register("names", pa.table({"old": list(names), "new": list(names.values())}))
    query = sql_text("lake/renamed").replace("{view}", view).replace("{key}", key)
    return rewrite(con, folder, "events", query)


def rewrite(con: duckdb.DuckDBPyConnection, folder: Path, kind: str, query: str) -> Staged | None:
    """Stage the rows of a query, streaming."""
    return stage(folder, kind, con.sql(query).to_arrow_reader(_BATCH_ROWS))


# -- identity -------------------------------------------------------------------------------------


@dataclass
class Settled:
    """The outcome of deduplication.

    Attributes:
        fresh: losing rows among those read now: source id -> how many.
        held: losing rows among the lake's, renamed ones too: source id -> how many.
        replacing: rows read now that took the place of the lake's: source id -> how many.
        gone: sources of the lake of which nothing is left, as all came again.
        variants: what lost to another content, as a staged file of the table of variants.
        variants_of: how much of that each source told.
        companions: what the lake knew already: (source id, kind) -> how many.
        again: of the others, what came again from a source that is gone.
    """

    fresh: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    replacing: Counter[str] = field(default_factory=Counter)
    gone: set[str] = field(default_factory=set)
    variants: Staged | None = None
    variants_of: Counter[str] = field(default_factory=Counter)
    companions: Counter[tuple[str, str]] = field(default_factory=Counter)
    again: Counter[tuple[str, str]] = field(default_factory=Counter)

    @cached_property
    def again_of(self) -> Counter[str]:
        """How much of what came again each source told."""
        total: Counter[str] = Counter()
        for (source, _), count in self.again.items():
            total[source] += count
        return total


def repeats(folder: Path, fresh: Sequence[Staged]) -> bool:
    """Whether any identity may occur twice among staged events."""
    files = [staged.path for staged in fresh]
    if sum(staged.rows for staged in fresh) <= _FEW:
        tables = [_identities(file) for file in files]
        rows = [row for t in tables for row in zip(*map(_texts, t.columns), strict=True)]
        return len(set(rows)) < len(rows)
    with engine(folder) as con:
        over(con, "fresh", files)
        found = con.sql(sql_text("lake/identities")).to_arrow_table()
    hashes = np.sort(found["identity"].to_numpy())
    return bool((hashes[1:] == hashes[:-1]).any())


def _identities(path: Path) -> pa.Table:
    with pq.ParquetFile(path) as file:  # `pq.read_table` imports more than it takes to read this
        return file.read(["job_id", "event_id"])


def _texts(column: pa.ChunkedArray) -> list[str]:
    return [text for chunk in column.chunks for text in chunk.to_pylist()]


def find_moved(con: duckdb.DuckDBPyConnection, replaced: Mapping[str, str]) -> None:
    """Find the rows of `held` that have come again as events of another job; table `moved`.

    Args:
        con: with the views `fresh` and `held`.
        replaced: sources to be replaced, and the one that begins with each.
    """
    hold_replaced(con, replaced)
    con.execute(sql_text("lake/moved") + ("" if replaced else "limit 0"))  # spares a reading


def settle(con: duckdb.DuckDBPyConnection) -> Settled:
    """Find the rows that lose their identity to another, and those that moved; table `losers`.

    Of copies that are equal in the letter, those of sources to be replaced go first.

    Args:
        con: with the views `fresh`, `renamed` and `held`, after `find_moved`.
    """
    con.execute(sql_text("lake/contested"))
    con.execute(sql_text("lake/disputed"))
    con.register("page", _RANKED.empty_table())
    con.execute("create or replace temp table ranked as from page")
    for first, end in pages(con):
        query = "from disputed where number >= ? and number < ? order by number, same"
        rows = con.sql(query, params=[first, end]).to_arrow_table().to_pylist()
        con.register("page", pa.Table.from_pylist(list(_ranked(rows)), schema=_RANKED))
        con.execute("insert into ranked from page")
        con.unregister("page")
    con.execute(sql_text("lake/losers"))
    con.execute("insert into losers by name from moved")
    settled = Settled()
    totals = "select source_id, was_held, count(*) from losers group by all"
    for source, was_held, count in con.execute(totals).fetchall():
        (settled.held if was_held else settled.fresh)[source] = count
    settled.replacing.update(dict(con.execute(sql_text("lake/replacing")).fetchall()))
    return settled


def pages(con: duckdb.DuckDBPyConnection) -> Iterator[tuple[int, int]]:
    """Ranges of the numbers of identities in `disputed`, so many as are looked at at once."""
    (count,) = con.execute("select coalesce(max(number) + 1, 0) from disputed").fetchall()[0]
    return ((first, first + _FEW) for first in range(0, count, _FEW))


def _ranked(contents: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The place of each content among those of its identity, equal ones the same."""
    for _, group in groupby(contents, key=lambda row: row["number"]):
        judged = sorted(((rank(rebuilt(row)), row) for row in group), key=itemgetter(0))
        place, before = -1, None
        for key, row in reversed(judged):
            place, before = (place, before) if key[1] == before else (place + 1, key[1])
            yield {**row, "place": place, "content_hash": content_hash(key[1]) if place else None}


def hold_replaced(con: duckdb.DuckDBPyConnection, replaced: Mapping[str, str]) -> None:
    """Make the table `replaced`: sources to be replaced, and the one that begins with each."""
    pairs = [pa.array(side, pa.string()) for side in (list(replaced), list(replaced.values()))]
    con.register("replaced", pa.table(pairs, ["source_id", "grown_id"]))


def without_losers(
    con: duckdb.DuckDBPyConnection, folder: Path, file: Path, held: bool
) -> Staged | None:
    """Stage the rows of one file that stay."""
    con.read_parquet(str(file)).create_view("one_file", replace=True)
    query = sql_text("lake/without_losers").replace("{is_held}", str(held).lower())
    return rewrite(con, folder, "events", query)
