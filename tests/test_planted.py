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


def steps(seconds: int, loss: float = 1.0) -> list[dict[str, Any]]:
    """Sixty steps, so many in a second, oldest first."""
    return [
        event(
            n, n // seconds, f"Step {n}/60", step=n, total_steps=60, train_loss=loss + 0.01 * n % 3
        )
        for n in range(1, 61)
    ]


def usual() -> dict[str, list[dict[str, Any]]]:
    """Job -> what a dump tells of it, in the order of the dump: faults at first sight, but none."""
    ended = [event(90 + n, 70, f"Checkpoint created at step {20 * n}") for n in (1, 2, 3)]
    tiny, synthetic = steps(1), steps(1)
    for n, step in enumerate(tiny):
        leap = 4e-6 * (1 + n % 3) * (1000 if n % 17 == 0 else 1)
        step["data"]["train_loss"] = 2.0 - n / 16 if n < 30 else leap
        step["data"]["valid_loss"] = 1e-5 * (1 + n % 9)
    for n, step in enumerate(synthetic):
        step["id"] = f"ftevent-{n + 1:016x}{n + 1:016x}"
        step["created_at"] += 90_000 * (n > 30)
    return {
        "ties": steps(4)[::-1],  # four steps share each second of a newest-first page
        "late-checkpoints": [  # at steps long past, all in the last second
            *steps(1),
            *ended,
            event(99, 71, "The job has successfully completed"),
        ],
        "tiny-losses": tiny,  # learnt by heart: they leap a thousandfold, far below the start
        "synthetic-times": synthetic,  # Azure counts them up from the step
    }


def test_what_looks_like_a_fault_trips_no_rule(tmp_path: Path) -> None:
    """Ties, late checkpoints, tiny losses and synthetic times are neither faults nor restarts."""
    with open_lake(tmp_path / "lake") as lake:
        for job, events in usual().items():
            (tmp_path / "dump.json").write_text(json.dumps({"object": "list", "data": events}))
            lake.ingest([tmp_path / "dump.json"], job_id=job)
        verdicts = lake.sql("select job_id, verdict from verdicts")
        assert set(verdicts["job_id"]) == set(usual())
        assert "tripped" not in set(verdicts["verdict"])
        assert lake.sql("from attempts where attempt > 1").is_empty()
