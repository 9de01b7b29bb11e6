"""What names the job beside events: URLs, ids, keys, and job and checkpoint objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pipeline.contract import CHECKPOINT_OBJECT, JOB_OBJECT
from pipeline.exact import JOB_FIELDS, JOB_ID

_JOB_OBJECTS = (JOB_OBJECT, "fine-tune")


class Scope:
    """A JSON value with events inside, and what its other parts tell of their job.

    The nearest scope that names a job decides; scopes side by side share nothing.
    """

    def __init__(self, parent: Scope | None = None) -> None:
        """Open a scope inside another."""
        self.parent = parent
        self.depth: int = parent.depth + 1 if parent else 0
        self.found: dict[str, bool] = {}
        """Job id -> whether a job or checkpoint object told it."""
        self._told: tuple[str, ...] | None = None

    def learn(self, value: Any) -> None:
        """Take in a part without events."""
        self.merge(job_ids(value))

    def merge(self, found: Iterable[tuple[str, bool]]) -> None:
        """Take in what a part without events has found."""
        for job, by_object in found:
            self.found[job] = self.found.get(job, False) or by_object

    def told(self) -> tuple[str, ...]:
        """Job ids that the events directly inside are told by; settled when first asked."""
        if self._told is None:
            own = self.own()
            if not own and self.parent is not None:
                own = self.parent.told()
            self._told = tuple(_utf8(job) for job in own)
        return self._told

    def own(self) -> tuple[str, ...]:
        """What this scope tells itself."""
        return tuple(self.found)

    @property
    def stream(self) -> Scope:
        """The scope whose events are a stream with those directly inside."""
        return self if self.parent is None else self.parent.stream

    @property
    def is_continued(self) -> bool:
        """Whether it stands in a page that says that older events exist."""
        return isinstance(self.parent, ObjectScope) and self.parent.has_more


class ObjectScope(Scope):
    """An object: its own job field, its id if it is a job, else whatever its parts name."""

    def __init__(self, parent: Scope) -> None:
        """Open the scope of an object."""
        super().__init__(parent)
        self._fields: dict[str, str] = {}
        self.has_more = False

    def learn_member(self, key: str, value: Any) -> None:
        """Take in a member without events."""
        if isinstance(value, str) and key in ("object", "id", *JOB_FIELDS):
            self._fields[key] = value
        self.has_more = self.has_more or (key == "has_more" and value is True)
        self.learn({key: value} if not isinstance(value, str) else value)

    def named(self, key: str) -> Scope:
        """The scope of a member: of its own where its name is a job's."""
        if not JOB_ID.search(key):
            return self
        scope = Scope(self)
        scope.learn(key)
        return scope

    def pass_on(self) -> None:
        """Tell the scope around it what this object, which holds no events, names."""
        assert self.parent is not None
        if self._fields.get("object") in (*_JOB_OBJECTS, CHECKPOINT_OBJECT):
            self.parent.learn(dict(self._fields))
        else:
            self.parent.merge(self.found.items())

    def own(self) -> tuple[str, ...]:
        """A field made for it counts before all else."""
        fields = tuple(dict.fromkeys(self._fields[k] for k in JOB_FIELDS if self._fields.get(k)))
        if fields:
            return fields
        if self._fields.get("object") in _JOB_OBJECTS and self._fields.get("id"):
            return (self._fields["id"],)
        return tuple(self.found)


class ArrayScope(Scope):
    """An array: only job and checkpoint objects among the elements tell; one stream.

    Unless it is a row of an array of arrays, as tables and logs have them, in a cell of which the
    events lie: a cell that is a job id, or a label that is one, tells whose they are.
    """

    is_row = False

    def __init__(self, parent: Scope) -> None:
        """Open the scope of an array."""
        super().__init__(parent)
        self._cells: dict[str, None] = {}

    @property
    def is_inner(self) -> bool:
        """Whether it is an element of an array."""
        return isinstance(self.parent, ArrayScope)

    @property
    def stream(self) -> Scope:
        """Rows are one stream."""
        return super().stream if self.is_row else self

    def learn(self, value: Any) -> None:
        """Take in an element without events."""
        super().learn(value)
        if self.is_inner:
            cells = value.values() if isinstance(value, dict) else (value,)
            named = (cell for cell in cells if isinstance(cell, str) and JOB_ID.fullmatch(cell))
            self._cells |= dict.fromkeys(named)

    def own(self) -> tuple[str, ...]:
        """A neighbour that merely mentions a job says nothing."""
        told = tuple(job for job, by_object in self.found.items() if by_object)
        return told or (tuple(self._cells) if self.is_row else ())


class RootScope(Scope):
    """A source: its documents tell each other only what is beyond doubt."""

    def own(self) -> tuple[str, ...]:
        """The one job that job and checkpoint objects of the source are about."""
        jobs = tuple(job for job, by_object in self.found.items() if by_object)
        return jobs if len(jobs) == 1 else ()


class BrokenScope(RootScope):
    """What follows a broken document, maybe parts of it: they tell each other nothing."""

    def __init__(self, before: Scope | None) -> None:
        """Open the scope behind a break; `before`: text stood there, and bare events go on."""
        super().__init__()
        self._before = before.stream if before else self

    @property
    def stream(self) -> Scope:
        """Text between the entries of a log parts none."""
        return self._before

    def own(self) -> tuple[str, ...]:
        """Whose parts they are is not known."""
        return ()


def job_ids(value: Any) -> Iterator[tuple[str, bool]]:
    """Job ids that a JSON value names, and whether a job or checkpoint object names them."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            for job in JOB_ID.findall(item):
                yield job, False
        elif isinstance(item, list):
            stack.extend(reversed(item))
        elif isinstance(item, dict):
            kind = item.get("object")
            field = "id" if kind in _JOB_OBJECTS else "fine_tuning_job_id"
            if kind in _JOB_OBJECTS or kind == CHECKPOINT_OBJECT:
                job = item.get(field)
                if isinstance(job, str) and job:
                    yield job, True
            else:
                stack.extend(reversed([part for pair in item.items() for part in pair]))


def _utf8(text: str) -> str:
    """Undo the reading of UTF-8 bytes as single characters."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text
