"""Messages with which jobs begin: where they stand, and whose the records between them are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pipeline.glimpses import Glance, Glimpse, direction_of
from pipeline.shapes import object_in

_CREATED = b'"Created fine-tun'
_CREATION = re.compile(rb'"message"\s*:\s*"Created fine-tun(?:ing job|e): ([A-Za-z0-9_.-]+)"')
_ENQUEUED = b'"Job enqueued'
_ENQUEUING = re.compile(rb'"message"\s*:\s*"Job enqueued')
_VALIDATING = b'"Validating '
_MOST_TIED = 16
"""Records on each side that a creation message may be tied to: real jobs have one or two."""


class Creation(NamedTuple):
    """The first message of a job.

    Attributes:
        glimpse: its place in time.
        job: the job that it names; Azure's names none.
        key: what all copies of it have in common: the job, else its event id.
        first: where the job's records begin: `Validating ...` of the same second may stand
            before it.
        last: where they end in a run against time: there it may stand behind.
    """

    glimpse: Glimpse
    job: str | None
    key: str
    first: int
    last: int


def creations(glance: Glance, *, azure: bool) -> Iterator[tuple[Creation, tuple[int, ...]]]:
    """Find the creation messages of a block, by their positions.

    Args:
        glance: the block.
        azure: some may be Azure's.

    Yields:
        Each, and a byte of itself and of the records beyond those that are tied to it.
    """
    found = list(_found(glance, _CREATED, _CREATION))
    if azure:
        found = sorted([*found, *_found(glance, _ENQUEUED, _ENQUEUING)], key=_place)
    yield from found


def _place(found: tuple[Creation, tuple[int, ...]]) -> Glimpse:
    return found[0].glimpse


def _found(
    glance: Glance, needle: bytes, pattern: re.Pattern[bytes]
) -> Iterator[tuple[Creation, tuple[int, ...]]]:
    for begin, end, glimpse in glance.with_bytes(needle):
        message = pattern.search(glance.text, begin, end)
        event = object_in(glance.text[begin:end]) if message and glimpse else {}
        if message and glimpse and "message" in event:  # no page of them on a line
            low, high, *beyond = _tied(glance, begin, end, glimpse)
            job = message[1].decode() if pattern.groups else None
            key = job or f"event {event.get('id')}"
            yield Creation(glimpse, job, key, low, high), (begin, *beyond)


def _tied(glance: Glance, begin: int, end: int, creation: Glimpse) -> tuple[int, int, int, int]:
    """The records that the second of a creation message ties to it, on both sides.

    Returns:
        Positions of the first and the last of them, and a byte of the records beyond each.
    """

    def tied(byte: int) -> tuple[int, int, Glimpse] | None:
        start, stop, glimpse = glance(byte)
        same = glimpse is not None and glimpse.time == creation.time
        if glimpse is None or not same or _VALIDATING not in glance.text[start:stop]:
            return None
        return start, stop, glimpse

    first = last = creation.position
    for _ in range(_MOST_TIED):
        if not (begin > 0 and (found := tied(begin - 1))):
            break
        begin, first = found[0], found[2].position
    for _ in range(_MOST_TIED):
        if not (end < glance.size and (found := tied(end))):
            break
        end, last = found[1], found[2].position
    return first, last, glance.near(max(begin - 1, 0), -1), glance.near(end, 1)


def owner(gap: Sequence[Glimpse], vote: int, usual: int, left: Creation, right: Creation) -> bool:
    """Whether the records between two creation messages belong to the left one."""
    if gap and gap[-1].time < right.glimpse.time:  # older than the right job is
        return True
    if vote:
        return vote > 0
    fits_left = all(g.time >= left.glimpse.time for g in gap)
    fits_right = all(g.time >= right.glimpse.time for g in gap)
    return fits_left if fits_left != fits_right else usual > 0


def leads(named: Sequence[str], gap: Sequence[Glimpse], vote: int, creation: Creation) -> bool:
    """Whether the records before the first creation message belong to its job.

    Not what runs with time below the object of another job, of those that are `named` above it.
    """
    if not gap or gap[-1].time < creation.glimpse.time:
        return False
    other = named and creation.job and creation.job not in named
    return vote < 0 or not (other or is_before(gap, creation))


def is_doubtful(
    rest: Sequence[Glimpse], above: Sequence[Glimpse], left: Creation, *, several: bool
) -> bool:
    """Whether pages below a creation message may be of another job than that.

    Args:
        rest: records of these pages.
        above: those above the message.
        left: the message.
        several: other jobs were created above it, and may go on.
    """
    paged = direction_of(rest) < 0 or (bool(above) and above[-1].time > left.glimpse.time)
    return is_before(rest, left) or (several and paged)


def hints(
    creations: Sequence[Creation], gaps: Sequence[Sequence[Glimpse]], seen: Sequence[Glimpse]
) -> int:
    """Which way time seems to run, where no gap between creation messages has two records.

    What a creation message is tied to follows it in time, and so does what stands at either end
    and is no older than the message beside it. Times that only fall tell more than these.
    """
    times = [glimpse.time for glimpse in seen]
    if times == sorted(times, reverse=True) != sorted(times):
        return -1
    ties = sum((c.last > c.glimpse.position) - (c.first < c.glimpse.position) for c in creations)
    leads = bool(gaps[0]) and not is_before(gaps[0], creations[0])
    ends = bool(gaps[-1]) and not is_before(gaps[-1], creations[-1])
    return ties + ends - leads


def is_before(gap: Sequence[Glimpse], creation: Creation) -> bool:
    """Whether records are older than a creation message, so of another job."""
    return any(g.time < creation.glimpse.time for g in gap)
