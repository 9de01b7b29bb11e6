"""`tunelog summary`: what a person wants to know first about a lake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from shlex import quote
from typing import TYPE_CHECKING, Any, TextIO

import click

from pipeline.cli.json_rows import json_lines
from pipeline.cli.markdown import safe
from pipeline.cli.options import at_lake, lake_option, open_existing, output_options
from pipeline.cli.output import destination
from pipeline.cli.terminal import note, terminal_width
from pipeline.figures import count, duration, significant
from pipeline.inert import inert
from pipeline.measured import LABELS, NEWEST_FIRST, Measured, measured_by, took

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.cli.table import Column

KINDS = 10
"""Kinds of errors, and of warnings, that are listed."""

_JOBS = f"from jobs order by {NEWEST_FIRST}"
_BESTS = "from best_steps where list_contains($jobs, job_id)"
_PROBLEMS = "from error_timeline order by severity, events desc, last_seen desc, template"


@click.command()
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="List so many jobs, the newest first; json lists all.",
)
@lake_option
@output_options("table", "json", "markdown")
def summary(limit: int, lake_dir: str, format: str, output: str | None) -> None:
    """Print the jobs with their outcome and losses, then the errors and the warnings by kind.

    took is the time from creation to end; after ≥, where either is not told, the time that the
    events at hand cover. final and best, and @ its step, are of the validation loss or reward as
    the view best_steps tells it, else of the training's; ~ marks running medians, as single
    evaluations of a sample are noise. --format json holds every column of the views behind it.

    \b
    Examples:
      tunelog summary
      tunelog summary --limit 5 --format markdown
      tunelog summary --format json -o summary.json
    """
    with open_existing(lake_dir).connect(["jobs", "error_timeline", "best_steps"]) as con:
        jobs = con.sql(_JOBS).to_arrow_table()
        problems = con.sql(_PROBLEMS).to_arrow_table()
        listed = jobs["job_id"].to_pylist()[: None if format == "json" else limit]
        bests = con.sql(_BESTS, params={"jobs": listed}).to_arrow_table()
    with destination(output) as out:
        if format == "json":
            _write_json({"jobs": jobs, "best_steps": bests, "problems": problems}, out)
            return
        width = terminal_width(out) if format == "table" else None
        at = at_lake(lake_dir)
        told, best, found = (table.to_pylist() for table in (jobs, bests, problems))
        lines = summary_lines(told, best, found, limit, width, format, at)
        out.writelines(f"{line}\n" for line in lines)
    if format == "table" and len(jobs):
        curve = f"tunelog show loss_curves --job {quote(jobs['job_id'][0].as_py())}{at}"
        note(f"more: tunelog views, {curve}, tunelog sql '...'{at}")


def _write_json(tables: dict[str, pa.Table], out: TextIO) -> None:
    parts = []
    for name, table in tables.items():
        rows = ",\n  ".join(json_lines(table.schema, iter(table.to_batches())))
        parts.append(f'"{name}": [{rows}]')
    out.write("{" + ",\n ".join(parts) + "}\n")


def summary_lines(
    jobs: Sequence[dict[str, Any]],
    bests: Sequence[dict[str, Any]],
    problems: Sequence[dict[str, Any]],
    limit: int,
    width: int | None,
    format: str = "table",
    at: str = "",
) -> Iterator[str]:
    """The summary as lines.

    Args:
        jobs: Rows of the view `jobs`, in the order to list them.
        bests: Rows of the view `best_steps`, of those that are listed.
        problems: Rows of the view `error_timeline`, the commonest first.
        limit: Jobs to list.
        width: Of the terminal, None for no limit [column].
        format: table or markdown.
        at: Option that names the lake, for commands that are told of.
    """
    from pipeline.contract import UNATTRIBUTED_PREFIX

    head = "## " if format == "markdown" else ""
    states = Counter(job["status"] for job in jobs)
    shown = safe if format == "markdown" else inert
    told = ", ".join(f"{n:,} {shown(state)}" for state, n in states.most_common())
    events = sum(job["events"] for job in jobs)
    yield f"{head}{count(len(jobs), 'job')}, {count(events, 'event')}" + (told and f": {told}")
    if jobs:
        yield ""
        best = {row["job_id"]: row for row in bests}
        measured = [measured_by(job, best.get(job["job_id"])) for job in jobs[:limit]]
        yield from _table(job_columns(jobs[:limit], measured, " ~"), width, format)
        if len(jobs) > limit:
            yield from [""] if head else []
            yield f"and {len(jobs) - limit:,} more: --limit, or tunelog show jobs{at}"
    if nameless := sum(job["job_id"].startswith(UNATTRIBUTED_PREFIX) for job in jobs):
        yield ""
        yield (
            f"of {count(nameless, 'stream')} nothing tells the job: tunelog show "
            f"unattributed_events{at}, then tunelog assign SOURCE JOB{at}"
        )
    if silent := sum(job["status"] == "failed" and not job["errors"] for job in jobs):
        yield ""
        yield (
            f"of {count(silent, 'failed job')} no event tells an error: "
            f"tunelog show failure_reasons{at}"
        )
    for severity in ("error", "warning"):
        kinds = [row for row in problems if row["severity"] == severity]
        many = sum(row["events"] for row in kinds)
        yield ""
        yield f"{head}{count(many, severity)}" + (
            f" of {count(len(kinds), 'kind')}" if kinds else ""
        )
        if kinds:
            yield ""
            yield from _table(problem_columns(kinds[:KINDS]), width, format)
        if len(kinds) > KINDS:
            yield from [""] if head else []
            yield f"and {len(kinds) - KINDS:,} more kinds: tunelog show error_timeline{at}"


def job_columns(
    jobs: Sequence[dict[str, Any]],
    measured: Sequence[Measured | None],
    smoothed: str,
    labels: Mapping[str, str] = LABELS,
) -> list[Column]:
    """The jobs as columns of text: outcome, duration, steps, final and best, counts.

    Args:
        jobs: Rows of the view `jobs`.
        measured: How well each did.
        smoothed: What marks values that are smoothed.
        labels: What the metrics are called.
    """
    from pipeline.cli.table import Column
    from pipeline.contract import UNATTRIBUTED_PREFIX

    rows = []
    for job, told in zip(jobs, measured, strict=True):
        by = final = best = ""
        if told:
            by = labels[told.metric] + smoothed * told.is_smoothed
            final = significant(told.final)
            best = f"{significant(told.best)} @{told.best_step}"
        rows.append(
            (
                inert(job["job_id"]),
                inert(job["status"]),
                _took(job),
                by,
                final,
                best,
                str(job["warnings"]),
                str(job["errors"]),
                "" if job["last_step"] is None else str(job["last_step"]),
            )
        )
    nameless = any(job["job_id"].startswith(UNATTRIBUTED_PREFIX) for job in jobs)
    beginning = UNATTRIBUTED_PREFIX if nameless else "ftjob-"  # which tells no two apart
    names = ("job", "outcome", "took", "measure", "final", "best", "warn", "err", "last step")
    text = ("job", "outcome", "measure")
    cells = zip(*rows, strict=True)
    return [
        Column(name, name not in text, name == "job", list(column), least_text=len(beginning) + 6)
        for name, column in zip(names, cells, strict=True)
    ]


def _took(job: Mapping[str, Any]) -> str:
    seconds, is_part = took(job)
    return "" if seconds is None else "≥ " * is_part + duration(seconds)


def problem_columns(kinds: Sequence[dict[str, Any]]) -> list[Column]:
    """Kinds of errors or warnings as columns of text: how many, in how many jobs, since when."""
    from pipeline.cli.table import Column

    return [
        Column("events", True, False, [str(row["events"]) for row in kinds]),
        Column("jobs", True, False, [str(row["jobs"]) for row in kinds]),
        Column("last seen", False, False, [_minute(row["last_seen"]) for row in kinds]),
        Column("for example", False, True, [inert(row["example"]) for row in kinds], tells=True),
    ]


def _minute(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M}Z"


def _table(columns: Sequence[Column], width: int | None, format: str) -> Iterator[str]:
    from pipeline.cli.table import fitted, markdown_lines

    return markdown_lines(columns) if format == "markdown" else fitted(columns, width)
