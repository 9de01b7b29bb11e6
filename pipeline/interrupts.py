"""Ctrl-C ends a query at once: an engine by itself looks for it between tasks, seconds apart."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from weakref import ref

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_HEARING: list[ref[DuckDBPyConnection]] = []
"""Without callbacks, as those of a `WeakSet`: an interrupt that is raised in one is lost."""


_IN_OUR_ROWS = re.compile(r"(?m)(?:^| failed: )KeyboardInterrupt\b")
"""How the engine tells of one that came while it asked Python for rows."""


def is_interrupt(error: Exception) -> bool:
    """Whether an error is DuckDB's word for Ctrl-C, which came while it worked on a query."""
    kind, text = type(error).__name__, str(error)
    if kind == "InvalidInputException":
        return _IN_OUR_ROWS.search(text) is not None
    return kind == "InterruptException" or (
        isinstance(error, RuntimeError) and text == "Query interrupted"
    )


def hearing(con: DuckDBPyConnection) -> DuckDBPyConnection:
    """The connection, whose query Ctrl-C will end where `prompt` is in force."""
    _HEARING[:] = [*(each for each in _HEARING if each() is not None), ref(con)]
    return con


@contextmanager
def prompt() -> Iterator[None]:
    """A context in which Ctrl-C ends the queries of this process, besides what Python does by it.

    Python's own handler waits until the main thread is back from the engine. A thread that reads
    what the interpreter writes at the signal does not. Outside the main thread, which alone may
    ask for that, and outside POSIX nothing changes.
    """
    if os.name != "posix" or threading.current_thread() is not threading.main_thread():
        yield
        return
    told, tells = os.pipe()
    os.set_blocking(tells, False)
    before = signal.set_wakeup_fd(tells, warn_on_full_buffer=False)
    thread = threading.Thread(target=_listen, args=(told,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(tells)  # which ends the thread
        thread.join()
        os.close(told)


def _listen(told: int) -> None:
    while signals := os.read(told, 64):
        if signal.SIGINT in signals:
            for con in [each() for each in _HEARING]:
                if con is not None:
                    with suppress(Exception):  # it was closed meanwhile: it has no query
                        con.interrupt()
