"""What one record is, and what its event says, in plain Python: shares no code with the product.

Written from docs/lake.md and the specification of the event. Where several things are wrong with a
record the docs do not say which reason is told, so a verdict holds all that are true.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import beside
import oracle

WHITE = " \t\r\n"
EVENTS = ("fine_tuning.job.event", "fine-tune-event")
LEGACY = EVENTS[1]
JOB_FIELDS = ("job_id", "fine_tuning_job_id", "fine_tune_id")
LAST_SECOND = 253_402_300_799


@dataclass
class Verdict:
    """What a record is.

    Attributes:
        kind: event, reject, ignored, blank, container, or beside: it tells of jobs, not events.
        reasons: of a reject: every reason that is true of it.
        event: of an event: itself, as `oracle.event` reads it.
        value: the JSON value, where it is JSON.
        inside: of a container: the events in it, each with its verdict.
        told: what is told beside events.
        others: how many other things lie among what is told.
    """

    kind: str
    reasons: set[str] = field(default_factory=set)
    event: oracle.Event | None = None
    value: Any = None
    inside: list[Verdict] = field(default_factory=list)
    told: list[beside.Told] = field(default_factory=list)
    others: int = 0


def judged(raw: bytes, *, last: bool = False) -> Verdict:
    """The verdict on a record; `last`: it ends its source without a line break."""
    try:
        text = raw.decode("utf-8").strip(WHITE + "\ufeff")
    except UnicodeDecodeError:
        return Verdict("reject", {"invalid_utf8"} | ({"cut_off"} if last else set()))
    if not text:
        return Verdict("blank")
    try:
        value = parsed(text)
    except RecursionError:
        return Verdict("reject", {"too_deep"})
    except json.JSONDecodeError as error:
        return Verdict("reject", broken(text, error) if last else {"malformed_json"})
    told = of_value(plain(value))  # what a line is, the last of a key that stands twice tells
    return of_value(value) if told.kind in ("container", "event") else told


def plain(value: Any) -> Any:
    """A value without what stands under a key that comes again."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def broken(text: str, error: json.JSONDecodeError) -> set[str]:
    """What a last record is that is no JSON: cut off if its end breaks it, by all but its last."""
    either = {"cut_off", "malformed_json"}
    if text[0] not in "{[":  # the rest of a document begins so too
        return either
    if error.msg.startswith("Unterminated") or error.pos >= len(text):
        return {"cut_off"}
    return {"malformed_json"} if error.pos + 16 < len(text) else either


def parsed(text: str) -> Any:
    """A text as JSON, as Python's json understands it, whole numbers of any length included."""
    return json.loads(
        text,
        parse_int=lambda digits: int(digits) if len(digits) < 4_000 else float(digits),
        object_pairs_hook=_object,
    )


class Repeating(dict[str, Any]):
    """An object with a key twice: the last counts, but events in the others are not lost."""

    parts: list[Any]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        value = Repeating(pairs)
        value.parts = [part for _, part in pairs]
    return value


def of_value(value: Any) -> Verdict:
    """The verdict on a JSON value."""
    if isinstance(value, dict) and meant(value):
        return of_event(value)
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return Verdict("container", value=value, inside=list(events_in(value)))
    if inside := list(events_in(value)):
        return Verdict("container", value=value, inside=inside)
    told, others = beside.inside(value, another)
    if told:
        return Verdict("beside", value=value, told=told, others=others)
    if isinstance(value, dict):
        known = another(value) or {"request", "response"} <= value.keys()
        return Verdict("ignored" if known else "reject", {"unknown_object"}, value=value)
    if value == []:
        return Verdict("ignored", value=value)
    return Verdict("reject", {"not_an_object"}, value=value)


def meant(value: dict[str, Any], *, loose: bool = True) -> bool:
    """Whether an object means to be an event: by its name, or by its fields if it has no name.

    What lacks fields around an event, or has one in its message, is the entry of a log; so it is
    around the object of a job or a checkpoint.
    """
    kind = value.get("object")
    if isinstance(kind, str):
        return kind in EVENTS
    if not loose or "message" not in value or not {"created_at", "level"} & value.keys():
        return False
    whole = {"id", "created_at"} <= value.keys()
    parts = value["message"] if whole else list(value.values())
    return not any(True for _ in events_in(parts, loose=False)) and not holds_jobs(parts)


