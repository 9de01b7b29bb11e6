"""`tunelog export`: the events as they were sent, or any view, to a file."""

from __future__ import annotations

import click

from pipeline.cli.ask import ask, focus_of, limits, view_query
from pipeline.cli.options import (
    is_given,
    jobs_option,
    lake_option,
    open_existing,
    output_options,
    whole_jobs,
)
from pipeline.cli.output import destination
from pipeline.errors import UsageError
from pipeline.inert import inert_json


@click.command()
@click.argument("view", required=False)
@jobs_option
@lake_option
@limits
@output_options("jsonl", "json", "csv", "parquet", "markdown", default="jsonl")
def export(
    view: str | None,
    jobs: tuple[str, ...],
    lake_dir: str,
    memory: str,
    timeout: float,
    format: str,
    output: str | None,
) -> None:
    """Write the original events, or a view.

    Without VIEW, jsonl gives back the events as the API sent them, one a line, equal as JSON to
    what was read; a line with a job object before each job's events tells whose they are. Above
    it stands what the lake keeps of job and checkpoint objects, webhooks and result files.
    Ingesting the export makes the same lake. The other formats write the view `events`.

    With VIEW, every format writes the rows of that view, in its own order.

    \b
    Examples:
      tunelog export > events.jsonl
      tunelog export --job ftjob-abc123 -o events.jsonl
      tunelog export loss_curves -o curves.parquet
      tunelog export jobs --format csv
    """
    if view is not None or format != "jsonl":
        from pipeline.views import known_view

        view = known_view(view or "events")
        query, params = view_query(view, jobs=jobs)
        lake = open_existing(lake_dir)
        params = {name: lake.whole_job_id(job) for name, job in params.items()}
        focus = focus_of(view, params)
        ask(lake, query, params, format, output, memory, timeout, jobs=focus, spills=True)
        return
    for name in ("memory", "timeout"):
        if is_given(name):
            raise UsageError(f"--{name} is for views: leave it out, or name a view")
    lake = open_existing(lake_dir)
    wanted: list[str | None] = [*sorted(whole_jobs(lake, jobs))] or [None]
    with destination(output) as out:
        for job in wanted:
            out.writelines(f"{inert_json(line)}\n" for line in lake.export_events(job))
