"""What a JSON value is by its shape: an event, something that holds events, or plainly another."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Collection
from typing import Any

from pipeline.contract import (
    CHECKPOINT_OBJECT,
    EVENT_OBJECTS,
    JOB_OBJECT,
    UNATTRIBUTED_PREFIX,
)
from pipeline.credentials import beginning

MAX_NESTING = 100
"""Levels of arrays and objects around and in events that are followed."""
MAX_LEVELS = 700
"""Levels of arrays and objects in a record: what Python's json follows differs by version."""
NUMBER = re.compile(
    r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|nan|inf(?:inity)?)", re.ASCII | re.IGNORECASE
)
"""A number as a text spells it: of a payload, or of a result file's cell."""
_EVENTS_ADDRESS = re.compile(r"/(?:fine_tuning/jobs|fine-tunes)/[^/\"]+/events")
_BASE64 = re.compile(r"[eWICD7HKZV][A-Za-z0-9+/_-]{39}[A-Za-z0-9+/_\-\r\n]*={0,2}\s*")
"""JSON, white space before it, what is compressed, or JSON in base64; no page of events is less."""
_PART = "an entry of a log without a whole event: unwrap what runs over several"
_NAMED = {
    frozenset(("log", "stream", "time")): f"{_PART} (jq -j .log)",
    frozenset(("MESSAGE", "__CURSOR")): f"{_PART} (journalctl -o cat)",
    frozenset(("columns", "data")): "a table: name cells (pandas: to_json(orient='records'))",
}
"""Fields of what Docker and journald make of a line, and pandas of a frame: what to do."""
_OF_JOBS = (JOB_OBJECT, CHECKPOINT_OBJECT)
_PACKED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
_NOTHING: tuple[Any, ...] = (None, {})
"""Values that say as much as an absent one."""
_ENCODER = json.JSONEncoder(sort_keys=True)
LONGEST_ESCAPE = 16
_AROUND = b" \t\r\n\xef\xbb\xbf"
"""White space and byte order marks, as what is joined of files has them anywhere."""
_NUMBER_CUT = re.compile(r"\.|[eE][+-]?")
_WORDS = ("true", "false", "null", "NaN", "Infinity", "-Infinity")


def is_job(value: Any) -> bool:
    """Whether a JSON value can be the id of a job: a text, and no name for nobody's events."""
    if not isinstance(value, str) or not value or value.startswith(UNATTRIBUTED_PREFIX):
        return False
    return storable(value)


def storable(text: str) -> bool:
    """Whether a text has no half of a surrogate pair, so is one that Parquet can keep."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_event(value: dict[str, Any]) -> bool:
    """Whether an object means to be an event, right or wrong in its fields.

    A logger's entry around one, or around the object of a job or a checkpoint, does not, though it
    has a level and a message: its message is JSON, or it lacks what every event has.
    """
    if not _seems_event(value):
        return False
    if isinstance(value.get("object"), str):
        return True
    return not _is_entry(value, (*EVENT_OBJECTS, *_OF_JOBS))


def _is_entry(value: dict[str, Any], kinds: Collection[str]) -> bool:
    """Whether what seems to be an event is a logger's entry around what is of some kinds."""
    whole = "id" in value and "created_at" in value
    parts = value["message"] if whole else list(value.values())
    return holds_events(parts, loose=False, kinds=kinds)


def _seems_event(value: dict[str, Any]) -> bool:
    """Whether an object is an event, or an entry around one, by its own names."""
    placed = "created_at" in value or "level" in value
    return tells_event(value.get("object"), has_message="message" in value, is_placed=placed)


def tells_event(kind: Any, *, has_message: bool, is_placed: bool) -> bool:
    """As `is_event`: by what its `object` says, and whether it has a message, a time or a level."""
    return kind in EVENT_OBJECTS or (not isinstance(kind, str) and has_message and is_placed)


