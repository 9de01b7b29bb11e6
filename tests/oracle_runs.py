"""The views that hold runs against each other, in plain Python: one function a view."""

from __future__ import annotations

import itertools
import math
import re
from collections import defaultdict
from datetime import timedelta
from statistics import fmean, median
from typing import Any

from oracle import Event
from oracle_answers import apart, best_steps, cost
from oracle_curves import Row, by_job, loss_curves
from oracle_detectors import beginnings, steps_of
from oracle_jobs import jobs, planned, spoken
from oracle_training import loss_curves_smoothed


def leaderboard(events: list[Event]) -> list[Row]:
    """One row per job that trained."""
    bests = {row["job_id"]: row for row in best_steps(events)}
    groups: dict[tuple[str | None, str | None], list[tuple[Row, float | None]]] = defaultdict(list)
    for job in jobs(events):
        best = bests.get(job["job_id"], {})
        if job["steps"]:
            loss = cost(best["metric"], best["best_value"]) if best else None
            groups[job["method"], best.get("metric")].append((job, loss))
    rows = []
    for (method, metric), members in groups.items():
        losses = [loss for _, loss in members if loss is not None]
        for job, loss in members:
            best = bests.get(job["job_id"], {})
            rows.append(
                {
                    "job_id": job["job_id"],
                    "method": method,
                    "metric": metric,
                    "rank": None if loss is None else 1 + sum(other < loss for other in losses),
                    "jobs": len(members),
                    "behind": None if loss is None else loss - min(losses),
                    **{name: job[name] for name in ("status", "last_step", "run_seconds")},
                    **{name: best.get(name) for name in ("best_value", "best_step", "last_value")},
                }
            )
    return rows


