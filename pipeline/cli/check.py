"""`tunelog check`: a verdict for each job and rule, and an exit code that a CI can go by."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from pipeline import settings
from pipeline.cli.options import (
    config_option,
    jobs_option,
    lake_option,
    open_existing,
    output_options,
    whole_jobs,
)
from pipeline.cli.output import destination, write_rows
from pipeline.cli.terminal import maybe_unread, note, terminal_width
from pipeline.errors import ExitCode
from pipeline.figures import count
from pipeline.inert import inert

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from pipeline.checks import Checked
    from pipeline.settings import Settings

_LEAST = 30
"""Room that evidence needs beside the name of its rule, else it stands below it [column]."""


@click.command()
@jobs_option
@click.option(
    "--fail-on",
    metavar="RULES",
    multiple=True,
    help="Rules whose tripping ends in exit code 1: names with commas, all, or none; may be"
    " repeated."
    "  [default: fail_on of the settings, else error,nan,divergence]",
)
@config_option
@click.option("--all", "whole", is_flag=True, help="Print every verdict, not only what tripped.")
@lake_option
@output_options()
def check(
    jobs: tuple[str, ...],
    fail_on: tuple[str, ...],
    config: str | None,
    whole: bool,
    lake_dir: str,
    format: str,
    output: str | None,
) -> ExitCode:
    """Judge each job by each rule, and print what tripped, with the evidence.

    \b
    error       the job failed, or an event tells an error
    nan         a loss or reward is NaN or infinite
    divergence  the training loss rose far above its best, or the reward fell far below it,
                and stayed there
    overfit     the validation loss ends well above its best, or the reward well below it
    spike       the training loss leapt far above what was usual
    stall       training stood still between two steps, or has been silent since
    gap         the dump lacks steps

    Every format prints what tripped; --all adds the other verdicts, ok and not applicable, and
    what they were told by. Exit code 1 where a rule of --fail-on trips, or where there is no job
    to judge. The settings may name rules and set the detectors' thresholds: docs/detectors.md.

    \b
    Examples:
      tunelog check
      tunelog check --job ftjob-abc123 --fail-on all
      tunelog check --format markdown -o verdicts.md
      tunelog check --fail-on error,nan,overfit --all --format json
    """
    from dataclasses import replace

    from pipeline import checks

    asked = settings.load(config)
    if fail_on:
        named = ",".join(fail_on).split(",")
        asked = replace(asked, fail_on=settings.rules(named, "--fail-on"))
    lake = open_existing(lake_dir)
    found = checks.check(lake, asked, job_id=whole_jobs(lake, jobs))
    rows = found.rows if whole else found.found
    with maybe_unread():
        if format == "table":
            with destination(output) as out:
                out.writelines(f"{line}\n" for line in _by_job(rows, terminal_width(out)))
        elif format == "markdown" and not len(rows):  # a table without rows tells nobody anything
            with destination(output):
                pass
        else:
            write_rows(rows.to_reader(), format, output)
    for line in _told(found, asked, given=bool(fail_on)):
        note(line)
    return ExitCode.DATA if found.failing else ExitCode.OK


def _by_job(rows: pa.Table, width: int | None) -> Iterator[str]:
    """The verdicts under the name of their job, evidence in full: wrapped, where there is a width.

    The evidence is what a reader is after, and columns of a table leave it the least room.
    """
    told = rows.select(["job_id", "rule", "verdict", "fails", "evidence"]).to_pylist()
    verdicts = ["fails" if row["fails"] else row["verdict"] for row in told]
    first, second = (max(map(len, names), default=0) for names in (verdicts, settings.RULES))
    job = None
    for row, verdict in zip(told, verdicts, strict=True):
        if row["job_id"] != job:
            job = row["job_id"]
            yield inert(job)
        head = f"  {verdict:<{first}}  {row['rule']:<{second}}  "
        if width and width - len(head) < _LEAST:
            yield head.rstrip()
            head = "    "
        lines = textwrap.wrap(inert(row["evidence"]), max(width - len(head), 1)) if width else []
        for line in lines or [inert(row["evidence"])]:
            yield head + line
            head = " " * len(head)


def _told(found: Checked, asked: Settings, *, given: bool) -> list[str]:
    """What the verdicts come to, and by which rules."""
    counts = ", ".join(f"{rule} {n:,}" for rule, n in found.tripped.items())
    odd = f"{found.odd:,} tripped a rule ({counts})" if counts else "nothing tripped"
    lines = [f"{count(found.jobs, 'job')} checked: {odd}"]
    named = ", ".join(asked.fail_on) or "nothing"
    verdict = f"failed in {found.failing:,}" if found.failing else "passed"
    part = "thresholds: " if given else ""  # the rules are then the command's own
    by = f" ({part}{asked.path})" if asked.path else ""
    return [*lines, f"check {verdict}: it fails on {named}{by}"]