def holds_events(value: Any, *, loose: bool = True, kinds: Collection[str] = EVENT_OBJECTS) -> bool:
    """Whether events are somewhere inside a JSON value, in strings of JSON too.

    Not `loose`, only what calls itself an event, by one of some `kinds`, is one.
    """
    stack = [(value, loose)]
    while stack:
        item, loose = stack.pop()
        if isinstance(item, dict):
            if item.get("object") in kinds:
                return True
            if loose and _seems_event(item):
                # What only seems to be one holds some, so either way, unless all it holds is jobs.
                if _is_entry(item, EVENT_OBJECTS) or not _is_entry(item, _OF_JOBS):
                    return True
                continue
            # Inside what plainly is another thing only what calls itself an event is one.
            loose = loose and foreign(item) is None
            stack.extend((inner, loose) for inner in item.values())
        elif isinstance(item, list):
            stack.extend((inner, loose) for inner in item)
        elif isinstance(item, str):
            stack.append((body(item, kinds), loose))
    return False


def hides_events(value: Any) -> bool:
    """Whether a recorded exchange about a job's events has a body that is lost, or unreadable."""
    stack = [(value, False)]
    while stack:
        item, asked = stack.pop()
        if isinstance(item, dict):
            if "request" in item and "response" in item:
                asked = bool(_EVENTS_ADDRESS.search(json.dumps(item["request"])))
                item = {"response": item["response"]}
            elif asked and item.get("size") and "mimeType" in item and not item.get("text"):
                return True  # as a browser saves what it has let go
            asked = asked and item.get("status") not in range(400, 600)  # errors are no pages
            stack.append((list(item.values()), asked))
        elif isinstance(item, list):
            stack.extend((inner, asked) for inner in item)
        elif asked and isinstance(item, str):
            page = from_base64(item) or item.encode("utf-8", "replace")
            if page.startswith(_PACKED) or any(name.encode() in page for name in EVENT_OBJECTS):
                return True
            stack.append((body(page.decode("utf-8", "replace"), ("",)), asked))
    return False


def from_base64(text: str) -> bytes:
    """What a text in base64 says, in lines or in letters for URLs, too; nothing if it is none.

    Where that is base64 once more, what it says in the end.
    """
    page = b""
    while _BASE64.fullmatch(text):
        plain = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
        try:
            page = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
        except ValueError:
            break
        text = page.decode("latin-1")
    return page


def body(text: str, names: Collection[str]) -> Any | None:
    """The JSON value in a string, plain or in base64, if any of these names stands in it."""
    told = any(name in text for name in names)
    page = b"" if told else from_base64(text)
    if not told and not any(name.encode() in page for name in names):
        return None
    try:
        text = bare(page.decode() or text)
        return loads(text) if text.startswith(("{", "[", '"')) else None
    except (ValueError, RecursionError):
        return None


def foreign(value: dict[str, Any]) -> str | None:
    """What an object that is no event plainly is: the name it gives itself, or a known thing."""
    kind = value.get("object")
    if kind == "list":
        inner = value.get("data")
        if not isinstance(inner, list):
            return None
        kinds = []
        for item in inner:
            if isinstance(item, dict):
                kinds.append(item.get("object"))
                if kinds[-1] in EVENT_OBJECTS:
                    return None
        names = sorted({beginning(kind) for kind in kinds if isinstance(kind, str)})
        if all(isinstance(kind, str) for kind in kinds) and (names or not inner):
            return "list of " + ", ".join(names) if names else "empty list page"
        return None
    if isinstance(turns := value.get("messages"), list) and (
        not turns or any("role" in turn for turn in turns if isinstance(turn, dict))
    ):
        return "chat training row"  # those of a channel have no roles
    if "prompt" in value and "completion" in value:
        return "completion training row"
    if "preferred_output" in value and "non_preferred_output" in value:
        return "preference training row"
    if "log_history" in value:
        return "Hugging Face trainer state"
    if "kind" in value and "prev" in value:
        return "manifest of an archive"
    return beginning(kind) if isinstance(kind, str) else None


