"""Which job an event belongs to: streams, their direction, and what names their job.

No event carries its job id. A stream (one document, or a run of lines around a creation message)
is the unit that has one. The scout looks at each block before it is parsed; it reads only the
records that can tell: creation messages, their neighbours, and the ends of blocks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from pipeline.continued import Continued
from pipeline.creations import Creation, creations, hints, is_before, is_doubtful, leads, owner
from pipeline.dialects import Dialects, parted
from pipeline.endings import Endings
from pipeline.forms.block import Block, Lines, Mark
from pipeline.glimpses import Glance, Glimpse, between, direction_of
from pipeline.job_lines import JobLines
from pipeline.pages import Page, Pages
from pipeline.shapes import is_job


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


class _Cut(NamedTuple):
    """Where a stream begins, the creation message of its job, and whether it may be of several."""

    first: int
    head: Creation | None
    mixed: bool = False


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
        trusting: bool = False,
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
            trusting: of lines in one block, look for ids of both forms at the ends alone. Who
                reads them must tell of others: `trusted` says if that was done.
        """
        self._lines = lines
        self._sparing = sparing
        self.job_objects = lines
        self._marks = [Mark(0, (beside,) if beside else (), run=True)] if lines else []
        self._job_lines = JobLines(self._marks)
        self._hint, self._told, self._below = hint, told, below
        self._creations: list[Creation] = []
        self._glimpses: list[Glimpse] = []
        self._dialects = Dialects(trusting=trusting)
        self._pages = Pages()
        self._endings = Endings()
        self._continued = Continued()
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
        glance = Glance(block)
        ends = {glance.near(0, 1), glance.near(glance.size - 1, -1)}
        for mark in block.marks:
            index = mark.position - block.position
            at = int(block.bounds[index])
            ends.update((glance.near(at, 1), glance.near(max(at - 1, 0), -1)))
            if mark.run and mark.jobs:
                ends.add(self._job_lines.pass_over(block, index + 1, mark.position))
        ends.update(self._dialects.see(glance, block))
        found = list(creations(glance, azure=not self._dialects.is_openai))
        for creation, around in found:
            self._creations.append(creation)
            ends.update(around)
        self._pages.see(glance, found, is_last=isinstance(block, Lines))
        ends.update(self._endings.see(glance))
        self._continued.see(glance, block)
        if self.job_objects:
            ends.update(self._job_lines.see(block))
            self.job_objects = not self._sparing or len(self._marks) > 1
        for byte in sorted(ends):
            glimpse = glance(byte)[2]
            if glimpse:
                self._glimpses.append(glimpse)
        self._end = block.position + count

    @property
    def trusted(self) -> bool:
        """Whether the last block is held for OpenAI's by its ends."""
        return self._dialects.trusted

    def streams(self) -> list[Stream]:
        """The source's streams, in order and without gaps."""
        marks = self._job_lines.told(self._end) if self._lines else self._marks
        streams = self._between_marks(marks)
        if not self._hint:
            streams = self._endings.parted(streams, self._creations, self._glimpses)
        return self._continued.named(streams)

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
        turns = self._dialects.turns
        parts = parted(turns, first, stop) if turns else [[(first, stop)]]
        if len(parts) == 1:
            return self._run(mark, parts[0])
        other = replace(mark, jobs=()) if mark.run else mark
        return sorted([*self._run(mark, parts[0]), *self._run(other, parts[1])])

    def _run(self, mark: Mark, parts: Sequence[tuple[int, int]]) -> list[Stream]:
        """The streams of some stretches of records, as if nothing stood between them."""
        first, stop = parts[0][0], parts[-1][1]
        seen = self._creations
        creations = [
            creation
            for low, high in parts
            for creation in seen[bisect_left(seen, ((low,),)) : bisect_left(seen, ((high,),))]
        ]
        glimpses = [g for part in parts for g in between(self._glimpses, *part)]
        streams = self._around(mark, first, stop, creations, glimpses)
        return streams if len(parts) == 1 else _inside(streams, parts)

    def _around(
        self,
        mark: Mark,
        first: int,
        stop: int,
        creations: Sequence[Creation],
        glimpses: Sequence[Glimpse],
    ) -> list[Stream]:
        if not creations or (not mark.run and len({c.key for c in creations}) == 1):
            direction = direction_of(glimpses) or (1 if mark.run else -1)
            job = creations[0].job if creations else None
            return [self._named(mark, first, stop - 1, direction < 0, job)]
        if len(creations) == 1 and creations[0].first == first and direction_of(glimpses) > 0:
            after = between(glimpses, creations[0].last + 1, stop)
            if direction_of(after) >= 0:  # one job from its creation on, as in most small files
                return [self._named(mark, first, stop - 1, False, creations[0].job)]
        cuts, usual = self._cuts(mark, first, stop, creations, glimpses)
        # What stands between lines tells of the first job below it, and of no other.
        started = self._job_lines.silent_until.get(first, first)
        leading = cuts[1].head if len(cuts) > 1 and cuts[1].first <= started else cuts[0].head
        other = replace(mark, jobs=()) if mark.run else mark
        streams = []
        ends = [*(cut.first for cut in cuts[1:]), stop]
        for (low, head, mixed), high in zip(cuts, ends, strict=True):
            if low < high:
                down = (direction_of(between(glimpses, low, high)) or usual) < 0
                told = (
                    mark
                    if low == first or (head and leading and head.key == leading.key)
                    else other
                )
                job = head.job if head else None
                stream = self._named(told, low, high - 1, down, job)
                streams.append(stream._replace(mixed=mixed))
        return streams

    def _cuts(
        self,
        mark: Mark,
        first: int,
        stop: int,
        creations: Sequence[Creation],
        glimpses: Sequence[Glimpse],
    ) -> tuple[list[_Cut], int]:
        """Where streams begin, each going on to the next one's begin, and the usual direction."""
        lows = [first, *(c.last + 1 for c in creations)]
        highs = [*(c.first for c in creations), stop]
        # Only their ends: what else was seen of them is there by where blocks end.
        inside = (between(glimpses, *gap) for gap in zip(lows, highs, strict=True))
        gaps = [[*gap[:1], *gap[1:][-1:]] for gap in inside]
        pages: list[Page | None] = []
        votes: list[int] = []
        for creation, low, gap in zip(creations, lows, gaps, strict=False):
            paged = bool(votes) and votes[-1] < 0
            pages.append(self._pages.above(creation, low, gap, paged=paged))
            votes.append(-1 if pages[-1] else direction_of(gap))
        votes.append(direction_of(gaps[-1]))
        usual = sum(votes) or hints(creations, gaps, glimpses) or (1 if mark.run else -1)
        head = creations[0]
        if pages[0]:
            cuts = [_Cut(first, None), _Cut(pages[0].first, head)]
        elif head.first == first or leads(mark.jobs, gaps[0], votes[0] or usual, head):
            cuts = [_Cut(first, head)]
        else:
            cuts = [_Cut(first, None), _Cut(head.first, head)]
        several = False
        for index in range(1, len(creations)):
            left, right = creations[index - 1], creations[index]
            page, gap, below = pages[index], gaps[index], left.last + 1
            rest, begin = gap, below
            if page and page.before:
                rest, begin = [*gap[:1], page.before], page.first
            elif owner(gap, votes[index], usual, left, right):
                begin = right.first
            several = several or head.key != left.key
            if (
                begin != below
                and (page or votes[index] < 0)
                and is_doubtful(rest, gaps[index - 1], left, several=several)
            ):
                cuts.append(_Cut(below, None, mixed=True))
            cuts.append(_Cut(begin, right))
        tail, several = lows[-1], several or head.key != creations[-1].key
        older = (votes[-1] or usual) < 0 and is_before(gaps[-1], creations[-1])
        # Streams against time end with their creation: of several jobs, any may go on below it,
        # and more than one of them.
        if tail < stop and (older or (usual < 0 and several)):
            cuts.append(_Cut(tail, None, mixed=True))
        return cuts, usual

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
        if created and (mark.run or mark.apart):  # a job object may stand below its events
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


def _inside(streams: Sequence[Stream], parts: Sequence[tuple[int, int]]) -> list[Stream]:
    """What of streams lies inside of some stretches, each piece a stream of its own."""
    found = []
    index = 0
    for low, high in parts:
        while streams[index].last < low:
            index += 1
        while True:
            stream = streams[index]
            first, last = max(stream.first, low), min(stream.last, high - 1)
            found.append(stream._replace(first=first, last=last))
            if stream.last >= high - 1:
                break
            index += 1
    return found
