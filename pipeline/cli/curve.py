"""`tunelog curve`: how losses and rewards went, drawn in the terminal."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, TextIO

import click

from pipeline.cli.options import lake_option, open_existing, whole_jobs
from pipeline.cli.terminal import note, terminal_width

if TYPE_CHECKING:
    from pipeline.charts.read import Curves

WIDTH, HEIGHT, LEAST_PIPED = 80, 24, 16
"""Size of the picture where there is no terminal [column, row]."""

_FAR = 2**63 - 1
"""The greatest step that an event can have."""

_GLYPHS = "⣿┤•◆▲"


class Steps(click.ParamType[tuple[int, int]]):
    """A range of steps such as 100:200, 100: or :200, both ends included."""

    name = "steps"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """The first and the last step."""
        begin, colon, end = str(value).partition(":")
        try:
            first, last = (max(-_FAR, min(int(it), _FAR)) for it in (begin or 0, end or _FAR))
        except ValueError:
            first, last = 1, 0
        if not colon or first > last:
            self.fail(f"{value!r} is no range of steps: write it as 100:200.", param, ctx)
        return first, last


@click.command()
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
@click.option(
    "-m",
    "--metric",
    "metrics",
    metavar="NAME",
    multiple=True,
    help="Draw this metric, or all of this pattern (*, ?); may be repeated."
    "  [default: losses and rewards]",
)
@click.option(
    "--smooth",
    metavar="S",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    help="Smooth as TensorBoard does: weight of the past, from 0 to less than 1; what has"
    " less than a third of the points, as validation, stays as it is.",
)
@click.option("--log", is_flag=True, help="Logarithmic y axis.")
@click.option("--attempts", is_flag=True, help="Each attempt of a job that restarted, by itself.")
@click.option("--steps", metavar="A:B", type=Steps(), help="Only these steps.")
@click.option(
    "--width", metavar="COLUMNS", type=click.IntRange(40, 1000), help="Width of the picture."
)
@click.option(
    "--height", metavar="ROWS", type=click.IntRange(10, 500), help="Height of the picture."
)
@click.option("--ascii", is_flag=True, help="Draw with ASCII characters only.")
@lake_option
def curve(
    jobs: tuple[str, ...],
    metrics: tuple[str, ...],
    smooth: float,
    log: bool,
    attempts: bool,
    steps: tuple[int, int] | None,
    width: int | None,
    height: int | None,
    ascii: bool,
    lake_dir: str,
) -> None:
    """Draw the loss curves of jobs: training and validation, best step and checkpoints.

    JOB is an id, or a beginning that no other id has; several are drawn over one another.
    Reinforcement jobs show their rewards. The picture fills the terminal; elsewhere it is plain
    text of 80 columns. Long curves are thinned, but never lose an extreme.

    \b
    Examples:
      tunelog curve ftjob-abc123
      tunelog curve ftjob-abc123 ftjob-xyz789 --metric train_loss --smooth 0.6
      tunelog curve ftjob-abc123 --log --steps 2:200
      tunelog curve ftjob-abc123 --metric 'train_*' --attempts
    """
    from pipeline.charts.read import VIEWS, curves
    from pipeline.cli.picture import LEAST, picture

    lake = open_existing(lake_dir)
    ids = whole_jobs(lake, jobs)
    with lake.connect(VIEWS) as con:
        found = curves(con, ids, metrics=metrics, smoothing=smooth, attempts=attempts)
    whole = found
    if steps is not None:
        found = found.within(*steps)
    _tell_empty(found, whole, filtered=bool(metrics))
    if found.points.is_empty():
        return
    size = shutil.get_terminal_size((WIDTH, HEIGHT + 1))
    lines = picture(
        found,
        width=width or max(min(terminal_width() or WIDTH, 1000), 4),  # a frame and a column
        # the row below the picture is the prompt's
        height=height or max((size.lines - 1) if sys.stdout.isatty() else HEIGHT, 10),
        smoothing=smooth,
        log=log,
        colour=_coloured(sys.stdout),
        ascii=ascii or not _has_glyphs(sys.stdout),
        # nothing scrolls where there is no terminal: many curves leave the plot its room
        least=LEAST if height or sys.stdout.isatty() else LEAST_PIPED,
    )
    for line in lines:
        click.echo(line, color=True)


def _tell_empty(found: Curves, whole: Curves, *, filtered: bool) -> None:
    """Tell of jobs of which nothing is drawn: of the whole curves, or of these steps of them."""
    for row in found.jobs.iter_rows(named=True):
        if found.points.filter(job_id=row["job_id"]).is_empty():
            steps = whole.points.filter(job_id=row["job_id"])["step"].sort()
            of = "of what was asked for" if filtered else "to draw"
            if len(steps):
                of = f"at these steps: it has {steps[0]} to {steps[-1]}"
            note(f"{row['job_id']}: {row['status']}, and no metrics {of}")


def _coloured(out: TextIO) -> bool:
    """Whether colours may be written: https://no-color.org, and no terminal that has none."""
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "") != "dumb"


def _has_glyphs(out: TextIO) -> bool:
    """Whether a stream's encoding has all that a picture is drawn with."""
    try:
        _GLYPHS.encode(out.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
