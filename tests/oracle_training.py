"""The views of how training went, in plain Python: one function a view, rows as dicts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from oracle import Event
from oracle_companions import Told
from oracle_curves import TRAINING, Row, begun_again, by_job, loss_curves, thrown_away, told

Claim = tuple[Event, int, dict[str, float], bool]


def claims(own: list[Event]) -> list[Claim]:
    """What a job's events give for a step, in order of time: event, step, numbers, if spoken."""
    found: list[Claim] = []
    for event in own:
        if event.step is not None:
            found.append((event, event.step, event.metrics, False))
        elif spoken := told(event):
            found.append((event, spoken[0], spoken[2], True))
    return found


def walks(events: list[Event]) -> dict[str, list[tuple[str, list[Claim]]]]:
    """The attempts of each job: how each began, and what it gave."""
    jobs: dict[str, list[tuple[str, list[Claim]]]] = {}
    for job, own in by_job(events).items():
        attempts: list[tuple[str, list[Claim]]] = []
        known: set[tuple[str, bool]] = set()
        before: int | None = None
        for claim in claims(own):
            _, step, numbers, spoken = claim
            given = {(name, spoken) for name in numbers}
            if not attempts:
                attempts.append(("start", []))
            if numbers and not numbers.keys() & TRAINING:
                attempts[-1][1].append(claim)
                continue
            if before is None:
                pass
            elif step < before:
                attempts.append(("fall", []))
            elif step == before and known & given:
                attempts.append(("repeat", []))
            if step != before or not attempts[-1][1]:
                known = set()
            known |= given
            before = step
            attempts[-1][1].append(claim)
        if attempts:
            jobs[job] = attempts
    return jobs


def attempts(events: list[Event]) -> list[Row]:
    """One row per job and attempt."""
    rows = []
    for job, own in walks(events).items():
        reached: int | None = None
        for number, (began_by, given) in enumerate(own, start=1):
            steps = [step for _, step, _, _ in given]
            rows.append(
                {
                    "job_id": job,
                    "attempt": number,
                    "began_by": began_by,
                    "started_at": given[0][0].created_at,
                    "ended_at": given[-1][0].created_at,
                    "first_step": min(steps),
                    "last_step": max(steps),
                    "after_step": reached,
                    "steps_lost": 0 if reached is None else max(0, reached - min(steps) + 1),
                    "steps": len(set(steps)),
                    "events": len(given),
                    "is_last": number == len(own),
                }
            )
            reached = max(steps)
    return rows


def loss_curve_attempts(events: list[Event]) -> list[Row]:
    """One row per job, attempt and step."""
    rows = []
    for job, own in walks(events).items():
        latest = {step: n for n, (_, given) in enumerate(own, start=1) for _, step, _, _ in given}
        begun = begun_again(events)[job]
        for number, (_, given) in enumerate(own, start=1):
            part: list[Any] = [event for event, *_ in given]
            for row in loss_curves(part):
                del row["from_result_file"]
                step = row["step"]
                last = max(event.time for event, s, _, _ in given if s == step)
                canonical = latest[step] == number and not thrown_away(begun, last, step)
                rows.append(row | {"job_id": job, "attempt": number, "is_canonical": canonical})
    return rows


SMOOTHED = (
    "train_loss",
    "valid_loss",
    "full_valid_loss",
    "train_mean_reward",
    "valid_mean_reward",
    "full_valid_mean_reward",
)


def loss_curves_smoothed(
    events: list[Event], smoothing: float = 0.6, beside: Sequence[Told] = ()
) -> list[Row]:
    """One row per job, metric and step."""
    rows = []
    curves = sorted(loss_curves(events, beside), key=lambda row: (row["job_id"], row["step"]))
    for metric in SMOOTHED:
        states: dict[str, tuple[float, int]] = {}
        for curve in curves:
            value = curve[metric]
            if value is None:
                continue
            last, count = states.get(curve["job_id"], (0.0, 0))
            if math.isfinite(value):
                last, count = smoothing * last + (1 - smoothing) * value, count + 1
                states[curve["job_id"]] = last, count
            smoothed = last / (1 - smoothing**count) if math.isfinite(value) else None
            rows.append(
                {
                    "job_id": curve["job_id"],
                    "metric": metric,
                    "step": curve["step"],
                    "value": value,
                    "smoothed": smoothed,
                    "point": count if math.isfinite(value) else None,
                }
            )
    return rows
