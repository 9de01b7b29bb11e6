"""What a record tells of jobs beside events, in plain Python: shares no code with the product.

Written from docs/lake.md, the specification of the objects, and the list of fields that are kept.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

JOB, CHECKPOINT, WEBHOOK = "fine_tuning.job", "fine_tuning.job.checkpoint", "event"
ENDS = re.compile(r"fine_tuning\.job\.(succeeded|failed|cancelled)")
WORD = re.compile(r"[A-Za-z0-9_.-]{1,64}")
LAST_SECOND = 253_402_300_799
NAMES_ONLY = {"object", "id", "fine_tuning_job_id", "type", "data"}


class Told(NamedTuple):
    """One thing that is told of a job: its key in the lake."""

    job: str
    kind: str
    content: str


def text(value: Any) -> str | None:
    """A text that can be stored."""
    halves = isinstance(value, str) and any(0xD800 <= ord(letter) < 0xE000 for letter in value)
    return value if isinstance(value, str) and value and not halves else None


def word(value: Any) -> str | None:
    """A text that is one word."""
    return value if isinstance(value, str) and WORD.fullmatch(value) else None


def number(value: Any) -> float | None:
    """A number: whole as an integer, as far as doubles tell all whole numbers apart."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int):
        return value if -(2**63) < value < 2**63 else float(value) if abs(value) < 10**300 else None
    tells = math.isfinite(value) and abs(value) < 2**53 and value == int(value)
    return int(value) if tells else value


def whole(value: Any) -> int | None:
    """A whole number."""
    found = number(value)
    return found if isinstance(found, int) else None


def time(value: Any) -> int | None:
    """Unix seconds."""
    found = whole(value)
    return found if found is not None and 0 <= found <= LAST_SECOND else None


def setting(value: Any) -> float | str | None:
    """A hyperparameter."""
    return "auto" if value == "auto" else number(value)


def texts(value: Any) -> list[str] | None:
    """Texts, others left out."""
    return [one for one in value if text(one)] or None if isinstance(value, list) else None


def numbers(value: Any) -> dict[str, float] | None:
    """Numbers by name, others left out."""
    pairs = value.items() if isinstance(value, dict) else ()
    found = {
        name: one for name, inner in pairs if text(name) and (one := number(inner)) is not None
    }
    return found or None


def fields(kind: Callable[[Any], Any], names: str) -> dict[str, Any]:
    """Fields of one kind."""
    return dict.fromkeys(names.split(), kind)


SETTINGS = fields(word, "reasoning_effort") | fields(
    setting,
    "n_epochs batch_size learning_rate_multiplier beta compute_multiplier eval_interval "
    "eval_samples",
)
METHODS = {name: {"hyperparameters": SETTINGS} for name in ("supervised", "dpo", "reinforcement")}
KEPT: dict[str, Any] = {
    JOB: fields(text, "object id model fine_tuned_model training_file validation_file suffix "
                      "user_provided_suffix")
    | fields(word, "status") | fields(time, "created_at finished_at")
    | fields(whole, "trained_tokens seed") | fields(texts, "result_files")
    | {"hyperparameters": SETTINGS, "method": fields(word, "type") | METHODS,
       "error": fields(text, "code param message")},
    CHECKPOINT: fields(text, "object id fine_tuning_job_id fine_tuned_model_checkpoint")
    | fields(time, "created_at") | fields(whole, "step_number") | fields(numbers, "metrics"),
    WEBHOOK: fields(text, "object id") | fields(word, "type") | fields(time, "created_at")
    | {"data": fields(text, "id")},
}  # fmt: skip


def kept(value: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """Of an object the fields that are wanted and hold what they should."""
    found = {}
    for name, kind in wanted.items():
        inner = value.get(name)
        if isinstance(kind, dict):
            inner = kept(inner, kind) if isinstance(inner, dict) else None
            found[name] = inner or None
        else:
            found[name] = kind(inner)
    return {name: inner for name, inner in found.items() if inner is not None}


def names_job(value: Any) -> bool:
    """Whether a value can be a job's id: a text, and not what a lake calls nobody's events."""
    if not isinstance(value, str) or not value or value.startswith("unattributed-"):
        return False
    return not any("\ud800" <= letter <= "\udfff" for letter in value)


def of_object(value: dict[str, Any]) -> Told | None:
    """What an object tells of a job, None if it tells nothing."""
    kind = value.get("object")
    if kind in (None, WEBHOOK) and ENDS.fullmatch(str(value.get("type"))):
        own = kept(value, KEPT[WEBHOOK]) | {"object": WEBHOOK}
        job = own.get("data", {}).get("id")
        return Told(job, "outcome", spelled(own)) if names_job(job) else None
    if kind not in (JOB, CHECKPOINT):
        return None
    own = kept(value, KEPT[kind])
    if kind == CHECKPOINT and "step_number" not in own:
        step = own.get("metrics", {}).get("step")
        own |= {"step_number": step} if isinstance(step, int) else {}
    job = own.get("id" if kind == JOB else "fine_tuning_job_id")
    name = "job" if kind == JOB else "checkpoint"
    return Told(job, name, spelled(own)) if names_job(job) and own.keys() - NAMES_ONLY else None


def spelled(value: dict[str, Any]) -> str:
    """Canonical JSON."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def inside(value: Any, another: Callable[[dict[str, Any]], bool]) -> tuple[list[Told], int]:
    """What a value without events tells, and how many other things lie among it.

    Args:
        value: JSON.
        another: whether an object plainly is something else.
    """
    found: list[Told] = []
    others = 0
    for item in parts(value, another):
        told = of_object(item)
        if told:
            found.append(told)
        elif named(item) or (item.get("object") != "list" and another(item)):
            others += 1
    return found, others


def named(value: dict[str, Any]) -> bool:
    """Whether an object calls itself one of those that tell of jobs."""
    kind = value.get("object")
    return isinstance(kind, str) and kind in KEPT


def anywhere(value: Any, holds: Callable[[Any], bool]) -> set[Told]:
    """Whatever objects anywhere in a value tell, whole or without the members with events inside.

    Args:
        value: JSON.
        holds: whether a value holds events.
    """
    everything = list(parts(value, lambda _: False, deep=True))
    everything += [{k: v for k, v in item.items() if not holds(v)} for item in everything]
    return {told for item in everything if (told := of_object(item))}


def parts(
    value: Any, another: Callable[[dict[str, Any]], bool], *, deep: bool = False
) -> Iterator[dict[str, Any]]:
    """The objects in a value that are looked at, those in strings of JSON too; `deep`: all."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            yield item
            if named(item) and not deep:  # a job may hold its checkpoints
                stack.extend(one for one in item.values() if isinstance(one, dict | list))
            elif deep or (
                not of_object(item) and (item.get("object") == "list" or not another(item))
            ):
                stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, str) and JOB in item and item.lstrip(" \t\r\n\ufeff")[:1] in "{[":
            try:
                stack.append(json.loads(item.strip(" \t\r\n\ufeff"), parse_int=digits))
            except (ValueError, RecursionError):
                continue


def digits(spelling: str) -> float:
    """A whole number of any length."""
    return int(spelling) if len(spelling) < 4_000 else float(spelling)
