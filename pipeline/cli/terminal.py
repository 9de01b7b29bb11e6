"""What reaches a terminal: its width, and notes beside the data."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

import click

from pipeline.inert import inert


def terminal_width(out: IO[str] | None = None) -> int | None:
    """Width of the terminal that standard output is [column]; ``$COLUMNS`` wins.

    None where there is neither, or what is written goes to another stream, a file.
    """
    if out in (None, sys.stdout) and (sys.stdout.isatty() or os.environ.get("COLUMNS")):
        return shutil.get_terminal_size().columns
    return None


def forget_output() -> None:
    """Drop what is still to be written: Python would try, and complain, once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def maybe_unread() -> Iterator[None]:
    """Print what may lose its reader (`| head`) before a verdict: that is told all the same."""
    try:
        yield
    except BrokenPipeError:
        forget_output()


def note(text: str) -> None:
    """Tell the person something that is no data: one line on standard error."""
    with suppress(OSError):  # nobody hears it: the exit code tells it, too
        click.echo(inert(" ".join(text.split())), err=True)
