"""The command line `tunelog`: parse, call, print. Nothing heavy is imported before it is used."""

from __future__ import annotations

import codecs
import errno
import gc
import importlib
import os
import sys
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import click

from pipeline.cli.terminal import forget_output, note
from pipeline.errors import ExitCode, TunelogError, nearest
from pipeline.interrupts import is_interrupt, prompt

_PLAIN = {"─": "-", "…": ".", "≥": ">", "·": "-"}
"""What stands for the signs of tables where a terminal's encoding has none of them."""

_NO_MEMORY = (
    "tunelog: out of memory: close other programs, ask for fewer jobs, or keep records of many"
    " megabytes out of the lake by `tunelog ingest --max-record-bytes`"
)

COMMANDS: dict[str, tuple[str, str]] = {
    "ingest": ("pipeline.cli.ingest:ingest", "Read dumps of events into the lake."),
    "archive": ("pipeline.cli.archive:archive", "Fetch an account's jobs and events from the API."),
    "watch": ("pipeline.cli.watch:watch", "Follow running jobs into the lake."),
    "summary": ("pipeline.cli.summary:summary", "Jobs, warnings and errors at a glance."),
    "show": ("pipeline.cli.ask:show", "Print a view, whole or in part."),
    "check": ("pipeline.cli.check:check", "Judge jobs by rules; exit code 1 where one trips."),
    "sql": ("pipeline.cli.ask:sql", "Ask the views in SQL; nothing else can be read or written."),
    "views": ("pipeline.cli.views:views", "What each view answers, its columns and units."),
    "curve": ("pipeline.cli.curve:curve", "Draw loss curves in the terminal."),
    "timeline": ("pipeline.cli.timeline:timeline", "What was logged in a job, or near a step."),
    "report": ("pipeline.cli.report:report", "Write a page that explains every job."),
    "export": ("pipeline.cli.export:export", "Write the original events, or a view, to a file."),
    "rejects": ("pipeline.cli.mend:rejects", "List records that are no events, or retry them."),
    "assign": ("pipeline.cli.mend:assign", "Tell which job a source's events belong to."),
    "compact": ("pipeline.cli.mend:compact", "Merge the lake's segments into few."),
    "history": (
        "pipeline.cli.audit:history",
        "List the commits: when, by what, what they changed.",
    ),
    "verify": ("pipeline.cli.audit:verify", "Look whether the lake is whole and keeps its rules."),
    "synth": ("pipeline.cli.synth_cmd:synth", "Write realistic event dumps to try things on."),
}
"""Every command: where it is defined and what it does, in the order of the help."""

EPILOG = """\b
Exit codes:
    0  ok
    1  data: more rejects than allowed, a source refused, a check failed
    2  usage: called wrongly, or asked for what cannot be done
    3  environment: disk, permissions, locks, versions
  130  interrupted

\b
Data goes to standard output, everything else to standard error.
The lake is --lake DIR, else $TUNELOG_LAKE, else ./lake."""


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported; None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command the arguments name.

        Raises:
            click.UsageError: There is none; the message names the nearest. Or an option that has
                one value is there more than once: all but the last would be passed over in silence.
        """
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            from pipeline.view_files import view_files

            hint = nearest(args[0], COMMANDS).replace(",", ":")
            if any(args[0] == file.name for file in view_files()):
                hint = f": it is a view: `tunelog show {args[0]}`"
            raise click.UsageError(f"no command {args[0]!r}{hint}", ctx)
        found, command, rest = super().resolve_command(ctx, args)
        if command is not None:
            _refuse_repeats(command, ctx, rest)
        return found, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands into the help, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, short) for name, (_, short) in COMMANDS.items()])


def _refuse_repeats(command: click.Command, ctx: click.Context, args: list[str]) -> None:
    inner = command.context_class(command, parent=ctx, info_name=command.name)
    try:
        _, rest, given = command.make_parser(inner).parse_args(list(args))
    except click.UsageError as error:
        error.ctx = error.ctx or inner  # whose help tells more
        raise
    for param, times in Counter(given).items():
        single = isinstance(param, click.Option) and not (param.multiple or param.is_flag)
        if times > 1 and single:
            raise click.UsageError(f"{param.opts[-1]} is given {times} times: give it once", inner)
    if isinstance(command, click.Group) and rest and (below := command.get_command(ctx, rest[0])):
        _refuse_repeats(below, inner, rest[1:])


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"tunelog {version('tunelog')}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and exit.",
)
def cli() -> None:
    """Fine-tuning event dumps in, a Parquet lake and DuckDB views out.

    \b
    Examples:
      tunelog ingest dumps/
      tunelog summary
      tunelog show loss_curves --job ftjob-abc123
      tunelog sql "select job_id, status, total_seconds from jobs"
    """


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit with one of `ExitCode`: the one edge where errors become text.

    Args:
        args: The arguments, those of the process by default.
    """
    _open_streams()
    _lossless_streams()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # no algebra here: its threads only spin
    gc.set_threshold(200_000)  # imports and reports make many objects and drop none
    code = run(list(sys.argv[1:] if args is None else args))
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(code)  # all is closed: to free the engines' memory bit by bit takes time for nothing


