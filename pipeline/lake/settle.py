"""Before a commit: which of equal identities stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.lake.engine import engine, over, rewrite
from pipeline.lake.identity import content_hash, rank
from pipeline.lake.segments import Staged
from pipeline.sqlfiles import filled, sql_text

_FEW = 10_000
"""Rows that are compared before an engine has started."""
_PAGE_BYTES = 64_000_000
"""Contents of equal identities that are looked at at once."""
_AT_HAND = 1_000
"""Rows that are Python values at once."""
_RANKED = pa.schema({"number": pa.int64(), "place": pa.int64(), "content_hash": pa.string()})
LOST = 2
"""The place of contents that differ from the one that stays."""
_LETTER = ("created_at", "level", "type", "message", "object", "data", "extra")


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
    """Find the lake's rows that have come again as events of another job; table `moved`.

    Args:
        con: with the views `fresh`, `renamed` and `held`.
        replaced: sources to be replaced, and the one that begins with each.
    """
    hold_replaced(con, replaced)
    con.execute(sql_text("lake/moved") + ("" if replaced else "limit 0"))  # spares a reading


def is_contested(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether any row may lose its identity to another, or has moved; table `repeated`.

    Args:
        con: with the views `fresh`, `renamed` and `held`, after `find_moved`.
    """
    con.execute(sql_text("lake/repeated"))
    lost = con.execute("select exists (from repeated) or exists (from moved)").fetchall()
    return lost == [(True,)]


def settle(con: duckdb.DuckDBPyConnection) -> Settled:
    """Find the rows that lose their identity to another, and those that moved; table `losers`.

    Of copies that are equal in the letter, those of sources to be replaced go first.

    Args:
        con: after `is_contested`.
    """
    con.execute(sql_text("lake/contested"))
    con.execute(sql_text("lake/disputed"), {"page_bytes": _PAGE_BYTES})
    con.register("page", _RANKED.empty_table())
    con.execute("create or replace temp table ranked as from page")
    for rows in pages(con):
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


def pages(con: duckdb.DuckDBPyConnection, place: int = 0) -> Iterator[Iterator[dict[str, Any]]]:
    """The contents of `disputed`, so many as are looked at at once, of each identity all.

    Args:
        con: with the tables of `settle`, `ranked` as far as it is known.
        place: leave out contents that have a lesser one.
    """
    for (page,) in con.execute("select distinct page from disputed order by page").fetchall():
        asked = {"page": page, "place": place}
        reader = con.sql(sql_text("lake/disputed_page"), params=asked).to_arrow_reader(_AT_HAND)
        yield (row for batch in reader for row in batch.to_pylist())


def _ranked(contents: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The place of each content among those of its identity: see `losers.sql`."""
    best: dict[tuple[str, str], tuple[tuple[int, str], list[Any], int]] = {}
    told: list[tuple[tuple[str, str], int, str]] = []
    for row in contents:
        identity, number, key = (row["job_id"], row["event_id"]), row["number"], rank(row)
        told.append((identity, number, content_hash(key[1])))
        letters = [(row[name] is None, row[name]) for name in _LETTER]
        known = best.get(identity)
        if not known or key > known[0] or (key == known[0] and letters < known[1]):
            best[identity] = key, letters, number
    hashes = {number: content_hash for _, number, content_hash in told}
    for identity, number, content in told:
        winner = best[identity][2]
        place = 0 if number == winner else 1 if content == hashes[winner] else LOST
        yield {"number": number, "place": place, "content_hash": content if place == LOST else None}


def hold_replaced(con: duckdb.DuckDBPyConnection, replaced: Mapping[str, str]) -> None:
    """Make the table `replaced`: sources to be replaced, and the one that begins with each."""
    pairs = [pa.array(side, pa.string()) for side in (list(replaced), list(replaced.values()))]
    con.register("replaced", pa.table(pairs, ["source_id", "grown_id"]))


def without_losers(
    con: duckdb.DuckDBPyConnection, folder: Path, file: Path, held: bool
) -> Staged | None:
    """Stage the rows of one file that stay."""
    con.read_parquet(str(file)).create_view("one_file", replace=True)
    query = filled("lake/without_losers", is_held=str(held))
    return rewrite(con, folder, "events", query, [file])
