"""What dumps tell about a job beside its events: job and checkpoint objects, webhooks, results.

Only the fields of `contract.COMPANION_FIELDS` are ever taken from such an object.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.contract import (
    CHECKPOINT_OBJECT,
    COMPANION_FIELDS,
    EVENT_OBJECTS,
    INT64,
    JOB_OBJECT,
    LAST_TIME,
    MOST_STEPS,
    OUTCOME_OBJECT,
    RESULT_NAMES,
    RESULT_OBJECT,
)
from pipeline.shapes import body, foreign, holds_events, is_job, storable

_WORD = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_OUTCOME = re.compile(r"fine_tuning\.job\.(?:succeeded|failed|cancelled)")
_MARKS = (JOB_OBJECT, RESULT_OBJECT)
_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode
_NAMING = ("object", "id", "fine_tuning_job_id", "job_id", "type", "data")
"""Fields that say what an object is, and nothing about the job it is of."""


@dataclass(frozen=True)
class Companion:
    """One thing told about a job.

    Attributes:
        kind: one of `contract.COMPANION_KINDS`.
        job: the job it is about; None where its stream has to tell.
        content: the fields that are kept, as canonical JSON text.
        files: ids of the result files that a job object names.
    """

    kind: str
    job: str | None
    content: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Nothing:
    """An object that tells nothing about a job.

    Attributes:
        kind: what it calls itself.
    """

    kind: str


@dataclass(frozen=True)
class Companions:
    """What tells about jobs beside their events, and what lies among it; one at least."""

    found: list[Companion | Nothing]


def found_in(value: Any) -> list[Companion | Nothing]:
    """The companions in a JSON value that holds no events, with what lies among them.

    Empty where there is no companion. Pages and recorded bodies are looked into, objects that do
    not say what they are, and companions, as a job's checkpoints may lie in it; nothing else.
    """
    found = list(_within(value))
    return found if any(isinstance(item, Companion) for item in found) else []


def is_labelled(value: Any) -> bool:
    """Whether a value is an object of its own, as the API labels them, or means to hold some."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        return any(name in value for name in EVENT_OBJECTS) or bool(found_in(value))
    kind = value.get("object") if isinstance(value, dict) else None
    return (isinstance(kind, str) and kind != "list") or bool(found_in(value))


def without_parts(value: dict[str, Any]) -> bytes:
    """A companion without the events and companions inside it, which are records of their own.

    Empty where the object is none, or tells no more than they do.
    """
    if value.get("object") not in (JOB_OBJECT, CHECKPOINT_OBJECT):
        return b""
    parts = {k for k, v in value.items() if holds_events(v) or found_in(v)}
    rest = {k: v for k, v in value.items() if k not in parts}
    return json.dumps(rest).encode() if found_in(rest) else b""


def result_row(value: dict[str, Any]) -> Companion | None:
    """What `found_in` finds in a row of a result file that holds numbers only."""
    if value.get("object") != RESULT_OBJECT:
        return None
    plain = all(type(v) in (int, float) for name, v in value.items() if name != "object")
    return _result(value) if plain else None


def result_columns(names: Sequence[str]) -> dict[str, str]:
    """The columns of a result file that `result_row` keeps: name in canonical order -> column.

    Empty where two tell the same: then rows tell which of them counts.
    """
    kept = [name for name in names if name and name not in ("object", "job_id")]
    called = {RESULT_NAMES.get(name, name): name for name in kept}
    return dict(sorted(called.items())) if len(called) == len(kept) else {}


def _within(value: Any) -> Iterator[Companion | Nothing]:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(reversed(item))
        elif isinstance(item, str):
            if (value := body(item, _MARKS)) is not None:
                stack.append(value)
        elif isinstance(item, dict):
            kind = item.get("object")
            if read := _READERS.get(kind) if isinstance(kind, str) else None:
                yield read(item) or Nothing(str(kind))
                stack.extend(v for v in reversed(item.values()) if isinstance(v, list | dict))
            elif kind is None and (outcome := _outcome(item)):
                yield outcome
            elif kind == "list" or not (name := foreign(item)):
                stack.extend(reversed(item.values()))
            else:
                yield Nothing(name)


