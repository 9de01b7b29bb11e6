"""Dumps by number, each of a job of its own, and what is compared of a lake of them."""

from __future__ import annotations

from pathlib import Path

from strategies import job_name
from test_ingest import event, lines


def dump(folder: Path, number: int, count: int = 5) -> Path:
    """A file with the events of a job of its own."""
    rows = [event(n, id=f"ftevent-{number:012}{n:012}") for n in range(1, count + 1)]
    path = folder / "dumps" / f"{job_name(number)}.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text(lines(*rows))
    return path


SEEN = ["events", "loss_curves", "jobs", "error_timeline"]
"""Views that are compared."""
