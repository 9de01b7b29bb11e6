"""The views of metrics and steps in plain Python: one function a view, rows as dicts."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from oracle import KNOWN, Event
from oracle_companions import Told, checkpoint_objects, newest, of_kind, result_points, states

Row = dict[str, Any]

SPOKEN = {
    "training loss": "train_loss",
    "validation loss": "valid_loss",
    "full validation loss": "full_valid_loss",
    "train mean reward": "train_mean_reward",
    "validation mean reward": "valid_mean_reward",
    "full validation mean reward": "full_valid_mean_reward",
    "full validation mean parse error": "full_valid_mean_parse_error",
}


def by_job(events: Iterable[Event]) -> dict[str, list[Event]]:
    """The events of each job in the order of time."""
    jobs: dict[str, list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event.place):
        jobs[event.job_id].append(event)
    return jobs


def told(event: Event) -> tuple[int, int | None, dict[str, float]] | None:
    """Step, planned steps and numbers of a message whose event has no payload."""
    found = re.match(r"Step ([0-9]{1,15})\b(?:/([0-9]{1,15})\b)?", event.message, re.ASCII)
    if not found or event.step is not None or (isinstance(event.data, dict) and event.data):
        return None
    numbers: dict[str, float] = {}
    number = r"[-+]?(?:[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|nan|NaN|inf|Inf)"
    for name, value in re.findall(rf"[:,] *([a-z ]+)=({number})", event.message):
        if name in SPOKEN:
            numbers.setdefault(SPOKEN[name], float(value))
    return int(found[1]), int(found[2]) if found[2] else None, numbers


def metrics(events: list[Event]) -> list[Row]:
    """One row per number of an event."""
    rows = []
    for event in events:
        groups = [(event.metrics, True, False), (event.other, False, False)]
        if spoken := told(event):
            groups.append((spoken[2], True, True))
        for numbers, known, from_message in groups:
            for name, value in numbers.items():
                rows.append(
                    {
                        "job_id": event.job_id,
                        "event_id": event.event_id,
                        "created_at": event.created_at,
                        "step": spoken[0] if from_message and spoken else event.step,
                        "metric": name,
                        "value": value,
                        "known": known,
                        "from_message": from_message,
                    }
                )
    return rows


def metric_keys(events: list[Event]) -> list[Row]:
    """One row per metric key."""
    numbers = defaultdict(list)
    for row in metrics(events):
        numbers[row["metric"]].append(row)
    misfits = defaultdict(list)
    for event in events:
        for name in event.misfits:
            misfits[name].append(event)
    rows = []
    for name in (numbers.keys() | misfits.keys()) - {"step", "total_steps"}:
        good, bad = numbers[name], misfits[name]
        times = [row["created_at"] for row in good] + [event.created_at for event in bad]
        rows.append(
            {
                "metric": name,
                "type": "number" if not bad else "mixed" if good else "other",
                "known": name in KNOWN,
                "numbers": len(good),
                "non_finite": sum(not math.isfinite(row["value"]) for row in good),
                "misfits": len(bad),
                "from_messages": sum(row["from_message"] for row in good),
                "jobs": len({r["job_id"] for r in good} | {event.job_id for event in bad}),
                "first_seen": min(times),
                "last_seen": max(times),
            }
        )
    return rows


TRAINING = {
    "train_loss",
    "train_mean_token_accuracy",
    "train_mean_reward",
    "reasoning_tokens_mean",
    "completion_tokens_mean",
    "mean_unresponsive_rewards",
}
"""Metrics of training; all others are of validation, and alone begin no attempt."""


Begun = list[tuple[int, int]]


def begun_again(events: list[Event]) -> dict[str, Begun]:
    """Job -> (time, first step) of each attempt that took the curve over from the one before.

    The steps that training told, by payloads and by messages apart, are walked in time. Where the
    step falls a candidate begins; if it begins no later than at the last step but one of the
    attempt before it, then as soon as it has told a second step which that one had reached, it is
    the one that counts. One that never tells a second step is forgotten.
    """
    found: dict[str, Begun] = defaultdict(list)
    tracks: dict[tuple[str, bool], list[tuple[int, int]]] = defaultdict(list)
    for event in events:
        if event.step is not None and TRAINING & event.metrics.keys():
            tracks[event.job_id, False].append((event.time, event.step))
        elif event.step is None and (spoken := told(event)) and TRAINING & spoken[2].keys():
            tracks[event.job_id, True].append((event.time, spoken[0]))
    for (job, _), track in tracks.items():
        before: list[int] = []
        pieces: list[list[tuple[int, int]]] = []
        for time, step in sorted(track):
            if not pieces or step < pieces[-1][-1][1]:
                pieces.append([])
            pieces[-1].append((time, step))
        for piece in pieces:
            steps = sorted({step for _, step in piece})
            two = len(before) > 1 and len(steps) > 1
            if two and steps[0] <= before[-2] and steps[1] <= before[-1]:
                found[job].append(piece[0])
            if not before or len(steps) > 1:
                before = steps
    return found


def thrown_away(begun: Begun, time: int, step: int) -> bool:
    """Whether an attempt that begins later owns the curve from that step or a smaller one on."""
    return any(at > time and first <= step for at, first in begun)


def loss_curves(events: list[Event], beside: Sequence[Told] = ()) -> list[Row]:
    """One row per job and step."""
    begun = begun_again(events)
    rows: dict[tuple[str, int], Row] = {}
    claims: list[tuple[Any, Event, int, int | None, dict[str, float], bool]] = []
    for event in events:
        if event.step is not None:
            claims.append(
                (
                    (True, event.time, event.ordinal, event.event_id),
                    event,
                    event.step,
                    event.total_steps,
                    event.metrics,
                    False,
                )
            )
        elif spoken := told(event):
            claims.append(
                ((False, event.time, event.ordinal, event.event_id), event, *spoken, True)
            )
    points = result_points(beside)
    for point in points:
        rows.setdefault((point["job_id"], point["step"]), blank(point["job_id"], point["step"]))
    for _, event, step, total_steps, numbers, from_message in sorted(claims, key=lambda c: c[0]):
        if thrown_away(begun[event.job_id], event.time, step):
            continue
        if not from_message:
            fill(rows, points)
            points = []
        row = rows.setdefault((event.job_id, step), blank(event.job_id, step))
        row.update(numbers)
        row["total_steps"] = row["total_steps"] if total_steps is None else total_steps
        row["created_at"] = max(row["created_at"] or event.created_at, event.created_at)
        first = row["first_created_at"] or event.created_at
        row["first_created_at"] = min(first, event.created_at)
        row["events"] += 1
        row["from_message"] |= from_message
    fill(rows, points)
    return list(rows.values())


def blank(job: str, step: int) -> Row:
    """A step of which nothing is known yet."""
    return dict.fromkeys([*KNOWN, "total_steps", "created_at", "first_created_at"]) | {
        "job_id": job,
        "step": step,
        "events": 0,
        "from_message": False,
        "from_result_file": False,
    }


def fill(rows: dict[tuple[str, int], Row], points: list[Row]) -> None:
    """Let the numbers of result files stand over those of messages."""
    for point in points:
        row = rows[point["job_id"], point["step"]]
        if point["known"]:
            row[point["metric"]] = point["value"]
        row["from_result_file"] = True


def checkpoints(events: list[Event], beside: Sequence[Told] = ()) -> list[Row]:
    """One row per checkpoint message and checkpoint object, the same checkpoint's as one."""
    curves = {(row["job_id"], row["step"]): row for row in loss_curves(events, beside)}
    objects = checkpoint_objects(beside)
    rows = []
    known = set()
    for event in events:
        if event.lifecycle == "checkpoint":
            step = None if event.order_step == -1 else event.order_step
            curve = curves.get((event.job_id, step), {})
            model = re.search(r"Snapshot ID: *(\S*[A-Za-z0-9])", event.message)
            same = [o for o in objects if (o["job_id"], o["step"]) == (event.job_id, step)]
            known.add((event.job_id, step))
            for one in same or [{}]:
                told_model = one.get("model_id") or (model[1] if model else None)
                row = checkpoint(event.job_id, step, one, curve)
                named = {"event_id": event.event_id, "model_id": told_model}
                rows.append(row | named | {"told_at": event.created_at})
    for one in objects:
        job, step = one["job_id"], one["step"]
        if (job, step) not in known:
            row = checkpoint(job, step, one, curves.get((job, step), {}))
            rows.append(row | {"event_id": None, "model_id": one["model_id"], "told_at": None})
    return rows


