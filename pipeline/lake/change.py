"""Staged events on their way into the lake: named, deduplicated, published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.lake import companions, naming, parting, settle, variants
from pipeline.lake.commit import Commit
from pipeline.lake.engine import engine, over, renamed, rewrite
from pipeline.lake.segments import Staged, rows_in
from pipeline.lake.taken import Taken
from pipeline.sqlfiles import literal


class Change:
    """Staged events on their way into the lake: named, deduplicated, published."""

    def __init__(self, commit: Commit) -> None:
        """Work inside a commit."""
        self._commit, self._store, self._folder = commit, commit.store, commit.folder
        self._renamed: list[Staged] = []

    def bring(self, taken: Taken) -> tuple[settle.Settled, naming.Names]:
        """Make staged events live, once each, under their jobs."""
        ledger = self._store.ledger
        fresh = list(taken.events)
        names = naming.Names()
        unattributed = ledger.unattributed()
        if taken.pending or (unattributed and fresh):
            with engine(self._folder) as con:
                names = self._name(con, taken, fresh, unattributed)
        jobs = sorted({job for staged in fresh for job in staged.jobs} | self._earlier_jobs(taken))
        held = [self._store.folder("events") / name for name in ledger.segments_of(jobs)]
        settled = settle.Settled()
        if held or taken.pending or names.jobs or settle.repeats(self._folder, fresh):
            with engine(self._folder) as con:
                settled, fresh = self._settle(con, fresh, held, jobs, taken.replaced)
        for staged in fresh:
            self._commit.add(staged)
        left = variants.bring(self._commit, settled.variants, taken.replaced)
        settled.gone = {
            source
            for source in taken.replaced.keys() - left
            if not self._has_events(source, settled)
        }
        settled.companions, settled.again = companions.bring(
            self._commit, taken.companions, settled.gone
        )
        return settled, names

    def _name(
        self, con: Any, taken: Taken, fresh: list[Staged], unattributed: list[str]
    ) -> naming.Names:
        """Name what has no name; staged rows under their names join `fresh`."""
        ledger, folder = self._store.ledger, self._store.folder("events")
        old_files = [folder / name for name in ledger.segments_of(unattributed)]
        over(con, "fresh", [s.path for s in fresh])
        over(con, "pending", [s.path for s in taken.pending])
        live = self._store.live("events")
        over(con, "held_rows", live if taken.pending else [])
        settle.hold_replaced(con, taken.replaced)
        over(con, "old_rows", old_files)
        _keep_jobs(con, "unnamed_rows", "old_rows", unattributed)
        # what an earlier self told of a job is no evidence for what the whole tells now
        for name in ("held", "unnamed"):
            con.execute(
                f"create temp view {name} as from {name}_rows anti join replaced using (source_id)"
            )
        names = naming.name_streams(con, unattributed, taken)
        if names.jobs and not taken.pending:  # what the lake has may say otherwise: a rare look
            over(con, "held_rows", live)
            names = naming.name_streams(con, unattributed, taken)
        if names.streams:
            files = [s.path for s in taken.pending]
            staged = renamed(con, self._folder, "pending", files, "job_id", names.streams)
            if staged:
                fresh.append(staged)
        if names.jobs:
            self.rename(con, names.jobs, "shared", fresh)
        return names

    def rename(self, con: Any, jobs: Mapping[str, str], told_by: str, fresh: list[Staged]) -> None:
        """Take the rows of jobs out of the lake and stage them under another name."""
        self._take_out(con, list(jobs), "job_id", jobs, fresh)
        variants.rename(con, self._commit, jobs)
        self._take_companions(con, jobs, None)
        self._store.ledger.rename_jobs(jobs, told_by)

    def move(
        self, con: Any, source: str, streams: Mapping[str, str], new: str, fresh: list[Staged]
    ) -> int:
        """Take the rows of some streams of a source out of their jobs and stage them for another.

        What else these jobs have stays: other sources told it.

        Args:
            con: an engine.
            source: the source.
            streams: stream id -> its job now.
            new: the job that they go to.
            fresh: the staged rows are added to it.

        Returns:
            How many events they bring.
        """
        before = sum(staged.rows for staged in fresh)
        jobs = dict.fromkeys(streams.values(), new)
        self._take_out(con, list(jobs), "stream_id", dict.fromkeys(streams, new), fresh)
        moved = sum(staged.rows for staged in fresh) - before
        con.execute(
            "create or replace temp view leaving as"
            " select job_id, event_id from renaming semi join names on stream_id = old"
        )
        staged, freed, more = parting.part(con, self._commit, source, streams, new)
        fresh.extend([staged] if staged else [])
        self._store.ledger.recount({s: {"events": n, "duplicates": -n} for s, n in freed.items()})
        self._take_companions(con, jobs, source)
        self._store.ledger.move_streams(streams, new)
        return moved + more

    def _take_out(
        self, con: Any, jobs: list[str], key: str, names: Mapping[str, str], fresh: list[Staged]
    ) -> None:
        """Stage the rows of jobs that `names` knows by a key, and leave the others."""
        ledger, folder = self._store.ledger, self._store.folder("events")
        files = [folder / name for name in ledger.segments_of(jobs)]
        over(con, "renaming", files)
        moved = renamed(con, self._folder, "renaming", files, key, names)
        if moved is None:
            return
        fresh.append(moved)
        self._renamed.append(moved)
        for file in files:
            over(con, "one_file", [file])
            if con.execute(f"from one_file semi join names on {key} = old limit 1").fetchall():
                query = f"from one_file anti join names on {key} = old"
                left = rewrite(con, self._folder, "events", query, [file])
                self._commit.exchange([file], left)

    def _take_companions(self, con: Any, jobs: Mapping[str, str], source: str | None) -> None:
        lost = companions.rename(con, self._commit, jobs, source)
        self._store.ledger.recount(
            {s: {"companions": -n, "duplicates": n} for s, n in lost.items()}
        )

    def _earlier_jobs(self, taken: Taken) -> set[str]:
        """The jobs that sources to be replaced gave their events to."""
        streams = self._store.ledger.streams
        return {row["job_id"] for source in taken.replaced for row in streams(source)}

    def _has_events(self, source: str, settled: settle.Settled) -> bool:
        """Whether the lake holds events of a source, now that some of its rows are lost."""
        row = self._store.ledger.source(source)
        lost = settled.held[source] + settled.fresh[source]
        return row is not None and row["events"] > lost

    def _settle(
        self,
        con: Any,
        fresh: list[Staged],
        held: list[Path],
        jobs: list[str],
        replaced: Mapping[str, str],
    ) -> tuple[settle.Settled, list[Staged]]:
        over(con, "fresh", [s.path for s in fresh if s not in self._renamed])
        live = set(self._store.live("events"))  # renaming may have replaced some
        jobs_files = [f for f in held if f in live]
        over(con, "held_files", jobs_files)
        _keep_jobs(con, "held", "held_files", jobs)
        over(con, "renamed", [s.path for s in self._renamed])
        settle.find_moved(con, replaced)
        freed: Counter[str] = Counter()
        if replaced:
            staged, freed = parting.free(con, self._commit)
            if staged:
                fresh = [*fresh, staged]
                self._renamed.append(staged)
                over(con, "renamed", [s.path for s in self._renamed])
        contested = settle.is_contested(con)
        settled = settle.settle(con) if contested else settle.Settled()
        settled.held.subtract(freed)
        if not contested:
            return settled, fresh
        settled.variants, settled.variants_of = variants.stage(con, self._commit)
        where = "select distinct is_held from losers"
        lost = {is_held for (is_held,) in con.execute(where).fetchall()}
        if False in lost:
            fresh = [
                staged
                for old in fresh
                if (staged := settle.without_losers(con, self._folder, old.path, held=False))
            ]
        if True in lost:
            for file in jobs_files:
                staged = settle.without_losers(con, self._folder, file, held=True)
                if staged is None or staged.rows < rows_in(file):
                    self._commit.exchange([file], staged)
        return settled, fresh

    def recount(self, settled: settle.Settled, own: Set[str] = frozenset()) -> None:
        """Carry losses of rows into the counts of sources, but for those that were read now."""
        lost = settled.held.copy()
        for source, count in settled.fresh.items():
            if source not in own:
                lost[source] += count
        ledger = self._store.ledger
        ledger.recount({s: {"events": -n, "duplicates": n} for s, n in lost.items()})
        told = [(s, n) for (s, _), n in settled.companions.items() if s not in own]
        ledger.recount({s: {"companions": -n, "duplicates": n} for s, n in told})


def _keep_jobs(con: Any, view: str, source: str, jobs: Sequence[str]) -> None:
    """A view of the rows of some jobs.

    Literals, so that other row groups are passed over; the place in a list besides, for what is
    said with `in` is joined behind the scan, which then decodes every column of other jobs' rows.
    """
    if len(jobs) <= 200:
        listed = ", ".join(map(literal, jobs)) or "null"
        con.execute(
            f"create or replace temp view {view} as from {source}"
            f" where job_id in ({listed}) and list_position([{listed}], job_id) > 0"
        )
        return
    con.execute(f"create or replace temp table {view}_jobs (job_id varchar)")
    con.register("listed_jobs", pa.table({"job_id": list(jobs)}))
    con.execute(f"insert into {view}_jobs from listed_jobs")
    con.execute(
        f"create or replace temp view {view} as from {source} semi join {view}_jobs using (job_id)"
    )
