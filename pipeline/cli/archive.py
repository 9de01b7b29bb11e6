"""`tunelog archive`: all that an account knows of its jobs, from the API to disk and lake."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.account import account_options, connected, guarded, refusal
from pipeline.cli.audit import write_findings
from pipeline.cli.feeding import Feeder, check_apart
from pipeline.cli.ingest import progress_bar
from pipeline.cli.options import output_options
from pipeline.cli.output import check_output, destination, write_rows
from pipeline.cli.report import check_report, write_report
from pipeline.cli.terminal import maybe_unread, note, terminal_width
from pipeline.errors import ExitCode
from pipeline.figures import count, total_line

if TYPE_CHECKING:
    from pipeline.archive.run import Progress, Report


LIFE_SECONDS = 30.0
"""How often a run tells how far it is where no terminal shows it."""


class Moment(click.ParamType[float]):
    """A date or time in ISO 8601, UTC unless it says otherwise."""

    name = "date"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The moment [s since 1970]."""
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no date: write it as 2025-06-30.", param, ctx)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


@click.group(invoke_without_command=True, subcommand_metavar="[verify DIR]")
@click.option("--out", metavar="DIR", help="Folder of the archive; made if it is not there.")
@click.option("--job", "jobs", metavar="ID", multiple=True, help="Only this job; repeatable.")
@click.option("--since", metavar="DATE", type=Moment(), help="Only jobs created since, in UTC.")
@click.option("--again", is_flag=True, help="Ask again for what was gone from the server.")
@click.option("--lake", "lake_dir", metavar="DIR", help="Lake to ingest the archive into.")
@click.option("--report", "page", metavar="FILE", help="Report on the lake to write then.")
@account_options
@output_options()
@click.pass_context
def archive(
    ctx: click.Context,
    /,
    out: str | None,
    jobs: tuple[str, ...],
    since: float | None,
    again: bool,
    lake_dir: str | None,
    page: str | None,
    format: str,
    output: str | None,
    **whom: Any,
) -> ExitCode | None:
    """Fetch all fine-tuning jobs of an account, with events, checkpoints and result files.

    Responses are kept byte for byte, less secrets, with a manifest that proves them complete.
    Run it again, after anything, to go on: only what is new is fetched. The key is read from
    OPENAI_API_KEY (and OPENAI_BASE_URL), for Azure from AZURE_OPENAI_API_KEY.

    `tunelog archive verify DIR` proves an archive complete, offline.

    \b
    Examples:
      tunelog archive --out archive
      tunelog archive --out archive --lake lake --report report.html
      tunelog archive --out archive --since 2025-01-01
      tunelog archive --out azure --azure-endpoint $AZURE_OPENAI_ENDPOINT --job ftjob-abc123
      tunelog archive verify archive
    """
    if ctx.invoked_subcommand:
        return None
    if not out:
        raise click.UsageError("no --out DIR for the archive", ctx)
    if page and not lake_dir:
        raise click.UsageError("--report without --lake: add --lake DIR to report on", ctx)
    if not all(jobs):
        raise click.UsageError("--job without an id", ctx)
    if jobs and since is not None:
        raise click.UsageError("--since with --job, which names the jobs: leave one out", ctx)
    if lake_dir:
        check_apart(out, lake_dir)
    # What cannot be written is better told before an hour of fetching.
    made = [Path(folder) for folder in (out, lake_dir) if folder]
    check_output(output, "--output", format, made)
    if page:
        check_report(page, made)
    from pipeline.archive.account import Failure
    from pipeline.archive.run import Run
    from pipeline.archive.store import Store

    account = connected(**whom)
    if lake_dir:
        from pipeline import open_lake

        with open_lake(lake_dir) as lake:
            lake.make()
    with guarded(account), Store(Path(out)) as store, ExitStack() as also:
        feeder = lake_dir and also.enter_context(Feeder(lake_dir, store.durable))
        with _progress() as told:
            run = Run(store, account, told=told, again=again)
            try:
                report = run.archive(jobs, since)
            except Failure as failure:
                raise refusal(failure) from None
        with maybe_unread():
            _print(report, format, output)
        code = ExitCode.DATA if report.failed else ExitCode.OK
        if report.stopped:
            note(f"{out}: stopped: {report.stopped}; what was fetched is there")
        elif report.failed:
            todo = "see its problem, and run the same command again"
            note(f"{out}: something is missing: {todo}; the rest is there")
        if feeder:
            code = max(code, feeder.finish())
    if page and lake_dir:
        write_report(lake_dir, output=page, option="--report")
    return code


