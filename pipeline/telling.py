"""What long work tells on its way, and what a look at a lake or an archive finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[int, int | None], None]
"""Is told the bytes done and, where known, to do."""

Waiting = Callable[[str], None]
"""Is told once who holds a lake, if another process does."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        rule: what should hold.
        place: the file, line, row or job where it does not.
        problem: how it does not, with the values.
        advice: what to do.
    """

    rule: str
    place: str
    problem: str
    advice: str
