"""Which job an event belongs to: streams, their direction, and what names their job.

No event carries its job id. A stream (one document, or a run of lines around a creation message)
is the unit that has one. The scout looks at each block before it is parsed; it reads only the
records that can tell: creation messages, their neighbours, and the ends of blocks.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from pipeline.forms.block import Block, Mark
from pipeline.glimpses import Glance, Glimpse, between, direction_of
from pipeline.job_lines import JobLines
from pipeline.shapes import is_job

_CREATED = b'"Created fine-tun'
_CREATION = re.compile(rb'"message"\s*:\s*"Created fine-tun(?:ing job|e): ([A-Za-z0-9_.-]+)"')
_VALIDATING = b'"Validating '
_MOST_TIED = 16
"""Records on each side that a creation message may be tied to: real jobs have one or two."""


class Stream(NamedTuple):
    """Records of one source that belong to one job.

    Attributes:
        first: position of its first record.
        last: position of its last record.
        newest_first: its records run against time.
        job: job id, None while unknown.
        told_by: what named the job (`contract.TOLD_BY`).
        conflict: another job id that the stream's own evidence names, if any.
        mixed: while it has no job, its records may be of several.
    """

    first: int
    last: int
    newest_first: bool
    job: str | None
    told_by: str
    conflict: str | None = None
    mixed: bool = False


class _Creation(NamedTuple):
    glimpse: Glimpse
    job: str
    first: int
    """Where the job's records begin: `Validating ...` of the same second may stand before it."""
    last: int
    """Where they end in a run against time: there it may stand behind."""


class Scout:
    """Sees all blocks of a source in order, then tells its streams."""

    def __init__(
        self,
        *,
        lines: bool,
        hint: str | None = None,
        told: str | None = None,
        beside: str | None = None,
        below: str | None = None,
        sparing: bool = False,
    ) -> None:
        """Prepare for one source.

        Args:
            lines: the source is one run of lines, without document marks.
            hint: job id in the file or folder name.
            told: job id the user gave for all of it.
            beside: job whose object names the source.
            below: job that the line told it is, whose records these are: it names what nothing in
                the line names nearer.
            sparing: look for job objects between lines only if the first block has one. Who
                reads the lines must tell of others: `job_objects` says if they were looked for.
        """
        self._lines = lines
        self._sparing = sparing
        self.job_objects = lines
        self._marks = [Mark(0, (beside,) if beside else (), run=True)] if lines else []
        self._job_lines = JobLines(self._marks)
        self._hint, self._told, self._below = hint, told, below
        self._creations: list[_Creation] = []
        self._glimpses: list[Glimpse] = []
        self._decided: list[Stream] = []
        self._open: list[Mark] = []
        self._seen_marks = 0
        self._end = 0

    def see(self, block: Block) -> None:
        """Look at the next block."""
        count = len(block)
        if not count:
            return
        self._marks.extend(block.marks)
        if self._lines:
            self._job_lines.begin(block)
        text, size = block.text, len(block.data)
        glance = Glance(block)
        ends = {0, size - 1}
        for mark in block.marks:
            at = int(block.bounds[mark.position - block.position])
            ends.update((at, max(at - 1, 0)))
        last = text.rfind(_CREATED, 0, size)  # quicker than to look for another behind it
        at = text.find(_CREATED, 0, size) if last >= 0 else -1
        while at >= 0:
            begin, end, glimpse = glance(at)
            found = _CREATION.search(text, begin, end)
            if found and glimpse and _is_event(text[begin:end]):
                low, high, *bytes_beside = self._tied(glance, begin, end, glimpse)
                self._creations.append(_Creation(glimpse, found[1].decode(), low, high))
                ends.update((begin, *bytes_beside))
            at = text.find(_CREATED, end, size) if end <= last else -1
        if self.job_objects:
            ends.update(self._job_lines.see(block, text))
            self.job_objects = not self._sparing or len(self._marks) > 1
        for byte in sorted(ends):
            glimpse = glance(byte)[2]
            if glimpse:
                self._glimpses.append(glimpse)
        self._end = block.position + count

    @staticmethod
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
        return first, last, max(begin - 1, 0), min(end, glance.size - 1)

    def streams(self) -> list[Stream]:
        """The source's streams, in order and without gaps."""
        marks = self._job_lines.told(self._end) if self._lines else self._marks
        return self._between_marks(marks)

    def so_far(self) -> list[Stream]:
        """The streams of what was seen, as far as it tells: `streams` may tell otherwise.

        Asked again, only the last stream is looked at anew; those before it stay as they are.
        """
        self._open += self._marks[self._seen_marks :]
        self._seen_marks = len(self._marks)
        *decided, last = self._between_marks(self._open)
        self._decided += decided
        mark = next(m for m in reversed(self._open) if m.position <= last.first)
        self._open = [replace(mark, position=last.first)]
        return [*self._decided, last]

    def _between_marks(self, marks: Sequence[Mark]) -> list[Stream]:
        streams: list[Stream] = []
        starts = [mark.position for mark in marks]
        for mark, stop in zip(marks, [*starts[1:], self._end], strict=True):
            if mark.position < stop:
                streams.extend(self._cut(mark, stop))
        return streams

    def _cut(self, mark: Mark, stop: int) -> list[Stream]:
        first = mark.position
        if mark.exported:
            return [self._exported(mark, stop)]
        low, high = (bisect_left(self._creations, ((at,),)) for at in (first, stop))
        creations = self._creations[low:high]
        glimpses = between(self._glimpses, first, stop)
        jobs = list(dict.fromkeys(c.job for c in creations))
        if not creations or (not mark.run and len(jobs) == 1):
            direction = direction_of(glimpses) or (1 if mark.run else -1)
            job = jobs[0] if jobs else None
            return [self._named(mark, first, stop - 1, direction < 0, job)]
        if len(creations) == 1 and creations[0].first == first and direction_of(glimpses) > 0:
            after = between(glimpses, creations[0].last + 1, stop)
            if direction_of(after) >= 0:  # one job from its creation on, as in most small files
                return [self._named(mark, first, stop - 1, False, jobs[0])]
        lows = [first, *(c.last + 1 for c in creations)]
        highs = [*(c.first for c in creations), stop]
        gaps = [between(glimpses, *gap) for gap in zip(lows, highs, strict=True)]
        votes = [direction_of(gap) for gap in gaps]
        usual = sum(votes) or _hints(creations, gaps, glimpses) or (1 if mark.run else -1)
        # begins[i]: where the stream of creation i begins; it ends where the next one does.
        begins = [first]
        heads: list[str | None] = []
        ends_mixed = False
        if self._leads(gaps[0], votes[0], usual, creations[0]):
            heads.append(creations[0].job)
        elif creations[0].first > first:
            heads.append(None)
            begins.append(creations[0].first)
            heads.append(creations[0].job)
        else:
            heads.append(creations[0].job)
        for index in range(1, len(creations)):
            left, right = creations[index - 1], creations[index]
            ascending = _owner(gaps[index], votes[index], usual, left, right)
            begins.append(right.first if ascending else left.last + 1)
            heads.append(right.job)
        tail = creations[-1].last + 1
        older = (votes[-1] or usual) < 0 and _before(gaps[-1], creations[-1])
        # Streams against time end with their creation: of several jobs, any may go on below it,
        # and more than one of them.
        if tail < stop and (older or (usual < 0 and len(jobs) > 1)):
            begins.append(tail)
            heads.append(None)
            ends_mixed = True
        streams = []
        for low, high, head in zip(begins, [*begins[1:], stop], heads, strict=True):
            if low < high:
                inside = between(glimpses, low, high)
                down = (direction_of(inside) or usual) < 0
                streams.append(self._named(mark, low, high - 1, down, head))
        if ends_mixed:
            streams[-1] = streams[-1]._replace(mixed=True)
        return streams

    @staticmethod
    def _leads(gap: Sequence[Glimpse], vote: int, usual: int, creation: _Creation) -> bool:
        """Whether what stands before the first creation message belongs to its job."""
        return bool(gap) and ((vote or usual) < 0 or not _before(gap, creation))

    def _exported(self, mark: Mark, stop: int) -> Stream:
        """What stands below a line of an export: oldest first, all of it of one job."""
        job, told_by = (mark.jobs[0], "export") if mark.jobs else (None, "unknown")
        if self._told:
            contrary = job if job != self._told else None
            return Stream(mark.position, stop - 1, False, self._told, "flag", contrary)
        return Stream(mark.position, stop - 1, False, job, told_by, mixed=mark.mixed)

    def _named(self, mark: Mark, first: int, last: int, down: bool, created: str | None) -> Stream:
        beside = mark.jobs
        created = created if is_job(created) else None
        if mark.run and created:  # a job object between lines may stand below its events
            beside = ()
        if len(beside) > 1:  # several names: the creation message decides, or nothing does
            beside = ()
        beside = tuple(filter(is_job, beside))
        told_by, job = "unknown", None
        if self._told:
            told_by, job = "flag", self._told
        elif beside:
            told_by, job = "beside", beside[0]
        elif created:
            told_by, job = "creation", created
        elif self._below:
            told_by, job = "beside", self._below
        elif self._hint:
            told_by, job = "name", self._hint
        evidence = (*beside, created, self._hint) if self._told else (*beside, created)
        conflict = next((name for name in evidence if name and name != job), None)
        return Stream(first, last, down, job, told_by, conflict)


