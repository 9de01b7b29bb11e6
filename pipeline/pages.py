"""Newest-first pages that end with a creation message, in logs that older events began.

A log to which each poll adds its new events newest first runs with time from page to page and
against it inside of each. What was told before a job was created is not the job's, though it
stands above the page that tells of the creation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pipeline.creations import Creation
from pipeline.glimpses import Glance, Glimpse, between, direction_of

_MOST_PAGED = 10_000
"""Records that are looked at: what goes on for longer is no page."""
_MOST_TIED = 16
"""Records behind a creation message that may be of one moment, where it matters if they rise."""


class Page(NamedTuple):
    """What stands above a creation message and runs against time down to it.

    Attributes:
        first: position of its first record.
        before: what stands above that and is older, None where nothing is or tells.
        is_falling: its own records fall in time: it is more than a record that stands alone.
    """

    first: int
    before: Glimpse | None
    is_falling: bool


class Pages:
    """Sees all blocks of a source in order; walks back from creation messages.

    That is done only where the first record behind the creation message before is older than the
    one behind, or what stands there runs with time: whole jobs, newest first, are not walked
    through.

    Attributes:
        found: position where a creation's records begin -> the page above it.
    """

    def __init__(self) -> None:
        """Nothing is seen yet."""
        self.found: dict[int, Page] = {}
        self._opening: Glimpse | None = None
        self._rises = False
        self._created = 0
        self._awaited = True
        """The first record of the next block is the first one behind a creation message."""
        self._floor = 0
        self._tail: list[Glimpse] = []
        self._stop: Glimpse | None = None
        """What stopped the walk back from the end of the last block, after `_tail`."""

    def see(
        self,
        glance: Glance,
        creations: Sequence[tuple[Creation, Sequence[int]]],
        *,
        is_last: bool,
    ) -> None:
        """Look at the next block, with its creation messages as they were found."""
        if self._awaited:
            self._opening = glance(glance.near(0, 1))[2]
            self._awaited = self._opening is None
        for number, (creation, (_, below, above)) in enumerate(creations, 1):
            time = creation.glimpse.time
            older = self._opening is not None and self._opening.time >= time
            if self._opening and (self._rises or not older):
                beside = glance(below)[2]
                at_start = beside is not None and beside.position >= creation.first
                run, stop = self._walk(glance, -1 if at_start else below, time)
                if older:
                    run, stop = _before(self._created, run, stop)
                falling = bool(run) and (older or _falls(run[-1], run[0]))
                if run and len(run) < _MOST_PAGED and (falling or run[0].time > time):
                    self.found[creation.first] = Page(run[-1].position, stop, falling)
            if is_last and number == len(creations):
                return
            self._floor = creation.last + 1
            begin, _, opening = glance(above)
            self._opening = opening if begin == above else None  # there the block ends
            self._awaited = self._opening is None
            self._rises, self._created = not self._awaited and _rises(glance, above), time
        if is_last:
            return
        end, run, stop = glance.near(glance.size - 1, -1), [], None
        last = glance(end)[2]
        if not (last or end):  # the block tells nothing
            return
        if self._opening and last and self._opening.time < last.time:
            run, stop = self._walk(glance, glance.size - 1, 0)
        self._tail, self._stop = run, stop if run else last

    def above(
        self, creation: Creation, low: int, gap: Sequence[Glimpse], *, paged: bool
    ) -> Page | None:
        """The page that ends with a creation message, if others stand above it in a gap.

        A record that stands alone is a page only where those above it run against time as well, or
        the log is `paged` before: else it may be the last of an older job that goes on for longer.
        """
        page = self.found.get(creation.first)
        if page is None or page.before is None or page.first <= low:
            return None
        others = [*between(gap, low, page.first), page.before]
        return page if page.is_falling or paged or direction_of(others) < 0 else None

    def _walk(self, glance: Glance, byte: int, time: int) -> tuple[list[Glimpse], Glimpse | None]:
        """Go back from a record on while times do not fall, nor below a time.

        Returns:
            The records, and the older one that stopped it.
        """
        run: list[Glimpse] = []
        for glimpse in self._back(glance, byte):
            if glimpse is None or glimpse.position < self._floor or len(run) >= _MOST_PAGED:
                return run, None
            if glimpse.time < time or (run and _falls(run[-1], glimpse)):
                return run, glimpse
            run.append(glimpse)
        return run, None

    def _back(self, glance: Glance, byte: int) -> Iterator[Glimpse | None]:
        """Records back from a byte on, also those of the blocks before."""
        while byte >= 0:
            begin, _, glimpse = glance(glance.near(byte, -1))
            if glimpse or begin:
                yield glimpse
            byte = begin - 1
        yield from self._tail
        yield self._stop


def _before(
    created: int, run: list[Glimpse], stop: Glimpse | None
) -> tuple[list[Glimpse], Glimpse | None]:
    """What of a page is older than the job above it, whose records run with time down to it.

    Nothing if the page goes on into the time of that job: then nothing tells where it begins.
    """
    count = sum(glimpse.time < created for glimpse in run)
    later = run[count:]
    if len({glimpse.time for glimpse in later}) > 1:
        return [], stop
    return run[:count], later[0] if later else stop


def _rises(glance: Glance, byte: int) -> bool:
    """Whether records run with time from a byte on."""
    first = glance(byte)[2]
    for _ in range(_MOST_TIED):
        _, byte, glimpse = glance(glance.near(byte, 1))
        if first is None or glimpse is None or _falls(first, glimpse):
            return False
        if _falls(glimpse, first):
            return True
        if byte >= glance.size:
            break
    return False


def _falls(one: Glimpse, other: Glimpse) -> bool:
    """Whether the other record is older."""
    if one.time != other.time:
        return other.time < one.time
    return 0 <= other.step < one.step
