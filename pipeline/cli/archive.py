"""`tunelog archive`: all that an account knows of its jobs, from the API to disk and lake."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pipeline.cli.feeding import Feeder
from pipeline.cli.ingest import progress_bar
from pipeline.cli.options import output_options
from pipeline.cli.output import destination, write_rows
from pipeline.cli.report import write_report
from pipeline.cli.terminal import note, terminal_width
from pipeline.errors import DataError, ExitCode, LakeError, TunelogError, UsageError
from pipeline.figures import count

if TYPE_CHECKING:
    from pipeline.archive.account import Account, Failure
    from pipeline.archive.run import Progress, Report

F = TypeVar("F", bound=Callable[..., Any])


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


def account_options(command: F) -> F:
    """Add the options that say whom to ask, and how patiently."""
    for option in (
        click.option(
            "--timeout", type=click.FloatRange(min=0.1), default=60, show_default=True,
            metavar="SECONDS", help="How long to wait for an answer.",
        ),
        click.option(
            "--retries", type=click.IntRange(min=0), default=8, show_default=True, metavar="N",
            help="How often to try a request again.",
        ),
        click.option(
            "--concurrency", type=click.IntRange(1, 256), default=8, show_default=True,
            metavar="N", help="Requests at once.",
        ),
        click.option(
            "--api-version", metavar="VERSION",
            help="Version of Azure's API  [env: OPENAI_API_VERSION].",
        ),
        click.option(
            "--azure-endpoint", metavar="URL",
            help="Azure resource to ask instead of OpenAI  [env: AZURE_OPENAI_ENDPOINT].",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


@click.group(invoke_without_command=True, subcommand_metavar="[verify DIR]")
@click.option("--out", metavar="DIR", help="Folder of the archive; made if it is not there.")
@click.option("--job", "jobs", metavar="ID", multiple=True, help="Only this job; repeatable.")
@click.option("--since", metavar="DATE", type=Moment(), help="Only jobs created since.")
@click.option("--lake", "lake_dir", metavar="DIR", help="Lake to ingest the archive into.")
@click.option("--report", "page", metavar="FILE", help="Report on the lake to write then.")
@account_options
@output_options()
@click.pass_context
def archive(
    ctx: click.Context,
    out: str | None,
    jobs: tuple[str, ...],
    since: float | None,
    lake_dir: str | None,
    page: str | None,
    azure_endpoint: str | None,
    api_version: str | None,
    concurrency: int,
    retries: int,
    timeout: float,
    format: str,
    output: str | None,
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
    from pipeline.archive.account import Failure
    from pipeline.archive.run import Run
    from pipeline.archive.store import Store

    account = connected(azure_endpoint, api_version, concurrency, retries, timeout)
    with guarded(account), Store(Path(out)) as store, ExitStack() as also:
        feeder = lake_dir and also.enter_context(Feeder(lake_dir, store.durable))
        with _progress() as told:
            run = Run(store, account, concurrency=concurrency, told=told)
            try:
                report = run.archive(jobs, since)
            except Failure as failure:
                raise refusal(failure) from None
        _print(report, format, output)
        code = ExitCode.DATA if report.failed else ExitCode.OK
        if report.failed:
            note(f"{out}: something is missing: run the same command again; the rest is there")
        if feeder:
            code = max(code, feeder.finish())
    if page and lake_dir:
        write_report(lake_dir, output=page)
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
    import pyarrow as pa

    from pipeline.archive.verify import verify as prove

    with progress_bar("verify") as told:
        proof = prove(Path(folder), told)
    schema = pa.schema([(name, pa.string()) for name in ("rule", "place", "problem", "advice")])
    if proof.faults or format != "table":
        rows = pa.Table.from_pylist(list(map(asdict, proof.faults)), schema)
        write_rows(rows.to_reader(), format, output)
    verdict = count(len(proof.faults), "fault") if proof.faults else "complete"
    still = f", {proof.open:,} of them not long ended" if proof.open else ""
    note(
        f"{folder}: {proof.jobs:,} jobs{still}, {proof.events:,} events in {proof.files:,} files:"
        f" {verdict}"
    )
    if not proof.whole:
        note(
            f"{folder}: these are the jobs asked for by --job or --since: `tunelog archive` without"
            " them lists all of the account"
        )
    if proof.gone:
        note(f"{folder}: {proof.gone:,} lists or files were gone from the server: see `gone` in it")
    return ExitCode.DATA if proof.faults else ExitCode.OK


def connected(
    azure_endpoint: str | None,
    api_version: str | None,
    concurrency: int,
    retries: int,
    timeout: float,
) -> Account:
    """The account that options and environment name; closed with the command.

    Raises:
        UsageError: a setting is missing.
        LakeError: the client is not installed.
    """
    from pipeline.archive.account import connect

    if azure_endpoint is None and not os.environ.get("OPENAI_API_KEY"):
        azure_endpoint = os.environ.get("AZURE_OPENAI_ENDPOINT")
    account = connect(
        azure_endpoint=azure_endpoint,
        api_version=api_version,
        concurrency=concurrency,
        retries=retries,
        timeout=timeout,
    )
    click.get_current_context().call_on_close(account.close)
    return account


@contextmanager
def guarded(account: Account) -> Iterator[None]:
    """Let no key reach a traceback: an error that nobody foresaw is told without secrets."""
    try:
        yield
    except (TunelogError, click.ClickException, OSError):
        raise
    except Exception as error:  # a bug: whatever its text holds, the key is taken out of it
        click.echo(account.redactor.text(traceback.format_exc()), err=True)
        name = type(error).__name__
        raise LakeError(f"tunelog archive: {name}: please report this as a bug") from None


def refusal(failure: Failure) -> TunelogError:
    """The error that ends a command whose first request failed."""
    if failure.refused:
        return UsageError(f"{failure}: set OPENAI_API_KEY, or AZURE_OPENAI_API_KEY, to a valid key")
    if failure.absent:
        return UsageError(f"{failure}: check OPENAI_BASE_URL or the endpoint, and the API version")
    return DataError(f"{failure}: nothing was lost: run the same command again")


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """A line on standard error that leaves no trace: jobs, events, rate, what is left."""
    if not sys.stderr.isatty():
        yield lambda progress: None
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
            more = "" if now.whole else "+"
            bar.update(
                task,
                completed=now.done,
                total=now.listed if now.whole else None,
                description=f"{now.done:,} of {now.listed:,}{more} jobs, {now.events:,} events,"
                f" {now.events / seconds:,.0f}/s",
            )

        yield told


def _print(report: Report, format: str, output: str | None) -> None:
    import pyarrow as pa

    text, number = pa.string(), pa.int64()
    numbers = ("pages", "events", "checkpoints", "files")
    schema = pa.schema(
        [("job_id", text), ("status", text)] + [(name, number) for name in numbers]
        + [("problems", pa.list_(text))]
    )  # fmt: skip
    rows = [
        {"job_id": o.job.id, "status": o.job.status, "problems": o.problems}
        | {name: getattr(o, name) for name in numbers}
        for o in sorted(report.outcomes, key=lambda o: o.job.id)
    ]
    rows += [{"problems": [problem]} for problem in report.problems]
    if format != "table":
        write_rows(pa.Table.from_pylist(rows, schema).to_reader(), format, output)
        return
    with destination(output) as out:
        width = terminal_width(out) if out is sys.stdout else None
        out.writelines(f"{line}\n" for line in _summary(report, rows, width))


def _summary(report: Report, rows: list[dict[str, Any]], width: int | None) -> Iterator[str]:
    import pyarrow as pa

    from pipeline.cli.table import one_table

    asked, complete = len(report.outcomes), report.unchanged
    yield f"{report.progress.listed:,} jobs ({asked:,} asked for, {complete:,} complete already)"
    yield f"  {report.progress.events:>12,} new events"
    yield f"  {sum(o.checkpoints for o in report.outcomes):>12,} new checkpoints"
    yield f"  {sum(o.files for o in report.outcomes):>12,} new result files"
    if report.mended:
        yield f"  {report.mended:>12,} lost files asked for again"
    failed = [
        {"job": row.get("job_id") or "", "problem": problem}
        for row in rows
        for problem in row["problems"]
    ]
    if failed:
        yield ""
        yield from one_table(pa.Table.from_pylist(failed), width)
