"""The exact verdict on one record: what the fast path is measured against, for the odd few.

What counts as JSON is what Python's `json` takes. A record is an event, a reject, blank, a
container of events, what tells about jobs beside their events, or plainly something else.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import xxhash

from pipeline.companions import Companions as Companions
from pipeline.companions import found_in, result_row
from pipeline.contract import (
    COUNTERS,
    EVENT_FIELDS,
    LAST_TIME,
    LEGACY_EVENT_OBJECT,
    METRICS,
    MOST_STEPS,
)
from pipeline.credentials import beginning
from pipeline.leaves import leaves, number_in, segment
from pipeline.shapes import (
    MAX_LEVELS,
    MAX_NESTING,
    canonical,
    described,
    foreign,
    hides_events,
    holds_events,
    is_cut,
    is_event,
    is_job,
    loads,
    scan_any,
    storable,
    too_deep,
)

JOB_ID = re.compile(
    r"(?<![A-Za-z0-9])(?:ftjob-[A-Za-z0-9]{6,64}|ft-[A-Za-z0-9]{24}|(?<!\.)ft-[0-9a-f]{32})"
    r"(?![A-Za-z0-9])"
)
"""A job id as OpenAI and Azure write it; behind a point, Azure's `ft-` ends a model's name."""

JOB_FIELDS = ("job_id", "fine_tuning_job_id", "fine_tune_id")
"""Top-level fields beside an event that name its job."""

CONTENT_ID = "hash-"
"""How the ids of events begin that have none of their own."""

_MEMBER = re.compile(r'\s*,?\s*"([^"\\]*(?:\\.[^"\\]*)*)"\s*:\s*')
_AZURE_ID = re.compile(r"ftevent-[0-9a-f]{32}")
_WANTED = {"id": "a string", "created_at": "whole seconds", "level": "a string",
           "message": "a string"}  # fmt: skip


@dataclass
class Event:
    """One event as columns of the contract, without what its stream knows."""

    event_id: str
    created_at: int
    level: str
    type: str | None
    message: str
    object: str | None
    dialect: str
    data: str | None
    extra: str | None = None
    job: str | None = None
    misfits: list[str] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    other_metrics: dict[str, float] = field(default_factory=dict)

    def tell_apart(self, equal: Counter[tuple[Any, ...]], *among: Any) -> None:
        """Number an event that has no id of its own, where equal ones came before.

        Args:
            equal: how many did so far.
            among: the stream, say, in which they are equal.
        """
        if self.dialect == "legacy" and self.event_id.startswith(CONTENT_ID):
            key = (*among, self.event_id)
            equal[key] += 1
            self.event_id += f"-{equal[key]}" if equal[key] > 1 else ""


@dataclass(frozen=True)
class Reject:
    """A record that is no event, though it should be one."""

    reason: str
    detail: str


@dataclass(frozen=True)
class Ignored:
    """A well-formed record that plainly is something else."""

    kind: str


@dataclass(frozen=True)
class Blank:
    """A line of white space."""


@dataclass(frozen=True)
class Container:
    """A JSON value with events inside: a page, an array, a recorded exchange."""


Verdict = Event | Reject | Ignored | Blank | Container | Companions


def read(raw: bytes, *, last: bool = False) -> Verdict:
    """Judge one record.

    Args:
        raw: the record's bytes, white space around it included.
        last: the record ends its source without a line break, so it may be cut off.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if last and error.reason == "unexpected end of data":
            return Reject("cut_off", "ends inside a character")
        return Reject("invalid_utf8", f"byte 0x{raw[error.start]:02x} at {error.start}")
    if not (text := text.strip(" \t\r\n\ufeff")):
        return Blank()
    try:
        value = loads(text)
        if text.count("[") + text.count("{") > MAX_LEVELS and too_deep(value, MAX_LEVELS):
            raise RecursionError  # as in a Python that follows less
        return judge(value, text)
    except RecursionError:
        return Reject("too_deep", f"nested deeper than {MAX_LEVELS} levels")
    except json.JSONDecodeError as error:
        # The rest of a document that breaks off begins anywhere; what breaks it is known there.
        cut = is_cut(text, error.msg, error.pos) if text[0] in "{[" else text[0] in ']},"'
        return Reject("cut_off" if last and cut else "malformed_json", str(error))


def judge(value: Any, text: str) -> Verdict:
    """Judge a parsed record; `text` is what it was parsed from."""
    if isinstance(value, dict) and is_event(value):
        return _event(value, text)
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return _container(value)
    if isinstance(value, dict) and (row := result_row(value)):
        return Companions([row])  # most of what is read here, and told in a third of the time
    other = foreign(value) if isinstance(value, dict) else None
    if holds_events(value):
        return _container(value)
    if found := found_in(value):
        return Companions(found)
    if other:
        return Ignored(other)
    if isinstance(value, dict):
        if "request" in value and "response" in value and not hides_events(value):
            return Ignored("recorded exchange of something else")
        return Reject("unknown_object", described(value))
    if value == []:
        return Ignored("empty array")
    what = "an array without objects" if isinstance(value, list) else _kind(value)
    return Reject("not_an_object", f"{what}: {beginning(text)}")


