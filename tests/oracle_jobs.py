"""The view `jobs` in plain Python from the oracle's events."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from oracle import Event
from oracle_companions import RANKS, Told, ending, moment, newest, of_kind, of_object, states
from oracle_curves import Row, by_job, loss_curves, told
from oracle_marts import OUTCOMES, begun, is_error, phases_of

CURVES = {
    "train_loss": ("train_loss", min),
    "valid_loss": ("valid_loss", min),
    "full_valid_loss": ("full_valid_loss", min),
    "train_reward": ("train_mean_reward", max),
    "full_valid_reward": ("full_valid_mean_reward", max),
}
METHODS = {
    "supervised": "supervised",
    "dpo": "preference",
    "reinforcement": "reinforcement",
}
STATUS_OF_PHASE = {
    "created": "validating_files",
    "validating": "validating_files",
    "queued": "queued",
    "running": "running",
    "finalising": "running",
}


def jobs(events: list[Event], beside: Sequence[Told] = ()) -> list[Row]:
    """One row per job."""
    curves, happened = loss_curves(events, beside), by_job(events)
    objects, hooks, results = (of_kind(beside, kind) for kind in ("job", "outcome", "result"))
    return [
        facts(job, happened.get(job, []), objects[job], hooks[job])
        | {"method": trained_by(happened.get(job, []), objects[job], results[job])}
        | losses([row for row in curves if row["job_id"] == job])
        for job in dict.fromkeys([*happened, *(told.job for told in beside)])
    ]


def outcome(own: list[Event]) -> tuple[str, Event | None]:
    """How a job's events, in the order of time, say that it ended."""
    phases = [None if phase == "ended" else phase for phase in phases_of(own)]
    decisive = [index for index, event in enumerate(own) if event.lifecycle in OUTCOMES]
    if decisive:
        again = [index for index, phase in enumerate(phases) if begins(phase)]
        if not again or again[-1] < decisive[-1]:
            return own[decisive[-1]].lifecycle, own[decisive[-1]]
    broken = [
        index
        for index, event in enumerate(own)
        if is_error(event)
        and event.lifecycle not in OUTCOMES
        and (event.level.lower() == "error" or ":ckpt-step-" not in event.message)
    ]
    if broken:
        last = broken[-1]
        going_on = any(
            phase
            and event.lifecycle not in ("closing", "billed")
            and not (event.lifecycle == "moderation" and ":ckpt-step-" in event.message)
            and index > last
            for index, (event, phase) in enumerate(zip(own, phases, strict=True))
        )
        stepped = any(
            event.lifecycle == "step" and not event.synthetic and event.time > own[last].time
            for event in own
        )
        if not going_on and not stepped:
            return "failed", own[last]
    known = [phase for phase in phases if phase]
    stepped = any(event.lifecycle in ("step", "checkpoint") for event in own)
    if known and STATUS_OF_PHASE[known[-1]] == "running":
        return "running", None
    if stepped:
        return "running", None
    return (STATUS_OF_PHASE[known[-1]] if known else "unknown"), None


def begins(phase: str | None) -> bool:
    """Whether a phase begins or resumes a job."""
    return phase in ("created", "validating", "queued", "running")