def run(args: list[str]) -> int:
    """Run one command; every error becomes one line on standard error.

    Returns:
        The exit code.
    """
    try:
        with prompt(), cli.make_context("tunelog", args) as ctx:
            result = cli.invoke(ctx)
            sys.stdout.flush()
            return int(result or ExitCode.OK)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return ExitCode.USAGE
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "tunelog"
        what = error.format_message().rstrip(".")
        if isinstance(error, click.NoSuchOption) and path == "tunelog" and not error.possibilities:
            what += ": a command's options stand behind it"
        return _fail(f"{path}: {what}: see `{path} --help`", ExitCode.USAGE)
    except TunelogError as error:
        return _fail(str(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _fail("interrupted", ExitCode.INTERRUPTED)
    except BrokenPipeError:
        forget_output()  # the reader has what it wanted
        return ExitCode.OK
    except MemoryError:
        return _fail(_NO_MEMORY, ExitCode.ENVIRONMENT)
    except UnicodeEncodeError as error:  # half a character, as Python reads bytes that are none
        return _fail(f"{error.object!a}: not UTF-8: give it in UTF-8", ExitCode.USAGE)
    except OSError as error:
        forget_output()
        place = error.filename if error.filename is not None else "tunelog"
        is_file = error.errno in (errno.EEXIST, errno.ENOTDIR)  # where a folder is to be made
        advice = "name a folder" if is_file else "mend that, then repeat the command"
        return _fail(f"{place}: {error.strerror or error}: {advice}", ExitCode.ENVIRONMENT)
    except Exception as error:  # the one edge: a bug, too, ends with a line and an exit code
        if is_interrupt(error):
            return _fail("interrupted", ExitCode.INTERRUPTED)
        if type(error).__name__ == "OutOfMemoryException":  # to name the engine's takes loading it
            return _fail(_NO_MEMORY, ExitCode.ENVIRONMENT)
        traceback.print_exc()
        return _fail(f"tunelog: {error!r}: please report this as a bug", ExitCode.ENVIRONMENT)


def _fail(text: str, code: ExitCode) -> int:
    note(text)
    return code


def _open_streams() -> None:
    """Let a standard stream that was closed be one to nowhere, as Python has none then.

    No file that is opened later can get its number, and be written to in its stead.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, os.O_RDWR)
            if handle != number:
                os.dup2(handle, number)
                os.close(handle)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))


def _lossless_streams() -> None:
    """Let no character stop the output, and data be UTF-8 whatever the locale."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            encoding = None if stream.isatty() else "utf-8"
            reconfigure(encoding=encoding, errors="spelled")


def _spelled(error: UnicodeError) -> tuple[str | bytes, int]:
    """What an encoding does not have: our own signs by such as look alike, texts spelled out."""
    assert isinstance(error, UnicodeEncodeError)
    error.end = error.start + 1
    plain = _PLAIN.get(error.object[error.start])
    return (plain, error.end) if plain else codecs.backslashreplace_errors(error)


codecs.register_error("spelled", _spelled)
