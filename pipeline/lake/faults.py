"""What disks and engines report, as one line that names the lake and says what to do."""

from __future__ import annotations

import errno
import json
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import LakeError
from pipeline.interrupts import is_interrupt

_ADVICE = {
    errno.ENOSPC: "make room on the disk, then repeat the command",
    errno.EDQUOT: "make room in your quota, then repeat the command",
    errno.EIO: "check the disk, then repeat the command",
    errno.EROFS: "the disk is mounted read-only: mount it writable",
    errno.EEXIST: "it is no folder: name one for the lake",
    errno.ENOTDIR: "it lies in no folder: name one for the lake",
    errno.ENAMETOOLONG: "name a shorter one for the lake",
    errno.ENOENT: "see what else is missing with `tunelog verify`",
    errno.EACCES: "make it writable for you",
    errno.EPERM: "make it writable for you",
}
_NO_PLACE = "no folder can be made there: name another for the lake"
_OTHERWISE = "see that the disk is sound and has room, then repeat the command"
_COMPACTED = "`tunelog compact` deleted it meanwhile: repeat the command, or connect again"
_FROM_COPY = "it is damaged: bring it back from a copy, or make the lake anew from its dumps"

Damage = Callable[[], LakeError | None]
"""Looks whether the files of a lake are damaged."""


@contextmanager
def told_of(lake: Path, damage: Damage | None = None) -> Iterator[None]:
    """Let failures of the disk below a lake pass as `LakeError`.

    Errors that name a file outside the lake pass as they are.

    Args:
        lake: its folder.
        damage: asked where the engine fails.
    """
    try:
        with told_of_engines(lake, damage):
            yield
    except OSError as error:
        if error.filename is not None and not Path(error.filename).is_relative_to(lake):
            raise
        advice = _ADVICE.get(error.errno or 0, _OTHERWISE)
        if error.errno == errno.ENOENT and not lake.exists():
            advice = _NO_PLACE
        # of a file that cannot be moved, the place where it should go
        place = error.filename2 or (error.filename if error.filename is not None else lake)
        raise LakeError(f"{place}: {error.strerror or _line(error)}: {advice}") from error


@contextmanager
def told_of_engines(lake: Path, damage: Damage | None = None) -> Iterator[None]:
    """Let what engines report of a lake's files pass as `LakeError`; mistakes pass as they are.

    Args:
        lake: its folder.
        damage: asked where the engine fails.
    """
    try:
        yield
    except sqlite3.Error as error:
        advice = _FROM_COPY if is_damage(error) else _OTHERWISE
        raise LakeError(f"{lake / 'ledger.db'}: {_line(error)}: {advice}") from error
    except Exception as error:  # to name the engine's own kinds would take loading the engine
        if is_interrupt(error) or not _is_engines(error):
            raise
        if found := damage and damage():
            raise found from error
        if type(error).__name__ != "IOException":
            raise
        text = _line(error)
        gone = damage and ("No files found" in text or "No such file" in text)  # none that is live
        raise LakeError(f"{lake}: {text}: {_COMPACTED if gone else _OTHERWISE}") from error


def is_damage(error: sqlite3.Error) -> bool:
    """Whether SQLite fails at what a ledger holds, not at its disk; of text no UTF-8, it says 0."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (0, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _is_engines(error: Exception) -> bool:
    """Whether DuckDB or Arrow says it; what Arrow says of files names none."""
    kinds = [
        getattr(sys.modules[name], kind)
        for name, kind in (("duckdb", "Error"), ("pyarrow", "ArrowException"))
        if name in sys.modules
    ]
    if isinstance(error, OSError) and error.filename is None:
        return error.errno in (None, errno.ENOENT)
    return isinstance(error, (*kinds, RuntimeError))


def _line(error: BaseException) -> str:
    """The first line of what an error says; of one that the engine tells as JSON, its message."""
    _, marked, told = str(error).partition('{"exception_type"')
    with suppress(ValueError, KeyError):
        if marked:
            message = json.JSONDecoder().raw_decode(marked + told)[0]["exception_message"]
            return str(message).partition("\n")[0].rstrip(".:")
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".:")
