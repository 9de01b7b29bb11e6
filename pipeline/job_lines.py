"""Job objects on lines of their own, which tell whose the lines below them are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipeline.contract import CHECKPOINT_OBJECT, JOB_OBJECT, UNATTRIBUTED_PREFIX
from pipeline.forms.block import Block, Mark
from pipeline.shapes import holds_events, is_job, object_in

QUOTED_JOB_OBJECT = f'"{JOB_OBJECT}"'.encode()
_CHECKPOINT = CHECKPOINT_OBJECT.encode()
MIXED_PREFIX = f"{UNATTRIBUTED_PREFIX}mixed-"
"""Of names for events that may be of several jobs: what one of them shares tells of no other."""


def job_line(raw: bytes | bytearray, position: int) -> Mark | None:
    """What a line that is a job object says of the lines below it."""
    if QUOTED_JOB_OBJECT not in raw:
        return None
    value = object_in(raw)
    name = value.get("id")
    if value.get("object") != JOB_OBJECT or not isinstance(name, str) or not name:
        return None
    exported = len(value) == 2  # the API's own job objects hold much more
    jobs = (name,) if is_job(name) else ()
    mixed = name.startswith(MIXED_PREFIX)
    return Mark(position, jobs, run=True, exported=exported, mixed=mixed)


class JobLines:
    """Sees all blocks of a run of lines in order; tells of whom its job objects speak.

    Attributes:
        silent_until: position of a job object -> where what follows it says more than checkpoints
            and blank lines do.
    """

    def __init__(self, marks: list[Mark]) -> None:
        """Add to these marks."""
        self._marks = marks
        self._listed: tuple[str, ...] = ()
        self._quiet = -1
        self.silent_until: dict[int, int] = {}
        self._leading: bool | None = None

    def begin(self, block: Block) -> None:
        """See whether the source begins with events: called for each block until that is told."""
        at = 0
        while self._leading is None and at < len(block.data):
            _, begin, at = block.record_at(at)
            if (raw := bytes(block.text[begin:at])).strip():
                self._leading = b"message" in raw and not job_line(raw, 0)

    def see(self, block: Block) -> set[int]:
        """Look for job objects.

        Returns:
            A byte of the records on both sides of each, wherever the block ends.
        """
        beside: set[int] = set()
        if self._quiet == block.position:
            beside.add(self.pass_over(block, 0, self._marks[-1].position))
        for index, begin, end in block.records_with(QUOTED_JOB_OBJECT):
            if mark := job_line(block.text[begin:end], block.position + index):
                self._marks.append(self._among(mark))
                below = self.pass_over(block, index + 1, mark.position)
                beside.update((max(begin - 1, 0), below))
        return beside

    def _among(self, mark: Mark) -> Mark:
        """A mark that names the jobs of the list that it is in: of several two, which is nobody."""
        if mark.exported or not mark.jobs:
            self._listed = ()
            return mark
        before = self._listed if mark.position == self._quiet else ()
        self._listed = tuple(dict.fromkeys((*before, *mark.jobs)))[:2]
        return replace(mark, jobs=self._listed)

    def pass_over(self, block: Block, index: int, job: int) -> int:
        """Look, from a record on, for the first that says more behind a job object's position.

        Returns:
            A byte of it, or of the last of the block.
        """
        while index < len(block) and _says_nothing(block.raw(index)):
            index += 1
        self._quiet = self.silent_until[job] = block.position + index
        return min(int(block.bounds[index]), len(block.data) - 1)

    def told(self, end: int) -> Sequence[Mark]:
        """All marks of the source, which ends at a position.

        Where it begins with events and ends with the object of a job, of several, each object
        may as well speak of what stands above it: then they name nothing.
        """
        named = {job for mark in self._marks if not mark.exported for job in mark.jobs}
        if not self._leading or self._quiet != end or len(named) < 2:
            return self._marks
        return [m if m.exported else replace(m, jobs=()) for m in self._marks]


def _says_nothing(raw: bytes) -> bool:
    """Whether a line is blank, or a checkpoint object, or a logger's entry around one."""
    if _CHECKPOINT not in raw:
        return not raw.strip()
    return b"message" not in raw or not holds_events(object_in(raw))
