"""How many planted faults the detectors find, and how many of their alarms are planted faults."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import asked
from oracle_lake import rows

from pipeline import open_lake
from planted.jobs import KINDS, Job, dump, made
from planted.noise import Floats

QUERIES = {
    "spike": "select job_id, first_step as begins, last_step as ends from loss_spikes",
    "divergence": "select job_id, first_step as begins, last_step as ends from divergences"
    " where kind = 'rising'",
    "collapse": "select job_id, first_step as begins, last_step as ends from divergences"
    " where kind = 'falling'",
    "overfit": "select job_id, risen_since_step as begins, last_step as ends from overfitting"
    " where is_overfit and metric like '%_loss'",
    "fade": "select job_id, risen_since_step as begins, last_step as ends from overfitting"
    " where is_overfit and metric like '%_reward'",
    "gap": "select job_id, after_step as begins, after_step as ends from stalls where kind = 'gap'",
    "silent": "select job_id, after_step as begins, after_step as ends from stalls"
    " where kind = 'silent'",
    "restart": "select job_id, after_step as begins, first_step as ends from attempts"
    " where attempt > 1",
    "nan": "select job_id, first_step as begins, last_step as ends from divergences"
    " where kind = 'non_finite'",
}
"""Where each kind of fault is told, and between which steps."""

EXACT = ("gap", "silent", "restart", "nan")
"""Kinds whose place is told to the step."""


@dataclass(frozen=True)
class Outcome:
    """A job, and whether its fault was found; `alarms` are (kind, row) of alarms that are wrong."""

    job: Job
    found: bool
    alarms: tuple[tuple[str, dict[str, Any]], ...]


def measure(jobs: Sequence[Job], folder: Path) -> list[Outcome]:
    """Ingest the jobs into a lake and ask every detector about them."""
    with open_lake(folder / "lake") as lake:
        report = lake.ingest(dump(jobs, folder))
        assert not any(source.rejects for source in report.sources)
        con = asked(lake)
        told = {kind: rows(con, query) for kind, query in QUERIES.items()}
    by_job: dict[str, list[tuple[str, dict[str, Any]]]] = {job.job_id: [] for job in jobs}
    for kind, alarms in told.items():
        for row in alarms:
            by_job[row["job_id"]].append((kind, row))
    outcomes = []
    for job in jobs:
        hits = [hit(job, kind, row) for kind, row in by_job[job.job_id]]
        wrong = [
            alarm for alarm, is_hit in zip(by_job[job.job_id], hits, strict=True) if is_hit is False
        ]
        outcomes.append(Outcome(job, any(hits), tuple(wrong)))
    return outcomes


def hit(job: Job, kind: str, row: dict[str, Any]) -> bool | None:
    """Whether an alarm tells the fault planted in the job; None where it is another side of it."""
    begins, ends = row["begins"], row["ends"]
    if kind == job.kind and kind in EXACT:
        return bool(begins == job.place and ends == job.end)
    if kind == job.kind:
        return bool(begins <= job.end and ends >= job.place)
    if kind == "spike" and job.kind == "divergence" and begins >= job.place:
        return None  # a loss that leaps and stays is both
    return False


def planted(
    seed: int, count: int, kinds: Sequence[str | None], pools: Sequence[Floats]
) -> list[Outcome]:
    """Measure `count` jobs, of the kinds in turn."""
    jobs = [made(seed, n, kinds[n % len(kinds)], pools) for n in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        return measure(jobs, Path(folder))


def summary(outcomes: Sequence[Outcome], kind: str, low: float, high: float) -> tuple[int, int]:
    """How many faults of a kind and size there are, and how many were found."""
    own = [o for o in outcomes if o.job.kind == kind and low <= o.job.visibility < high]
    return len(own), sum(o.found for o in own)


def wrong_alarms(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Kind -> alarms that tell nothing that was planted."""
    return {kind: sum(name == kind for o in outcomes for name, _ in o.alarms) for kind in KINDS}
