"""The short form of `make detectors`, on noise that needs no corpus, and the named false alarms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from planted.jobs import KINDS, made
from planted.measure import planted, summary, wrong_alarms
from planted.noise import pools, residuals

from pipeline import open_lake

SEED = 20_250_101


def test_faults_that_a_person_sees_are_found() -> None:
    """Nine in ten of the planted faults that can be seen are found, with few wrong alarms."""
    outcomes = planted(SEED, 270, KINDS, [])
    for kind in KINDS:
        faults, found = summary(outcomes, kind, 1, 100)
        assert faults > 8 and found >= 0.9 * faults, (kind, found, faults)
    assert sum(wrong_alarms(outcomes).values()) <= 2


def test_clean_jobs_raise_no_alarm() -> None:
    """A hundred and fifty clean jobs of all noises raise none."""
    assert not any(wrong_alarms(planted(SEED, 150, [None], [])).values())


def test_a_seed_tells_the_jobs() -> None:
    """The same seed and number make the same job, another number another."""
    kind = KINDS[0]
    assert made(1, 2, kind, []) == made(1, 2, kind, []) != made(1, 3, kind, [])


def test_real_noise_is_told_about_the_median() -> None:
    """Where the corpus lies, residuals of several real curves scatter about one."""
    found = pools()
    if not found:
        pytest.skip("the corpus is not here")
    assert len(found) >= 5
    assert all(0.8 < sorted(ratios)[len(ratios) // 2] < 1.2 for _, ratios in found)
    assert all(len(residuals(ratios)) <= len(ratios) for _, ratios in found)


JOB = "ftjob-NamedFalseAlarm000000000"


def event(number: int, when: int, words: str, **data: Any) -> dict[str, Any]:
    """An event of the API."""
    return {
        "object": "fine_tuning.job.event",
        "id": f"ftevent-{number:024d}",
        "created_at": 1_700_000_000 + when,
        "level": "info",
        "message": words,
        "type": "metrics" if data else "message",
        "data": data,
    }


def tripped(folder: Path, document: str) -> dict[str, str]:
    """Rule -> evidence of what trips in a dump, through ingest; restarts as a rule of their own."""
    (folder / "dump.json").write_text(document)
    with open_lake(folder / "lake") as lake:
        lake.ingest([folder / "dump.json"], job_id=JOB)
        rows = lake.sql("select rule, evidence from verdicts where verdict = 'tripped'").rows()
        if lake.sql("from attempts where attempt > 1").height:
            rows.append(("restart", "attempts"))
    return dict(rows)


def steps(seconds: int, loss: float = 1.0) -> list[dict[str, Any]]:
    """Sixty steps, so many in a second, oldest first."""
    return [
        event(
            n, n // seconds, f"Step {n}/60", step=n, total_steps=60, train_loss=loss + 0.01 * n % 3
        )
        for n in range(1, 61)
    ]


def test_ties_of_a_newest_first_page_are_no_restart(tmp_path: Path) -> None:
    """Four steps share each second of a newest-first page: no restart, no alarm."""
    page = {"object": "list", "data": steps(4)[::-1], "has_more": False}
    assert tripped(tmp_path, json.dumps(page)) == {}


def test_checkpoints_told_at_the_end_are_no_restart(tmp_path: Path) -> None:
    """Messages of checkpoints at steps long past, all in the last second, alarm nothing."""
    told = [event(90 + n, 70, f"Checkpoint created at step {20 * n}") for n in (1, 2, 3)]
    told.append(event(99, 71, "The job has successfully completed"))
    assert tripped(tmp_path, json.dumps([*steps(1), *told])) == {}


def test_tiny_losses_are_no_fault(tmp_path: Path) -> None:
    """Losses learnt by heart may leap a thousandfold, far below the loss at the start."""
    events = steps(1)
    for n, step in enumerate(events):
        tiny = 4e-6 * (1 + n % 3) * (1000 if n % 17 == 0 else 1)
        step["data"]["train_loss"] = 2.0 - n / 16 if n < 30 else tiny
        step["data"]["valid_loss"] = 1e-5 * (1 + n % 9)
    assert tripped(tmp_path, json.dumps(events)) == {}


def test_synthetic_times_are_no_stall(tmp_path: Path) -> None:
    """Azure's times are counted up from the step: hours between two of them tell no stall."""
    events = steps(1)
    for n, step in enumerate(events):
        step["id"] = f"ftevent-{n + 1:016x}{n + 1:016x}"
        step["created_at"] += 90_000 * (n > 30)
    assert tripped(tmp_path, json.dumps(events)) == {}
