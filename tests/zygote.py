"""Commands in forked processes that start at once: thousands of them die in a test.

A zygote has imported what `tunelog` needs and forks a child for each command. The child calls
`pipeline.cli.main`, as the console script does, with standard streams of its own.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PRELOADED = (
    "dateutil.relativedelta",
    "polars",
    "pyarrow.compute",
    "rich.console",
    "rich.table",
    "pipeline.charts.drawn",
    "pipeline.figures",
    "pipeline.query",
    "pipeline.cli.ask",
    "pipeline.cli.check",
    "pipeline.cli.ingest",
    "pipeline.cli.mend",
    "pipeline.cli.output",
    "pipeline.cli.summary",
    "pipeline.lake.ingest",
    "pipeline.lake.lake",
    "pipeline.lake.assign",
    "pipeline.lake.replay",
    "pipeline.lake.compact",
)
LONGEST = 60.0
"""A command that takes longer hangs [s]."""


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: the exit code, negative where a signal ended it.
        stdout: what it printed.
        stderr: what it noted.
        seconds: how long it took.
        hung: it took longer than `LONGEST`, and was killed.
    """

    code: int
    stdout: str
    stderr: str
    seconds: float
    hung: bool


class Zygote:
    """Forks commands in a working folder; a context manager."""

    def __init__(self, folder: Path) -> None:
        """Import what commands need, in a process of its own."""
        import pipeline

        package = Path(pipeline.__file__).parents[1]
        environment = {
            **os.environ,
            "PYTHONPATH": str(package),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "NO_COLOR": "1",
        }
        self.folder = folder
        self._process = subprocess.Popen(
            [sys.executable, __file__], cwd=folder, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._answer() == {"ready": str(package)}

    def __enter__(self) -> Zygote:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()  # type: ignore[union-attr]
        self._process.wait(LONGEST + 5)

    def _answer(self) -> Any:
        line = self._process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            raise RuntimeError("the zygote died")
        return json.loads(line)

    def run(
        self,
        args: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        kill_after: float | None = None,
        strace: Sequence[str] | None = None,
    ) -> Ended:
        """Run a command to its end.

        Args:
            args: of `tunelog`.
            cwd: where, if not in the zygote's folder.
            env: its whole environment, if not the zygote's.
            stdin: what it reads from standard input.
            kill_after: when to send SIGKILL [s].
            strace: options of a strace that is attached before the command begins.
        """
        order = {
            "args": list(args), "cwd": str(cwd or self.folder), "env": dict(env or {}),
            "stdin": stdin, "kill_after": kill_after, "traced": strace is not None,
        }  # fmt: skip
        self._process.stdin.write(json.dumps(order) + "\n")  # type: ignore[union-attr]
        self._process.stdin.flush()  # type: ignore[union-attr]
        pid = self._answer()["pid"]
        if strace is None:
            return Ended(**self._answer())
        with tempfile.TemporaryFile("w+") as said:  # a pipe would fill up
            command = ["strace", "-q", *strace, "-p", str(pid)]
            tracer = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=said, cwd=self.folder
            )
            ended = Ended(**self._answer())
            tracer.wait(LONGEST)
            said.seek(0)
            if ended.code == NEVER_TRACED:
                raise RuntimeError(f"strace does not trace: {said.read()}")
        return ended


@cache
def started() -> Zygote:
    """One for all tests of this process, with which it ends."""
    made = Zygote(Path(tempfile.gettempdir()))
    atexit.register(made.__exit__)
    return made


NEVER_TRACED = 99


def _child(order: dict[str, Any], out: int, err: int) -> int:
    os.dup2(out, 1)
    os.dup2(err, 2)
    given = os.memfd_create("in")
    os.write(given, order["stdin"].encode())
    os.lseek(given, 0, os.SEEK_SET)
    os.dup2(given, 0)
    os.chdir(order["cwd"])
    if order["env"]:
        os.environ.clear()
        os.environ.update(order["env"])
    if order["traced"]:
        status, begin = os.open("/proc/self/status", os.O_RDONLY), time.monotonic()
        while b"TracerPid:\t0\n" in os.pread(status, 4096, 0):
            if time.monotonic() - begin > 20:
                return NEVER_TRACED
            time.sleep(0.001)
        os.close(status)
    from pipeline.cli import main

    try:
        main(order["args"])
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _serve() -> None:
    import importlib

    for name in PRELOADED:
        importlib.import_module(name)
    import pipeline
    from pipeline.view_files import view_files

    view_files()  # are read by most commands, and the same for all
    ready = {"ready": str(Path(pipeline.__file__).parents[1])}
    print(json.dumps(ready), flush=True)  # noqa: T201
    for line in sys.stdin:
        order = json.loads(line)
        out, err = os.memfd_create("out"), os.memfd_create("err")
        begin = time.perf_counter()
        pid = os.fork()
        if pid == 0:
            try:
                os._exit(_child(order, out, err))
            finally:
                os._exit(70)
        print(json.dumps({"pid": pid}), flush=True)  # noqa: T201
        print(json.dumps(_await(pid, order, out, err, begin)), flush=True)  # noqa: T201


def _await(pid: int, order: dict[str, Any], out: int, err: int, begin: float) -> dict[str, Any]:
    limit, hung = order["kill_after"], False
    handle = os.pidfd_open(pid)
    waiting = select.poll()
    waiting.register(handle, select.POLLIN)
    if not waiting.poll((LONGEST if limit is None else limit) * 1000):
        hung = limit is None
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    seconds = time.perf_counter() - begin
    texts = [os.pread(file, 1 << 24, 0).decode("utf-8", "replace") for file in (out, err)]
    for file in (out, err, handle):
        os.close(file)
    return {
        "code": os.waitstatus_to_exitcode(status), "stdout": texts[0], "stderr": texts[1],
        "seconds": seconds, "hung": hung,
    }  # fmt: skip


if __name__ == "__main__":
    _serve()
