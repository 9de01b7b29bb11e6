"""What lies beside events on its way into the lake: staged, and each thing kept once."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.companions import Companion
from pipeline.contract import COMPANIONS
from pipeline.lake.commit import Commit
from pipeline.lake.engine import engine, over, rewrite
from pipeline.lake.segments import SegmentWriter, Staged, stage
from pipeline.lake.store import Store
from pipeline.sqlfiles import sql_text

Counts = Counter[tuple[str, str]]
"""(source id, kind) -> rows."""


class CompanionRows:
    """Companions of one intake, on their way to a staged file.

    Attributes:
        files: result file -> jobs whose objects name it.
    """

    def __init__(self, folder: Path) -> None:
        """Prepare to stage below a folder."""
        self._writer = SegmentWriter(folder, "companions")
        self.files: dict[str, set[str]] = defaultdict(set)

    def add(
        self, companion: Companion, job: str, source_id: str, position: int, offset: int
    ) -> None:
        """Take one in."""
        for file in companion.files:
            self.files[file].add(job)
        row = _row(companion.kind, companion.content, job, source_id, position, offset)
        self._writer.add([row])

    def add_results(
        self, told: Iterable[str], job: str, source_id: str, places: Iterable[tuple[int, int]]
    ) -> None:
        """Take rows of a result file in, by their contents and (position, offset)."""
        self._writer.add(
            _row("result", content, job, source_id, *place)
            for content, place in zip(told, places, strict=True)
        )

    def finish(self) -> Staged | None:
        """The staged file; None where there is nothing."""
        return self._writer.finish()


def _row(
    kind: str, content: str, job: str, source_id: str, position: int, offset: int
) -> dict[str, Any]:
    """A companion as a row of the contract."""
    return {
        "job_id": job, "kind": kind, "content": content,
        "source_id": source_id, "position": position, "offset": offset,
    }  # fmt: skip


def bring(commit: Commit, fresh: Sequence[Staged], gone: set[str]) -> tuple[Counts, Counts]:
    """Make staged companions live that the lake does not hold yet.

    Args:
        commit: under way.
        fresh: staged companions.
        gone: sources that leave the lake, with what they told.

    Returns:
        Those that it holds, and those live now that it held of a source that leaves; counted.
    """
    repeats: Counts = Counter()
    again: Counts = Counter()
    leaving = _take_out(commit, gone)
    if not fresh:
        return repeats, again
    with engine(commit.folder) as con:
        over(con, "fresh", [staged.path for staged in fresh], "companions")
        over(con, "held", commit.store.live("companions"), "companions")
        staged = rewrite(con, commit.folder, "companions", sql_text("lake/new_companions"))
        over(con, "kept", [staged.path] if staged else [], "companions")
        for source, kind, count in con.execute(sql_text("lake/companion_losses")).fetchall():
            repeats[source, kind] = count
        con.register("leaving", leaving)
        for source, kind, count in con.execute(sql_text("lake/companions_again")).fetchall():
            again[source, kind] = count
    commit.add(staged)
    return repeats, again


def _take_out(commit: Commit, gone: set[str]) -> pa.Table:
    """Take the rows of sources out of the lake; what they are."""
    out = [COMPANIONS.empty_table()]
    for file in commit.store.live("companions") if gone else ():
        table = pq.read_table(file)
        leaves = np.array([source in gone for source in table["source_id"].to_pylist()], bool)
        if leaves.any():
            out.append(table.filter(pa.array(leaves)).cast(COMPANIONS))
            stays = table.filter(pa.array(~leaves)).to_batches()
            commit.exchange([file], stage(commit.folder, "companions", stays))
    return pa.concat_tables(out)


def rename(
    con: Any, commit: Commit, jobs: Mapping[str, str], source: str | None = None
) -> Counter[str]:
    """Let the rows of result files follow the events of their jobs; repeats by source.

    Those of one source only, if it is named. Objects name their job themselves and stay with it.
    """
    files = commit.store.live("companions")
    over(con, "fresh", files, "companions")
    sources = pa.array([source] * len(jobs), pa.string())
    con.register(
        "names", pa.table({"old": list(jobs), "new": list(jobs.values()), "source": sources})
    )
    lost: Counter[str] = Counter()
    if con.execute(sql_text("lake/has_results")).fetchall():
        query = sql_text("lake/renamed_companions")
        staged = rewrite(con, commit.folder, "companions", query)
        over(con, "kept", [staged.path] if staged else [], "companions")
        for source, _, count in con.execute(sql_text("lake/companion_losses")).fetchall():
            lost[source] += count
        commit.exchange(files, staged)
    return lost


def result_files(store: Store, folder: Path) -> dict[str, set[str]]:
    """Result file -> jobs whose objects in the lake name it."""
    found: dict[str, set[str]] = defaultdict(set)
    with engine(folder) as con:
        over(con, "held", store.live("companions"), "companions")
        for job, files in con.execute(sql_text("lake/result_files")).fetchall():
            for file in json.loads(files):
                found[file].add(job)
    return found
