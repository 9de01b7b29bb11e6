"""An event in plain Python: what the lake has to hold of it. Shares no code with the product."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

KNOWN = (
    "train_loss",
    "train_mean_token_accuracy",
    "valid_loss",
    "valid_mean_token_accuracy",
    "full_valid_loss",
    "full_valid_mean_token_accuracy",
    "train_mean_reward",
    "valid_mean_reward",
    "full_valid_mean_reward",
    "full_valid_mean_parse_error",
    "reasoning_tokens_mean",
    "valid_reasoning_tokens_mean",
    "completion_tokens_mean",
    "mean_unresponsive_rewards",
)

ABSENT = object()

# Beginning of a message, what it means, and its rank among the messages of one second.
LIFECYCLE = (
    ("Created fine-tun", "created", 1),
    ("Job enqueued", "created", 1),
    ("Validating training file", "validating", 2),
    ("Preprocessing ", "validating", 2),
    ("Files validated", "queued", 3),
    ("Fine-tune costs", "queued", 3),
    ("Fine-tune enqueued", "queued", 3),
    ("Fine-tuning job started", "started", 4),
    ("Fine tuning job started", "started", 4),
    ("Fine-tune started", "started", 4),
    ("Job started", "started", 4),
    ("Data Import started", "started", 4),
    ("Finetuning started", "started", 4),
    ("Job queued", "waiting", 5),
    ("Training started", "training", 6),
    ("Created results file", "results", 7),
    ("Completed epoch", "step", 8),
    ("New fine-tuned model created", "model", 10),
    ("Uploaded model", "model", 10),
    ("Evaluating model against", "evaluating", 11),
    ("Usage policy evaluations completed", "enabled", 13),
    ("Uploaded result file", "uploaded", 14),
    ("The job has successfully completed", "succeeded", 16),
    ("Fine-tuning job successfully completed", "succeeded", 16),
    ("Fine-tune succeeded", "succeeded", 16),
    ("Job succeeded", "succeeded", 16),
    ("The job failed", "failed", 16),
    ("Fine-tuning job failed", "failed", 16),
    ("Fine-tune failed", "failed", 16),
    ("Job failed", "failed", 16),
    ("The job was stopped due to a cancel", "cancelled", 16),
    ("Fine tuning process stopping due to job cancel", "cancelled", 16),
    ("Fine-tune cancel", "cancelled", 16),
    ("Job cancel", "cancelled", 16),
    ("Postprocessing started", "closing", 17),
    ("Model Evaluation", "closing", 17),
    ("Completed results file", "closing", 17),
    ("Training tokens billed", "billed", 18),
    ("Training hours billed", "billed", 18),
)


@dataclass
class Event:
    """One event of a job, its numbers read from the payload."""

    job_id: str
    event_id: str
    time: int
    level: str
    type: str | None
    message: str
    data: Any
    ordinal: int = 0
    step: int | None = None
    total_steps: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    other: dict[str, float] = field(default_factory=dict)
    misfits: list[str] = field(default_factory=list)

    @property
    def created_at(self) -> datetime:
        """When the event happened."""
        return datetime.fromtimestamp(self.time, UTC)

    @property
    def dialect(self) -> str:
        """Which API wrote the event."""
        if self.event_id.startswith("hash-"):
            return "legacy"
        return "azure" if re.fullmatch(r"ftevent-[0-9a-f]{32}", self.event_id) else "openai"

    @property
    def lifecycle(self) -> str:
        """What the message means for the job."""
        return self._lifecycle()[0]

    @property
    def rank(self) -> int:
        """Rank among the messages of one second."""
        return self._lifecycle()[1]

    @property
    def synthetic(self) -> bool:
        """Whether the time is counted up instead of measured."""
        return self.dialect == "azure" and self.lifecycle == "step"

    @property
    def order_step(self) -> int:
        """The step that orders events of one second, -1 for none."""
        if self.step is not None:
            return self.step
        if self.lifecycle in ("step", "checkpoint"):
            for pattern in (r"^Step ([0-9]{1,15})\b", r"at step ([0-9]{1,15})\b"):
                if found := re.search(pattern, self.message, re.ASCII):
                    return int(found[1])
        return -1

    @property
    def place(self) -> tuple[int, int, int, int, str]:
        """The order in time."""
        return (self.time, self.rank, self.order_step, self.ordinal, self.event_id)

    def get(self, name: str) -> Any:
        """A member of the payload, None where it has none."""
        return self.data.get(name) if isinstance(self.data, dict) else None

    def _lifecycle(self) -> tuple[str, int]:
        if self.message.startswith("Step "):
            return "step", 8
        if self.message.startswith("Checkpoint created"):
            return "checkpoint", 9
        checks = ("Moderation checks for", "This model is unable to be deployed")
        if self.type == "moderation_checks" or self.message.startswith(checks):
            return "moderation", 12
        if self.type == "metrics" or self.step is not None:
            return "step", 8
        for beginning, meaning, rank in LIFECYCLE:
            if self.message.startswith(beginning):
                return meaning, rank
        return ("error", 15) if self.level.lower() == "error" else ("other", 8)


def event(raw: dict[str, Any], job_id: str, ordinal: int) -> Event:
    """An event of the API as the lake should hold it."""
    data = raw.get("data", ABSENT)
    row = Event(
        job_id=job_id,
        event_id=raw.get("id") or f"hash-{json.dumps(raw, sort_keys=True)}",
        time=int(raw["created_at"]),
        level=raw["level"],
        type=raw.get("type"),
        message=raw["message"],
        data=data,
        ordinal=ordinal,
    )
    for key, value in (data if isinstance(data, dict) else {}).items():
        if key in KNOWN or key in ("step", "total_steps"):
            number = spelled(value)
            if number is not None and key in KNOWN:
                row.metrics[key] = number
            elif number is not None and abs(number) < 2**53 and number == int(number):
                setattr(row, key, value if isinstance(value, int) else int(number))
            elif value is not None:
                row.misfits.append(key)
                row.other.update(leaves(value, key))
        else:
            row.other.update(leaves(value, segment(key)))
    return row


def spelled(value: Any) -> float | None:
    """A number, also one written as a string."""
    if isinstance(value, str):
        word = value.strip(" \t\r\n").lower()
        if re.sub(r"^[-+]", "", word) in ("nan", "inf", "infinity"):
            return float(word)
        spelling = r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?"
        return float(value) if re.fullmatch(spelling, value.strip(" \t\r\n")) else None
    return double(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def double(number: float) -> float:
    """A number as a double; beyond its range an infinity, as json reads 1e999."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def leaves(value: Any, path: str) -> Iterator[tuple[str, float]]:
    """Every number below a value, under its path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}/{segment(key)}")
    elif isinstance(value, list):
        used: list[str] = []
        for index, inner in enumerate(value):
            name = inner.get("name") if isinstance(inner, dict) else None
            name = name if isinstance(name, str) else str(index)
            choices = [name, *(f"{name}#{again}" for again in range(2, len(value) + 2))]
            used.append(next(choice for choice in choices if choice not in used))
            yield from leaves(inner, f"{path}/{segment(used[-1])}")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, double(value)


def segment(key: str) -> str:
    """A key as one part of a path; half surrogate pairs stay escaped."""
    key = key.encode("utf-8", "backslashreplace").decode()
    return key.replace("~", "~0").replace("/", "~1")
