"""`tunelog verify` and `tunelog history`: is the lake sound, and how did it come to be?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pipeline.cli.ask import ask, view_query
from pipeline.cli.ingest import progress_bar
from pipeline.cli.options import lake_option, open_existing, output_options, waiting_note
from pipeline.cli.output import write_rows
from pipeline.cli.terminal import maybe_unread, note
from pipeline.errors import ExitCode
from pipeline.figures import count

if TYPE_CHECKING:
    from pipeline.lake.verify import Verification
    from pipeline.telling import Finding


@click.command()
@lake_option
@output_options()
def verify(lake_dir: str, format: str, output: str | None) -> ExitCode:
    """Look whether all that the lake holds is there, whole, and by its rules.

    Reads every file: its hash and number of rows against the ledger, the rules about rows (every
    record of a source accounted for, every event there once and in its place), the ledger by
    SQLite's own check, open.sql, and files that nothing names. Prints a row for each thing that
    is wrong: the rule, where, what, and what to do. Changes nothing.

    \b
    Examples:
      tunelog verify
      tunelog verify --lake team-lake --format json -o findings.json
    """
    with progress_bar("verify") as progress:
        lake = open_existing(lake_dir)
        found = lake.verify(progress=progress, waiting=waiting_note(lake_dir))
    write_findings(found.findings, format, output)
    for line in _told(found, lake_dir):
        note(line)
    return ExitCode.DATA if found.findings else ExitCode.OK


def write_findings(found: Sequence[Finding], format: str, output: str | None) -> None:
    """Write what is wrong, a row each; a table of nothing is left out."""
    import pyarrow as pa

    if found or format != "table":
        schema = pa.schema([(n, pa.string()) for n in ("rule", "place", "problem", "advice")])
        rows = pa.Table.from_pylist(list(map(asdict, found)), schema)
        with maybe_unread():
            write_rows(rows.to_reader(), format, output)


def _told(found: Verification, lake_dir: str) -> list[str]:
    """What the rows do not say."""
    verdict = count(len(found.findings), "finding") if found.findings else "sound"
    lines = [f"{lake_dir}: {found.events:,} events in {found.segments:,} files: {verdict}"]
    if found.skipped:
        lines.append(f"{lake_dir}: the rules about rows wait until the files are whole again")
    if found.leftovers:
        lines.append(
            f"{lake_dir}: {len(found.leftovers):,} files of interrupted commands, which no reader"
            " sees: a compaction deletes them when they are a day old"
        )
    return lines


@click.command()
@click.option("--limit", metavar="N", type=click.IntRange(min=0), help="Only the latest N commits.")
@lake_option
@output_options()
def history(limit: int | None, lake_dir: str, format: str, output: str | None) -> None:
    """List the lake's commits, the newest last: when, by which command, what they changed.

    sources, events and rejects are what the lake held after the commit; the columns that end in
    _change are what it brought or took.

    \b
    Examples:
      tunelog history
      tunelog history --limit 10
      tunelog history --format csv -o history.csv
    """
    query, params = view_query("history")
    if limit is not None:
        query = (
            f"select * from (from history order by commit_id desc limit {limit}) order by commit_id"
        )
    ask(open_existing(lake_dir), query, params, format, output)
