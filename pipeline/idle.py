"""Engines, and how they wait for their next use: a start takes longer than most of their work."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

T = TypeVar("T")


def started(**config: str | bool) -> DuckDBPyConnection:
    """A new engine, which asks the network for nothing, and draws no bar.

    A bar goes to stdout, among what a program prints.
    """
    import duckdb

    own = dict.fromkeys(("autoinstall_known_extensions", "autoload_known_extensions"), False)
    con = duckdb.connect(config={**own, **config})
    # asked first: a notebook that cannot draw one refuses to set this
    if con.sql("select 1 where current_setting('enable_progress_bar')").fetchall():
        con.execute("set enable_progress_bar = false")
    return con


class Idle(Generic[T]):
    """What nobody uses, by process: the threads of an engine do not outlive a fork."""

    def __init__(self, start: Callable[[], T]) -> None:
        """Know how to start one where none waits."""
        self._start = start
        self._waiting: defaultdict[int, list[T]] = defaultdict(list)

    def take(self) -> T:
        """One that waits, or a new one."""
        waiting = self._waiting[os.getpid()]
        return waiting.pop() if waiting else self._start()

    def put_back(self, used: T) -> None:
        """Let the next use it."""
        self._waiting[os.getpid()].append(used)

    def drain(self) -> list[T]:
        """All that wait in this process, which are its caller's now."""
        return self._waiting.pop(os.getpid(), [])
