"""The views that tell what happened, in plain Python: one function a view, rows as dicts."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from oracle import Event
from oracle_companions import Told
from oracle_curves import Row, by_job, loss_curves
from oracle_jobs import jobs
from oracle_marts import IN_TIME, errors, is_error, job_phases, template
from oracle_training import walks

HOUR = 3600
SHOWN = (
    "train_loss",
    "valid_loss",
    "full_valid_loss",
    "train_mean_reward",
    "valid_mean_reward",
    "full_valid_mean_reward",
)


def problems(events: list[Event]) -> dict[tuple[str, str], list[Event]]:
    """The events of each severity and template, in order of time."""
    kinds = defaultdict(list)
    for event in events:
        if is_error(event):
            kinds["error", template(event.message)].append(event)
        if event.level.lower() in ("warn", "warning"):
            kinds["warning", template(event.message)].append(event)
    for found in kinds.values():
        found.sort(key=lambda e: (e.time, e.rank, e.order_step, e.job_id, e.ordinal, e.event_id))
    return kinds


def error_bursts(events: list[Event]) -> list[Row]:
    """One row per severity, template and burst."""
    rows = []
    for (severity, text), found in problems(events).items():
        bursts: list[list[Event]] = []
        for event in found:
            if not bursts or event.time - bursts[-1][-1].time > HOUR:
                bursts.append([])
            bursts[-1].append(event)
        for number, burst in enumerate(bursts, start=1):
            rows.append(
                {
                    "severity": severity,
                    "template": text,
                    "burst": number,
                    "first_seen": burst[0].created_at,
                    "last_seen": burst[-1].created_at,
                    "seconds": float(burst[-1].time - burst[0].time),
                    "events": len(burst),
                    "jobs": len({event.job_id for event in burst}),
                }
            )
    return rows


def error_timeline(events: list[Event]) -> list[Row]:
    """One row per severity and template."""
    bursts = error_bursts(events)
    rows = []
    for (severity, text), found in problems(events).items():
        sizes = [b["events"] for b in bursts if (b["severity"], b["template"]) == (severity, text)]
        affected = len({event.job_id for event in found})
        rows.append(
            {
                "severity": severity,
                "template": text,
                "events": len(found),
                "jobs": affected,
                "first_seen": found[0].created_at,
                "last_seen": found[-1].created_at,
                "example": found[0].message,
                "example_job_id": found[0].job_id,
                "per_1000_events": 1000 * len(found) / len(events),
                "jobs_share": 100 * affected / len({event.job_id for event in events}),
                "bursts": len(sizes),
                "largest_burst": max(sizes),
            }
        )
    return rows


def failure_reasons(events: list[Event], beside: Sequence[Told] = ()) -> list[Row]:
    """One row per failed job."""
    phases = job_phases(events)
    rows = []
    for job in jobs(events, beside):
        if job["status"] != "failed":
            continue
        own = by_job(event for event in events if event.job_id == job["job_id"])[job["job_id"]]
        told = {row["event_id"]: row for row in errors(own)}
        ordered = [told[event.event_id] for event in own if event.event_id in told]
        bare = re.compile(r"(the )?(fine-tuning )?job failed[.!]?", re.IGNORECASE)
        steps = [row["first_created_at"] for row in loss_curves(own) if row["first_created_at"]]
        last_step_at = max(steps, default=None)
        went_on_at = sorted(steps, reverse=True)[3] if len(steps) > 3 else None
        own_code, own_param = job["error_code"], job["error_param"]
        if job["error_message"]:
            ordered += [{"message": job["error_message"], "told_by": "object"}]
        ordered = [
            row
            for row in ordered
            if not went_on_at or "event_id" not in row or row["created_at"] >= went_on_at
        ]
        ranked = sorted(
            ordered,
            key=lambda row: (
                not bare.fullmatch(row["message"]),
                not job["ended_at"]
                or "event_id" not in row
                or row["created_at"] <= job["ended_at"],
                not last_step_at or "event_id" not in row or row["created_at"] >= last_step_at,
                "event_id" in row,
                row.get("error_code", own_code) is not None,
                *(row.get(name, 0) for name in IN_TIME),
            ),
        )
        reason = ranked[-1] if ranked else {}
        message = reason.get("message", job["outcome_message"])
        entered = [
            row
            for row in phases
            if row["job_id"] == job["job_id"]
            and (not job["ended_at"] or row["started_at"] <= job["ended_at"].timestamp())
        ]
        ranks = ["created", "validating", "queued", "running", "finalising"]
        died = max(
            entered,
            key=lambda row: (row["ended_at"], row["started_at"], ranks.index(row["phase"])),
            default=None,
        )
        rows.append(
            {
                "job_id": job["job_id"],
                "failed_at": job["ended_at"],
                "phase": died["phase"] if died else None,
                "error_code": reason.get("error_code") or own_code,
                "error_param": reason.get("error_param") or own_param,
                "message": message,
                "template": template(reason["message"]) if reason else None,
                "event_id": reason.get("event_id"),
                "told_by": reason.get("told_by"),
                "errors": len(told),
                "last_step": job["last_step"],
                "total_steps": job["total_steps"],
            }
        )
    return rows


def kind_of(event: Event, *, has_metrics: bool) -> str:
    """What an event is on the timeline."""
    if is_error(event):
        return "error"
    if event.lifecycle == "moderation":
        return "moderation"
    if event.level.lower() in ("warn", "warning"):
        return "warning"
    if event.lifecycle == "checkpoint":
        return "checkpoint"
    return "metrics" if has_metrics else "message"


def timeline(events: list[Event]) -> list[Row]:
    """One row per event."""
    given = {
        (job, claim[0].event_id): (number, claim)
        for job, attempts in walks(events).items()
        for number, (_, claims) in enumerate(attempts, start=1)
        for claim in claims
    }
    rows = []
    for job, own in by_job(events).items():
        last: int | None = None
        trained: int | None = None
        attempt: int | None = None
        for place, event in enumerate(own, start=1):
            number, claim = given.get((job, event.event_id), (None, None))
            if claim:
                last, attempt = claim[1], number
                if {"train_loss", "train_mean_reward"} & claim[2].keys():
                    trained = last
            kind = kind_of(event, has_metrics=claim is not None)
            own_step = event.order_step if kind == "checkpoint" else -1
            reached = max((s for s in (last, trained) if s is not None), default=None)
            rows.append(
                {
                    "job_id": job,
                    "place": place,
                    "created_at": event.created_at,
                    "seconds": float(event.time - own[0].time),
                    "kind": kind,
                    "step": claim[1] if claim else reached if own_step == -1 else own_step,
                    "attempt": attempt,
                    "level": event.level,
                    "message": event.message,
                    "lifecycle": event.lifecycle,
                    "synthetic_time": event.synthetic,
                    "event_id": event.event_id,
                    **{name: claim[2].get(name) if claim else None for name in SHOWN},
                }
            )
    return rows
