"""Numbers and durations as people read them: in tables, verdicts and reports alike."""

from __future__ import annotations

import math


def significant(value: float) -> str:
    """A number with 4 significant digits, whole digits never lost (12345.6 is 12346)."""
    if not math.isfinite(value):
        return str(value)
    size = abs(value)
    if size == 0:
        return "0"
    if size < 1e-4 or size >= 1e15:
        return f"{value:.4g}"
    return f"{value:.0f}" if size >= 999.95 else f"{value:#.4g}"


def odd_name(value: float) -> str:
    """What a float is called that JSON does not have: ``NaN``, ``Infinity``, ``-Infinity``."""
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def or_name(value: float) -> float | str:
    """A float, or its name where JSON does not have it."""
    return value if math.isfinite(value) else odd_name(value)


def count(number: int, noun: str) -> str:
    """How many there are of something: ``1 source``, ``2,000 sources``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def total_line(number: int, noun: str) -> str:
    """A line of totals below one another, their numbers flush right."""
    return f"  {number:>12,} {count(number, noun).partition(' ')[2]}"


def duration(seconds: float) -> str:
    """A duration [s] in its two greatest units: ``0.25s``, ``45s``, ``12m 05s``, ``1h 02m``."""
    if not math.isfinite(seconds):
        return str(seconds)
    sign, size = "-" if seconds < 0 else "", abs(seconds)
    if size < 10 and size != int(size):
        return f"{sign}{size:.2g}s"
    whole = round(size)
    if whole < 60:
        return f"{sign}{whole}s"
    if whole < 3600:
        return f"{sign}{whole // 60}m {whole % 60:02d}s"
    minutes = round(size / 60)
    if minutes < 1440:
        return f"{sign}{minutes // 60}h {minutes % 60:02d}m"
    hours = round(size / 3600)
    return f"{sign}{hours // 24}d {hours % 24:02d}h"
