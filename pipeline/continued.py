"""List pages of one job that follow one another: only the last holds the message that names it.

What follows is told by the pages themselves: one says that older events exist, and where it ends
the next one goes on, at the step before of as many, and at no later time. Where a message stands
there, nothing is told: it may be the end of another job.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pipeline.forms.block import Block
from pipeline.glimpses import Glance, Glimpse

if TYPE_CHECKING:
    from pipeline.attribution import Stream

_TOTAL = re.compile(rb'"total_steps"\s*:\s*(\d++)')
_SPOKEN = re.compile(rb'"message"\s*:\s*"Step (\d{1,18}+)(?:/(\d++))?')
_PAUSE = 3_600
"""So long a step takes at most [s]."""


class _Step(NamedTuple):
    time: int
    step: int
    total: bytes | None


class Continued:
    """Sees all blocks of a source in order: two records on each side of where pages may meet."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self._pages: dict[int, bool] = {}
        self._steps: dict[int, _Step] = {}

    def see(self, glance: Glance, block: Block) -> None:
        """Look at the next block."""
        for mark in block.marks:
            if mark.more or self._pages:  # what stands before the first such page follows none
                self._pages[mark.position] = mark.more
        if not self._pages:
            return
        begins = (int(block.bounds[mark.position - block.position]) for mark in block.marks)
        for byte in {0, *begins, glance.size}:
            for at in (*_two_before(glance, byte), *_two_from(glance, byte)):
                begin, end, glimpse = glance(at)
                if glimpse and (step := _step_of(glance.text[begin:end], glimpse)):
                    self._steps[glimpse.position] = step

    def named(self, streams: Sequence[Stream]) -> list[Stream]:
        """The streams of the source, pages without a job being of the job they go on with."""
        found = list(streams)
        for index in reversed(range(len(found) - 1)):
            page, older = found[index : index + 2]
            if page.job is None and older.job and self._is_followed(page, older):
                found[index] = page._replace(job=older.job, told_by=older.told_by)
        return found

    def _is_followed(self, page: Stream, older: Stream) -> bool:
        whole = self._pages.get(page.first) and older.first in self._pages
        if not (whole and page.newest_first and older.newest_first):
            return False
        above, last, first, below = (self._steps.get(older.first + n) for n in (-2, -1, 0, 1))
        if last is None or first is None or last.total != first.total:
            return False
        usual = [a.step - b.step for a, b in ((above, last), (first, below)) if a and b]
        return (
            0 < last.step - first.step <= min(filter(None, usual), default=0)
            and 0 <= last.time - first.time <= _PAUSE
        )


def _step_of(raw: bytes | bytearray, glimpse: Glimpse) -> _Step | None:
    spoken, total = _SPOKEN.search(raw), _TOTAL.search(raw)
    step = glimpse.step if glimpse.step >= 0 or not spoken else int(spoken[1])
    told = total[1] if total else spoken and spoken[2]
    return _Step(glimpse.time, step, told) if step >= 0 else None


def _two_before(glance: Glance, byte: int) -> Iterable[int]:
    """Bytes of the two records that end where another begins, as far as the block has them."""
    for _ in range(2):
        if byte > 0:
            yield byte - 1
            byte = glance(byte - 1)[0]


def _two_from(glance: Glance, byte: int) -> Iterable[int]:
    """Bytes of the record that begins at a place, and of the next one."""
    for _ in range(2):
        if byte < glance.size:
            yield byte
            byte = glance(byte)[1]