def _job(value: dict[str, Any]) -> Companion | None:
    kept = _kept(value, COMPANION_FIELDS["job"])
    return _told("job", kept.get("id"), kept, tuple(kept.get("result_files", ())))


def _checkpoint(value: dict[str, Any]) -> Companion | None:
    kept = _kept(value, COMPANION_FIELDS["checkpoint"])
    if "step_number" not in kept and isinstance(step := kept.get("metrics", {}).get("step"), int):
        kept["step_number"] = step
    return _told("checkpoint", kept.get("fine_tuning_job_id"), kept)


def _outcome(value: dict[str, Any]) -> Companion | None:
    if not _OUTCOME.fullmatch(str(value.get("type"))):
        return None
    kept = _kept(value, COMPANION_FIELDS["outcome"])
    job = kept.get("data", {}).get("id")
    if not is_job(job):
        return None
    return Companion("outcome", job, canonical({"object": OUTCOME_OBJECT} | kept))


def _result(value: dict[str, Any]) -> Companion | None:
    step = _step(value.get("step"))
    if step is None:
        return None
    named = {k: v for k, v in value.items() if k not in ("object", "job_id", "step")}
    numbers = _numbers({RESULT_NAMES.get(name, name): number for name, number in named.items()})
    if not numbers:
        return None
    job = _text(value.get("job_id"))
    return Companion("result", job if is_job(job) else None, canonical({"step": step} | numbers))


_READERS: dict[str, Callable[[dict[str, Any]], Companion | None]] = {
    JOB_OBJECT: _job,
    CHECKPOINT_OBJECT: _checkpoint,
    OUTCOME_OBJECT: _outcome,
    RESULT_OBJECT: _result,
}


def _told(
    kind: str, job: str | None, kept: dict[str, Any], files: tuple[str, ...] = ()
) -> Companion | None:
    """What an object tells; None where that is nothing, as of one that names a job only."""
    if not is_job(job) or kept.keys() <= set(_NAMING):
        return None
    return Companion(kind, str(job), canonical(kept), files)


def canonical(value: dict[str, Any]) -> str:
    """One text for all contents that are equal, whatever the order of keys, and 1 or 1.0."""
    return _encode(value)


def _kept(value: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """Of an object, the fields that are listed and hold what they should; null is absent."""
    kept = {}
    for name, wanted in fields.items():
        content = value.get(name)
        if isinstance(wanted, dict):
            content = (_kept(content, wanted) or None) if isinstance(content, dict) else None
        else:
            content = _KINDS[wanted](content)
        if content is not None:
            kept[name] = content
    return kept


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value and storable(value) else None


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int):
        return value if abs(value) < INT64 else float(value) if abs(value) < 10**300 else None
    if math.isfinite(value) and value == int(value) and abs(value) < 2**53:
        return int(value)
    return value


def _whole(value: Any) -> int | None:
    number = _number(value)
    return number if isinstance(number, int) else None


def _step(value: Any) -> int | None:
    number = _whole(value)
    return number if number is not None and abs(number) < MOST_STEPS else None


def _time(value: Any) -> int | None:
    number = _whole(value)
    return number if number is not None and 0 <= number <= LAST_TIME else None


def _setting(value: Any) -> int | float | str | None:
    number = _number(value)
    return "auto" if value == "auto" else number if math.isfinite(number or 0) else None


def _texts(value: Any) -> list[str] | None:
    return [text for text in value if _text(text)] or None if isinstance(value, list) else None


def _numbers(value: Any) -> dict[str, int | float] | None:
    if not isinstance(value, dict):
        return None
    pairs = ((_text(name), _number(number)) for name, number in value.items())
    return {name: number for name, number in pairs if name and number is not None} or None


_KINDS: dict[str, Callable[[Any], Any]] = {
    "text": _text,
    "word": _word,
    "whole": _whole,
    "step": _step,
    "time": _time,
    "setting": _setting,
    "texts": _texts,
    "numbers": _numbers,
}
