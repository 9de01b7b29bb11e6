"""One record made into another: its bytes changed, or its JSON by structure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

DEEP = 100_000
TOKENS = [
    *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\n", b"\r\n", b"\r", b"\0", b" ", b"\t"),
    *(b"\xef\xbb\xbf", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"\xf0\x9f\x98\x80"),
    *(b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"-0", b"0.5", b"\\ud800", b"\\u0000"),
    *(b'"data": {}', b'"message"', b'"created_at": 1700000000', b'"object": "list"', b"\x0b"),
    *(b"Created fine-tuning job: ftjob-ZZZZZZZZZZZZ", b'{"object": "fine_tuning.job.event"}'),
]  # fmt: skip
NUMBERS = [
    *("0", "-0", "1", "1.0", "-1", "0.5", "-0.0", "1e-7", "1E5", "1e999", "-1e999", "1e-999"),
    *("9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775808"),
    *("253402300799", "253402300800", "1700000000.0", "1700000000.5", "NaN", "Infinity"),
    *("-Infinity", "1700000001", "0.1e1", "123456789012345678901234567890", "4.9e-324"),
    *("1.7976931348623157e308", "0." + "3" * 400, "1" + "0" * 400, "-" + "9" * 5_000),
    *("01", "+1", ".5", "1.", "0x10", "1_000", "--1", "1e", "٣"),
]  # fmt: skip
TEXTS = [
    *("", " ", "0.25", "1e-3", " 7 ", "7", "n/a", "NaN", "null", "true", "{", "[", "{}", "[]"),
    *("info", "metrics", "error", "größer", "日本", "\u2028", "a\nb", "tab\t", "\0", "\ud800"),
    *("\udc00x", "\U0001f600", "\ufeffx", "٣", "=1+1", "\x1b[31m", 'quote"', "back\\slash"),
    *("Step 3/9: training loss=0.50", "Created fine-tuning job: ftjob-YYYYYYYYYYYY", "hash-1"),
    *("fine_tuning.job.event", "fine-tune-event", "fine_tuning.job", "list", "x" * 3_000),
    *("unattributed-0", "ftevent-" + "0" * 32, "ftevent-" + "A" * 24, "ftjob-XXXXXXXXXXXX"),
    json.dumps({"object": "list", "data": [{"created_at": 1, "level": "", "message": "in",
                "id": "in a body", "object": "fine_tuning.job.event"}]}),
]  # fmt: skip
KEYS = [
    *("object", "id", "created_at", "level", "message", "type", "data", "step", "total_steps"),
    *("train_loss", "valid_loss", "full_valid_loss", "train_mean_reward", "name", "messages"),
    *("job_id", "fine_tuning_job_id", "fine_tune_id", "a/b", "a~b", "", " ", "Step", "日本"),
    *("prompt", "completion", "log_history", "request", "response", "\ud800", "events", "\0"),
]


class Raw(str):
    """A word that stands in JSON as it is."""


class Object(list[tuple[str, Any]]):
    """A JSON object; keys may repeat."""


def parsed(raw: bytes) -> Any:
    """A record as JSON, its numbers as they are spelled."""
    words: Any = dict.fromkeys(("parse_int", "parse_float", "parse_constant"), Raw)
    return json.loads(raw, object_pairs_hook=Object, **words)


def written(value: Any, random: Random) -> str:
    """A value as JSON, in one of the spellings that writers use."""
    space = random.choice(["", "", " ", "  ", "\t"])
    ascii_only = random.random() < 0.5

    def text(part: Any) -> str:
        if isinstance(part, Object):
            inner = (f"{json.dumps(key)}:{space}{text(item)}" for key, item in part)
            return "{" + f",{space}".join(inner) + "}"
        if isinstance(part, list):
            return "[" + f",{space}".join(map(text, part)) + "]"
        if isinstance(part, Raw):
            return part
        if isinstance(part, str) and not ascii_only and part.isprintable():
            return json.dumps(part, ensure_ascii=False)
        return json.dumps(part)

    return text(value)


# -- bytes -----------------------------------------------------------------------------------------


def bytes_changed(raw: bytes, other: bytes, random: Random) -> bytes:
    """A record after one to three changes of its bytes; `other` is what it may be spliced with."""
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        raw = random.choice(BYTEWISE)(raw, other, random)
    return raw


def _flipped(raw: bytes, _: bytes, random: Random) -> bytes:
    at = random.randrange(len(raw) or 1)
    return (
        raw[:at]
        + bytes(byte ^ 1 << random.randrange(8) for byte in raw[at : at + 1])
        + raw[at + 1 :]
    )


def _replaced(raw: bytes, _: bytes, random: Random) -> bytes:
    at, token = random.randrange(len(raw) + 1), random.choice(TOKENS)
    return raw[:at] + token + raw[at + len(token) :]


def _inserted(raw: bytes, _: bytes, random: Random) -> bytes:
    at = random.randrange(len(raw) + 1)
    return raw[:at] + random.choice(TOKENS) + raw[at:]


def _cut(raw: bytes, _: bytes, random: Random) -> bytes:
    return raw[: random.randrange(len(raw) + 1)]


def _taken_out(raw: bytes, _: bytes, random: Random) -> bytes:
    begin = random.randrange(len(raw) + 1)
    return raw[:begin] + raw[begin + random.choice([1, 1, 2, 5, 20]) :]


def _doubled(raw: bytes, _: bytes, random: Random) -> bytes:
    begin = random.choice([0, random.randrange(len(raw) + 1)])
    end = random.choice([len(raw), random.randrange(begin, len(raw) + 1)])
    return raw[:end] + raw[begin:]


def _spliced(raw: bytes, other: bytes, random: Random) -> bytes:
    return raw[: random.randrange(len(raw) + 1)] + other[random.randrange(len(other) + 1) :]


def _swapped(raw: bytes, _: bytes, random: Random) -> bytes:
    one, two = sorted(random.randrange(len(raw) + 1) for _ in range(2))
    return raw[two:] + raw[one:two] + raw[:one]


def _number(raw: bytes, _: bytes, random: Random) -> bytes:
    found = list(re.finditer(rb"-?\d+(?:\.\d+)?(?:[eE]-?\d+)?", raw))
    if not found:
        return raw
    word = random.choice(found)
    return raw[: word.start()] + random.choice(NUMBERS).encode() + raw[word.end() :]


BYTEWISE: list[Callable[[bytes, bytes, Random], bytes]] = [
    _flipped, _flipped, _replaced, _inserted, _cut, _taken_out, _doubled, _spliced, _swapped,
    _number,
]  # fmt: skip


# -- structure -------------------------------------------------------------------------------------


def structure_changed(raw: bytes, other: bytes, random: Random) -> bytes:
    """A record after one to three changes of its JSON; changed by bytes where it is none."""
    try:
        value, second = parsed(raw), parsed(other)
    except ValueError:
        return bytes_changed(raw, other, random)
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        value = random.choice(STRUCTURAL)(value, second, random)
    return written(value, random).encode("utf-8", "surrogatepass")


def leaf(random: Random) -> Any:
    """A value of any kind."""
    return random.choice([
        None, True, False, [], Object(), Raw(random.choice(NUMBERS[:26])), random.choice(TEXTS),
        [Raw("1"), Raw("2.5")], Object([("name", "exact"), (random.choice(KEYS), Raw("3"))]),
        [Object([("name", "g"), ("v", Raw("1"))]), Object([("name", "g"), ("v", Raw("2"))])],
    ])  # fmt: skip


def _holders(value: Any) -> list[Any]:
    """All objects and arrays of a value, itself included."""
    found, stack = [], [value]
    while stack:
        part = stack.pop()
        if isinstance(part, list):
            found.append(part)
            stack.extend(item[1] for item in part) if isinstance(part, Object) else stack.extend(
                part
            )
    return found


def _place(value: Any, random: Random) -> tuple[Any, int] | None:
    """Somewhere in a value: an object or array that is not empty, and an index in it."""
    holders = [part for part in _holders(value) if part]
    if not holders:
        return None
    part = random.choice(holders)
    return part, random.randrange(len(part))


def _set(value: Any, _: Any, random: Random) -> Any:
    if place := _place(value, random):
        part, at = place
        part[at] = (part[at][0], leaf(random)) if isinstance(part, Object) else leaf(random)
    return value


def _drop(value: Any, _: Any, random: Random) -> Any:
    if place := _place(value, random):
        del place[0][place[1]]
    return value


def _rename(value: Any, _: Any, random: Random) -> Any:
    if (place := _place(value, random)) and isinstance(place[0], Object):
        part, at = place
        part[at] = (random.choice([*KEYS, part[at][0].upper()]), part[at][1])
    return value


def _add(value: Any, _: Any, random: Random) -> Any:
    if holders := _holders(value):
        part = random.choice(holders)
        item = (random.choice(KEYS), leaf(random)) if isinstance(part, Object) else leaf(random)
        part.insert(random.randrange(len(part) + 1), item)
    return value


def _repeat(value: Any, _: Any, random: Random) -> Any:
    if place := _place(value, random):
        part, at = place
        part.insert(random.randrange(len(part) + 1), part[at])
    return value


def _shuffle(value: Any, _: Any, random: Random) -> Any:
    for part in _holders(value):
        random.shuffle(part)
    return value


def _graft(value: Any, other: Any, random: Random) -> Any:
    """Put a part of another record, or of the record itself, somewhere."""
    if place := _place(value, random):
        part, at = place
        taken = deepcopy(random.choice(_holders(random.choice([value, other])) or [other]))
        part[at] = (part[at][0], taken) if isinstance(part, Object) else taken
    return value


def _wrap(value: Any, other: Any, random: Random) -> Any:
    text = written(value, random)
    return random.choice([
        [value], [value, other], Object([("object", "list"), ("data", [value, other])]),
        Object([("events", [value])]), Object([("a", value), ("b", other)]),
        Object([("response", Object([("body", text)]))]), [text], text, [[value]],
        Object([("object", "fine_tuning.job"), ("id", "ftjob-XXXXXXXXXXXX"), ("events", [value])]),
    ])  # fmt: skip


def _nest(value: Any, _: Any, random: Random) -> Any:
    """Put a value at some depth; rarely at one that nobody follows."""
    depth = random.choice([3, 20, 60]) if random.random() < 0.97 else DEEP
    if depth == DEEP:
        opening, closing = random.choice([("[", "]"), ('{"a":', "}")])
        deep: Any = Raw(opening * depth + "1" + closing * depth)
    else:
        deep = Raw("1")
        for _ in range(depth):
            deep = random.choice([[deep], Object([("k", deep)])])
    return _graft(value, [deep], random)


STRUCTURAL: list[Callable[[Any, Any, Random], Any]] = [
    _set, _set, _set, _drop, _rename, _rename, _add, _add, _repeat, _shuffle, _graft, _wrap, _nest,
]  # fmt: skip


def mutated(raw: bytes, other: bytes, random: Random) -> bytes:
    """A record changed by its bytes or by its structure."""
    change = bytes_changed if random.random() < 0.5 else structure_changed
    return change(raw, other, random)
