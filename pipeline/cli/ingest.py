"""`tunelog ingest`: dumps into the lake, and a summary of what became of every record."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import lake_option, output_options, record_limit_option, waiting_note
from pipeline.cli.output import destination, write_rows
from pipeline.cli.terminal import maybe_unread, note, terminal_width
from pipeline.errors import ExitCode
from pipeline.figures import count, total_line
from pipeline.inert import inert

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.lake.reports import IngestReport, SourceReport
    from pipeline.telling import Progress

LISTED = 40
"""Sources the summary lists one by one; of more, only the noteworthy."""

_IGNORED = {
    "fine_tuning.job": "naming a job and no more, as exports do",
    "chat training row": "of chats to train on",
}
"""Kinds of ignored objects in words, for one as for many."""

_COUNTS = ("records", "events", "duplicates", "variants", "blank")


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@lake_option
@click.option("--job-id", metavar="ID", help="The job that all these events belong to.")
@click.option(
    "--force",
    is_flag=True,
    help="Take --job-id even against what the source says; but not against an event's own field.",
)
@click.option(
    "--allow-rejects",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Exit with 0 up to this many rejects, old ones of known files included.",
)
@record_limit_option("A longer record is a reject.")
@click.option(
    "--max-expansion",
    metavar="N",
    type=click.IntRange(min=1),
    default=1_000,
    show_default=True,
    help="Refuse a compressed file whose content is more than N times as long.",
)
@output_options()
def ingest(
    paths: tuple[str, ...],
    lake_dir: str,
    job_id: str | None,
    force: bool,
    allow_rejects: int,
    max_record_bytes: int,
    max_expansion: int,
    format: str,
    output: str | None,
) -> ExitCode:
    """Read dumps of fine-tuning events into the lake, which is made if it is not there.

    PATH is a file, a folder, a glob, or - for standard input. Forms and compression (gzip, zstd)
    are told by content. What the lake already holds is not added again; what is no event is kept
    as a reject. Prints what became of the records; --format json lists every source in full.

    Rejects end it with exit code 1, also those that the lake keeps since it read a file earlier:
    to repeat the command does not make them good. `tunelog rejects` shows them.

    \b
    Examples:
      tunelog ingest dumps/
      tunelog ingest 'runs/*/events.jsonl.gz' --lake team-lake
      curl -s $URL/events | tunelog ingest - --job-id ftjob-abc123
      tunelog ingest dumps/ --allow-rejects 10 --format json
    """
    from pipeline import open_lake

    with open_lake(lake_dir) as lake, progress_bar() as progress:
        report = lake.ingest(
            paths,
            job_id=job_id,
            force=force,
            max_record_bytes=max_record_bytes,
            max_expansion=max_expansion,
            progress=progress,
            waiting=waiting_note(lake_dir),
        )
    with maybe_unread():
        if format == "table":
            with destination(output) as out:
                width = terminal_width(out)
                out.writelines(f"{line}\n" for line in summary_lines(report.sources, width))
        else:
            write_rows(source_table(report.sources).to_reader(), format, output)
    seen = format == "table" and output is None and sys.stdout.isatty() and sys.stderr.isatty()
    return _verdict(report, lake_dir, allow_rejects, seen=seen)


def _verdict(report: IngestReport, lake_dir: str, allowed: int, *, seen: bool) -> ExitCode:
    """Tell what was not taken in; `seen`: each refused source was told where this is told."""
    from pipeline.contract import UNATTRIBUTED_PREFIX

    code = ExitCode.OK
    if report.refused:
        first = report.refused[0].problem or report.refused[0].path
        of = f"{len(report.refused):,} of {len(report.sources):,} sources refused"
        note(f"{lake_dir}: {of}" + (f", the first: {first}" if not seen else ""))
        code = ExitCode.DATA
    if report.reject_count > allowed:
        rest = (
            " the events are in the lake;"
            if any(s.events or s.duplicates for s in report.sources)
            else ""
        )
        note(
            f"{lake_dir}: {count(report.reject_count, 'reject')}, with {allowed:,} allowed:{rest}"
            f" see `tunelog rejects --lake {quote(lake_dir)}`, or raise --allow-rejects"
        )
        code = ExitCode.DATA
    nameless = {j for s in report.sources for j in s.jobs if j.startswith(UNATTRIBUTED_PREFIX)}
    if nameless:
        at = f" --lake {quote(lake_dir)}"
        note(
            f"{lake_dir}: of {count(len(nameless), 'stream')} nothing tells the job: see"
            f" `tunelog show unattributed_events{at}`, then `tunelog assign SOURCE JOB{at}`"
        )
    return code


@contextmanager
def progress_bar(what: str = "ingest", *, told: bool = True) -> Iterator[Progress | None]:
    """A progress bar on standard error that leaves no trace; None where that is no terminal.

    Where nothing is `told` of how far the work is, it says only that it goes on.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    done = (DownloadColumn(),) if told else ()
    columns = (what, BarColumn(), *done, TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def source_table(sources: Sequence[SourceReport]) -> pa.Table:
    """The report as rows, one per source, for machines."""
    import pyarrow as pa

    counts = pa.map_(pa.string(), pa.int64())
    text, number = pa.string(), pa.int64()
    schema = pa.schema(
        [("path", text), ("status", text), ("problem", text)]
        + [(name, number) for name in _COUNTS]
        + [("companions", counts), ("ignored", counts), ("rejects", counts)]
        + [("kept_rejects", number)]
        + [("jobs", pa.list_(text)), ("about", pa.list_(text))]
    )
    rows = [{name: _storable(getattr(source, name)) for name in schema.names} for source in sources]
    for row in rows:
        row["problem"] = row["problem"] and row["problem"].removeprefix(f"{row['path']}: ")
    return pa.Table.from_pylist(rows, schema)


def _storable(value: Any) -> Any:
    return list(value.items()) if isinstance(value, dict) else value


def summary_lines(sources: Sequence[SourceReport], width: int | None) -> Iterator[str]:
    """What became of the records, for people: totals, then the noteworthy sources."""
    import pyarrow as pa

    from pipeline.cli.table import one_table

    total = Counter({name: sum(getattr(s, name) for s in sources) for name in _COUNTS})
    ignored, rejects = _added(s.ignored for s in sources), _added(s.rejects for s in sources)
    beside = _added(s.companions for s in sources)
    jobs = {job for source in sources if source.events for job in source.jobs}
    states = Counter(source.status for source in sources)
    told = ", ".join(f"{n:,} {state}" for state, n in states.most_common())
    yield f"{count(len(sources), 'source')} ({told}), {count(total['records'], 'record')}"
    yield f"{total_line(total['events'], 'new event')} in {count(len(jobs), 'job')}"
    yield total_line(total["duplicates"], "duplicate") + (
        f", {total['variants']:,} of them variants" if total["variants"] else ""
    )
    if beside:
        about = {job for source in sources for job in source.about}
        told = f"of {count(len(about), 'job')}{_by(beside)}"
        yield f"{total_line(sum(beside.values()), 'companion')} {told}"
    ignored = Counter({_IGNORED.get(kind, kind): number for kind, number in ignored.items()})
    yield f"  {sum(ignored.values()):>12,} ignored{_by(ignored)}"
    if kept := sum(source.kept_rejects for source in sources):
        rejects["kept from earlier"] = kept
    yield total_line(sum(rejects.values()), "reject") + _by(rejects)
    yield total_line(total["blank"], "blank line")
    listed = [s for s in sources if len(sources) <= LISTED or s.problem or _rejects(s)][:LISTED]
    if listed:
        yield ""
        rows = [_listed(source, companions=bool(beside)) for source in listed]
        yield from one_table(pa.Table.from_pylist(rows), width)
        yield from (inert(s.problem) for s in listed if s.problem)
    if len(listed) < len(sources):
        yield ""
        yield f"{len(sources) - len(listed):,} sources without rejects: --format json lists all"


def _listed(source: SourceReport, *, companions: bool) -> dict[str, Any]:
    """A source as a row of the summary; without companions anywhere, without that column."""
    jobs = source.jobs or source.about
    several = count(len(jobs), "job") if jobs else ""  # of known files nothing is asked
    return {
        "source": source.path,
        "status": source.status,
        "new": source.events,
        **({"comp.": sum(source.companions.values())} if companions else {}),
        "dup.": source.duplicates,
        "ignored": sum(source.ignored.values()),
        "rejects": _rejects(source),
        "job": jobs[0] if len(jobs) == 1 else several,
    }


def _rejects(source: SourceReport) -> int:
    return sum(source.rejects.values()) + source.kept_rejects


def _added(counts: Iterable[dict[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return total


def _by(counts: Counter[str]) -> str:
    parts = ", ".join(f"{n:,} {inert(kind)}" for kind, n in counts.most_common())
    return f" ({parts})" if parts else ""
