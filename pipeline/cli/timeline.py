"""`tunelog timeline`: what was logged in a job, or near one of its steps, in the order of time."""

from __future__ import annotations

import click

from pipeline.cli.options import is_given, lake_option, open_existing, output_options
from pipeline.cli.output import write_rows
from pipeline.cli.terminal import note
from pipeline.sqlfiles import sql_text

KINDS = ("error", "warning", "moderation", "checkpoint", "metrics", "message")

_ALL = "from timeline where job_id = $1 order by place"


@click.command()
@click.argument("job")
@click.option(
    "--around",
    metavar="STEP",
    type=int,
    help="Only what was logged near this step.",
)
@click.option(
    "--window",
    metavar="N",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="How many steps to either side.",
)
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(KINDS),
    multiple=True,
    help="Only events of this kind; may be repeated.",
)
@lake_option
@output_options()
@click.pass_context
def timeline(
    ctx: click.Context,
    job: str,
    around: int | None,
    window: int,
    kinds: tuple[str, ...],
    lake_dir: str,
    format: str,
    output: str | None,
) -> None:
    """Print what happened in a job, messages and metrics on one axis of time.

    JOB is an id, or a beginning that no other id has. A message stands at the step that the job had
    reached, so that --around finds what was logged near a spike; what was said before an attempt
    that begins near the step is there, too. Tables have the columns that say something; all other
    formats every column of the view timeline.

    \b
    Examples:
      tunelog timeline ftjob-abc123
      tunelog timeline ftjob-abc123 --around 3 --window 1
      tunelog timeline ftjob-abc123 --kind error --kind warning --format json
      tunelog timeline ftjob-abc123 --format markdown -o timeline.md
    """
    if is_given("window") and around is None:
        raise click.UsageError("--window without --around: add --around STEP", ctx)
    import pyarrow as pa
    import pyarrow.compute as pc

    from pipeline.charts.read import LOSSES, REWARDS, nearest_steps, steps_near

    lake = open_existing(lake_dir)
    job_id = lake.whole_job_id(job)
    with lake.connect(["timeline"]) as con:
        near = [] if around is None else steps_near(around, window)
        asked = sql_text("charts/timeline_near") if near else _ALL
        rows = con.sql(asked, params=[job_id, *near]).to_arrow_table()
        if kinds:
            rows = rows.filter(pc.is_in(rows["kind"], pa.array(kinds)))
        if around is not None and not len(rows):
            what = f"no {' or '.join(kinds)}" if kinds else "nothing"
            where = nearest_steps(con, job_id, around, kinds or KINDS)
            note(f"{job_id}: {what} within {window:,} of step {around:,}: {where}")
    if format in ("table", "markdown"):
        told = [name for name in LOSSES + REWARDS if rows[name].null_count < len(rows)]
        attempt = ["attempt"] if pc.count_distinct(rows["attempt"]).as_py() > 1 else []
        rows = rows.select(["created_at", "step", *attempt, "kind", *told, "message"])
    write_rows(rows.to_reader(), format, output)
