"""`tunelog watch`: running jobs, followed from the API into the lake."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.account import account_options, connected, guarded, refusal
from pipeline.cli.feeding import Fed, check_apart, ingested
from pipeline.cli.options import lake_option, waiting_note
from pipeline.cli.terminal import note
from pipeline.errors import DataError, ExitCode
from pipeline.inert import inert, inert_json

if TYPE_CHECKING:
    from pipeline.archive.watch import News, Watcher
    from pipeline.lake.lake import Lake
    from pipeline.settings import Settings

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
_GOOD = "succeeded"

LEAST_SECONDS = 1.0
"""From one look to the next, so that no server is asked without a pause."""

MOST_SECONDS = 604_800.0
"""Longer than events that matter stay unseen: a slip of the keyboard."""


class Duration(click.ParamType[float]):
    """A time span such as 15, 15s, 2m or 1h."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The span [s]."""
        match = re.fullmatch(r"(\d+(?:\.\d+)?) *([smh]?)", str(value), re.IGNORECASE)
        if not match:
            self.fail(f"{value!r} is no time span: write it as 15s, 2m or 1h.", param, ctx)
        if (span := float(match[1]) * _UNITS[match[2].lower()]) < LEAST_SECONDS:
            self.fail(f"{value!r} leaves the server no pause: give 1s or more.", param, ctx)
        if span > MOST_SECONDS:
            self.fail(f"{value!r} is longer than a week: give less.", param, ctx)
        return span


@click.command()
@click.option("--job", "jobs", metavar="ID", multiple=True, help="Only this job; repeatable.")
@click.option(
    "--every", metavar="SPAN", type=Duration(), default="15s", show_default=True,
    help="Time from one look to the next, 1s or more.",
)  # fmt: skip
@click.option(
    "--out", metavar="DIR", help="Folder of the archive.  [default: the lake's name with .archive]"
)
@click.option(
    "--format", type=click.Choice(["text", "jsonl"]), default="text", show_default=True,
    help="How to print events.",
)  # fmt: skip
@lake_option
@account_options
def watch(
    jobs: tuple[str, ...],
    every: float,
    out: str | None,
    format: str,
    lake_dir: str,
    **whom: Any,
) -> ExitCode:
    """Follow running jobs into the lake: print new events, and verdicts (`check`) that change.

    Without --job, all jobs that run, and those that begin meanwhile. Ends when all of them have
    ended: with 0 if all succeeded, with 1 if one failed or was cancelled, or if not all could be
    taken in. Stopped and started again it goes on where it was: each event is in the lake once;
    only those that were being printed when it was killed are printed again. Of a job that is
    looked at for the first time the last 10 events are printed. The key is read from the
    environment, as by `tunelog archive`.

    \b
    Examples:
      tunelog watch
      tunelog watch --job ftjob-abc123 --every 1m --lake team-lake
      tunelog watch --format jsonl > events.jsonl
    """
    if not all(jobs):
        raise click.UsageError("--job without an id", click.get_current_context())
    from pipeline import open_lake, settings
    from pipeline.archive.account import Failure
    from pipeline.archive.store import Store
    from pipeline.archive.watch import Watcher
    from pipeline.lake.store import place_of

    asked = settings.load()  # once: to be mended before the first look, and stable from then on
    account = connected(**whom)
    named = Path(lake_dir) if Path(lake_dir).name.strip(".") else place_of(lake_dir)
    folder = Path(out or f"{named}.archive")  # beside the lake, also where it is `.`
    check_apart(folder, lake_dir)
    with open_lake(lake_dir) as lake:
        lake.make()  # one that cannot be used is told before anything is fetched
    judged: set[str] = set()
    taken = ExitCode.OK
    with guarded(account), Store(folder) as store:
        watcher = Watcher(store, account, jobs)
        while True:
            begun = time.monotonic()
            changed: list[str] = []
            try:
                for news in watcher.round():
                    _print(news, format)
                    if news.events or news.job.id not in judged:
                        changed.append(news.job.id)
                    watcher.shown(news)
            except Failure as failure:
                if watcher.shut_out or not watcher.outcomes:
                    raise refusal(failure) from None
                note(f"{failure}: asked again in {every:g} s")
            for problem in watcher.problems:
                note(f"{problem}: asked again in {every:g} s")
            if files := watcher.new_files():
                taken = max(taken, _take_in(lake_dir, files, changed, watcher, asked))
                judged.update(changed)
            if watcher.over:
                return max(taken, _ended(watcher, lake_dir, folder))
            time.sleep(max(0.0, every - (time.monotonic() - begun)))


def _print(news: News, format: str) -> None:
    job = news.job
    if news.earlier:
        note(f"{job.id}: {job.status}; {news.earlier:,} earlier events are kept, not printed")
    for problem in news.problems:
        note(f"{job.id}: {problem}: asked again")
    for event in news.events:
        if format == "jsonl":
            click.echo(inert_json(json.dumps({"job_id": job.id, **event}, ensure_ascii=False)))
        else:
            at = _clock(event.get("created_at"))
            text = " ".join(str(event.get("message", "")).split())
            level = str(event.get("level") or "")
            click.echo(inert(f"{at}  {job.id}  {level:<5}  {text}"))


def _clock(seconds: Any) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%SZ}"
    except (ValueError, OverflowError, OSError, TypeError):
        return str(seconds)


def _take_in(
    lake_dir: str, files: list[Path], jobs: list[str], watcher: Watcher, asked: Settings
) -> ExitCode:
    """Ingest what is new, and tell what was not taken in and which verdicts of these jobs changed.

    Returns:
        What the ingest comes to; verdicts fail nothing.
    """
    from pipeline import open_lake

    with open_lake(lake_dir) as lake, lake.telling_damage():
        found = ingested(lake, files, waiting=waiting_note(lake_dir))
        code = Fed.of(found).verdict(lake_dir)
        for job in jobs:
            now = _tripped(lake, job, asked)
            before = watcher.tripped(job)
            for rule in now.keys() - before:
                note(f"{job}: {rule}: {now[rule]}")
            for rule in before - now.keys():
                note(f"{job}: {rule}: no longer so")
            watcher.judged(job, now)
    return code


def _tripped(lake: Lake, job: str, asked: Settings) -> dict[str, str]:
    """The rules that trip in a job, with their evidence; see `tunelog check`."""
    from pipeline import checks

    try:
        rows = checks.check(lake, asked, job_id=job).rows.to_pylist()
    except DataError:  # no event of the job yet
        return {}
    return {row["rule"]: row["evidence"] for row in rows if row["verdict"] == "tripped"}


def _ended(watcher: Watcher, lake_dir: str, archive: Path) -> ExitCode:
    from pipeline.archive.run import WRONG_ID

    outcomes = watcher.outcomes
    if not outcomes:
        note("no job runs: name one with --job, or see `tunelog archive`")
        return ExitCode.OK
    for job, status in outcomes.items():
        if job in watcher.unknown:
            note(f"{status}: {WRONG_ID}")
            continue
        where = f"--job {quote(job)} --lake {quote(lake_dir)}"
        note(f"{job}: {status}; see `tunelog show loss_curves {where}`")
    for job in watcher.lacking:
        again = f"`tunelog archive --out {quote(str(archive))}`"
        note(f"{job}: not all of it could be had: run {again} later")
    good = all(status == _GOOD for status in outcomes.values()) and not watcher.lacking
    return ExitCode.OK if good else ExitCode.DATA