def holds_jobs(value: Any) -> bool:
    """Whether the object of a job or a checkpoint is in a JSON value, in a string of JSON too."""
    if isinstance(value, str) and f'"{beside.JOB}' in value:
        try:
            return holds_jobs(parsed(value.strip(WHITE)))
        except (ValueError, RecursionError):
            return False
    if isinstance(value, dict):
        named = value.get("object") in (beside.JOB, beside.CHECKPOINT)
        return named or holds_jobs(list(value.values()))
    return isinstance(value, list) and any(holds_jobs(inner) for inner in value)


def another(value: dict[str, Any]) -> bool:
    """Whether an object that is no event plainly is something else."""
    kind, inner = value.get("object"), value.get("data")
    if kind == "list":
        if not isinstance(inner, list):
            return False
        kinds = [item.get("object") for item in inner if isinstance(item, dict)]
        named = all(isinstance(kind, str) for kind in kinds)
        return named and not set(EVENTS) & set(kinds) and bool(kinds or not inner)
    turns = value.get("messages")
    chat = isinstance(turns, list) and (
        not turns or any(isinstance(turn, dict) and "role" in turn for turn in turns)
    )
    trains = chat or {"prompt", "completion"} <= value.keys()
    return trains or "log_history" in value or (isinstance(kind, str) and kind != "")


def events_in(value: Any, *, loose: bool = True) -> Iterator[Verdict]:
    """The events in a JSON value that is none itself, in their order, bodies in strings too."""
    if isinstance(value, dict):
        if meant(value, loose=loose):
            yield of_event(value)
            return
        if meant(value) and any(
            True for part in value.values() for _ in events_in(part, loose=False)
        ):
            yield of_event(value)  # by its fields an event, around one that calls itself so
            return
        loose = loose and not another(value)
    if isinstance(value, dict | list):
        parts = value.values() if isinstance(value, dict) else value
        for inner in getattr(value, "parts", parts):
            yield from events_in(inner, loose=loose)
    elif isinstance(value, str) and any(kind in value for kind in EVENTS):
        text = value.strip(WHITE).removeprefix("\ufeff").strip(WHITE)
        if text[:1] in ("{", "[", '"'):
            try:
                body = parsed(text)
            except (ValueError, RecursionError):
                return
            yield from events_in(body, loose=loose)


def of_event(raw: dict[str, Any]) -> Verdict:
    """The verdict on an object that means to be an event."""
    wrong = set()
    legacy = raw.get("object") == LEGACY
    for name in ("id", "created_at", "level", "message"):
        if raw.get(name) is None and not (legacy and name == "id"):
            wrong.add("missing_field")
    for name in ("id", "level", "message", "type", "object"):
        if not isinstance(raw.get(name), str | None):
            wrong.add("wrong_type")
    texts = [raw.get(name) for name in ("id", "level", "message", "type", "object")]
    if any(isinstance(text, str) and not whole(text) for text in texts):
        wrong.add("lone_surrogate")
    moment = raw.get("created_at")
    if moment is not None and (isinstance(moment, bool) or not isinstance(moment, int | float)):
        wrong.add("wrong_type")
    elif moment is not None:
        if not 0 <= moment <= LAST_SECOND:
            wrong.add("bad_time")
        elif moment != int(moment):
            wrong.add("wrong_type")
    if not isinstance(raw.get("data"), dict | None):
        wrong.add("wrong_type")
    if wrong:
        return Verdict("reject", wrong, value=raw)
    return Verdict("event", event=oracle.event(raw, "", 0), value=raw)


def own_job(raw: dict[str, Any]) -> str | None:
    """The job that an event names itself."""
    names = [raw.get(name) for name in JOB_FIELDS]
    return next((name for name in names if beside.names_job(name)), None)


def whole(text: str) -> bool:
    """Whether a text has no half surrogate pair."""
    return not any(0xD800 <= ord(letter) < 0xE000 for letter in text)


# -- values as they are compared -------------------------------------------------------------------


def spelled(text: str) -> Any:
    """A JSON text so that two are equal if they differ in white space and escapes only."""

    def members(pairs: list[tuple[str, Any]]) -> tuple[Any, ...]:
        return ("object", *pairs)

    number = {name: lambda word: ("number", word) for name in ("parse_int", "parse_float")}
    constant = {"parse_constant": lambda word: ("number", word)}
    return json.loads(text, object_pairs_hook=members, **number, **constant)


def same(left: float | None, right: float | None) -> bool:
    """Whether two numbers are the same, NaN and the sign of zero included."""
    if left is None or right is None or left != left or right != right:
        return (left is None and right is None) or (left != left and right != right)
    return left == right and math.copysign(1, left) == math.copysign(1, right)