def facts(job: str, own: list[Event], objects: list[Told], hooks: list[Told]) -> Row:
    """What a job's messages, objects and webhooks say."""
    status, decided = outcome(own)
    is_told = decided is not None and decided.lifecycle in OUTCOMES
    told = (status, decided.time, decided.message) if decided and is_told else None
    end = ending(objects, hooks, told)
    found = states(objects)
    said = newest(found, "status")
    if end is None:
        status_told_by = None if status == "unknown" else "events"
        ranks = {"unknown": 0, "failed": 5} | RANKS
        if RANKS.get(said or "", 0) > ranks[status]:
            status, status_told_by = said, "object"
        end = {
            "status": status,
            "status_told_by": status_told_by,
            "ended_at": decided.time if decided else None,
            "outcome_message": decided.message if decided else None,
        }
    elif end["status"] == "failed" == status and end["ended_at"] is None and decided:
        end["ended_at"] = decided.time
    measured = [event.time for event in own if not event.synthetic]
    created = newest(found, "created_at")
    created = first(own, "created") if created is None else created
    started = first(own, "training") or first(own, "started") or begun(own)
    ended = end["ended_at"]
    return {
        "job_id": job,
        "dialect": min((event.dialect for event in own), default="openai"),
        "status": end["status"],
        "status_told_by": end["status_told_by"],
        "outcome_message": end["outcome_message"],
        "ended_at": moment(end["ended_at"]),
        "wait_seconds": difference(started, created),
        "run_seconds": difference(ended, started),
        "total_seconds": difference(ended, created),
        "seen_seconds": float(max(measured) - min(measured)) if measured else None,
        "events": len(own),
        "warnings": sum(event.level.lower() in ("warn", "warning") for event in own),
        "errors": sum(is_error(event) is not None for event in own),
        **of_object(objects),
        "model_id": newest(found, "fine_tuned_model")
        or spoken(own, ("model",), r"(?:model created|Uploaded model): *(\S+)")
        or spoken(
            [event for event in own if ":ckpt-step-" not in event.message],
            ("moderation",),
            r"snapshot (\S*[A-Za-z0-9])",
        ),
        "training_file": newest(found, "training_file")
        or spoken(own, None, r"training file: *([\w-]+)"),
        "validation_file": spoken(own, None, r"validation file: *([\w-]+)"),
        "result_file": next(iter(newest(found, "result_files") or []), None)
        or spoken(own, None, r"results? file: *([\w-]+)"),
    }


def trained_by(own: list[Event], objects: list[Told], results: list[Told]) -> str | None:
    """How a job was trained: by its object, else by the keys of its metrics."""
    return METHODS.get(newest(states(objects), "method", "type") or "") or method(own, results)


def method(own: list[Event], results: list[Told]) -> str | None:
    """What the keys of a job's metrics say of how it was trained."""
    known: set[str] = {key for row in results for key in row.value}
    for event in own:
        spoken = told(event)
        known |= (spoken[2] if spoken else event.metrics if event.step is not None else {}).keys()
    others = {key for event in own for key in event.other}
    if any(key.endswith(("mean_reward", "_rewards")) for key in known):
        return "reinforcement"
    if any(key.endswith("reward_mean") for key in others):
        return "reinforcement"
    if any({"chosen", "rejected"} & set(re.split("[^a-z]+", key)) for key in others):
        return "preference"
    if any(key.endswith(("_loss", "_accuracy")) for key in known):
        return "supervised"
    return None


def first(own: list[Event], lifecycle: str) -> int | None:
    """When a kind of message first came."""
    return min((event.time for event in own if event.lifecycle == lifecycle), default=None)


def difference(later: int | None, earlier: int | None) -> float | None:
    """Seconds between two times, None unless both are known."""
    return None if later is None or earlier is None else float(later - earlier)


def spoken(own: list[Event], lifecycles: tuple[str, ...] | None, pattern: str) -> str | None:
    """What the last message with the pattern says, of messages that are milestones."""
    for event in reversed(own):
        milestone = event.lifecycle not in ("step", "checkpoint", "other")
        wanted = milestone or event.level.lower() == "error"
        if lifecycles is not None:
            wanted = event.lifecycle in lifecycles
        found = re.search(pattern, event.message, re.ASCII) if wanted else None
        if found:
            return next(group for group in found.groups() if group)
    return None


def planned(curve: list[Row]) -> int | None:
    """The steps that a job plans, as told by the last step that tells it."""
    told = [point for point in curve if point["total_steps"] is not None]
    total: int | None = max(told, key=lambda point: point["step"], default={}).get("total_steps")
    return total


def losses(curve: list[Row]) -> Row:
    """Final and best values of a curve."""
    row: Row = {
        "steps": len(curve),
        "last_step": max((point["step"] for point in curve), default=None),
        "total_steps": planned(curve),
    }
    for name, (column, better) in CURVES.items():
        given = {point["step"]: point[column] for point in curve if point[column] is not None}
        points = sorted((step, value) for step, value in given.items() if math.isfinite(value))
        if column.startswith("train"):
            row[f"last_{name}"] = given[max(given)] if given else None
        best = better((value for _, value in points), default=None)
        row[f"final_{name}"] = points[-1][1] if points else None
        row[f"best_{name}"] = best
        row[f"best_{name}_step"] = next((step for step, value in points if value == best), None)
    return row
