"""From files to events: what a source brings, whatever form it has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline import open_lake

JOB = f"ftjob-{'A' * 24}"


def event(number: int, **fields: Any) -> dict[str, Any]:
    """An event of a job, the first its creation message."""
    message = (
        f"Step {number}/9: training loss=0.50" if number else f"Created fine-tuning job: {JOB}"
    )
    return {
        "object": "fine_tuning.job.event",
        "id": f"ftevent-{number:024}",
        "created_at": 1_700_000_000 + number,
        "level": "info",
        "message": message,
        "type": "metrics" if number else "message",
        "data": {"step": number, "train_loss": 0.5} if number else {},
    } | fields


def page(*numbers: int) -> dict[str, Any]:
    """A list page of events, newest first."""
    return {"object": "list", "data": [event(n) for n in reversed(numbers)], "has_more": False}


def exchange(body: Any, job: str = JOB) -> dict[str, Any]:
    """A recorded HTTP exchange; its body is a string."""
    return {
        "request": {"uri": f"https://api.openai.com/v1/fine_tuning/jobs/{job}/events"},
        "response": {"status": 200, "body": {"string": json.dumps(body)}},
    }


@pytest.mark.parametrize("line", [False, True], ids=["document", "on a line"])
def test_repeats_inside_a_recorded_body(tmp_path: Path, line: bool) -> None:
    """An event twice in one recorded body costs none of the other events of that body."""
    body = page(0, 1, 2, 3)
    body["data"].append(body["data"][1])
    texts = [json.dumps(exchange(body))]
    if line:
        texts.insert(0, json.dumps(event(4)))
    (tmp_path / "dump").write_text("\n".join(texts))
    with open_lake(tmp_path / "lake") as lake:
        (source,) = lake.ingest([tmp_path / "dump"]).sources
        assert (source.events, source.duplicates) == (4 + line, 1)
        assert sorted(lake.view("events")["event_id"]) == [event(n)["id"] for n in range(4 + line)]