def checkpoint(job: str, step: int | None, one: Row, curve: Row) -> Row:
    """What a checkpoint has from its object and from the curve."""
    metrics = ("valid_loss", "full_valid_loss", "train_mean_token_accuracy")
    return {
        "job_id": job,
        "step": step,
        "checkpoint_id": one.get("checkpoint_id"),
        "created_at": one.get("created_at"),
        "step_at": curve.get("created_at"),
        **{m: one.get(m) if curve.get(m) is None else curve[m] for m in metrics},
    }


def data_quality(events: list[Event], beside: Sequence[Told] = ()) -> list[Row]:
    """One row per job, check and subject."""
    findings: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for event in events:
        if event.level not in ("info", "warn", "error"):
            findings[event.job_id, "unknown_level", event.level].append(event.event_id)
        if event.type not in (None, "message", "metrics", "moderation_checks"):
            findings[event.job_id, "unknown_type", event.type].append(event.event_id)
        for name in event.misfits:
            findings[event.job_id, "misfit", name].append(event.event_id)
    for row in metrics(events):
        if not math.isfinite(row["value"]):
            findings[row["job_id"], "non_finite", row["metric"]].append(row["event_id"])
    for job, own in by_job(events).items():
        created = [
            event.time
            for event in own
            if event.message.startswith(("Created fine-tun", "Job enqueued"))
        ]
        for event in own:
            if created and event.time < min(created):
                findings[job, "clock_back", "creation"].append(event.event_id)
        plans = sorted(
            (e for e in own if e.total_steps is not None),
            key=lambda e: (e.time, math.inf if e.step is None else e.step, e.ordinal, e.event_id),
        )
        known: set[int | None] = set()
        for before, event in itertools.pairwise(plans):
            known.add(before.total_steps)
            if event.total_steps != before.total_steps and event.total_steps in known:
                findings[job, "mixed_jobs", "total_steps"].append(event.event_id)
    rows = [
        {
            "job_id": job,
            "problem": problem,
            "subject": subject,
            "occurrences": len(ids),
            "example": min(ids),
        }
        for (job, problem, subject), ids in findings.items()
    ]
    return rows + step_findings(events, beside)