def _is_event(raw: bytes | bytearray) -> bool:
    """Whether a record is an event itself, not a page of them on a line."""
    try:
        return "message" in json.loads(raw)
    except (ValueError, RecursionError):
        return False


def _owner(
    gap: Sequence[Glimpse], vote: int, usual: int, left: _Creation, right: _Creation
) -> bool:
    """Whether the records between two creation messages belong to the left one."""
    if vote:
        return vote > 0
    fits_left = all(g.time >= left.glimpse.time for g in gap)
    fits_right = all(g.time >= right.glimpse.time for g in gap)
    return fits_left if fits_left != fits_right else usual > 0


def _hints(
    creations: Sequence[_Creation], gaps: Sequence[Sequence[Glimpse]], seen: Sequence[Glimpse]
) -> int:
    """Which way time seems to run, where no gap between creation messages has two records.

    What a creation message is tied to follows it in time, and so does what stands at either end
    and is no older than the message beside it. Times that only fall tell more than these.
    """
    times = [glimpse.time for glimpse in seen]
    if times == sorted(times, reverse=True) != sorted(times):
        return -1
    ties = sum((c.last > c.glimpse.position) - (c.first < c.glimpse.position) for c in creations)
    leads = bool(gaps[0]) and not _before(gaps[0], creations[0])
    ends = bool(gaps[-1]) and not _before(gaps[-1], creations[-1])
    return ties + ends - leads


def _before(gap: Sequence[Glimpse], creation: _Creation) -> bool:
    """Whether records are older than a creation message, so of another job."""
    return any(g.time < creation.glimpse.time for g in gap)
