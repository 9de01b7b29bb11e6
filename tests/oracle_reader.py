"""An independent reader of event dumps: JSON lines and JSON documents, each file taken whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from oracle import Event, event

JOB = re.compile(r"\bftjob-[A-Za-z0-9]+")
Raws = list[dict[str, Any]]


def read(paths: Iterable[Path]) -> list[Event]:
    """The events of the files, each once, under the job that is told for it."""
    runs = told([run for path in paths for run in streams(path)])
    kept: dict[tuple[str, str], tuple[Any, Event]] = {}
    for number, (job, raws) in enumerate(runs):
        newest_first = len(raws) > 1 and raws[0]["created_at"] > raws[-1]["created_at"]
        for position, raw in enumerate(raws):
            own = (
                raw.get("job_id")
                or raw.get("fine_tuning_job_id")
                or job
                or f"unattributed-{number}"
            )
            row = event(raw, own, -position if newest_first else position)
            weight = (leaf_count(raw), json.dumps(raw, sort_keys=True))
            if (own, row.event_id) not in kept or weight > kept[own, row.event_id][0]:
                kept[own, row.event_id] = (weight, row)
    return [row for _, row in kept.values()]


def told(runs: list[tuple[str | None, Raws]]) -> list[tuple[str | None, Raws]]:
    """The runs, each nameless one under the job of a run that holds an event of it too."""
    holders: dict[str, str] = {}
    while True:
        before = len(holders)
        for job, raws in runs:
            if job:
                holders |= {raw["id"]: job for raw in raws if globally_unique(raw)}
        if len(holders) == before:
            return runs
        shared = [
            next((holders[r["id"]] for r in raws if r.get("id") in holders), None)
            for _, raws in runs
        ]
        runs = [(job or other, raws) for (job, raws), other in zip(runs, shared, strict=True)]


def globally_unique(raw: dict[str, Any]) -> bool:
    """Whether an event id names one event in the world: Azure's do not."""
    return "id" in raw and not re.fullmatch(r"ftevent-[0-9a-f]{32}", raw["id"])


def leaf_count(value: Any) -> int:
    """How many leaves of a value say something."""
    if isinstance(value, dict | list):
        return sum(map(leaf_count, value.values() if isinstance(value, dict) else value))
    return value is not None


def streams(path: Path) -> Iterator[tuple[str | None, Raws]]:
    """The runs of events of a file, each with its job, None where nothing tells it."""
    values = list(documents(path.read_text("utf-8-sig")))
    named = JOB.search(f"{path.parent.name}/{path.name}")
    name = named[0] if named else None
    if len(values) > 1 and all(is_event(value) for value in values):
        for raws in runs_of_lines(values):
            yield creation(raws) or name, raws
        return
    inside = set(JOB.findall(json.dumps(values)))
    only = inside.pop() if len(inside) == 1 else None
    for value in values:
        if raws := list(events_in(value)):
            beside = JOB.search(json.dumps(value))
            yield creation(raws) or (beside[0] if beside else None) or only or name, raws


def runs_of_lines(lines: Raws) -> Iterator[Raws]:
    """Lines cut into jobs at their creation messages, whichever way time runs."""
    newest_first = lines[0]["created_at"] > lines[-1]["created_at"]
    run: Raws = []
    for line in lines:
        if run and not newest_first and creation([line]):
            yield run
            run = []
        run.append(line)
        if newest_first and creation([line]):
            yield run
            run = []
    if run:
        yield run


def creation(raws: Iterable[dict[str, Any]]) -> str | None:
    """The job that a creation message among the events names."""
    for raw in raws:
        if found := re.match(r"Created fine-tun(?:ing job|e): (\S+)", raw["message"]):
            return found[1]
    return None


def documents(text: str) -> Iterator[Any]:
    """The JSON values that stand one after another in a text."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        value, at = decoder.raw_decode(text, at)
        yield value


def is_event(value: Any) -> bool:
    """Whether a value is an event."""
    return isinstance(value, dict) and {"created_at", "level", "message"} <= value.keys()


def events_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every event in a document, in its order, bodies that are strings included."""
    if is_event(value):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from events_in(inner)
    elif isinstance(value, str) and "fine_tuning.job.event" in value:
        yield from events_in(json.loads(value))
