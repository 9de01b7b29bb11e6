"""What lies beside events in plain Python: read from dumps, and its part in the views."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from oracle import KNOWN
from oracle_reader import documents

Row = dict[str, Any]

KINDS = {
    "fine_tuning.job": ("job", "id"),
    "fine_tuning.job.checkpoint": ("checkpoint", "fine_tuning_job_id"),
}
RANKS = {
    "validating_files": 1,
    "queued": 2,
    "running": 3,
    "paused": 4,
    "succeeded": 5,
    "failed": 5,
    "cancelled": 5,
}
NEVER_KEPT = ("integrations", "metadata", "organization_id", "note", "estimated_finish")
"""Fields that test dumps give objects and that no lake may hold."""


@dataclass(frozen=True)
class Told:
    """One thing that is told about a job beside its events."""

    job: str
    kind: str
    value: Row

    @property
    def text(self) -> str:
        """Its text, the same for all spellings."""
        return json.dumps(self.value, sort_keys=True, ensure_ascii=False)

    @property
    def weight(self) -> tuple[int, str]:
        """Its place among others of its kind: more fields, then greater text."""
        return len(self.value), self.text


def read(paths: Iterable[Path]) -> list[Told]:
    """What the files tell beside events."""
    return [
        told
        for path in paths
        for value in documents(path.read_text("utf-8-sig"))
        for told in within(value)
    ]


def within(value: Any) -> Iterator[Told]:
    """Objects anywhere in a value, webhooks among them."""
    if isinstance(value, list):
        for inner in value:
            yield from within(inner)
    elif isinstance(value, dict):
        kind, field = KINDS.get(str(value.get("object")), ("outcome", ""))
        if field:
            kept = without(value)
            if len(kept) > 2:
                yield Told(value[field], kind, kept)
        elif str(value.get("type")).startswith("fine_tuning.job."):
            yield Told(value["data"]["id"], kind, without(value) | {"object": "event"})
        else:
            for inner in value.values():
                yield from within(inner)


def without(value: Any) -> Any:
    """A value without nulls, empty parts, and what is never kept; whole numbers as integers."""
    if isinstance(value, dict):
        pairs = ((name, without(inner)) for name, inner in value.items() if name not in NEVER_KEPT)
        return {name: inner for name, inner in pairs if inner not in (None, {}, [], "")}
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return int(value)
    return value


def moment(seconds: int | None) -> datetime | None:
    """A Unix time as an instant."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def of_kind(beside: Iterable[Told], kind: str) -> dict[str, list[Told]]:
    """The things of one kind, by job."""
    found: dict[str, list[Told]] = defaultdict(list)
    for told in beside:
        if told.kind == kind:
            found[told.job].append(told)
    return found


# -- job objects ----------------------------------------------------------------------------------


def states(objects: list[Told]) -> list[Row]:
    """The states of a job, the newest last."""

    def place(told: Told) -> tuple[Any, ...]:
        value = told.value
        rank = RANKS.get(value.get("status", ""), 0)
        return rank, value.get("finished_at", -1), *told.weight

    return [told.value for told in sorted(objects, key=place)]


def newest(found: list[Row], *path: str) -> Any:
    """A field by the newest state that has it."""
    for state in reversed(found):
        value: Any = state
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None:
            return value
    return None


def setting(found: list[Row], name: str) -> float | None:
    """A hyperparameter: as used, else as asked for; auto is none."""
    for state in reversed(found):
        method = state.get("method", {})
        asked = next((method[k] for k in ("supervised", "dpo", "reinforcement") if k in method), {})
        for place in (state, asked):
            value = place.get("hyperparameters", {}).get(name)
            if isinstance(value, int | float):
                return float(value)
    return None


def of_object(objects: list[Told]) -> Row:
    """The columns of `jobs` that only an object fills."""
    found = states(objects)
    return {
        "base_model": newest(found, "model"),
        "n_epochs": setting(found, "n_epochs"),
        "batch_size": setting(found, "batch_size"),
        "learning_rate_multiplier": setting(found, "learning_rate_multiplier"),
        "seed": newest(found, "seed"),
        "trained_tokens": newest(found, "trained_tokens"),
        "error_code": newest(found, "error", "code"),
        "error_param": newest(found, "error", "param"),
        "error_message": newest(found, "error", "message"),
    }


def ending(objects: list[Told], hooks: list[Told], told: tuple[str, int, str] | None) -> Row | None:
    """How a job ended, of all who say so; None where nobody does.

    Args:
        objects: its job objects.
        hooks: its webhook bodies.
        told: outcome, time and message of its events.
    """
    found = states(objects)
    final = [state["status"] for state in found if RANKS.get(state.get("status", "")) == 5]
    said = []
    if final:
        time = newest(found, "finished_at")
        said.append(("object", 3, final[-1], time, newest(found, "error", "message")))
    if hooks:
        last = max(hooks, key=lambda hook: (hook.value.get("created_at", -1), hook.text))
        time = max((h.value["created_at"] for h in hooks if "created_at" in h.value), default=None)
        said.append(("webhook", 2, last.value["type"].rpartition(".")[2], time, None))
    if told:
        said.append(("events", 1, *told))
    if not said:
        return None

    def late(one: tuple[Any, ...]) -> tuple[float, int]:
        unknown = math.inf if one[0] == "object" else -math.inf
        return unknown if one[3] is None else one[3], one[1]

    by, _, status, *_ = max(said, key=late)
    agreeing = {one[0]: one for one in said if one[2] == status}
    times = [agreeing[k][3] for k in ("object", "events", "webhook") if k in agreeing]
    words = [agreeing[k][4] for k in ("events", "object") if k in agreeing]
    return {
        "status": status,
        "status_told_by": by,
        "ended_at": next((time for time in times if time is not None), None),
        "outcome_message": next((text for text in words if text is not None), None),
    }


# -- the other views ------------------------------------------------------------------------------


def result_points(beside: Iterable[Told]) -> list[Row]:
    """One row per number of a result file: more fields, then longer text, then greater."""
    rows: dict[tuple[str, int, str], Row] = {}
    for told in sorted(beside, key=lambda told: (len(told.value), len(told.text), told.text)):
        if told.kind == "result":
            step = told.value["step"]
            for metric, value in told.value.items():
                if metric != "step":
                    rows[told.job, step, metric] = {
                        "job_id": told.job,
                        "step": step,
                        "metric": metric,
                        "value": value,
                        "known": metric in KNOWN,
                    }
    return list(rows.values())


def companions(beside: Iterable[Told]) -> list[Row]:
    """One row per thing that is told, each once."""
    once = {(told.job, told.kind, told.text) for told in beside}
    return [{"job_id": job, "kind": kind, "content": text} for job, kind, text in once]


def checkpoint_objects(beside: Iterable[Told]) -> list[Row]:
    """One row per checkpoint that has an object."""
    rows: dict[tuple[str, str], Row] = {}

    def place(told: Told) -> tuple[int, str]:
        fields, text = told.weight
        return fields + len(told.value.get("metrics", {})), text

    for told in sorted((t for t in beside if t.kind == "checkpoint"), key=place):
        value = told.value
        rows[told.job, value["id"]] = {
            "job_id": told.job,
            "checkpoint_id": value["id"],
            "step": value["step_number"],
            "created_at": moment(value.get("created_at")),
            "model_id": value.get("fine_tuned_model_checkpoint"),
            **value.get("metrics", {}),
        }
    return list(rows.values())
