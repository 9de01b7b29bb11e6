"""Messages with which jobs end: a job ends once, so what tells of two ends is of two jobs.

The newest events of several jobs in one file may hold the creation message of a short one alone.
What is later than its end is of another, though no message tells where that begins.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pipeline.creations import Creation
from pipeline.glimpses import Glance, Glimpse, between
from pipeline.shapes import object_in

if TYPE_CHECKING:
    from pipeline.attribution import Stream

_ENDED = b'"The job '
_ENDING = re.compile(r"The job (?:has successfully|failed|was stopped)")

_ONE_END = 60
"""So long after one another a job may tell what it failed for [s]."""


class Endings:
    """Sees all blocks of a source in order."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self._ends: list[Glimpse] = []

    def see(self, glance: Glance) -> Iterator[int]:
        """Look at the next block.

        Yields:
            A byte of each such message, and of the records on both sides of it.
        """
        for begin, end, glimpse in glance.with_bytes(_ENDED):
            event = object_in(glance.text[begin:end]) if glimpse else {}
            if glimpse and _ENDING.match(str(event.get("message"))):  # no page of them on a line
                self._ends.append(glimpse)
                yield from (max(begin - 1, 0), begin, min(end, glance.size - 1))

    def parted(
        self, streams: Sequence[Stream], creations: Sequence[Creation], seen: Sequence[Glimpse]
    ) -> list[Stream]:
        """The streams of a source, what is later than the end of a stream's job being nobody's.

        Args:
            streams: as creation messages part them.
            creations: these messages, by position.
            seen: the records that were looked at, by position.
        """
        if len(self._ends) < 2:
            return list(streams)
        ended = {s.job for s in streams if between(self._ends, s.first, s.last + 1)}
        open_since = sorted(c.glimpse.time for c in creations if c.job not in ended)
        begins = [creation.glimpse for creation in creations]
        parts: list[Stream] = []
        for stream in streams:
            low, high = stream.first, stream.last + 1
            ends = between(self._ends, low, high)
            if len(ends) > 1 and stream.told_by in ("creation", "unknown") and not stream.mixed:
                created = between(begins, low, high)
                parts += _parts(stream, created, ends, open_since, between(seen, low, high))
            else:
                parts.append(stream)
        return parts


def _parts(
    stream: Stream,
    created: Sequence[Glimpse],
    ends: Sequence[Glimpse],
    open_since: Sequence[int],
    seen: Sequence[Glimpse],
) -> Iterator[Stream]:
    """The parts of a stream of several ends: the first may be that of a job that is still open."""
    times = sorted({end.time for end in ends if not created or end.time >= created[0].time})
    times = times[bisect_left(open_since, min(times, default=0)) :]
    end = max((time for time in times if time - times[0] <= _ONE_END), default=0)
    if end == max(times, default=0) or (stream.job and not created):
        yield stream
        return
    place = next(g.position for g in (*created, *ends) if created or g.time == end)
    later = [glimpse.position for glimpse in seen if glimpse.time > end]
    above = max((at for at in later if at < place), default=None)
    below = min((at for at in later if at > place), default=None)
    # Where it goes over to what is later between two that were looked at, nothing tells.
    first = stream.first if above is None else min(g.position for g in seen if g.position > above)
    last = stream.last if below is None else max(g.position for g in seen if g.position < below)
    nobodys = stream._replace(job=None, told_by="unknown", conflict=None, mixed=True)
    if first > stream.first:
        yield nobodys._replace(last=first - 1)
    yield stream._replace(first=first, last=last)
    if last < stream.last:
        yield nobodys._replace(first=last + 1)
