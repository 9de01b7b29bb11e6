"""Options and arguments that several commands share, and the lake they name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from math import isfinite
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from pipeline.cli.output import FORMATS, SPREADSHEET, chosen_format
from pipeline.cli.terminal import note
from pipeline.errors import UsageError
from pipeline.sizes import byte_count

if TYPE_CHECKING:
    from pipeline.lake.lake import Lake
    from pipeline.telling import Waiting

F = TypeVar("F", bound=Callable[..., Any])


def lake_option(command: F) -> F:
    """Add ``--lake DIR``."""

    def named(ctx: click.Context, param: click.Parameter, value: str) -> str:
        if not value:  # as of a variable that is not set
            raise click.BadParameter("'' is no folder: name one.", ctx, param)
        return value

    return click.option(
        "--lake",
        "lake_dir",
        metavar="DIR",
        envvar="TUNELOG_LAKE",
        default="lake",
        show_default=True,
        callback=named,
        help="Folder of the lake [env: TUNELOG_LAKE].",
    )(command)


def output_options(*formats: str, default: str = "table") -> Callable[[F], F]:
    """Add ``--format`` and ``--output``; where ``--format`` is not given, the file's name tells it.

    ``--spreadsheet``, where there is csv, makes the format `SPREADSHEET` of it.

    Args:
        *formats: Those the command can write, all by default.
        default: The format where nothing tells it.
    """
    names = formats or FORMATS

    def tell(ctx: click.Context, param: click.Parameter, value: str | None) -> str:
        safe = bool(ctx.meta.get(SPREADSHEET))
        usual = "csv" if safe else default
        format = chosen_format(value, ctx.params.get("output"), usual, names)
        if safe and format == "csv":
            return SPREADSHEET
        if safe:
            raise click.UsageError(f"--spreadsheet makes csv, not {format}: leave one out", ctx)
        if format not in names:
            raise click.BadParameter(f"{format!r} is not one of {', '.join(names)}.", ctx, param)
        return format

    def add(command: F) -> F:
        file = click.option(
            "-o",
            "--output",
            metavar="FILE",
            is_eager=True,
            help="File to write instead of standard output; its suffix tells the format.",
        )
        format = click.option(
            "--format",
            type=click.Choice(names),
            callback=tell,
            help=f"What to print.  [default: {default}]",
        )
        command = format(file(command))
        return spreadsheet_option(command) if "csv" in names else command

    return add


def spreadsheet_option(command: F) -> F:
    """Add ``--spreadsheet``, which the callback of ``--format`` reads."""

    def keep(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        ctx.meta[SPREADSHEET] = value

    return click.option(
        "--spreadsheet",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=keep,
        help="CSV that is safe to open in a spreadsheet: no text becomes a formula.",
    )(command)


def jobs_option(command: F) -> F:
    """Add ``--job ID``, as `jobs`."""
    text = "Only this job: its id, or a beginning that no other id has; may be repeated."
    return click.option("--job", "jobs", metavar="ID", multiple=True, help=text)(command)


def config_option(command: F) -> F:
    """Add ``--config FILE``."""
    text = "Settings to go by.  [default: tunelog.toml in the current folder, if it is there]"
    return click.option("--config", metavar="FILE", help=text)(command)


def takes(*options: str) -> bool:
    """Whether the command that runs has one of these options or arguments."""
    context = click.get_current_context(silent=True)
    return context is not None and any(given.name in options for given in context.command.params)


def is_given(option: str) -> bool:
    """Whether the command line names an option, by its parameter, be it with its default."""
    source = click.get_current_context().get_parameter_source(option)
    return source is ParameterSource.COMMANDLINE


class Size(click.ParamType[int]):
    """A number of bytes such as 65536, 64k, 64MB or 1.5GiB; see `byte_count`."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The size [byte]."""
        size = byte_count(str(value))
        if size is None:
            self.fail(f"{value!r} is no size: write one like 500MB or 2GiB.", param, ctx)
        return size


class Finite(click.FloatRange):
    """A number in a range that is neither NaN nor infinite."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number."""
        number = super().convert(value, param, ctx)
        if not isfinite(number):
            self.fail(f"{value} is no number to count with.", param, ctx)
        return number


def record_limit_option(help: str) -> Callable[[F], F]:
    """`--max-record-bytes SIZE`, as `max_record_bytes` [byte]."""
    return click.option(
        "--max-record-bytes",
        metavar="SIZE",
        type=Size(),
        default="64MiB",
        show_default=True,
        help=help,
    )


def open_existing(directory: str) -> Lake:
    """The lake of a command that only reads.

    Raises:
        UsageError: There is no lake in that folder.
    """
    from pipeline.lake.ledger import is_lost

    place = Path(directory)
    if not (place / "ledger.db").is_file() and not is_lost(place):
        parent = quote(str(place.parent))
        if (place.parent / "ledger.db").is_file():
            raise UsageError(f"{directory}: no lake here: give the one around it, --lake {parent}")
        if place.is_file():
            raise UsageError(f"{directory}: a file: give the folder of a lake with --lake")
        make = f"tunelog ingest PATH --lake {quote(directory)}"
        raise UsageError(
            f"{directory}: no lake here: make one with `{make}`, or name another with --lake"
        )
    from pipeline import open_lake

    lake = open_lake(directory, create=False)
    context = click.get_current_context()
    context.call_on_close(lake.close)
    context.with_resource(lake.telling_damage())
    return lake


def at_lake(directory: str) -> str:
    """The option that names the lake in a command that is told of, where one is needed."""
    usual = os.environ.get("TUNELOG_LAKE") or "lake"
    return "" if directory == usual else f" --lake {quote(directory)}"


def waiting_note(directory: str) -> Waiting:
    """What tells the person that another process holds the lake."""
    return lambda holder: note(f"{directory}: {holder} writes this lake: waiting for it")


def whole_jobs(lake: Lake, jobs: Iterable[str]) -> list[str]:
    """The ids of the jobs that are called so, or begin so, each once: `Lake.whole_job_id`."""
    return list(dict.fromkeys(map(lake.whole_job_id, jobs)))
