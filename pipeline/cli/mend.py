"""`tunelog rejects`, `assign` and `compact`: what changes a lake other than an ingest."""

from __future__ import annotations

from contextlib import suppress

import click

from pipeline.cli.ask import ask, view_query
from pipeline.cli.options import (
    Finite,
    is_given,
    lake_option,
    open_existing,
    output_options,
    record_limit_option,
    waiting_note,
)
from pipeline.cli.output import write_rows
from pipeline.cli.terminal import note
from pipeline.errors import UsageError, nearest
from pipeline.figures import count


@click.command()
@click.option("--replay", is_flag=True, help="Try them again; those that pass become events.")
@record_limit_option("With --replay: take records up to this size.")
@click.option("--reason", metavar="REASON", help="Only this reason, such as cut_off.")
@click.option("--limit", metavar="N", type=click.IntRange(min=0), help="At most so many rows.")
@lake_option
@output_options()
@click.pass_context
def rejects(
    ctx: click.Context,
    replay: bool,
    max_record_bytes: int,
    reason: str | None,
    limit: int | None,
    lake_dir: str,
    format: str,
    output: str | None,
) -> None:
    """List the records that are no events: source, position from 0, reason, detail, raw bytes.

    In csv and json the raw bytes are text, as they are in UTF-8; where some are none, \\xaa stands
    for each of those and \\x5c for a backslash. In parquet they are the bytes.

    With --replay, the stored bytes are read by the present version; those that now pass move to
    the events, once, and how many did is printed. So do records that were too large, up to
    --max-record-bytes: of more than 64 KiB they are read from their files, if these still lie
    where they were, unchanged. To read others, ingest their dump into another lake.

    \b
    Examples:
      tunelog rejects
      tunelog rejects --reason cut_off --limit 5
      tunelog rejects --format json -o rejects.json
      tunelog rejects --replay
      tunelog rejects --replay --max-record-bytes 256MiB
    """
    if is_given("max_record_bytes") and not replay:
        raise click.UsageError("--max-record-bytes without --replay: add it", ctx)
    if replay and (reason is not None or limit is not None):
        raise click.UsageError("--replay tries all rejects: leave --reason and --limit out", ctx)
    if replay:
        import pyarrow as pa

        report = open_existing(lake_dir).replay_rejects(
            max_record_bytes=max_record_bytes, waiting=waiting_note(lake_dir)
        )
        row = {"tried": report.tried, "passed": report.passed, "still": report.still}
        write_rows(pa.Table.from_pylist([row]).to_reader(), format, output)
        return
    from pipeline.contract import REJECT_REASONS

    if reason is not None and reason not in REJECT_REASONS:
        hint = nearest(reason, REJECT_REASONS) or f": one of {', '.join(REJECT_REASONS)}"
        raise UsageError(f"--reason {reason}: no such reason{hint}")
    where = f"reason = '{reason}'" if reason else None
    query, params = view_query("rejects", where=where, limit=limit)
    ask(open_existing(lake_dir), query, params, format, output, spills=True)


@click.command()
@click.argument("source")
@click.argument("job")
@click.option("--force", is_flag=True, help="Even where the source names another job.")
@lake_option
def assign(source: str, job: str, force: bool, lake_dir: str) -> None:
    """Tell that the events of SOURCE (a path or a source id) belong to JOB.

    `tunelog show unattributed_events` lists what is in need of it. With --force
    only what SOURCE told moves: what another file told stays with that one,
    and so does an event that both told alike, with the first that was read.

    \b
    Examples:
      tunelog assign dumps/page-3.json ftjob-abc123
    """
    lake = open_existing(lake_dir)
    longer = job
    # None begins so, or several do; or a file is damaged, which may be of no concern.
    with suppress(Exception):
        longer = lake.whole_job_id(job)
    moved = lake.assign(source, job, force=force, waiting=waiting_note(lake_dir))
    what = f"{count(moved, 'event')} moved" if moved else "no events to move: it belongs"
    note(f"{source}: {what} to {job}")
    if longer != job:
        note(f"{job}: is a job of its own: of {longer}, which begins so, write the whole id")


@click.command()
@click.option(
    "--keep",
    metavar="HOURS",
    type=Finite(min=0, max=1e6),
    default=24.0,
    show_default=True,
    help="Delete files replaced longer ago than this.",
)
@lake_option
def compact(keep: float, lake_dir: str) -> None:
    """Merge the lake's segments into few, sorted by job and time.

    An ingest does it by itself when there are many; the data stay the same, queries of one job get
    quicker. Readers go on with the files that were replaced, as long as those are kept; --keep 0
    is for a lake that nobody reads at the moment.

    \b
    Examples:
      tunelog compact
      tunelog compact --lake team-lake --keep 0
    """
    merged = open_existing(lake_dir).compact(keep_hours=keep, waiting=waiting_note(lake_dir))
    note(f"{lake_dir}: {merged:,} segments merged")