def throughput(events: list[Event]) -> list[Row]:
    """One row per job with steps."""
    clock = max(event.time for event in events)
    facts = {row["job_id"]: row for row in jobs(events)}
    curves = loss_curves(events)
    rows = []
    for job, own in by_job(events).items():
        marks = [event for event in steps_of(own) if event.order_step >= 0]
        if not marks:
            continue
        marks.sort(key=lambda e: (e.time, e.order_step, e.ordinal, e.event_id))
        pairs = itertools.pairwise(beginnings(marks))
        gaps = [
            (after.time - before.time, after.order_step - before.order_step)
            for before, after in pairs
            if after.order_step > before.order_step and not after.synthetic
        ]
        fact = facts[job]
        running = fact["status"] == "running" and None not in (
            fact["total_steps"],
            fact["last_step"],
        )
        left = fact["total_steps"] - fact["last_step"] if running else None
        train = ("train_loss", "train_mean_token_accuracy", "train_mean_reward")
        is_zero = any(
            row["step"] == 0 and any(row[name] is not None for name in train)
            for row in curves
            if row["job_id"] == job
        )
        left = None if left is None or left < 0 else max(0, left - is_zero)
        longest = max(20 * median([s for s, _ in gaps] or [0]), 60)
        usual = median([s / n for s, n in gaps] or [0])
        pauses = [s - n * usual for s, n in gaps if s - n * usual > longest]
        latest = gaps[-max(10, len(gaps) // 10) :]
        unpaused = [(s, n) for s, n in latest if s - n * usual <= longest]
        recent = pace(unpaused or latest)
        if unpaused and len(pauses) > 2:
            recent += sum(pauses) / sum(n for _, n in gaps)
        last = max(marks, key=lambda event: event.time)
        due = None
        if left is not None and recent is not None:
            due = last.created_at + timedelta(microseconds=round(1e6 * left * recent))
        billed = spoken(own, None, r"tokens billed: *([0-9]+)")
        seconds = sum(gap for gap, _ in gaps)
        rows.append(
            {
                "job_id": job,
                "status": fact["status"],
                "has_synthetic_times": any(event.synthetic for event in marks),
                "timed_gaps": len(gaps) or None,
                "steps_per_second": sum(steps for _, steps in gaps) / seconds if seconds else None,
                "seconds_per_step": pace(gaps),
                "median_seconds_per_step": median(s / n for s, n in gaps) if gaps else None,
                "recent_seconds_per_step": recent,
                "steps_left": left,
                "done_at": due,
                "seconds_left": None if due is None else round(due.timestamp() - clock, 6),
                "billed_tokens": billed and int(billed),
                "billed_tokens_per_second": int(billed) / fact["run_seconds"]
                if billed and fact["run_seconds"]
                else None,
                "mean_reasoning_tokens": mean_of(curves, job, "reasoning_tokens_mean"),
            }
        )
    return rows


def pace(gaps: list[tuple[int, int]]) -> float | None:
    """Seconds a step over gaps of (seconds, steps)."""
    return sum(gap for gap, _ in gaps) / sum(steps for _, steps in gaps) if gaps else None


def mean_of(curves: list[Row], job: str, metric: str) -> float | None:
    """Mean of the finite values of a metric of a job."""
    values = [row[metric] for row in curves if row["job_id"] == job and finite(row[metric])]
    return fmean(values) if values else None


def finite(value: float | None) -> bool:
    """Whether there is a value, and it is a number."""
    return value is not None and math.isfinite(value)


def reward_gaps(events: list[Event]) -> list[Row]:
    """One row per job and step with a reward."""
    told: dict[tuple[str, int | None], dict[str, float]] = defaultdict(dict)
    for event in sorted(events, key=lambda e: (e.time, e.ordinal, e.event_id)):
        for key, value in event.other.items() if event.step is not None else ():
            if re.search(r"^errors/graders/.*/(train|valid)_[^/]*_error_mean$", key):
                told[event.job_id, event.step][key.rsplit("/", 1)[1] + "|" + key] = value
    first: dict[str, float] = {}
    rows = []
    for curve in sorted(loss_curves(events), key=lambda row: row["step"]):
        job, tokens = curve["job_id"], curve["reasoning_tokens_mean"]
        if finite(tokens):
            first.setdefault(job, tokens)
        train, full = curve["train_mean_reward"], curve["full_valid_mean_reward"]
        valid = curve["valid_mean_reward"] if full is None else full
        if train is None and valid is None:
            continue
        known = told[job, curve["step"]]

        def kind(side: str, *, parse: bool, known: dict[str, float] = known) -> list[float]:
            return [
                value
                for key, value in known.items()
                if key.startswith(side) and ("_sample_parse_error_mean|" in key) == parse
            ]

        parse_error = curve["full_valid_mean_parse_error"]
        start = first.get(job)
        rows.append(
            {
                "job_id": job,
                "step": curve["step"],
                "train_reward": train,
                "valid_reward": valid,
                "gap": None if train is None or valid is None else train - valid,
                "reasoning_tokens": tokens,
                "reasoning_growth": 100 * (tokens / start - 1)
                if start and finite(tokens)
                else None,
                "train_grader_error": total(kind("train", parse=False)),
                "valid_grader_error": total(kind("valid", parse=False)),
                "train_parse_error": max(kind("train", parse=True), default=None),
                "valid_parse_error": max(kind("valid", parse=True), default=None)
                if parse_error is None
                else parse_error,
                "unresponsive_rewards": curve["mean_unresponsive_rewards"],
            }
        )
    return rows


def total(values: list[float]) -> float | None:
    """The sum, None of nothing."""
    return sum(values) if values else None


def compare(events: list[Event]) -> list[Row]:
    """One row per axis, metric and position, of the latest job and the one before it."""
    known = {row["job_id"]: row["method"] for row in jobs(events) if row["method"] and row["steps"]}
    last = {job: max(event.time for event in own) for job, own in by_job(events).items()}
    latest = sorted(known, key=lambda job: (last[job], job), reverse=True)
    if not latest:
        return []
    peers = [job for job in latest[1:] if known[job] == known[latest[0]]]
    return compared(events, peers[0] if peers else None, latest[0])


def compared(events: list[Event], job_a: str | None, job_b: str | None) -> list[Row]:
    """The rows of two jobs."""
    sides = {"a": job_a, "b": job_b}
    found: dict[tuple[str, str, int], Row] = defaultdict(dict)
    smoothed = loss_curves_smoothed(events)
    for side, job in sides.items():
        steps = [row for row in loss_curves(events) if row["job_id"] == job]
        reached = max((row["step"] for row in steps), default=0)
        length = max(reached, planned(steps) or 0)
        points: dict[str, list[Row]] = defaultdict(list)
        for row in sorted(smoothed, key=lambda row: row["step"]):
            if row["job_id"] == job:
                points[row["metric"]].append(row)
        most = max(map(len, points.values()), default=0)
        for metric, own in points.items():
            if 3 * len(own) < most:
                own[:] = [row | {"smoothed": row["value"]} for row in own]
            for row in own:
                found["step", metric, row["step"]][side] = row
            for percent in range(1, 101):
                before = [row for row in own if row["step"] * 100 <= percent * length]
                if before and (percent - 1) * length < reached * 100:
                    found["share", metric, percent][side] = before[-1]
    rows = []
    for (axis, metric, position), pair in found.items():
        row: Row = {"axis": axis, "metric": metric, "position": position}
        row |= {f"job_{side}": job for side, job in sides.items()}
        for side in sides:
            point: dict[str, Any] = pair.get(side, {})
            for name in ("step", "value", "smoothed"):
                row[f"{name}_{side}"] = point.get(name)
        both = None not in (row["smoothed_a"], row["smoothed_b"])
        row["difference"] = None
        if both and apart(row["smoothed_b"], row["smoothed_a"]):
            row["difference"] = row["smoothed_b"] - row["smoothed_a"]
        elif both:
            row["difference"] = 0
        rows.append(row)
    return rows
