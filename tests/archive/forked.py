"""The command in processes of its own that need not import everything anew, to be killed."""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["openai", "polars", "pipeline.cli.watch", "pipeline.archive.watch", "pipeline.lake.ingest"]
)


def started(
    args: list[str], cwd: Path, env: dict[str, str], out: Path, *, judging: bool = True
) -> BaseProcess:
    """A process that runs `tunelog ARGS` in a folder, with its output in a file.

    Verdicts take most of a watch's time; without `judging` it finds none.
    """
    process = _context.Process(target=_run, args=(args, cwd, env, out, judging))
    process.start()
    return process


def _run(args: list[str], cwd: Path, env: dict[str, str], out: Path, judging: bool) -> None:
    import pipeline.cli.watch as watching
    from pipeline.cli import main

    watching.LEAST_SECONDS = 0.1  # as in conftest.py
    if not judging:
        watching._tripped = lambda lake, job, asked: {}
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    for number in (sys.stdout, sys.stderr):
        handle = os.open(out if number is sys.stdout else os.devnull, os.O_CREAT | os.O_WRONLY)
        os.dup2(handle, number.fileno())
    main(args)
