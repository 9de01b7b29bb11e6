"""Ingest: sources to staged files side by side, then one commit for all of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.contract import DEFAULT_MAX_RECORD_BYTES
from pipeline.lake import settle
from pipeline.lake.intake import Intake, Taken
from pipeline.lake.reading import Reading
from pipeline.lake.segments import Staged, stage_table
from pipeline.lake.store import Commit, Store
from pipeline.sources import discover

Progress = Callable[[int, int | None], None]


@dataclass
class SourceReport:
    """What became of one source.

    Attributes:
        path: as shown to people.
        status: new, known (skipped), grown (new records of a known file) or refused.
        problem: one line, for refused sources.
        records: records read = events + duplicates + rejects + ignored + blank.
        variants: duplicates whose content differs from what the lake keeps.
        rejects: reason -> count.
        ignored: kind -> count.
        jobs: jobs its events belong to.
    """

    path: str
    status: str
    problem: str | None = None
    records: int = 0
    events: int = 0
    duplicates: int = 0
    variants: int = 0
    rejects: dict[str, int] = field(default_factory=dict)
    ignored: dict[str, int] = field(default_factory=dict)
    blank: int = 0
    jobs: list[str] = field(default_factory=list)


@dataclass
class IngestReport:
    """What became of all sources."""

    sources: list[SourceReport]

    @property
    def reject_count(self) -> int:
        """Rejected records, over all sources."""
        return sum(sum(source.rejects.values()) for source in self.sources)

    @property
    def refused(self) -> list[SourceReport]:
        """Sources that could not be read at all."""
        return [source for source in self.sources if source.status == "refused"]


def ingest(
    store: Store,
    paths: Sequence[str],
    *,
    job_id: str | None = None,
    force: bool = False,
    max_record_bytes: int = DEFAULT_MAX_RECORD_BYTES,
    progress: Progress | None = None,
    waiting: Callable[[], None] | None = None,
) -> IngestReport:
    """Read sources into a lake; see `Lake.ingest`."""
    sources = list(discover(paths))
    readings: list[Reading] = []
    with store.workspace() as folder:
        intake = Intake(folder, max_record_bytes)
        meter = _Meter(sources, progress)
        try:
            seen: set[str] = set()
            for source in sources:
                reading = Reading(source, told=job_id)
                readings.append(reading)
                if source.problem:
                    reading.status, reading.problem = "refused", source.problem
                    continue
                _open(store, reading, folder, seen)
                if reading.status in ("new", "grown"):
                    reading.scout(max_record_bytes, force=force)
                if reading.status in ("new", "grown"):
                    intake.take(reading)
                meter.done(reading.size)
            taken = intake.finish()
        except BaseException:
            intake.abandon()
            raise
        read = [r for r in readings if r.status in ("new", "grown")]
        if read:
            reports = _commit(store, folder, read, taken, waiting)
        else:
            reports = {}
    return IngestReport([reports.get(id(r)) or _plain_report(r) for r in readings])


class _Meter:
    """Tells how many bytes of how many are read."""

    def __init__(self, sources: Sequence[Any], progress: Progress | None) -> None:
        self._progress, self._done = progress, 0
        self._total: int | None = None
        if progress and all(s.file is not None or s.problem for s in sources):
            self._total = sum(s.file.stat().st_size for s in sources if not s.problem)

    def done(self, size: int) -> None:
        self._done += size
        if self._progress:
            self._progress(self._done, self._total)


def _open(store: Store, reading: Reading, folder: Path, seen: set[str]) -> None:
    """Tell whether a source is new, known, or a known file that grew."""
    try:
        reading.fingerprint(folder)
    except OSError as error:
        reading.status = "refused"
        reading.problem = f"{reading.path}: {error.strerror or error}: make it readable"
        return
    known = store.ledger.known(reading.content_hash, reading.hint)
    if known or reading.source_id in seen:
        reading.status = "known"
    seen.add(reading.source_id)


def _plain_report(reading: Reading) -> SourceReport:
    return SourceReport(reading.path, reading.status, reading.problem)


def _commit(
    store: Store,
    folder: Path,
    readings: list[Reading],
    taken: Taken,
    waiting: Callable[[], None] | None,
) -> dict[int, SourceReport]:
    """Settle what was staged with what the lake holds, and commit it."""
    with store.ledger.writing(waiting):
        commit = Commit(store, folder, "ingest")
        raced = {r.source_id for r in readings if store.ledger.source(r.source_id)}
        if raced:  # another process committed the same content meanwhile
            taken = _without_sources(folder, taken, raced)
            for reading in readings:
                if reading.source_id in raced:
                    reading.status = "known"
            readings = [r for r in readings if r.source_id not in raced]
        change = Change(store, folder, commit)
        settled, names = change.bring(taken)
        for staged in taken.rejects:
            commit.add(staged)
        reports = {}
        rows, streams, contents = [], [], []
        for reading in readings:
            report = _report(reading, settled, names)
            reports[id(reading)] = report
            rows.append(_source_row(reading, report, commit))
            contents.append((reading.content_hash, reading.hint, reading.source_id))
            streams.extend(_stream_rows(reading, names))
        store.ledger.put_sources(rows)
        store.ledger.put_contents(contents)
        store.ledger.put_streams(streams)
        own = {row["source_id"] for row in rows}
        change.recount(settled, own)
        commit.finish()
    store.write_script()
    return reports


class Change:
    """Staged events on their way into the lake: named, deduplicated, published."""

    def __init__(self, store: Store, folder: Path, commit: Commit) -> None:
        """Work inside a commit."""
        self._store, self._folder, self._commit = store, folder, commit

    def bring(self, taken: Taken) -> tuple[settle.Settled, settle.Names]:
        """Make staged events live, once each, under their jobs."""
        ledger = self._store.ledger
        fresh = list(taken.events)
        names = settle.Names()
        unattributed = ledger.unattributed()
        con = None
        if taken.pending or (unattributed and fresh):
            con = settle.engine(self._folder)
            names = self._name(con, taken, fresh, unattributed)
        jobs = sorted({job for staged in fresh for job in staged.jobs})
        held = [self._store.folder("events") / name for name in ledger.segments_of(jobs)]
        settled = settle.Settled()
        if held or taken.pending or names.jobs or settle.repeats(taken.hashes):
            con = con or settle.engine(self._folder)
            settled, fresh = self._settle(con, fresh, held, jobs)
        for staged in fresh:
            self._commit.add(staged)
        if con:
            con.close()
        self._commit.add(stage_table(self._folder, "variants", self._new_variants(settled)))
        return settled, names

    def _name(
        self, con: Any, taken: Taken, fresh: list[Staged], unattributed: list[str]
    ) -> settle.Names:
        """Name what has no name; staged rows under their names join `fresh`."""
        ledger, folder = self._store.ledger, self._store.folder("events")
        old_files = [folder / name for name in ledger.segments_of(unattributed)]
        settle.over(con, "fresh", [s.path for s in fresh])
        settle.over(con, "pending", [s.path for s in taken.pending])
        settle.over(con, "held", self._store.live("events") if taken.pending else [])
        settle.over(con, "old_rows", old_files)
        _keep_jobs(con, "unnamed", "old_rows", unattributed)
        names = settle.name_streams(con, unattributed, bool(taken.pending))
        if names.streams:
            staged = settle.renamed(con, self._folder, "pending", names.streams)
            if staged:
                fresh.append(staged)
        if names.jobs:
            self.rename(con, names.jobs, "shared", fresh)
        return names

    def rename(self, con: Any, jobs: Mapping[str, str], told_by: str, fresh: list[Staged]) -> None:
        """Take the rows of jobs out of the lake and stage them under another name."""
        ledger, folder = self._store.ledger, self._store.folder("events")
        files = [folder / name for name in ledger.segments_of(list(jobs))]
        settle.over(con, "renaming", files)
        moved = settle.renamed(con, self._folder, "renaming", dict(jobs))
        if moved:
            fresh.append(moved)
        for file in files:
            settle.over(con, "one_file", [file])
            con.execute("create or replace temp table leaving (job_id varchar)")
            con.executemany("insert into leaving values (?)", [(job,) for job in jobs])
            query = "from one_file anti join leaving using (job_id)"
            self._commit.add(settle.rewrite(con, self._folder, "events", query))
            self._commit.remove(file)
        ledger.rename_jobs(jobs, told_by)

    def _settle(
        self, con: Any, fresh: list[Staged], held: list[Path], jobs: list[str]
    ) -> tuple[settle.Settled, list[Staged]]:
        settle.over(con, "fresh", [s.path for s in fresh])
        live = set(self._store.live("events"))  # renaming may have replaced some
        jobs_files = [f for f in held if f in live]
        settle.over(con, "held_files", jobs_files)
        _keep_jobs(con, "held", "held_files", jobs)
        settled = settle.settle(con, self._commit.moment)
        if settled.fresh:
            fresh = [
                staged
                for old in fresh
                if (staged := settle.without_losers(con, self._folder, old.path, held=False))
            ]
        if settled.held:
            for file in jobs_files:
                staged = settle.without_losers(con, self._folder, file, held=True)
                if staged is None or staged.rows < settle.rows_in(file):
                    self._commit.add(staged)
                    self._commit.remove(file)
        return settled, fresh

    def _new_variants(self, settled: settle.Settled) -> list[dict[str, Any]]:
        """Losers that are not kept already."""
        files = self._store.live("variants")
        if not settled.variants or not files:
            return settled.variants
        import polars as pl

        keys = ["job_id", "event_id", "content_hash"]
        kept = set(pl.scan_parquet(files).select(keys).collect().rows())
        return [row for row in settled.variants if tuple(row[k] for k in keys) not in kept]

    def recount(self, settled: settle.Settled, own: set[str]) -> None:
        """Carry losses of rows into the counts of sources read earlier."""
        lost = settled.held.copy()
        for source, count in settled.fresh.items():
            if source not in own:
                lost[source] += count
        self._store.ledger.recount({s: (-n, n, 0) for s, n in lost.items()})


def _keep_jobs(con: Any, view: str, source: str, jobs: Sequence[str]) -> None:
    """A view of the rows of some jobs; literals, so that other row groups are passed over."""
    if len(jobs) <= 200:
        listed = ", ".join("'" + job.replace("'", "''") + "'" for job in jobs) or "null"
        con.execute(f"create or replace temp view {view} as from {source} where job_id in ({listed})")
        return
    con.execute(f"create or replace temp table {view}_jobs (job_id varchar)")
    import pyarrow as pa

    con.register("listed_jobs", pa.table({"job_id": list(jobs)}))
    con.execute(f"insert into {view}_jobs from listed_jobs")
    con.execute(f"create or replace temp view {view} as from {source} semi join {view}_jobs using (job_id)")


def _without_sources(folder: Path, taken: Taken, dropped: set[str]) -> Taken:
    """What was staged, less some sources."""
    con = settle.engine(folder)
    listed = ", ".join(f"'{source}'" for source in sorted(dropped))

    def kept(files: list[Staged]) -> list[Staged]:
        left = []
        for old in files:
            con.read_parquet(str(old.path)).create_view("one_file", replace=True)
            query = f"from one_file where source_id not in ({listed})"
            staged = settle.rewrite(con, folder, old.kind, query)
            if staged:
                left.append(staged)
        return left

    return Taken(kept(taken.events), kept(taken.pending), kept(taken.rejects), taken.hashes)


def _report(reading: Reading, settled: settle.Settled, names: settle.Names) -> SourceReport:
    rejects, ignored = sum(reading.rejects.values()), sum(reading.ignored.values())
    duplicates = settled.fresh[reading.source_id]
    jobs = set(reading.jobs)
    for ordinal, stream in enumerate(reading.streams):
        job = stream.job or names.streams.get(f"{reading.source_id}/{ordinal}")
        if job:
            jobs.add(job)
    return SourceReport(
        path=reading.path,
        status=reading.status,
        problem=reading.problem,
        records=reading.records,
        events=reading.records - reading.blank - ignored - rejects - duplicates,
        duplicates=duplicates,
        variants=sum(v["source_id"] == reading.source_id for v in settled.variants),
        rejects=dict(reading.rejects),
        ignored=dict(reading.ignored),
        blank=reading.blank,
        jobs=sorted(jobs),
    )


def _source_row(reading: Reading, report: SourceReport, commit: Commit) -> dict[str, Any]:
    return {
        "source_id": reading.source_id,
        "path": reading.path.encode("utf-8", "backslashreplace").decode(),
        "content_hash": reading.content_hash,
        "bytes": reading.size,
        "form": reading.form,
        "compression": reading.compression,
        "job_hint": reading.hint or None,
        "records": report.records,
        "events": report.events,
        "duplicates": report.duplicates,
        "rejects": sum(report.rejects.values()),
        "ignored": sum(report.ignored.values()),
        "blank": report.blank,
        "ignored_kinds": json.dumps(report.ignored, sort_keys=True),
        "commit_id": commit.id,
        "ingested_at": commit.moment.isoformat(),
    }


def _stream_rows(reading: Reading, names: settle.Names) -> list[dict[str, Any]]:
    rows = []
    for ordinal, stream in enumerate(reading.streams):
        stream_id = f"{reading.source_id}/{ordinal}"
        job, told_by = stream.job, stream.told_by
        if job is None:
            job = names.streams.get(stream_id, stream_id)
            told_by = "shared" if stream_id in names.shared else "unknown"
        rows.append(
            {
                "stream_id": stream_id,
                "source_id": reading.source_id,
                "first_position": stream.first,
                "last_position": stream.last,
                "newest_first": int(stream.newest_first),
                "job_id": job,
                "told_by": told_by,
            }
        )
    return rows
