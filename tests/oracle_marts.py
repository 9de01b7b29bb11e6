"""The views of messages in plain Python: one function a view, rows as dicts."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from oracle import Event
from oracle_curves import Row, by_job

OUTCOMES = ("succeeded", "failed", "cancelled")

PHASES = {
    "created": "created",
    "validating": "validating",
    "queued": "queued",
    "waiting": "queued",
    "started": "running",
    "training": "running",
    "results": "running",
    "model": "finalising",
    "evaluating": "finalising",
    "moderation": "finalising",
    "enabled": "finalising",
    "uploaded": "finalising",
    "closing": "finalising",
    "billed": "finalising",
}


IN_TIME = ("created_at", "lifecycle_rank", "order_step", "ordinal", "event_id")
"""The order of rows in time."""


def is_error(event: Event) -> str | None:
    """Why an event counts as an error."""
    if event.level.lower() == "error":
        return "level"
    if event.lifecycle == "failed":
        return "message"
    if event.lifecycle == "moderation" and blocks(event):
        return "moderation"
    return None


def blocks(event: Event) -> bool | None:
    """Whether a moderation check blocked its model, by its payload or else by its words."""
    said = event.get("blocked")
    if isinstance(said, bool):
        return said
    told = r"\s(passed|failed|blocked|unable to be deployed)\b"
    words = re.search(told, event.message, re.ASCII)
    return words[1] != "passed" if words else None


def told_event(event: Event) -> Row:
    """What every view of messages says of an event."""
    return {
        "job_id": event.job_id,
        "event_id": event.event_id,
        "created_at": event.created_at,
        "level": event.level,
        "type": event.type,
        "message": event.message,
        "lifecycle": event.lifecycle,
        "lifecycle_rank": event.rank,
        "order_step": event.order_step,
        "ordinal": event.ordinal,
        "dialect": event.dialect,
    }


def warnings(events: list[Event]) -> list[Row]:
    """One row per warning."""
    return [told_event(event) for event in events if event.level.lower() in ("warn", "warning")]


def errors(events: list[Event]) -> list[Row]:
    """One row per error."""
    return [
        told_event(event)
        | {
            "told_by": is_error(event),
            "error_code": event.get("error_code"),
            "error_param": event.get("error_param"),
        }
        for event in events
        if is_error(event)
    ]


def template(message: str) -> str:
    """A message with all that varies masked."""
    masks = [
        (
            r'"[^"\n]*"|`[^`\n]*`|(?<!\w)\'[^\'\n]*\'(?!\w)|“[^“”\n]*”|„[^„“”\n]*[“”]|«[^«»\n]*»'
            r"|‘(?:[^‘’\n]|’(?u:[^\W_]))*’",
            "<text>",
        ),
        (
            r"\b(?:ft:[\w.:-]*[A-Za-z0-9]|[a-z]+:ft-[\w-]*[A-Za-z0-9]"
            r"|(?:gpt|davinci|babbage|curie|ada|o\d)-[\w.-]*[A-Za-z0-9])",
            "<model>",
        ),
        (
            r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}"
            r"|\b(?:(?:ftjob|ftevent|ftckpt|ft|file|org|proj|user|req|batch)[-_][A-Za-z0-9]{6,}"
            r"|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{16,})\b",
            "<id>",
        ),
        (
            r"[a-z0-9]+://[^ \t\r\n,;)]+"
            r"|[\w.~/\\:-]+\.(?:jsonl|json|csv|txt|parquet|gz|zst|py|yaml|toml)\b"
            r"|(?<!\w)(?:/[\w.~%+-]+){2,}/?",
            "<path>",
        ),
        (
            r"0x[0-9a-fA-F]+"
            r"|\b\d{4}-\d\d-\d\d[T ][\d:.]*\d(?:Z|[-+]\d\d:?\d\d)?"
            r"|\b(?:\d+(?:\.\d+)?(?:ms|[smhd]))+\b"
            r"|\d+(?:[.,:_/-]\d+)*(?:[eE][-+]?\d+)?",
            "<n>",
        ),
    ]
    for pattern, mask in masks:
        message = re.sub(pattern, mask, message, flags=re.ASCII)
    one = r"<(?:n|id|text|path|model)>"
    message = re.sub(rf"({one})(?:\s*,\s*{one})+(?:[\s,]*(?:\.\.\.|…))?", r"\1", message)
    return re.sub(r"\s+", " ", message).strip(" ")[:300]


def phase_of(event: Event) -> str | None:
    """The phase an event begins, `ended` for an outcome that ends the job."""
    if event.lifecycle == "succeeded":
        return "finalising" if event.dialect == "azure" else "ended"
    if event.lifecycle in ("failed", "cancelled"):
        return "ended"
    return PHASES.get(event.lifecycle)


def phases_of(own: Sequence[Event]) -> list[str | None]:
    """The phases that a job's events begin; one that is yet to train waits, though started."""
    found = [phase_of(event) for event in own]
    for index, event in enumerate(own):
        later = {other.lifecycle for other in own[index + 1 :]}
        if event.lifecycle == "started" and later & {"waiting", "training"}:
            found[index] = "queued"
    return found


