"""What the lake acknowledged is there after crashes, failing disks, power cuts and races.

These are the short forms; `make torture` runs the long ones.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from itertools import cycle
from pathlib import Path

import power
import pytest
from commands import COMMANDS, Command
from kills import random_kills
from polls import polls
from races import races
from sweep import ERRORS, KILL, Sweep

from pipeline import open_lake
from pipeline.lake import compact

needs_strace = pytest.mark.skipif(
    not shutil.which("strace"), reason="faults at system calls are injected by strace: install it"
)
needs_power = pytest.mark.skipif(power.missing() is not None, reason=power.missing() or "")
KINDS = 2
"""Calls of each command that are tried here, of some 300 to 600."""


@pytest.fixture(params=COMMANDS, ids=lambda command: command.name)
def sweep(request: pytest.FixtureRequest, tmp_path: Path) -> Sweep:
    """A command to be hit."""
    command: Command = request.param
    return Sweep(command, tmp_path)


@needs_strace
def test_killed_and_refused(sweep: Sweep) -> None:
    """A command killed or refused by the disk at a changing call leaves the lake whole.

    It holds what it held or what it should hold, and the command run again ends as it should. A
    refusal is told in one line that names the lake.
    """
    tally: Counter[str] = Counter()
    joints, kinds = sweep.joints(), sweep.kinds()
    hit = [(point, KILL) for point in joints[-1 :: -max(len(joints) // KINDS, 1)]]
    others = [point for point in kinds if point not in joints]
    hit += zip(others[:: max(len(others) // KINDS, 1)], cycle(ERRORS), strict=False)
    wrong = [text for point, fault in hit for text in sweep.attempt(point, fault, tally)]
    assert not wrong
    assert tally["killed"] >= KINDS - 1 and tally["refused"], tally


def test_killed_at_random(tmp_path: Path) -> None:
    """Whatever commands acknowledged outlives the killing of others, and nothing is there twice."""
    done = random_kills(tmp_path, kills=12, events=4_000, seed=1, batch=3)
    assert not done.wrong
    assert done.killed >= 12 and done.acknowledged >= 4


@needs_power
def test_power_cuts(tmp_path: Path) -> None:
    """What was acknowledged is there after the power was cut, and the rest can be done again."""
    done = power.power_losses(tmp_path, trials=1, seed=2, longest=1.0)
    assert not done.wrong and done.trials == 1


@needs_power
def test_power_cuts_without_syncing(tmp_path: Path) -> None:
    """Where syncing does nothing, power cuts lose what was acknowledged: the harness sees it."""
    assert power.power_losses(tmp_path, trials=2, seed=1, longest=3.0, synced=False).lost


def test_races(tmp_path: Path) -> None:
    """Eight that ingest the same events, readers and a compaction come by each other.

    Nothing is lost or doubled, nobody is refused, and who waits says for whom.
    """
    done = races(tmp_path, jobs=1, events=8, readers=1, seed=1, portions=False)
    assert not done.wrong
    assert done.ingests == 8 and done.events == 11


def test_polls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lake that grows by a page at a time has few files and all events; its reader goes on."""
    monkeypatch.setattr(compact, "MOST_SEGMENTS", 6)
    done = polls(tmp_path, pages=18)
    assert not done.wrong
    assert done.pages == 18 and done.events == 4 * 2 + 18 * 8 and done.answers


def test_who_waits_says_for_whom(tmp_path: Path) -> None:
    """A command that has to wait names the process that holds the lake, and what it does."""
    lake = tmp_path / "lake"
    with open_lake(lake) as held, held._store.ledger.writing(task="rejects --replay"):
        waiting = subprocess.Popen(
            [sys.executable, "-m", "pipeline.cli", "compact", "--lake", str(lake)],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        said = waiting.stderr.readline()  # type: ignore[union-attr]
    assert waiting.communicate(timeout=30)[1].endswith("0 segments merged\n")
    named = rf"{re.escape(str(lake))}: process {os.getpid()} \(rejects --replay, since [^)]*\) "
    assert re.fullmatch(named + "writes this lake: waiting for it\n", said)
