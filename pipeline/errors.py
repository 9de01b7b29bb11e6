"""Error kinds and the exit codes they end a command with."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every command."""

    OK = 0
    DATA = 1
    """Rejects, a failed check: the input is not all it should be."""
    USAGE = 2
    """The command was called wrongly, or refused what was asked."""
    ENVIRONMENT = 3
    """Disk, permissions, locks, versions: the machine is not all it should be."""
    INTERRUPTED = 130


class TunelogError(Exception):
    """Something the user can mend. One line: where: what, with the value: what to do."""

    exit_code = ExitCode.USAGE


class DataError(TunelogError):
    """The input cannot be used."""

    exit_code = ExitCode.DATA


class UsageError(TunelogError):
    """The request contradicts itself or the lake."""

    exit_code = ExitCode.USAGE


class LakeError(TunelogError):
    """The machine or the lake's files stand in the way."""

    exit_code = ExitCode.ENVIRONMENT


class QueryError(UsageError):
    """Ad-hoc SQL that is wrong, not allowed, or over its limits."""


def nearest(name: str, names: Iterable[str]) -> str:
    """``, did you mean 'x'?`` for the name most like a mistyped one, else nothing."""
    known = {each.lower(): each for each in names}
    found = get_close_matches(str(name).lower(), known, n=1)
    return f", did you mean {known[found[0]]!r}?" if found else ""
