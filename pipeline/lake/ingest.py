"""Ingest: sources to staged files side by side, then one commit for all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.lake.change import Change
from pipeline.lake.commit import Commit
from pipeline.lake.companions import result_files
from pipeline.lake.copies import copies
from pipeline.lake.growth import (
    carry_on,
    drop_rejects,
    held_streams,
    keep_assigned,
    overtaken,
    recognise_growth,
    still_grown,
    take_places,
    ties,
)
from pipeline.lake.intake import Intake
from pipeline.lake.reading import Misjudged, Reading
from pipeline.lake.reports import (
    IngestReport,
    SourceReport,
    plain_reports,
    report,
    source_row,
    stream_rows,
)
from pipeline.lake.segments import last_event_at
from pipeline.lake.store import Store
from pipeline.lake.taken import Taken
from pipeline.lake.version import Refused
from pipeline.lake.withdraw import without_sources
from pipeline.sources import Source
from pipeline.telling import Progress, Waiting

RESULT_FILE = re.compile(r"(?<![A-Za-z0-9])file-[A-Za-z0-9]{6,64}(?![A-Za-z0-9])")
"""The id of a result file, as it stands in the names of files."""
_NAME_IT = (
    "put the job id, or the file id that its job object names, into its name or its folder's, "
    "or add --job-id"
)


def ingest(
    store: Store,
    sources: Sequence[Source],
    *,
    job_id: str | None,
    force: bool,
    max_record_bytes: int,
    max_expansion: int,
    progress: Progress | None,
    waiting: Waiting | None,
) -> IngestReport:
    """Read sources into a lake; see `Lake.ingest`."""
    version = store.ledger.version()

    def read(folder: Path, *, on_sight: bool) -> tuple[list[Reading], Taken]:
        how: Any = {"told": job_id, "force": force, "max_expansion": max_expansion}
        readings = [Reading(source, **how) for source in sources]
        meter = _Meter(sources, progress)
        taking = _Taking(store, folder, version, max_record_bytes, on_sight=on_sight)
        return readings, taking.take(readings, meter)

    with store.workspace() as folder:
        try:
            readings, taken = read(folder, on_sight=True)
        except Misjudged:
            readings, taken = read(folder, on_sight=False)
        is_new = any(reading.is_new for reading in readings)
        reports = _commit(store, folder, readings, taken, version, waiting) if is_new else {}
    store.write_script()
    told = [r.source_id for r in readings if id(r) in reports]
    plain = plain_reports(store, (r for r in readings if id(r) not in reports), told)
    return IngestReport([reports.get(id(r)) or next(plain) for r in readings])


class _Meter:
    """Tells how many bytes of how many are read."""

    def __init__(self, sources: Sequence[Any], progress: Progress | None) -> None:
        self._progress, self._done, self._inside = progress, 0, 0
        self._total: int | None = None
        if progress and all(s.file is not None or s.problem for s in sources):
            files = [s.file for s in sources if s.file and not s.problem]
            self._total = sum(Path(file).stat().st_size for file in files)

    def advance(self, size: int) -> None:
        """Tell of bytes inside a source."""
        self._inside += size
        if self._progress:
            done = self._done + self._inside
            self._progress(min(done, self._total) if self._total else done, self._total)

    def done(self, size: int) -> None:
        """Tell of a whole source."""
        self._inside = 0
        self._done += size
        if self._progress:
            self._progress(self._done, self._total)


class _Taking:
    """One pass over sources: what is new of them is read and staged."""

    def __init__(
        self, store: Store, folder: Path, version: int, max_record_bytes: int, *, on_sight: bool
    ) -> None:
        """Stage below a folder, for a lake of some version.

        `on_sight`: the jobs of large files are told as they are read.
        """
        self._store, self._folder, self._version = store, folder, version
        self._max, self._on_sight = max_record_bytes, on_sight
        self._intakes: list[Intake] = []
        self._seen: set[tuple[str, str]] = set()
        """Keys of what was taken in."""
        self._withdrawn: set[str] = set()
        """Sources that were staged, and turned out to be no whole files."""

    def take(self, readings: Sequence[Reading], meter: _Meter) -> Taken:
        """Read the sources; what was staged."""
        try:
            intake, homeless = self._intake(), list[Reading]()
            for reading in readings:
                self._open(reading)
                if reading.source_id in self._withdrawn:
                    reading.refuse(Refused("is equal to a file that changed: ingest it again"))
                if reading.is_new:
                    self._scout(reading)
                if reading.is_new and reading.is_homeless:
                    homeless.append(reading)
                elif reading.is_new:
                    self._take_in(reading, intake, meter.advance)
                meter.done(reading.size)
            taken = intake.finish()
            if homeless:
                housing = self._intake()
                self._house(homeless, intake.result_files(), housing)
                taken.add(housing.finish())
        except BaseException:
            for begun in self._intakes:
                begun.abandon()
            raise
        withdrawn = self._withdrawn
        return without_sources(self._folder, taken, withdrawn) if withdrawn else taken

    def _intake(self) -> Intake:
        self._intakes.append(Intake(self._folder, self._max))
        return self._intakes[-1]

    def _open(self, reading: Reading) -> None:
        """Tell whether a source is new, known, or a known file that grew."""
        if reading.source.problem:
            reading.status, reading.problem = "refused", reading.source.problem
            return
        try:
            reading.fingerprint(self._folder)
        except OSError as error:
            reading.refuse(Refused(f"{error.strerror or error}: make it readable"))
            return
        known = self._store.ledger.known(*reading.key) if self._version else None
        if known or reading.key in self._seen:
            reading.status = "known"
            reading.kept_none = known is not None and not known["rejects"]
        elif self._version:  # in an empty lake, nothing grows
            recognise_growth(self._store, reading)

    def _scout(self, reading: Reading) -> None:
        """Tell what a source is and whose, unless its jobs can be told as it is read."""
        reading.recognise()
        told = self._on_sight and reading.is_large and reading.status == "new"
        if told or not reading.is_new:
            return
        if not reading.is_homeless:
            reading.scout(self._max, trusting=self._on_sight)
        if reading.grown_from and not still_grown(self._store, reading):
            reading.start_afresh()
        keep_assigned(self._store, reading)

    def _take_in(self, reading: Reading, intake: Intake, advance: Callable[[int], None]) -> None:
        try:
            intake.take(reading, advance)
            self._seen.add(reading.key)
        except Refused as why:
            reading.refuse(why)
            self._withdrawn.add(reading.source_id)

    def _house(
        self, homeless: list[Reading], named: Mapping[str, set[str]], intake: Intake
    ) -> None:
        """Take in result files whose jobs only job objects can tell: these have been read now.

        Args:
            homeless: result files.
            named: result file -> jobs, as the objects read with them tell; the lake's do, too.
            intake: takes them in.
        """
        held = result_files(self._store, self._folder)
        for reading in homeless:
            parts = Path(reading.stored_path).parts[-2:]
            names = next((set(n) for p in reversed(parts) if (n := RESULT_FILE.findall(p))), set())
            jobs = {job for name in names for job in {*named.get(name, ()), *held.get(name, ())}}
            if len(jobs) != 1:
                many = f"{len(jobs)} jobs have it" if jobs else "nothing tells its job"
                reading.refuse(Refused(f"is a result file, and {many}: {_NAME_IT}"))
                continue
            reading.belongs_to(jobs.pop())
            if reading.key in self._seen or self._store.ledger.known(*reading.key):
                reading.status = "known"
                continue
            recognise_growth(self._store, reading)
            reading.scout(self._max)
            keep_assigned(self._store, reading)
            if reading.is_new:
                self._take_in(reading, intake, lambda _: None)


def _commit(
    store: Store,
    folder: Path,
    found: list[Reading],
    taken: Taken,
    version: int,
    waiting: Waiting | None,
) -> dict[int, SourceReport]:
    """Settle what was staged with what the lake holds, and commit it.

    Args:
        store: the lake.
        folder: for staged files.
        found: what was read, and what was passed over.
        taken: what was staged of it.
        version: of the lake before anything was read.
        waiting: called when another process holds the lock.
    """
    readings = [reading for reading in found if reading.is_new]
    with store.ledger.writing(waiting):
        others = store.ledger.version() != version
        commit = Commit(store, folder, "ingest")
        raced = {r.source_id for r in readings if overtaken(store, r)} if others else set()
        if raced:  # another process committed the same content meanwhile
            taken = without_sources(folder, taken, raced)
            for reading in readings:
                if reading.source_id in raced:
                    reading.status = "known"
            readings = [r for r in readings if r.source_id not in raced]
        taken.ties, taken.copies = ties(store, readings), copies(store, readings)
        taken.mixed = {n for r in readings for n, s in r.streams.items() if s.mixed and not s.job}
        taken.replaced = {r.replaces["source_id"]: r.source_id for r in readings if r.replaces}
        commit.last_event_at = last_event_at(s.path for s in (*taken.events, *taken.pending))
        change = Change(commit)
        settled, names = change.bring(taken)
        held = held_streams(store, readings)
        drop_rejects(commit, readings, settled.gone)
        take_places(store, readings, settled.gone)
        for staged in taken.rejects:
            commit.add(staged)
        reports = {}
        rows, streams, contents = [], [], []
        for reading in readings:
            said = report(reading, settled, names)
            reports[id(reading)] = said
            row = source_row(reading, said, commit)
            carry_on(row, reading)
            rows.append(row)
            contents.append((*reading.key, reading.source_id))
            streams.extend(stream_rows(reading, names, held))
        store.ledger.put_sources(rows)
        store.ledger.put_contents(contents)
        store.ledger.put_streams(streams)
        passed = [r.key for r in found if r.status == "known"]
        store.ledger.see_sources(passed, commit.id, commit.last_event_at)
        own = {row["source_id"] for row in rows}
        change.recount(settled, own)
        commit.finish()
    return reports
