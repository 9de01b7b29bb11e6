"""How commands end when a reader, a person or a disk has enough."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

import duckdb
import pytest
from running import Run, environment, start
from small_jobs import JOB, dump, events

from pipeline.cli import run as cli_run
from pipeline.errors import ExitCode
from pipeline.interrupts import hearing, prompt
from pipeline.lake.lake import Lake


def test_a_closed_pipe_is_quiet(samples: Path) -> None:
    """A reader that has enough ends the command quietly."""
    process = start(["show", "events", "--format", "jsonl"], samples)
    assert process.stdin and process.stdout and process.stderr
    process.stdin.close()
    assert process.stdout.readline().startswith("{")
    process.stdout.close()
    assert process.wait(60) == ExitCode.OK
    assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["check", "--all", "--format", "jsonl"], "check failed in"),
        (["ingest", "{dump}", "--format", "jsonl"], "1 of 1 sources refused"),
    ],
)
def test_a_verdict_outlives_its_reader(
    samples: Path, tmp_path: Path, args: list[str], says: str
) -> None:
    """A judgement whose rows nobody reads to the end is told, and is the exit code."""
    dump = tmp_path / "dump.jsonl"
    dump.write_text("no event\n{\n")
    for is_heard in (True, False):
        process = start([arg.format(dump=dump) for arg in args], samples)
        assert process.stdin and process.stdout and process.stderr
        process.stdout.close()
        if is_heard:
            assert says in process.stderr.read()
        else:
            process.stderr.close()
        assert process.wait(60) == ExitCode.DATA


def test_an_interrupt_ends_with_130(samples: Path) -> None:
    """Ctrl-C ends a command with 130 and one line."""
    process = start(["sql", "-"], samples)
    assert process.stdin and process.stderr
    process.stdin.write("select")
    process.stdin.flush()
    while any(fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4))) and process.poll() is None:
        time.sleep(0.01)  # until it has read that, and waits for the rest
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == ExitCode.INTERRUPTED
    assert process.stderr.read().splitlines()[-1:] == ["interrupted"]


def test_an_interrupt_ends_a_long_query_at_once(
    samples: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C is not left waiting until the engine looks for it, which by chance it does at once."""

    def endless(lake: Lake, *_: object, **__: object) -> None:
        threading.Timer(0.1, signal.raise_signal, [signal.SIGINT]).start()
        lake.connect([]).execute("select sum(range & 3) from range(10000000000)")

    monkeypatch.setattr("pipeline.checks.check", endless)
    for _ in range(6):
        began = time.perf_counter()
        assert cli_run(["check", "--lake", str(samples / "lake")]) == ExitCode.INTERRUPTED
        assert time.perf_counter() - began < 3
        assert capsys.readouterr().err == "interrupted\n"


def test_an_interrupt_passes_over_a_connection_that_was_closed() -> None:
    """No thread ends with a traceback, and the next connection still hears of it."""
    heard, failed = threading.Event(), []

    class Open:
        def interrupt(self) -> None:
            heard.set()

    closed, still = hearing(duckdb.connect()), Open()
    closed.close()
    hearing(still)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading, "excepthook", failed.append)
        with pytest.raises(KeyboardInterrupt), prompt():
            signal.raise_signal(signal.SIGINT)
    assert heard.wait(5) and not failed


def _interrupted_rows() -> duckdb.Error:
    """What the engine makes of an interrupt that comes while it asks Python for rows."""

    class Rows:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            raise KeyboardInterrupt

    with duckdb.connect() as con, pytest.raises(duckdb.InvalidInputException) as told:
        con.register("rows", Rows())
    return told.value


@pytest.mark.parametrize(
    "told",
    [RuntimeError("Query interrupted"), duckdb.InterruptException(), _interrupted_rows()],
)
def test_the_engine_has_errors_of_its_own_for_an_interrupt(
    told: Exception,
    samples: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """They are told as any other interrupt."""

    def interrupted(*_: object, **__: object) -> None:
        raise told

    monkeypatch.setattr("pipeline.checks.check", interrupted)
    assert cli_run(["check", "--lake", str(samples / "lake")]) == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("args", [("views", "-o"), ("synth", "--jobs", "3")])
def test_a_full_disk_is_told(tunelog: Run, args: tuple[str, ...]) -> None:
    """A file that cannot be written ends with 3 and its name."""
    done = tunelog(*args, "/dev/full", code=ExitCode.ENVIRONMENT)
    told = "/dev/full: No space left on device: mend that, then repeat the command\n"
    assert done.stderr == told


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(("args", "code"), [("history", 0), ("compact", 0), ("show nope", 2)])
def test_notes_that_nobody_hears_change_no_exit_code(
    tunelog: Run, tmp_path: Path, args: str, code: int
) -> None:
    """Where standard error is a file on a full disk, the exit code still tells the truth."""
    dump(tmp_path / "a.jsonl", events(JOB))
    tunelog("ingest", "a.jsonl")
    command = [sys.executable, "-m", "pipeline.cli", *args.split()]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, cwd=tmp_path, env=environment(), stderr=full, check=False)
    assert done.returncode == code
