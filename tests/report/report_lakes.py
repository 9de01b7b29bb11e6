"""Lakes that reports are made of, and what a page holds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from dumps import an_event

from pipeline import open_lake
from pipeline.lake.lake import Lake

SAMPLES = Path(__file__).parents[2] / "data" / "samples"
GOLDEN = Path(__file__).parents[1] / "golden"
WHOLE_SET = "the_whole_set_told_by_objects_of_the_last_epochs"
OVERFIT = "ftjob-067e16d24fcd48e18915354a3858b851"
RESTARTED = "ftjob-4dhS3WovE1TOaGzSlfMmPI8e"
HOSTILE = (
    "<script>window.pwned = 1</script>",
    "</script><script>window.pwned = 2</script>",
    "<!-- <script>",
    '"><img src=x onerror="window.pwned = 3">',
    "a\u2028b\u2029c \u202egnp.exe\u202c \x1b[31mred",
    "`` ` `` | <b>bold</b> @somebody #12 https://example.org **strong**",
)
"""Messages that want to be more than text."""


def ingested(folder: Path, *jobs: tuple[str, list[dict[str, Any]]]) -> Lake:
    """A lake of jobs given as their events."""
    lake = open_lake(folder / "lake")
    for job, events in jobs:
        dump = folder / f"{job}.jsonl"
        dump.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
        lake.ingest([dump], job_id=job)
    return lake


def said(number: int, message: str, **fields: Any) -> dict[str, Any]:
    """An event that is no step."""
    return an_event(number, message=message, type="message", data={}, **fields)


def hostile_lake(folder: Path) -> Lake:
    """A lake of one job whose messages are HOSTILE, one of them why it failed."""
    events = [an_event(n) for n in range(1, 4)]
    events += [said(10 + n, text, level="warn") for n, text in enumerate(HOSTILE)]
    events += [said(99, f"The job failed due to {HOSTILE[1]}", level="error")]
    return ingested(folder, ("ftjob-hostile", events))


def blocks(text: str) -> dict[str, Any]:
    """The data of a page, by the name of their block."""
    found = re.findall(r'<script type="application/json" id="([^"]+)">(.*?)</script>', text)
    return {name: json.loads(block) for name, block in found}