def described(value: dict[str, Any]) -> str:
    """An object that is nothing known, in words."""
    if hides_events(value):
        return "a recorded exchange about events whose body is lost, cut off, compressed or no JSON"
    if told := next((told for names, told in _NAMED.items() if names <= value.keys()), None):
        return told
    text, what = json.dumps(value), "neither an event nor a known other thing"
    if any(kind in text for kind in EVENT_OBJECTS):
        what = "what it says of events is in the midst of other text, or broken: cut it out as JSON"
    return f"an object with {', '.join(list(value)[:8])[:150] or 'no keys'}: {what}"


def too_deep(value: Any, most: int = MAX_NESTING) -> bool:
    """Whether an array or object nests deeper than so many levels."""
    level = [value]
    for _ in range(most):
        level = [
            inner
            for item in level
            for inner in (item.values() if isinstance(item, dict) else item)
            if type(inner) is dict or type(inner) is list  # of a hundred events, this is felt
        ]
        if not level:
            return False
    return True


def comparable(text: str) -> Any:
    """A JSON text as a value that is equal for all that count as equal.

    Absent, null and {} are equal, and so are 1 and 1.0. What nests too deeply is only equal to
    itself, as text.
    """
    try:
        value = loads(text)
    except RecursionError:
        return text
    return text if type(value) in (dict, list) and too_deep(value) else _plain(value)


def canonical(text: str) -> str:
    """One JSON text for all that count as equal; the order of keys means nothing."""
    return written(comparable(text))


def written(value: Any) -> str:
    """A comparable value as the one JSON text."""
    return _ENCODER.encode(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        plain = {key: _plain(inner) for key, inner in value.items()}
        return {key: inner for key, inner in plain.items() if inner not in _NOTHING}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return int(value)
    return value


def loads(text: str) -> Any:
    """`json.loads`, integers of any length included."""
    try:
        return _decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        return _decode_any(text)


def _integer(digits: str) -> int | float:
    # Python refuses to turn more than 4,300 digits into an int (a guard against slowness);
    # such a number is beyond every column anyway, its text stays in `data`.
    try:
        return int(digits)
    except ValueError:
        return float(digits)


# Made once: `json.loads` makes one a call. The usual one has no callback for each integer.
_decode = json.JSONDecoder().decode
_decode_any = json.JSONDecoder(parse_int=_integer).decode

# Every JSONDecoder has scan_once, but the stubs do not know it: neither here nor two lines below.
scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
"""Value and end of the JSON value at an index. Faster than a decoder with callbacks."""
scan_any = json.JSONDecoder(parse_int=float).scan_once  # type: ignore[attr-defined]
"""The same, integers of any length included; all of them are floats."""


def object_in(raw: bytes | bytearray) -> dict[str, Any]:
    """The JSON object that some bytes are, an empty one where they are none."""
    try:
        value = json.loads(raw.strip(_AROUND))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def bare(text: str) -> str:
    """A text without byte order mark and white space around it."""
    # The mark as one character, or as its three bytes where bytes are shown as characters.
    for mark in ("\ufeff", "\xef\xbb\xbf"):
        text = text.strip(" \t\r\n").removeprefix(mark)
    return text.strip(" \t\r\n")


def is_cut(text: str, message: str, at: int) -> bool:
    """Whether JSON that fails at an index does so because the text ends."""
    if message.startswith("Unterminated string"):
        return True
    rest = text[at : at + LONGEST_ESCAPE].strip()
    if at + LONGEST_ESCAPE < len(text) and text[at + LONGEST_ESCAPE :].strip():
        return False
    return bool(
        not rest
        or any(word.startswith(rest) for word in _WORDS)
        or _NUMBER_CUT.fullmatch(rest)
        or "escape" in message
    )
