"""`python -m tests.mutants`: break the code on purpose, one fault at a time; the tests must notice.

Each fault of `mutant_table/` is put into a copy of the tree, and the test it names is run
there. A fault that its test lets pass ends the command with exit code 1, and so does one whose
text is not in the code any more.
"""

from __future__ import annotations

import argparse
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click

from tests.mutant_table import MUTANTS, Mutant

ROOT = Path(__file__).parents[1]
PARTS = ("pipeline", "sql", "tests", "data", "pyproject.toml")
TIME_LIMIT = 120
"""How long the test of one fault may take [s]."""


@dataclass(frozen=True)
class Outcome:
    """What became of a fault: caught, MISSED, STALE or SLOW, and how long it took [s]."""

    mutant: Mutant
    verdict: str
    seconds: float


def copied(folder: Path) -> Path:
    """A copy of the tree, without what tests leave behind."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", ".*")
            shutil.copytree(source, folder / part, ignore=ignored)
        else:
            shutil.copy(source, folder / part)
    return folder


def tests_pass(tree: Path, tests: list[str]) -> bool | None:
    """Whether tests pass in a tree; None where they take too long."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, check=False,
            timeout=TIME_LIMIT if len(tests) == 1 else 10 * TIME_LIMIT,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None
    if done.returncode not in (0, 1):  # no test failed: none was found, or pytest broke down
        raise SystemExit(f"{' '.join(tests)}: pytest ended with {done.returncode}:\n{done.stdout}")
    return done.returncode == 0


def tried(mutant: Mutant, tree: Path) -> Outcome:
    """Put a fault into a tree, run its test, take it out again."""
    begin = time.perf_counter()
    file = tree / mutant.file
    text = file.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        return Outcome(mutant, "STALE", 0)
    file.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        passed = tests_pass(tree, [mutant.test])
    finally:
        file.write_text(text, encoding="utf-8")
    verdict = {True: "MISSED", False: "caught", None: "SLOW"}[passed]
    return Outcome(mutant, verdict, time.perf_counter() - begin)


def main() -> int:
    """Try the faults; 0 if every one is caught."""
    parser = argparse.ArgumentParser(description="break the code on purpose: the tests must notice")
    parser.add_argument("only", nargs="?", default="", help="a part of a fault's law or file")
    parser.add_argument("--jobs", type=int, default=2, help="how many to try at once")
    asked = parser.parse_args()
    chosen = [m for m in MUTANTS if asked.only in f"{m.law} {m.file} {m.test}"]
    if not chosen:
        parser.error(f"{asked.only!r}: in no fault's law, file or test: see tests/mutant_table/")
    with tempfile.TemporaryDirectory() as folder:
        trees: queue.Queue[Path] = queue.Queue()
        for number in range(asked.jobs):
            (Path(folder) / str(number)).mkdir()
            trees.put(copied(Path(folder) / str(number)))

        def attempt(mutant: Mutant) -> Outcome:
            tree = trees.get()
            try:
                return tried(mutant, tree)
            finally:
                trees.put(tree)

        tree = trees.get()
        if not tests_pass(tree, sorted({mutant.test for mutant in chosen})):
            click.echo("the tests fail without any fault: mend that first")
            return 1
        trees.put(tree)
        click.echo(f"{len(chosen)} faults, {asked.jobs} at a time; their tests pass without them")
        missed = 0
        with ThreadPoolExecutor(asked.jobs) as pool:
            for outcome in pool.map(attempt, chosen):
                mutant = outcome.mutant
                missed += outcome.verdict != "caught"
                click.echo(
                    f"{outcome.verdict:7} {outcome.seconds:5.1f} s  {mutant.law}: {mutant.fault} "
                    f"({mutant.file}, {mutant.test.partition('/')[2]})"
                )
    click.echo(f"{len(chosen) - missed} of {len(chosen)} caught")
    return int(missed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
