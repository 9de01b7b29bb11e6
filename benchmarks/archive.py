"""`tunelog archive` against a server with a fixed latency: how near to what the latency allows."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.inputs import emptied
from benchmarks.measure import PYTHON, ROOT, TUNELOG, Run, run

LATENCY = 0.02
"""Of each answer [s]."""

JOBS, EVENTS = 1_000, 500


@contextmanager
def served(jobs: int) -> Iterator[None]:
    """The environment names an account with so many jobs of `EVENTS` events."""
    command = (*PYTHON, "benchmarks.account", str(jobs), str(EVENTS), str(LATENCY))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as server:
        assert server.stdin and server.stdout
        os.environ["OPENAI_BASE_URL"] = server.stdout.readline().strip()
        os.environ["OPENAI_API_KEY"] = "sk-benchmark"
        try:
            yield
        finally:
            server.stdin.close()


def archived(folder: Path, concurrency: int) -> tuple[Run, int, float]:
    """Archive the account and ingest the archive.

    Returns:
        The process, the requests it made, its processor time [s].
    """
    before = os.times()
    out, lake = emptied(folder / "archive"), emptied(folder / "archive-lake")
    ran = run(
        (*TUNELOG, "archive", "--out", str(out), "--lake", str(lake),
         "--concurrency", str(concurrency))
    )  # fmt: skip
    lines = map(json.loads, (out / "manifest.jsonl").read_text().splitlines())
    after = os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return ran, sum("url" in line for line in lines), cpu
