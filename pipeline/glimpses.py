"""Where single records stand in time, told by a glance at their bytes."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.contract import JOB_OBJECT
from pipeline.forms.block import Block

# A number that the end of its record cuts off is another one: something has to follow it.
_TIME = re.compile(rb'"created_at"\s*:\s*(\d++)(?=\s*[,}.eE])')
_STEP = re.compile(rb'"step"\s*:\s*(\d++)(?=\s*[,}.eE])')
_NO_EVENT = re.compile(rf'"{re.escape(JOB_OBJECT)}(?!\.event\b)[a-z_.]*\\*"'.encode())
"""Objects of jobs and checkpoints, and webhooks, have times of their own, wherever they stand."""

_MOST_PASSED = 64
"""Records without a time between pages of a log: blank lines, dates, headers, webhooks."""


class Glimpse(NamedTuple):
    """Place in time of one record; (time, step) grows with time inside a job."""

    position: int
    time: int
    step: int


class Glance:
    """Looks at records of a block, at each once."""

    def __init__(self, block: Block) -> None:
        self._block, self.text, self.size = block, block.text, len(block.data)
        self._seen: dict[int, tuple[int, int, Glimpse | None]] = {}

    def __call__(self, byte: int) -> tuple[int, int, Glimpse | None]:
        """The record around a byte: where it begins and ends, and its place in time."""
        index, begin, end = self._block.record_at(byte)
        if begin not in self._seen:
            raw = self.text[begin:end]
            self._seen[begin] = begin, end, glimpse_of(self._block.position + index, raw)
        return self._seen[begin]

    def with_bytes(self, needle: bytes) -> list[tuple[int, int, Glimpse | None]]:
        """The records that hold some bytes, in order."""
        return [self(begin) for _, begin, _ in self._block.records_with(needle)]

    def near(self, byte: int, step: int) -> int:
        """A byte of the next record from one on, forward or back, that tells its place in time.

        Of the block's first or last where none does, or none of the next few.
        """
        for _ in range(_MOST_PASSED):
            if not 0 <= byte < self.size:
                break
            begin, end, glimpse = self(byte)
            if glimpse:
                return byte
            byte = end if step > 0 else begin - 1
        return min(max(byte, 0), self.size - 1)


def glimpse_of(position: int, raw: bytes | bytearray) -> Glimpse | None:
    """The place in time of one record, None where it tells none, or is no event."""
    time = _TIME.search(raw)
    if time is None or _NO_EVENT.search(raw):
        return None
    step = _STEP.search(raw)
    # Bounded: a hostile number of a million digits must not cost a second here.
    return Glimpse(position, int(time[1][:18]), int(step[1][:18]) if step else -1)


def between(glimpses: Sequence[Glimpse], low: int, high: int) -> Sequence[Glimpse]:
    """Glimpses, sorted by position, that lie in [low, high)."""
    # (low,) comes before every glimpse that begins so: a key would be called at each comparison
    return glimpses[bisect_left(glimpses, (low,)) : bisect_left(glimpses, (high,))]


def direction_of(glimpses: Sequence[Glimpse]) -> int:
    """1 where time grows, -1 where it falls, 0 where nothing tells."""
    if len(glimpses) < 2:
        return 0
    low, high = glimpses[0], glimpses[-1]
    if low.time != high.time:
        return 1 if low.time < high.time else -1
    if low.step >= 0 and high.step >= 0 and low.step != high.step:
        return 1 if low.step < high.step else -1
    return 0
