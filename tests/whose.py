"""Dumps of a few jobs, and whose a lake says that their events are."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import xxhash
from engine import asked
from strategies import START
from test_laws import sound

from pipeline.contract import UNATTRIBUTED_PREFIX
from pipeline.forms.lines import line_blocks
from pipeline.lake import reading, version
from pipeline.lake.lake import Lake

A, B, C = (f"ftjob-{letter * 24}" for letter in "ABC")
Events = list[dict[str, Any]]


def job_events(job: str, count: int = 5, *, start: int = START, created: bool = True) -> Events:
    """The events of a job, oldest first; ids tell nothing of the job to the reader."""
    texts = [f"Created fine-tuning job: {job}"] if created else ["Fine-tuning job started"]
    texts += [f"Step {n}/{count}: training loss=0.50" for n in range(1, count)]
    return [
        {
            "object": "fine_tuning.job.event",
            "id": f"ftevent-{job[-1]}{start + n:023}",
            "created_at": start + n,
            "level": "info",
            "message": text,
            "type": "message",
            "data": {},
        }
        for n, text in enumerate(texts)
    ]


def lines(events: Events) -> str:
    """Events as JSON lines."""
    return "".join(json.dumps(event) + "\n" for event in events)


def page(events: Events) -> dict[str, Any]:
    """Events as a list page, newest first."""
    return {"object": "list", "data": events[::-1], "has_more": False}


def put(path: Path, content: Any) -> Path:
    """A file of text, or of a value as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def jobs(lake: Lake) -> dict[str, list[str]]:
    """Job -> ids of its events."""
    sound(lake)
    found: dict[str, list[str]] = {}
    query = "select job_id, event_id from lake_events order by all"
    for job, event in asked(lake).execute(query).fetchall():
        found.setdefault(job, []).append(event)
    return found


def ids(events: Events) -> list[str]:
    """The ids of events, sorted."""
    return sorted(event["id"] for event in events)


def told(lake: Lake) -> list[tuple[str, str]]:
    """(job, how it was told) of each stream with events."""
    query = (
        "select distinct streams.job_id, told_by from lake_streams as streams "
        "semi join lake_events using (stream_id) order by all"
    )
    return asked(lake).execute(query).fetchall()


NAMELESS = job_events(A, created=False)
URL = f"https://api.openai.com/v1/fine_tuning/jobs/{A}/events"
EXCHANGE = {"request": {"uri": URL}, "response": {"body": {"string": json.dumps(page(NAMELESS))}}}
JOB_OBJECT = {"object": "fine_tuning.job", "id": A, "status": "running"}
CHECKPOINT = {"object": "fine_tuning.job.checkpoint", "id": "c", "fine_tuning_job_id": A}
NOBODY = f"{UNATTRIBUTED_PREFIX}b1a2"


def azure(events: Events, *, metrics: bool) -> Events:
    """Events with Azure's ids: those of metrics are their time twice, so tell no job."""
    for event in events:
        ticks = f"{(event['created_at'] + 62_135_596_800) * 10**7:015x}"
        digest = xxhash.xxh3_128_hexdigest(json.dumps(event).encode())
        event["id"] = f"ftevent-0{ticks}{ticks}0" if metrics else f"ftevent-{digest}"
    return events


def azure_job(number: int, *, start: int, count: int = 5) -> Events:
    """The events of a job of Azure, oldest first: its metrics' ids are those of any other's."""
    events = job_events(A, count, start=start, created=False)
    events[0]["message"] = "Job enqueued. Waiting for jobs ahead to complete."
    azure(events, metrics=True)
    for event in (events[0], events[-1]):
        event["id"] = f"ftevent-{xxhash.xxh3_128_hexdigest(f'{number} {event}'.encode())}"
    for event in events[1:-1]:
        event["data"] = {"step": 1, "train_loss": float(number)}
    return events


def grouped(parts: list[Events]) -> list[list[str]]:
    """The ids of streams, those that share an id together."""
    groups: list[set[str]] = []
    for part in parts:
        group = {event["id"] for event in part}
        for other in [g for g in groups if g & group]:
            groups.remove(other)
            group |= other
        groups.append(group)
    return sorted(sorted(group) for group in groups)


def all_are_large(patch: pytest.MonkeyPatch, block_bytes: int) -> None:
    """Let every file be too large to be kept, and be cut into blocks of so many bytes."""
    patch.setattr(version, "SMALL_BYTES", 1)
    patch.setitem(reading._CUT, "lines", partial(line_blocks, block_bytes=block_bytes))