def step_findings(events: list[Event], beside: Sequence[Told]) -> list[Row]:
    """Missing steps, and places where the clock goes back while the steps rise."""
    rows = []
    first_times: dict[str, dict[int, Any]] = defaultdict(dict)
    totals: dict[str, dict[int, int]] = defaultdict(dict)
    ended: dict[str, str] = {}
    begun = {"train_loss", "train_mean_token_accuracy", "train_mean_reward"}
    from_zero: set[str] = set()
    for job, about in of_kind(beside, "job").items():
        if newest(states(about), "status") == "succeeded":
            ended[job] = "succeeded"
    for job, hooks in of_kind(beside, "outcome").items():
        last = max(hooks, key=lambda hook: (hook.value.get("created_at", -1), hook.text))
        if last.value["type"].endswith(".succeeded"):
            ended[job] = "succeeded"
    for event in sorted(events, key=lambda event: event.place):
        if event.lifecycle in ("succeeded", "failed", "cancelled"):
            ended[event.job_id] = event.lifecycle
    for event in sorted(events, key=lambda event: event.time):
        spoken = told(event)
        step = event.step if spoken is None else spoken[0]
        if step is not None:
            first_times[event.job_id].setdefault(step, event.created_at)
            total = event.total_steps if spoken is None else spoken[1]
            numbers = event.metrics if spoken is None else spoken[2]
            if step == 0 and numbers.keys() & begun:
                from_zero.add(event.job_id)
            if total is not None:
                totals[event.job_id][step] = max(total, totals[event.job_id].get(step, total))
    for job, times in first_times.items():
        steps = sorted(times)
        pairs = list(itertools.pairwise(steps))
        if pairs:
            often = Counter(after - before for before, after in pairs)
            stride = max(often, key=lambda distance: (often[distance], distance))
            gaps = [
                (before, after)
                for before, after in [(0, steps[0]), *pairs]
                if after - before > stride
            ]
            total = totals[job][max(totals[job])] if totals[job] else 0
            total -= job in from_zero
            if ended.get(job) == "succeeded" and (total - steps[-1]) // stride > 0:
                gaps.append((steps[-1], total + 1))
            if gaps:
                rows.append(
                    {
                        "job_id": job,
                        "problem": "missing_steps",
                        "subject": "step",
                        "occurrences": sum(
                            (after - before - 1) // stride for before, after in gaps
                        ),
                        "example": f"between {gaps[0][0]} and {gaps[0][1]}"
                        if gaps[0][0] < steps[-1]
                        else f"after {gaps[0][0]}",
                    }
                )
        back = [after for before, after in pairs if times[after] < times[before]]
        if back:
            rows.append(
                {
                    "job_id": job,
                    "problem": "clock_back",
                    "subject": "step",
                    "occurrences": len(back),
                    "example": f"step {back[0]}",
                }
            )
    return rows