@archive.command()
@click.argument("folder", metavar="DIR")
@output_options()
def verify(folder: str, format: str, output: str | None) -> ExitCode:
    """Prove that an archive is complete and as it was fetched, or print what is not.

    Every file against its hash, every line of the manifest against the one before, every job's
    pages from the newest to the oldest without a gap, every job listed with all that it has.
    Prints a row for each fault. Asks no server and changes nothing.

    \b
    Examples:
      tunelog archive verify archive
      tunelog archive verify archive --format json
    """
    from pipeline.archive.verify import verify as prove

    with progress_bar("verify") as told:
        proof = prove(Path(folder), told)
    write_findings(proof.faults, format, output)
    verdict = count(len(proof.faults), "fault") if proof.faults else "complete"
    still = f", {proof.open:,} of them not ended, or only just" if proof.open else ""
    note(
        f"{folder}: {count(proof.jobs, 'job')}{still}, {count(proof.events, 'event')} in"
        f" {count(proof.files, 'file')}: {verdict}"
    )
    if not (proof.whole or proof.faults):
        note(
            f"{folder}: these are the jobs asked for by --job or --since, or followed by `tunelog"
            " watch`: `tunelog archive` without them lists all of the account"
        )
    if len(proof.hosts) > 1:
        note(
            f"{folder}: its jobs were told by {' and '.join(sorted(proof.hosts))}: keep accounts in"
            " folders of their own, each with its own proof"
        )
    if proof.gone:
        note(
            f"{folder}: {proof.gone:,} lists or files were gone from the server (`gone` in the"
            " manifest): `tunelog archive --again` asks once more"
        )
    if proof.vanished:
        jobs = count(len(proof.vanished), "job")
        note(
            f"{folder}: {jobs} gone from the server before all was fetched, such as"
            f" {proof.vanished[0]}: what is there is the end"
        )
    if proof.strangers:
        others = count(len(proof.strangers), "file")
        note(f"{folder}: {others} below raw/ that no archive made, such as {proof.strangers[0]}")
    return ExitCode.DATA if proof.faults else ExitCode.OK


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """Jobs, events, rate, what is left, on standard error: a line that leaves no trace.

    Where that is no terminal, a line now and then.
    """
    if not sys.stderr.isatty():
        with _signs_of_life() as told:
            yield told
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    times = (TimeElapsedColumn(), "left", TimeRemainingColumn())
    columns = ("archive", BarColumn(), TextColumn("{task.description}"), *times)
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("listing jobs", total=None)

        def told(now: Progress) -> None:
            seconds = bar.tasks[0].elapsed or 1
            total = now.listed if now.whole else None
            bar.update(task, completed=now.done, total=total, description=_state(now, seconds))

        yield told


@contextmanager
def _signs_of_life() -> Iterator[Callable[[Progress], None]]:
    now: Progress | None = None
    over, begun = threading.Event(), time.monotonic()

    def told(progress: Progress) -> None:
        nonlocal now
        now = progress

    def tell() -> None:
        while not over.wait(LIFE_SECONDS):
            seconds = time.monotonic() - begun
            state = _state(now, seconds) if now else "listing jobs"
            note(f"archive: {state}, after {seconds:,.0f} s")

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        over.set()
        thread.join()


def _state(now: Progress, seconds: float) -> str:
    more = "" if now.whole else "+"
    rate = f"{now.events / seconds:,.0f}/s"
    return f"{now.done:,} of {now.listed:,}{more} jobs, {now.events:,} events, {rate}"


def _print(report: Report, format: str, output: str | None) -> None:
    import pyarrow as pa

    text, number = pa.string(), pa.int64()
    numbers = ("pages", "events", "checkpoints", "files")
    schema = pa.schema(
        [("job_id", text), ("status", text)] + [(name, number) for name in numbers]
        + [("gone", pa.list_(text)), ("problems", pa.list_(text))]
    )  # fmt: skip
    rows = [
        {"job_id": o.job.id, "status": o.job.status, "gone": o.gone, "problems": o.problems}
        | {name: getattr(o, name) for name in numbers}
        for o in sorted(report.outcomes, key=lambda o: o.job.id)
    ]
    rows += [{"problems": [problem]} for problem in report.problems]
    if format != "table":
        rows += [{"problems": [report.stopped]}] if report.stopped else []
        write_rows(pa.Table.from_pylist(rows, schema).to_reader(), format, output)
        return
    with destination(output) as out:
        width = terminal_width(out)
        out.writelines(f"{line}\n" for line in _summary(report, rows, width))


def _summary(report: Report, rows: list[dict[str, Any]], width: int | None) -> Iterator[str]:
    import pyarrow as pa

    from pipeline.cli.table import one_table

    asked, complete = len(report.outcomes), report.unchanged
    listed = count(report.progress.listed, "job")
    yield f"{listed} ({asked:,} asked for, {complete:,} complete already)"
    yield total_line(report.progress.events, "new event")
    yield total_line(sum(o.checkpoints for o in report.outcomes), "new checkpoint")
    yield total_line(sum(o.files for o in report.outcomes), "new result file")
    if gone := sum(len(o.gone) for o in report.outcomes):
        yield f"  {gone:>12,} lists or files that the server does not have"
    if report.mended:
        again = "asked for again where the server lists their jobs"
        yield f"{total_line(report.mended, 'lost file')}, {again}"
    failed = [
        {"job": row.get("job_id") or "", "problem": problem}
        for row in rows
        for problem in row["problems"]
    ]
    if failed:
        yield ""
        yield from one_table(pa.Table.from_pylist(failed), width)
