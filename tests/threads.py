"""Threads that do something at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def at_once(*tasks: Callable[[], object]) -> None:
    """Begin tasks together, a thread each, and wait for all; what one of them raises is raised."""
    begin = threading.Barrier(len(tasks))

    def run(task: Callable[[], object]) -> None:
        begin.wait()
        task()

    with ThreadPoolExecutor(len(tasks)) as pool:
        for ended in [pool.submit(run, task) for task in tasks]:
            ended.result()