def _container(value: Any) -> Container | Reject:
    if too_deep(value):
        return Reject("too_deep", f"events nested deeper than {MAX_NESTING} levels")
    return Container()


def _event(value: dict[str, Any], text: str) -> Event | Reject:
    legacy = value.get("object") == LEGACY_EVENT_OBJECT
    for name in _WANTED:
        if value.get(name) is None and not (name == "id" and legacy):
            how = "null" if name in value else "absent"
            return Reject("missing_field", f"{name} is {how}")
    if _is_by_columns([value.get(name) for name in ("id", "created_at", "message")]):
        detail = "a table by columns: write a row an object (pandas: to_json(orient='records'))"
        return Reject("wrong_type", detail)
    for name in ("id", "level", "message", "type", "object"):
        content = value.get(name)
        if content is None:
            continue
        if not isinstance(content, str):
            return Reject("wrong_type", f"{name} is {_kind(content)}, not a string")
        if not storable(content):
            return Reject("lone_surrogate", f"{name} holds half a surrogate pair")
    created_at = value["created_at"]
    if isinstance(created_at, bool) or not isinstance(created_at, int | float):
        how = next(iter(created_at), "") if isinstance(created_at, dict) else ""
        to_do = ": mongoexport --jsonFormat=relaxed" if how.startswith("$number") else ""
        return Reject("wrong_type", f"created_at is {_kind(created_at)}, not whole seconds{to_do}")
    if not (0 <= created_at <= LAST_TIME):
        return Reject("bad_time", f"created_at is {created_at}: no Unix time in seconds")
    if created_at != int(created_at):
        return Reject("wrong_type", f"created_at is {created_at}, not whole seconds")
    data = value.get("data")
    if not isinstance(data, dict | None):
        return Reject("wrong_type", f"data is {_kind(data)}, not an object")
    odd = [k for k in value if k not in EVENT_FIELDS or _unlike_a_column(k, value[k])]
    spans = members(text) if "data" in value or odd else {}
    event = Event(
        event_id=value.get("id") or "",
        created_at=int(created_at),
        level=value["level"],
        type=value.get("type"),
        message=value["message"],
        object=value.get("object"),
        dialect="legacy" if legacy else dialect(value["id"]),
        data=spans["data"] if "data" in value else None,
        job=next((value[k] for k in JOB_FIELDS if is_job(value.get(k))), None),
    )
    if odd:
        event.extra = "{" + ", ".join(f"{json.dumps(k)}: {spans[k]}" for k in odd) + "}"
    if not event.event_id:
        event.event_id = content_id(event)
    if data:
        _read_metrics(event, data)
    return event


def _is_by_columns(fields: list[Any]) -> bool:
    """Whether fields are columns of a table: lists of one length, or objects of the same keys."""
    if all(isinstance(field, dict) for field in fields):
        return len({tuple(field) for field in fields}) == 1 and bool(fields[0])
    return all(isinstance(field, list) for field in fields) and len(set(map(len, fields))) == 1


def _unlike_a_column(name: str, value: Any) -> bool:
    """Whether a known field holds what its column cannot tell from absent."""
    return (value is None and name in ("type", "object", "id")) or (
        name == "id" and isinstance(value, str) and (not value or value.startswith(CONTENT_ID))
    )


def dialect(event_id: str) -> str:
    """Azure ids are 32 hexadecimal digits, OpenAI's anything else."""
    return "azure" if _AZURE_ID.fullmatch(event_id) else "openai"


def content_id(event: Event) -> str:
    """The identity of an event without id: a hash of what it says."""
    data = canonical(event.data) if event.data else ""
    data = "" if data in ("null", "{}") else data
    parts = (str(event.created_at), event.level, event.type or "", event.message, data)
    digest = xxhash.xxh3_128_hexdigest("\0".join(parts).encode("utf-8", "backslashreplace"))
    return f"{CONTENT_ID}{digest}"


def members(text: str) -> dict[str, str]:
    """The members of a JSON object as sent: key -> text of its value (the last of equal keys)."""
    found: dict[str, str] = {}
    at = 1
    while member := _MEMBER.match(text, at):
        key, at = member[1], member.end()
        _, end = scan_any(text, at)
        found[json.loads(f'"{key}"') if "\\" in key else key] = text[at:end]
        at = end
    return found


def _read_metrics(event: Event, data: dict[str, Any]) -> None:
    """Fill counters, metrics, other_metrics and misfits from the payload."""
    for name, value in data.items():
        if name in METRICS:
            found = number_in(value)
            if found is not None:
                event.metrics[name] = found
            elif value is not None:
                event.misfits.append(name)
                leaves(value, segment(name), event.other_metrics)
        elif name in COUNTERS:
            found = number_in(value)
            if found is not None and found % 1 == 0 and abs(found) < MOST_STEPS:
                event.counters[name] = int(value) if isinstance(value, int) else int(found)
            elif value is not None:
                event.misfits.append(name)
                leaves(value, segment(name), event.other_metrics)
        else:
            leaves(value, segment(name), event.other_metrics)


def _kind(value: Any) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string",
             list: "an array", dict: "an object", type(None): "null"}  # fmt: skip
    return names[type(value)]
