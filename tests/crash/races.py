"""Races: several processes ingest overlapping dumps into one lake, others ask it, one compacts."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from commands import creation, event, write
from soundness import events_in, events_of, unsound

import pipeline

QUESTION = "select count(*) as n, count(distinct (job_id, event_id)) as ids from events"
WAITS = re.compile(r"^lake: (.*) writes this lake: waiting for it$", re.MULTILINE)
NAMED = re.compile(r"process \d+ \((ingest|compact), since \d{4}-\d\d-\d\d .*\)")
LONGEST = 300
"""A command that takes longer hangs [s]."""


@dataclass
class Races:
    """What came of it.

    Attributes:
        ingests: commands that ingested.
        answers: queries answered meanwhile.
        compactions: compactions meanwhile.
        waits: how often a writer said that it waits.
        named: how often it named the process it waits for.
        events: events in the lake at the end.
        wrong: what was lost, doubled or refused, in words.
    """

    ingests: int = 0
    answers: int = 0
    compactions: int = 0
    waits: int = 0
    named: int = 0
    events: int = 0
    wrong: list[str] = field(default_factory=list)


class Race:
    """One lake and those who run for it."""

    def __init__(self, folder: Path, jobs: int, events: int, *, portions: bool) -> None:
        """Write the dumps: each event is in two or three of them."""
        self.folder, self.result, self._portions = folder, Races(), portions
        self.dumps = [
            write(
                folder / "dumps" / f"{job}-{part}.jsonl",
                [creation(job), *(event(job, n) for n in range(low, low + events // 2))],
            )
            for job in range(jobs)
            for part, low in enumerate(range(1, events, events // 4))
        ]
        self._lock, self._over = threading.Lock(), threading.Event()

    def run(self, writers: int, readers: int, seed: int) -> Races:
        """Let them run until every writer has ingested every dump."""
        others = [threading.Thread(target=self._read) for _ in range(readers)]
        others.append(threading.Thread(target=self._compact))
        racing = [threading.Thread(target=self._ingest, args=(seed, n)) for n in range(writers)]
        for thread in others + racing:
            thread.start()
        for thread in racing:
            thread.join()
        self._over.set()
        for thread in others:
            thread.join()
        result, lake = self.result, self.folder / "lake"
        result.wrong += unsound(lake, settled=True)
        held = events_in(lake)
        result.events = len(held)
        if held != events_of(self.dumps):
            result.wrong.append("the lake does not hold the events of the dumps")
        if result.waits > result.named:
            result.wrong.append(f"{result.waits - result.named} waited without saying for whom")
        return result

    def _ingest(self, seed: int, number: int) -> None:
        """Ingest the dumps, in an order and in portions of its own, or every second at once."""
        draw = random.Random(seed + number)
        left = [str(path.relative_to(self.folder)) for path in self.dumps]
        left = left if self._portions else left[number % 2 :: 2]
        draw.shuffle(left)
        while left:
            count = draw.randint(1, max(len(left) // 2, 1)) if self._portions else len(left)
            portion, left = left[:count], left[count:]
            self._command("ingests", "ingest", *portion)

    def _read(self) -> None:
        """Ask again and again: no error, nothing twice, nothing gone."""
        most = 0
        while not self._over.is_set():
            if not self._made():
                continue
            said = self._command("answers", "sql", QUESTION, "--format", "json")
            if said:
                (row,) = json.loads(said)
                if row["n"] != row["ids"] or row["n"] < most:
                    self._tell(f"a reader was told of {row} after {most} events")
                most = max(most, row["n"])

    def _compact(self) -> None:
        while not self._over.is_set():
            if self._made():
                self._command("compactions", "compact")

    def _made(self) -> bool:
        """Whether there is a lake to be asked: somebody has ended well."""
        if self.result.ingests:
            return True
        time.sleep(0.02)
        return False

    def _command(self, counted: str, *args: str) -> str:
        """Run a command of the command line to its end; what it printed."""
        package = Path(pipeline.__file__).parents[1]
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.cli", *args, "--lake", "lake"], cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(package)}, capture_output=True, text=True,
            check=False, timeout=LONGEST,
        )  # fmt: skip
        with self._lock:
            setattr(self.result, counted, getattr(self.result, counted) + 1)
            for holder in WAITS.findall(done.stderr):
                self.result.waits += 1
                self.result.named += bool(NAMED.fullmatch(holder))
        if done.returncode != 0:
            self._tell(f"{' '.join(args)[:80]}: exit code {done.returncode}: {done.stderr}")
            return ""
        return done.stdout

    def _tell(self, text: str) -> None:
        with self._lock:
            self.result.wrong.append(text)


def races(
    folder: Path,
    *,
    writers: int = 8,
    readers: int = 2,
    jobs: int,
    events: int,
    seed: int,
    portions: bool = True,
) -> Races:
    """Race for one lake that nobody has made yet.

    Args:
        folder: to work in.
        writers: processes that ingest.
        readers: processes that ask meanwhile; one more compacts.
        jobs: of the dumps.
        events: of each job.
        seed: of the orders and portions.
        portions: a writer takes several commands for all dumps, not one for every second.
    """
    return Race(folder, jobs, events, portions=portions).run(writers, readers, seed)
