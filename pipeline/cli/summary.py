"""`tunelog summary`: what a person wants to know first about a lake."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from shlex import quote
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import click

from pipeline.cli.json_rows import json_lines
from pipeline.cli.markdown import safe
from pipeline.cli.options import at_lake, lake_option, open_existing, output_options
from pipeline.cli.output import destination
from pipeline.cli.terminal import note, terminal_width
from pipeline.figures import count, duration, significant
from pipeline.inert import inert

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.cli.table import Column

KINDS = 10
"""Kinds of errors, and of warnings, that are listed."""

_JOBS = "from jobs order by first_event_at desc, job_id"
_PROBLEMS = "from error_timeline order by severity, events desc, last_seen desc, template"

# A validation loss tells more than a training loss; the whole validation set is measured so rarely
# that its best says little.
_MEASURES = {
    "valid_loss": "valid",
    "full_valid_loss": "full",
    "train_loss": "train",
    "full_valid_reward": "reward",
    "train_reward": "reward",
}


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

    took is the time from creation to end, or from start to end where the creation is not told;
    after ≥, the time that the events at hand cover. final and best are of the validation loss where
    the job has one, else of the training loss; of reinforcement jobs, of the reward. best is the
    best single value, and @ its step. --format json holds every column of the views behind it.

    \b
    Examples:
      tunelog summary
      tunelog summary --limit 5 --format markdown
      tunelog summary --format json -o summary.json
    """
    with open_existing(lake_dir).connect(["jobs", "error_timeline"]) as con:
        jobs = con.sql(_JOBS).to_arrow_table()
        problems = con.sql(_PROBLEMS).to_arrow_table()
    with destination(output) as out:
        if format == "json":
            _write_json({"jobs": jobs, "problems": problems}, out)
            return
        width = terminal_width(out) if out is sys.stdout and format == "table" else None
        at = at_lake(lake_dir)
        lines = summary_lines(jobs.to_pylist(), problems.to_pylist(), limit, width, format, at)
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
    problems: Sequence[dict[str, Any]],
    limit: int,
    width: int | None,
    format: str = "table",
    at: str = "",
) -> Iterator[str]:
    """The summary as lines.

    Args:
        jobs: Rows of the view `jobs`, in the order to list them.
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
        yield from _table(job_columns(jobs[:limit]), width, format)
        if len(jobs) > limit:
            yield from [""] if head else []
            yield f"and {len(jobs) - limit:,} more: --limit, or tunelog show jobs{at}"
    if nameless := sum(job["job_id"].startswith(UNATTRIBUTED_PREFIX) for job in jobs):
        yield ""
        yield (
            f"of {count(nameless, 'stream')} nothing tells the job: tunelog show "
            f"unattributed_events{at}, then tunelog assign SOURCE JOB{at}"
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


class Measured(NamedTuple):
    """By what a job is told to be good, its last and its best value, and the best one's step."""

    by: str
    final: float
    best: float
    best_step: int


def _measured(job: dict[str, Any]) -> Measured | None:
    name = next((m for m in _MEASURES if job[f"final_{m}"] is not None), None)
    if name is None:
        return None
    return Measured(
        _MEASURES[name], job[f"final_{name}"], job[f"best_{name}"], job[f"best_{name}_step"]
    )


def job_columns(
    jobs: Sequence[dict[str, Any]], measured: Sequence[Measured | None] | None = None
) -> list[Column]:
    """The jobs as columns of text: outcome, duration, steps, final and best, counts.

    Args:
        jobs: Rows of the view `jobs`.
        measured: What is told of each one's losses or rewards; by default its single values.
    """
    from pipeline.cli.table import Column

    rows = []
    for job, told in zip(jobs, measured or map(_measured, jobs), strict=True):
        final = best = ""
        if told:
            final = significant(told.final)
            best = f"{significant(told.best)} @{told.best_step}"
        rows.append(
            (
                inert(job["job_id"]),
                inert(job["status"]),
                _took(job),
                told.by if told else "",
                final,
                best,
                str(job["warnings"]),
                str(job["errors"]),
                "" if job["last_step"] is None else str(job["last_step"]),
            )
        )
    names = ("job", "outcome", "took", "loss", "final", "best", "warn", "err", "last step")
    text = ("job", "outcome", "loss")
    cells = zip(*rows, strict=True)
    return [
        Column(name, name not in text, name == "job", list(column), least_text=12)
        for name, column in zip(names, cells, strict=True)
    ]


def _took(job: dict[str, Any]) -> str:
    for name, sign in (("total_seconds", ""), ("run_seconds", ""), ("seen_seconds", "≥ ")):
        if job[name] is not None:
            return f"{sign}{duration(job[name])}"
    return ""


def problem_columns(kinds: Sequence[dict[str, Any]]) -> list[Column]:
    """Kinds of errors or warnings as columns of text: how many, in how many jobs, since when."""
    from pipeline.cli.table import Column

    return [
        Column("events", True, False, [str(row["events"]) for row in kinds]),
        Column("jobs", True, False, [str(row["jobs"]) for row in kinds]),
        Column("last seen", False, False, [_minute(row["last_seen"]) for row in kinds]),
        Column("for example", False, True, [inert(row["example"]) for row in kinds]),
    ]


def _minute(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M}Z"


def _table(columns: Sequence[Column], width: int | None, format: str) -> Iterator[str]:
    from pipeline.cli.table import fit, markdown_lines, render

    if format == "markdown":
        return markdown_lines(columns)
    return render(columns, fit(columns, width)[1])
