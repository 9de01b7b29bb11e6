"""What a deliberate fault is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A deliberate fault.

    Attributes:
        law: what it breaks.
        fault: what it does, in words.
        file: where it goes.
        old: the text it replaces, once in the file.
        new: the text in its place.
        test: the test that must fail.
    """

    law: str
    fault: str
    file: str
    old: str
    new: str
    test: str
