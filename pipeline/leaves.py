"""Numbers of a payload: a value that is or spells one, and the numeric leaves below any."""

from __future__ import annotations

import math
from typing import Any

from pipeline.shapes import NUMBER, storable

_HOLDING = frozenset({float, int, dict, list})  # numbers, and what may hold some


def number_in(value: Any) -> float | None:
    """A number, or a string that spells one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        return float(value)
    if not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # as 1e999 is


def leaves(value: Any, path: str, found: dict[str, float]) -> None:
    """Find the numeric leaves below a payload field, as path -> value."""
    kind = type(value)
    if kind is float:
        found[path] = value
    elif kind is int:
        found[path] = number_in(value) or 0.0
    elif kind is dict:
        for key, inner in value.items():
            if type(inner) in _HOLDING:
                leaves(inner, f"{path}/{segment(key)}", found)
    elif kind is list and any(map(_may_hold, value)):  # not so the results of checks
        counts: dict[str, int] = {}  # name -> how often so far; a list of equal names is no loop
        for index, inner in enumerate(value):
            name = inner.get("name") if isinstance(inner, dict) else None
            name = name if isinstance(name, str) else str(index)
            unique, count = name, counts.get(name, 0) + 1
            while count > 1 and (unique := f"{name}#{count}") in counts:
                count += 1
            counts[name] = count
            counts.setdefault(unique, 1)
            leaves(inner, f"{path}/{segment(unique)}", found)


def _may_hold(value: Any) -> bool:
    """Whether there may be numeric leaves in an item of a list."""
    inner = value.values() if type(value) is dict else (value,)
    return not _HOLDING.isdisjoint(map(type, inner))


def segment(key: str) -> str:
    """A key as one segment of a path, as JSON Pointer (RFC 6901) escapes it."""
    if key.isascii() and "/" not in key and "~" not in key:
        return key
    safe = key if storable(key) else key.encode("utf-8", "backslashreplace").decode()
    return safe.replace("~", "~0").replace("/", "~1")
