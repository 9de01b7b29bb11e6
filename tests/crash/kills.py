"""Random kills: ingests and compactions die at random moments; a log says what was acknowledged.

An ingest acknowledges its dumps by ending well or by printing its report. Whatever was
acknowledged must be in the lake after every kill, and in the end the lake must hold exactly the
events of all dumps.
"""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from soundness import Row, canonical, each_event, events_of, unsound
from zygote import Ended, started

from pipeline import open_lake, synth
from pipeline.synth.writers import write_files

FULL_CHECK_EVERY = 25
"""Kills between two checks of all files and rules."""


@dataclass
class Kills:
    """What came of it.

    Attributes:
        events: events of all dumps.
        commands: how many ran.
        killed: how many of them were killed.
        acknowledged: dumps that were acknowledged while commands went on being killed.
        late: killed commands that had committed all the same.
        wrong: what was lost, doubled or broken, in words.
    """

    events: int = 0
    commands: int = 0
    killed: int = 0
    acknowledged: int = 0
    late: int = 0
    wrong: list[str] = field(default_factory=list)


def random_kills(folder: Path, *, kills: int, events: int, seed: int, batch: int = 12) -> Kills:
    """Ingest dumps in batches and kill the commands at random moments.

    Args:
        folder: to work in.
        kills: how many commands to kill.
        events: about how many events the dumps have.
        seed: of the dumps and the moments.
        batch: most dumps of one command.
    """
    draw, result = random.Random(seed), Kills()
    dumps = folder / "dumps"
    dumps.mkdir()
    result.events = write_files(
        synth.jobs(seed, max(events // 500, 4), events=events, dialect="openai"), dumps,
        compression="none",
    )  # fmt: skip
    left = sorted(path.name for path in dumps.iterdir())
    draw.shuffle(left)
    known: list[str] = []
    usual = {"ingest": 0.4, "compact": 0.4}
    """How long a command takes, as far as one has ended [s]."""
    while left or result.killed < kills:
        fresh = left[: draw.randint(1, batch)]
        # Some of what is known comes again, so that duplicates are at stake too.
        again = draw.sample(known, min(len(known), draw.randint(0, 3)))
        what = "compact" if known and (not fresh or draw.random() < 0.1) else "ingest"
        args = ["compact"] if what == "compact" else ["ingest", *_paths(fresh + again)]
        limit = draw.uniform(0, 1.1 * usual[what]) if result.killed < kills else None
        ended = started().run([*args, "--lake", "lake"], cwd=folder, kill_after=limit)
        result.commands += 1
        result.killed += ended.code == -9
        if ended.code == 0:
            usual[what] = ended.seconds
        result.wrong += _told(args, ended)
        if what == "ingest" and (ended.code == 0 or ended.stdout):
            known += fresh
            del left[: len(fresh)]
            result.acknowledged = len(known)
        held = sources_of(folder / "lake")
        if ended.code == -9 and what == "ingest" and fresh and held >= set(fresh):
            result.late += 1
        if lost := set(known) - held:
            result.wrong.append(f"acknowledged, but not in the lake: {sorted(lost)[:3]}")
        if result.commands % FULL_CHECK_EVERY == 0 and held:
            result.wrong += unsound(folder / "lake")
        if len(result.wrong) > 20:
            return result
    # Where the last was killed after its commit, open.sql waits for the next command.
    result.wrong += unsound(folder / "lake", settled=ended.code == 0)
    result.wrong += _differences(folder / "lake", dumps)
    return result


def _paths(names: list[str]) -> list[str]:
    return [f"dumps/{name}" for name in names]


def _told(args: list[str], ended: Ended) -> Iterator[str]:
    if ended.code not in (0, -9) or ended.hung:
        yield f"{' '.join(args)}: exit code {ended.code}: {ended.stderr}"


def sources_of(lake: Path) -> set[str]:
    """The dumps that a lake's ledger knows."""
    if not (lake / "ledger.db").exists():
        return set()
    db = sqlite3.connect(lake / "ledger.db")
    try:
        return {Path(path).name for (path,) in db.execute("select path from sources")}
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return set()
        raise
    finally:
        db.close()


def _differences(lake: Path, dumps: Path) -> list[str]:
    """Jobs whose events are not those of their dump, read in plain Python one by one."""
    wanted = {
        rows[0][0]: _digest(rows) for path in sorted(dumps.iterdir()) if (rows := events_of([path]))
    }
    with open_lake(lake, create=False) as opened:
        by_job = groupby(each_event(opened), key=itemgetter(0))
        found = {job: _digest(list(rows)) for job, rows in by_job}
    jobs = wanted.keys() | found.keys()
    odd = sorted(job for job in jobs if wanted.get(job) != found.get(job))
    return [f"{name}: not the events of its dump" for name in odd[:5]]


def _digest(rows: list[Row]) -> str:
    """A digest of the events of one job, the same whoever read them."""
    return hashlib.sha256(canonical(rows).encode()).hexdigest()
