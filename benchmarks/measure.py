"""Whole processes measured: how long they take and how much memory, one after another in turn."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryFile

ROOT = Path(__file__).parents[1]
PYTHON = (sys.executable, "-m")
TUNELOG = (*PYTHON, "pipeline.cli")


@dataclass(frozen=True)
class Run:
    """One process.

    Attributes:
        seconds: from start to end [s].
        work: of processors, all together [s].
        peak: greatest resident memory [byte].
        output: what it printed on standard output.
    """

    seconds: float
    work: float
    peak: int
    output: str


def run(command: Sequence[str]) -> Run:
    """Run a process to its end.

    Raises:
        RuntimeError: it failed; its last words are in the message.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
    with TemporaryFile() as output, TemporaryFile() as notes:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=notes, env=environment)
        # wait4 tells the memory of this child alone; RUSAGE_CHILDREN the greatest of all.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for file in (output, notes):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    if process.returncode:
        said = "".join(texts)[-2000:]
        raise RuntimeError(f"{' '.join(command)}: exit {process.returncode}: {said}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit, texts[0])


def alternate(
    contenders: Mapping[str, Callable[[int], Sequence[str]]], rounds: int
) -> dict[str, list[Run]]:
    """Run contenders in turn, A B C A B C, so that a slow minute meets them all.

    Args:
        contenders: name -> the command of a round; called before the clock starts.
        rounds: how often each is run.
    """
    runs: dict[str, list[Run]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name, command in contenders.items():
            prepared = command(number)
            runs[name].append(run(prepared))
    return runs


def typical(runs: Sequence[Run]) -> float:
    """Median duration [s]."""
    return median(run.seconds for run in runs)


def ratio(upper: Sequence[Run], lower: Sequence[Run]) -> float:
    """Median over the rounds of how much longer `upper` takes than `lower` [1]."""
    return median(a.seconds / b.seconds for a, b in zip(upper, lower, strict=True))


def effort(upper: Sequence[Run], lower: Sequence[Run]) -> float:
    """Median over the rounds of how much more processor time `upper` takes than `lower` [1]."""
    return median(a.work / b.work for a, b in zip(upper, lower, strict=True))


def warm(path: Path) -> None:
    """Read a file, or all files of a folder, so that the disk plays no part."""
    for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        with file.open("rb") as stream:
            while stream.read(1 << 22):
                pass
