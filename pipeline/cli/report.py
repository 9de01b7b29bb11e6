"""`tunelog report`: every job of a lake on one page, or in a few lines for a pull request."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import (
    config_option,
    jobs_option,
    lake_option,
    open_existing,
    whole_jobs,
)
from pipeline.cli.output import check_output, destination
from pipeline.cli.terminal import note
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.report.gather import Facts


def format_of(output: str | None) -> str:
    """The format that a file's name tells.

    Raises:
        UsageError: it tells another than a report can have.
    """
    suffix = Path(output or "").suffix.lower()
    if suffix in ("", ".html", ".htm"):
        return "html"
    if suffix not in (".md", ".markdown"):
        raise UsageError(f"{output}: call it .html or .md, or say which it is with --format")
    return "markdown"


def _tell_format(ctx: click.Context, param: click.Parameter, value: str | None) -> str:
    return value or format_of(ctx.params.get("output"))


@click.command()
@jobs_option
@lake_option
@click.option(
    "-o", "--output", metavar="FILE", is_eager=True,
    help="File to write; its suffix tells the format.  [default: report.html]",
)  # fmt: skip
@click.option(
    "--format", type=click.Choice(["html", "markdown"]), callback=_tell_format,
    help="What to write.  [default: html]",
)  # fmt: skip
@config_option
def report(
    jobs: tuple[str, ...], lake_dir: str, output: str | None, format: str, config: str | None
) -> None:
    """Write a report: how each job went, what was found in it, and which checkpoint to use.

    html is one page that opens offline and sends nothing anywhere: all jobs to sort and filter, and
    for each job its curves, what was logged around any step, its phases, errors and oddities.
    Messages of events are in it: share it as you would share the dumps. Equal lakes give equal
    pages.

    markdown is short, for a pull request or an issue; without --output it goes to standard output.

    \b
    Examples:
      tunelog report
      tunelog report --job ftjob-abc123 -o job.html
      tunelog report --format markdown
    """
    write_report(lake_dir, jobs, output, format, config)


def write_report(
    lake_dir: str,
    jobs: Sequence[str] = (),
    output: str | None = None,
    format: str | None = None,
    config: str | None = None,
    option: str = "--output",
) -> None:
    """Write a report of a lake; see `tunelog report`. `option` names the file."""
    format = format or format_of(output)
    lake = open_existing(lake_dir)
    chosen = whole_jobs(lake, jobs) or None
    name = output or ("-" if format == "markdown" else "report.html")
    _refuse_terminal(name, format, option)
    from pipeline import settings
    from pipeline.cli.ingest import progress_bar
    from pipeline.report.gather import facts, reads

    asked = settings.load(config)
    with progress_bar("report", told=False), lake.connect(reads()) as con:
        told = facts(con, chosen, asked)
    with destination(name, option) as out:
        size = sum(map(out.write, _parts(told, format)))
    if name != "-":
        length = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"
        note(f"{name}: {length}" + (": open it in a browser" * (format == "html")))


def check_report(page: str, made: Iterable[Path] = ()) -> None:
    """Refuse a report that could not be written, before the work that it is to tell of.

    Args:
        page: its file, as `--report` names it.
        made: folders that the work makes.

    Raises:
        UsageError, LakeError: what `write_report` would raise.
    """
    from pipeline import settings

    format = format_of(page)
    _refuse_terminal(page, format, "--report")
    check_output(page, "--report", made=made)
    settings.load(None)
    if format == "html":
        from pipeline.report.page import check_extra

        check_extra(f"--report {page}")


def _refuse_terminal(name: str, format: str, option: str) -> None:
    if format == "html" and name == "-" and sys.stdout.isatty():
        raise UsageError(f"{option} -: a page to a terminal: name a file")


def _parts(told: Facts, format: str) -> Iterator[str]:
    if format == "markdown":
        from pipeline.cli.report_markdown import lines

        return (f"{line}\n" for line in lines(told))
    from pipeline.report.page import page

    return page(told)
