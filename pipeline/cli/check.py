"""`tunelog check`: a verdict for each job and rule, and an exit code that a CI can go by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.options import (
    job_option,
    lake_option,
    open_existing,
    output_options,
    whole_job,
)
from pipeline.cli.output import write_rows
from pipeline.cli.terminal import note
from pipeline.errors import ExitCode

if TYPE_CHECKING:
    from pipeline.checks import Checked
    from pipeline.settings import Settings


@click.command()
@job_option
@click.option(
    "--fail-on",
    metavar="RULES",
    help="Rules whose tripping ends in exit code 1: names with commas, all, or none."
    "  [default: fail_on of the settings, else error,nan,divergence]",
)
@click.option(
    "--config",
    metavar="FILE",
    help="Settings to go by.  [default: tunelog.toml in the current folder, if it is there]",
)
@click.option("--tripped", is_flag=True, help="Print only verdicts that tripped.")
@lake_option
@output_options()
def check(
    job: str | None,
    fail_on: str | None,
    config: str | None,
    tripped: bool,
    lake_dir: str,
    format: str,
    output: str | None,
) -> ExitCode:
    """Judge each job by each rule: ok, tripped, or not applicable, with the evidence.

    \b
    error       the job failed, or an event tells an error
    nan         a loss or reward is NaN or infinite
    divergence  the training loss rose far above its best and stayed there
    overfit     the validation loss ends well above its best
    spike       the training loss leapt far above what was usual
    stall       training stood still between two steps, or has been silent since
    gap         the dump lacks steps

    Exit code 1 where a rule of --fail-on trips, or where there is no job to judge. The settings
    may name rules and set the detectors' thresholds: docs/detectors.md.

    \b
    Examples:
      tunelog check
      tunelog check --job ftjob-abc123 --fail-on all
      tunelog check --tripped --format markdown -o verdicts.md
      tunelog check --fail-on error,nan,overfit --format json
    """
    from dataclasses import replace

    from pipeline import checks, settings

    asked = settings.load(config)
    if fail_on is not None:
        asked = replace(asked, fail_on=settings.rules(fail_on.split(","), "--fail-on"))
    lake = open_existing(lake_dir)
    params = whole_job(lake, {} if job is None else {"job": job})
    found = checks.check(lake, asked, job_id=params.get("job"))
    rows = found.rows
    if tripped:
        import pyarrow.compute as pc

        rows = rows.filter(pc.equal(rows["verdict"], "tripped"))
    if format == "table":
        rows = rows.drop_columns(["value", "threshold", "unit", "findings"])  # evidence has them
    if rows.num_rows or format != "table":
        write_rows(rows.to_reader(), format, output)
    for line in _told(found, asked):
        note(line)
    return ExitCode.DATA if found.failing else ExitCode.OK


def _told(found: Checked, settings: Settings) -> list[str]:
    """What the verdicts come to, and by which rules."""
    counts = ", ".join(f"{rule} {jobs:,}" for rule, jobs in found.tripped.items())
    jobs = "1 job" if found.jobs == 1 else f"{found.jobs:,} jobs"
    lines = [f"{jobs}: tripped: {counts}" if counts else f"{jobs}: nothing tripped"]
    named = ", ".join(settings.fail_on) or "nothing"
    verdict = f"failed in {found.failing:,}" if found.failing else "passed"
    by = f" ({settings.path})" if settings.path else ""
    return [*lines, f"check {verdict}: it fails on {named}{by}"]
