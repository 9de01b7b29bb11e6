"""Ingest: sources to staged files side by side, then one commit for all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
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
from pipeline.lake.intake import Intake, Taken
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
        intake, meter = Intake(folder, max_record_bytes), _Meter(sources, progress)
        intakes = [intake]
        readings: list[Reading] = []
        seen: set[tuple[str, str]] = set()
        try:
            withdrawn: set[str] = set()
            homeless: list[Reading] = []
            for source in sources:
                reading = Reading(source, told=job_id, force=force, max_expansion=max_expansion)
                readings.append(reading)
                _open(store, reading, folder, seen, version)
                if reading.source_id in withdrawn:
                    reading.refuse(Refused("is equal to a file that changed: ingest it again"))
                if reading.status in ("new", "grown"):
                    _scout(store, reading, max_record_bytes, on_sight=on_sight)
                if reading.status in ("new", "grown") and reading.is_homeless:
                    homeless.append(reading)
                elif reading.status in ("new", "grown"):
                    try:
                        intake.take(reading, meter.advance)
                        seen.add(reading.key)
                    except Refused as why:
                        reading.refuse(why)
                        withdrawn.add(reading.source_id)
                meter.done(reading.size)
            taken = intake.finish()
            if homeless:
                housing = Intake(folder, max_record_bytes)
                intakes.append(housing)
                named = intake.result_files()
                withdrawn |= _house(store, folder, homeless, named, housing, seen, max_record_bytes)
                taken.add(housing.finish())
            return readings, without_sources(folder, taken, withdrawn) if withdrawn else taken
        except BaseException:
            for begun in intakes:
                begun.abandon()
            raise

    with store.workspace() as folder:
        try:
            readings, taken = read(folder, on_sight=True)
        except Misjudged:
            readings, taken = read(folder, on_sight=False)
        is_new = any(r.status in ("new", "grown") for r in readings)
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


def _open(
    store: Store, reading: Reading, folder: Path, seen: set[tuple[str, str]], version: int
) -> None:
    """Tell whether a source is new, known, or a known file that grew."""
    if reading.source.problem:
        reading.status, reading.problem = "refused", reading.source.problem
        return
    try:
        reading.fingerprint(folder)
    except OSError as error:
        reading.refuse(Refused(f"{error.strerror or error}: make it readable"))
        return
    known = store.ledger.known(*reading.key) if version else None
    if known or reading.key in seen:
        reading.status = "known"
        reading.kept_none = known is not None and not known["rejects"]
    elif version:  # in an empty lake, nothing grows
        recognise_growth(store, reading)


def _scout(store: Store, reading: Reading, max_record_bytes: int, *, on_sight: bool) -> None:
    """Tell what a source is and whose, unless its jobs can be told as it is read."""
    reading.recognise()
    told = on_sight and reading.is_large and reading.status == "new"
    if told or reading.status in ("refused", "empty"):
        return
    if not reading.is_homeless:
        reading.scout(max_record_bytes, trusting=on_sight)
    if reading.grown_from and not still_grown(store, reading):
        reading.start_afresh()
    keep_assigned(store, reading)


def _house(
    store: Store,
    folder: Path,
    homeless: list[Reading],
    named: Mapping[str, set[str]],
    intake: Intake,
    seen: set[tuple[str, str]],
    max_record_bytes: int,
) -> set[str]:
    """Take in result files whose jobs only job objects can tell: these have been read now.

    Args:
        store: the lake, whose job objects tell too.
        folder: for staged files.
        homeless: result files.
        named: result file -> jobs, as the objects read with them tell.
        intake: takes them in.
        seen: keys of sources that are taken in already.
        max_record_bytes: as of `Intake`.

    Returns:
        Sources that were staged and turned out to be no whole files.
    """
    held = result_files(store, folder)
    withdrawn: set[str] = set()
    for reading in homeless:
        parts = Path(reading.stored_path).parts[-2:]
        names = next((set(n) for p in reversed(parts) if (n := RESULT_FILE.findall(p))), set())
        jobs = {job for name in names for job in {*named.get(name, ()), *held.get(name, ())}}
        if len(jobs) != 1:
            many = f"{len(jobs)} jobs have it" if jobs else "nothing tells its job"
            reading.refuse(Refused(f"is a result file, and {many}: {_NAME_IT}"))
            continue
        reading.belongs_to(jobs.pop())
        if reading.key in seen or store.ledger.known(*reading.key):
            reading.status = "known"
            continue
        recognise_growth(store, reading)
        try:
            reading.scout(max_record_bytes)
            keep_assigned(store, reading)
            if reading.status in ("new", "grown"):
                intake.take(reading, lambda _: None)
                seen.add(reading.key)
        except Refused as why:
            reading.refuse(why)
            withdrawn.add(reading.source_id)
    return withdrawn


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
    readings = [r for r in found if r.status in ("new", "grown")]
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
