"""Small jobs as events, and dumps of them."""

from __future__ import annotations

import json
from pathlib import Path

JOB = "ftjob-abc123" + "a1B2c3" * 3
OTHER = "ftjob-xyz789" + "a1B2c3" * 3


def events(job: str, steps: int = 5, **first: object) -> list[dict[str, object]]:
    """A small job, oldest event first; `first` changes its creation message."""
    made = [{"message": f"Created fine-tuning job: {job}", "type": "message", "data": {}, **first}]
    for step in range(1, steps + 1):
        data = {"step": step, "total_steps": steps, "train_loss": 1 / step}
        made.append({"message": f"Step {step}/{steps}", "type": "metrics", "data": data})
    made.append({"message": "The job has successfully completed", "type": "message", "data": {}})
    return [
        {
            "object": "fine_tuning.job.event",
            "id": f"ftevent-{job[6:12]}{i:018d}",
            "created_at": 1714564800 + 60 * i,
            "level": "info",
            **event,
        }
        for i, event in enumerate(made)
    ]


def dump(path: Path, *jobs: list[dict[str, object]]) -> str:
    """Write events as JSON lines."""
    lines = (json.dumps(event) for job in jobs for event in job)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)
