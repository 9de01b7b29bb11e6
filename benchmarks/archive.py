"""`tunelog archive` against a server with a fixed latency: how near to what the latency allows."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

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


def archived(folder: Path, concurrency: int, *, ingest: bool = True) -> tuple[Run, int]:
    """Archive the account, and ingest the archive meanwhile.

    Each time in a new folder, and nothing is deleted: for minutes after thousands of files were,
    the kernel takes longer to make new ones.

    Returns:
        The process, with the work of the one that it starts, and the requests it made.
    """
    place = Path(mkdtemp(dir=folder))
    out, lake = place / "archive", place / "lake"
    command = (*TUNELOG, "archive", "--out", str(out), "--concurrency", str(concurrency))
    ran = run((*command, "--lake", str(lake)) if ingest else command)
    with (out / "manifest.jsonl").open(encoding="utf-8") as lines:
        return ran, sum("url" in json.loads(line) for line in lines)
