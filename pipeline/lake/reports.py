"""What became of sources: reports for people, rows for the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.attribution import Stream
from pipeline.figures import count
from pipeline.lake import naming, settle
from pipeline.lake.commit import Commit
from pipeline.lake.reading import Reading
from pipeline.lake.store import Store


@dataclass(slots=True)
class SourceReport:
    """What became of one source.

    Attributes:
        path: as shown to people.
        status: new, known (skipped), grown (a known file that has more now), empty (of an archive,
            and without content) or refused.
        problem: one line, for refused sources.
        records: records read = events + companions + duplicates + rejects + ignored + blank.
        events: those that the lake held in no form.
        duplicates: those that it held, or that came twice.
        replacing: duplicates that took the place of the lake's copy, as the ledger counts them
            for events of this source.
        replacing_companions: the same of companions.
        variants: duplicates whose content differs from what the lake keeps.
        rejects: reason -> count.
        kept_rejects: rejects that the lake keeps of it from earlier ingests.
        ignored: kind -> count.
        companions: kind -> count of what is told about jobs beside their events, and is new.
        jobs: jobs its events belong to.
        about: jobs its companions are about.
    """

    path: str
    status: str
    problem: str | None = None
    records: int = 0
    events: int = 0
    duplicates: int = 0
    replacing: int = 0
    replacing_companions: int = 0
    variants: int = 0
    rejects: dict[str, int] = field(default_factory=dict)
    kept_rejects: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    companions: dict[str, int] = field(default_factory=dict)
    blank: int = 0
    jobs: list[str] = field(default_factory=list)
    about: list[str] = field(default_factory=list)


@dataclass(repr=False)
class IngestReport:
    """What became of all sources; a notebook shows it in a line."""

    sources: list[SourceReport]

    def __repr__(self) -> str:
        events = count(sum(source.events for source in self.sources), "new event")
        rest = f"{count(self.reject_count, 'reject')}, {len(self.refused):,} refused"
        return f"<IngestReport: {count(len(self.sources), 'source')}, {events}, {rest}>"

    @property
    def reject_count(self) -> int:
        """Rejects that the lake holds of these sources, those of earlier ingests included."""
        return sum(sum(source.rejects.values()) + source.kept_rejects for source in self.sources)

    @property
    def refused(self) -> list[SourceReport]:
        """Sources that could not be read at all."""
        return [source for source in self.sources if source.status == "refused"]


def plain_reports(
    store: Store, readings: Iterable[Reading], told: Iterable[str]
) -> Iterator[SourceReport]:
    """The reports on sources of which nothing was read.

    Args:
        store: the lake, which tells what it keeps of the known ones.
        readings: the sources.
        told: ids of sources whose rejects are told elsewhere.
    """
    seen = set(told)
    for reading in readings:
        report = SourceReport(reading.stored_path, reading.status, reading.problem)
        known = reading.status == "known" and not reading.kept_none
        row = store.ledger.known(*reading.key) if known else None
        if row and row["source_id"] not in seen:
            seen.add(row["source_id"])
            report.kept_rejects = row["rejects"]
        yield report


def report(reading: Reading, settled: settle.Settled, names: naming.Names) -> SourceReport:
    """The report on a source that was read."""
    rejects, ignored = sum(reading.rejects.values()), sum(reading.ignored.values())
    beside = {
        kind: many
        - settled.companions[reading.source_id, kind]
        - settled.again[reading.source_id, kind]
        for kind, many in sorted(reading.companions.items())
    }
    replacing = settled.replacing[reading.source_id]
    repeats = settled.fresh[reading.source_id] + replacing
    duplicates = repeats + sum(reading.companions.values()) - sum(beside.values())
    jobs = {name.partition("@")[2] for name in reading.apart}
    for stream_id, stream in reading.streams.items():
        job = stream.job or names.streams.get(stream_id)
        if job:
            jobs.add(job)
    return SourceReport(
        path=reading.stored_path,
        status=reading.status,
        problem=reading.problem,
        records=reading.records,
        events=reading.records
        - reading.blank
        - ignored
        - rejects
        - repeats
        - sum(reading.companions.values()),
        duplicates=duplicates,
        replacing=replacing,
        replacing_companions=settled.again_of[reading.source_id],
        variants=settled.variants_of[reading.source_id],
        rejects=dict(reading.rejects),
        kept_rejects=_kept(reading),
        ignored=dict(reading.ignored),
        companions={kind: many for kind, many in beside.items() if many},
        blank=reading.blank,
        jobs=sorted(jobs),
        about=sorted(reading.about),
    )


def _kept(reading: Reading) -> int:
    """The rejects of the earlier self of a file that grew, but for a cut-off line read again."""
    old = reading.grown_from
    return old["rejects"] - (reading.reread is not None) if old else 0


def source_row(reading: Reading, report: SourceReport, commit: Commit) -> dict[str, Any]:
    """The row of a source in the ledger."""
    return {
        "source_id": reading.source_id,
        "path": reading.stored_path,
        "content_hash": reading.content_hash,
        "bytes": reading.size,
        "form": reading.form,
        "compression": reading.compression,
        "job_hint": reading.hint or None,
        "records": report.records,
        "events": report.events + report.replacing,
        "duplicates": report.duplicates - report.replacing - report.replacing_companions,
        "rejects": sum(report.rejects.values()),
        "ignored": sum(report.ignored.values()),
        "blank": report.blank,
        "ignored_kinds": json.dumps(report.ignored, sort_keys=True) if report.ignored else "{}",
        "companions": sum(report.companions.values()) + report.replacing_companions,
        "commit_id": commit.id,
        "ingested_at": commit.moment.isoformat(),
    }


def stream_rows(
    reading: Reading, names: naming.Names, held: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The rows of its streams; `held` are those they have already."""
    rows = []
    for name in sorted(reading.apart):
        around, _, own = name.partition("@")
        rows.append(_stream_row(reading.source_id, name, reading.streams[around], own, "beside"))
    for stream_id, stream in reading.streams.items():
        job, told_by, before = stream.job, stream.told_by, held.get(stream_id)
        if job is None:
            job = names.streams.get(stream_id) or (before["job_id"] if before else stream_id)
            told_by = "shared" if stream_id in names.shared else "unknown"
        if before and before["job_id"] == job:
            told_by = before["told_by"]
        rows.append(_stream_row(reading.source_id, stream_id, stream, job, told_by))
    return rows


def _stream_row(
    source_id: str, name: str, stream: Stream, job: str, told_by: str
) -> dict[str, Any]:
    """The row of a stream in the ledger."""
    return {
        "stream_id": name,
        "source_id": source_id,
        "first_position": stream.first,
        "last_position": stream.last,
        "newest_first": int(stream.newest_first),
        "job_id": job,
        "told_by": told_by,
    }