def begun(own: Sequence[Event]) -> int | None:
    """When a job's first step came, unless what is at hand may begin after it."""
    steps = [event for event in own if event.lifecycle == "step" and not event.synthetic]
    time, step = min(((event.time, event.order_step) for event in steps), default=(None, -1))
    whole = {"created", "validating", "queued"} & set(phases_of(own))
    return time if whole or 0 <= step <= 1 else None


def job_phases(events: list[Event]) -> list[Row]:
    """One row per job and phase."""
    rows = []
    for job, own in by_job(events).items():
        measured = [event for event in own if not event.synthetic]
        found = [(e, phase) for e, phase in zip(own, phases_of(own), strict=True) if phase]
        marks = [(event.time, event.rank, phase, event.lifecycle) for event, phase in found]
        began = begun(own)
        if began is not None and not {"started", "training"} & {event.lifecycle for event in own}:
            marks = sorted([*marks, (began, 8, "running", "step")], key=lambda mark: mark[:2])
        stays = defaultdict(list)
        ended_by = ""
        for index, (time, _, phase, lifecycle) in enumerate(marks):
            if phase == "finalising" and ended_by in ("failed", "cancelled"):
                continue
            if phase != "finalising":
                ended_by = lifecycle if phase == "ended" else ""
            last = index == len(marks) - 1
            until = max(event.time for event in measured) if last else marks[index + 1][0]
            if phase != "ended":
                stays[phase].append((time, until, last))
        for phase, spans in stays.items():
            rows.append(
                {
                    "job_id": job,
                    "phase": phase,
                    "seconds": float(sum(until - since for since, until, _ in spans)),
                    "is_last": any(last for _, _, last in spans),
                    "started_at": min(since for since, _, _ in spans),
                    "ended_at": max(until for _, until, _ in spans),
                }
            )
    return rows


def moderation(events: list[Event]) -> list[Row]:
    """One row per checked category."""
    rows = []
    for event in events:
        if event.lifecycle != "moderation":
            continue
        results = event.get("results")
        snapshot = re.search(r"snapshot (\S*[A-Za-z0-9])", event.message)
        for number, result in enumerate(results or [{}], start=1 if results else 0):
            rows.append(
                {
                    "job_id": event.job_id,
                    "event_id": event.event_id,
                    "result": number,
                    "model_id": event.get("finetuned_model_checkpoint_id")
                    or (snapshot[1] if snapshot else None),
                    "blocked": blocks(event),
                    "category": result.get("category"),
                    "flagged": result.get("flagged"),
                    "enforcement": result.get("enforcement"),
                }
            )
    return rows


def unattributed_events(events: list[Event]) -> list[Row]:
    """One row per event without a known job."""
    return [
        {"job_id": event.job_id, "event_id": event.event_id, "message": event.message}
        for event in events
        if event.job_id.startswith("unattributed-")
    ]


def rows_of_events(events: list[Event]) -> list[Row]:
    """One row per event."""
    return [
        told_event(event) | {"step": event.step, "order_step": event.order_step} for event in events
    ]
