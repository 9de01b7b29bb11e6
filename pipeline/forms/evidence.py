"""What names the job beside events: URLs, ids, keys, and job and checkpoint objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pipeline.contract import CHECKPOINT_OBJECT, JOB_OBJECT
from pipeline.exact import JOB_FIELDS, JOB_ID
from pipeline.shapes import body

_JOB_OBJECTS = (JOB_OBJECT, "fine-tune")
_OBJECTS = (*_JOB_OBJECTS, CHECKPOINT_OBJECT)
_MENTIONED, _BY_CHECKPOINT, _BY_OBJECT = range(3)
_CREATED = "Created fine-tun"
"""What a logger says of an event once more tells of its run, as the event does, not of it alone."""


class Scope:
    """A JSON value with events inside, and what its other parts tell of their job.

    The nearest scope that names a job decides; scopes side by side share nothing.
    """

    def __init__(self, parent: Scope | None = None) -> None:
        """Open a scope inside another."""
        self.parent = parent
        self.depth: int = parent.depth + 1 if parent else 0
        self.found: dict[str, int] = {}
        """Job id -> whether it was but mentioned, or a checkpoint's or its own object told it."""
        self.jobs: tuple[str, ...] = ()
        """What it tells the events inside, once that is settled."""
        self._teller: Scope | None = None

    def learn(self, value: Any) -> None:
        """Take in a part without events."""
        self.merge(job_ids(value))

    def merge(self, found: Iterable[tuple[str, int]]) -> None:
        """Take in what a part without events has found."""
        for job, how in found:
            self.found[job] = max(self.found.get(job, how), how)

    @property
    def teller(self) -> Scope:
        """The scope that tells whose the events directly inside are; settled when first asked."""
        if self._teller is None:
            self.jobs = tuple(_utf8(job) for job in self.own())
            self._teller = self if self.jobs or self.parent is None else self.parent.teller
        return self._teller

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
        if self._fields.get("object") in _OBJECTS:
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
        told = tuple(job for job, how in self.found.items() if how)
        return told or (tuple(self._cells) if self.is_row else ())


class RootScope(Scope):
    """The documents of a source, from objects of jobs on to the next ones behind events.

    As between lines, they speak of what stands below them; where they end what begins with pages,
    of these, if they are of one job. So do checkpoints, wherever they stand.
    """

    def __init__(self, before: RootScope | None = None) -> None:
        """Open the scope of a source, or of what follows `before` in it."""
        super().__init__()
        self._heads: dict[str, None] = {}
        self._has_events = False
        self._first: RootScope = before._first if before else self
        self._last: RootScope = self
        self._first._last = self
        self._named: dict[str, int] = before._named if before else {}

    def behind(self, *, had_events: bool) -> RootScope:
        """The scope of what follows a document."""
        self._has_events = self._has_events or had_events
        told, self.found = self.found, {}
        self._named |= {j: max(how, self._named.get(j, how)) for j, how in told.items() if how}
        heads = [job for job, how in told.items() if how == _BY_OBJECT]
        scope = RootScope(self) if heads and self._has_events else self
        scope._heads.update(dict.fromkeys(heads[: 2 - len(scope._heads)]))  # several are nobody
        return scope

    @property
    def heads(self) -> tuple[str, ...]:
        """The jobs whose objects it begins with, if these may not as well end what is above."""
        objects = [job for job, how in self._named.items() if how == _BY_OBJECT]
        return () if self._is_ended and len(objects) > 1 else tuple(map(_utf8, self._heads))

    def own(self) -> tuple[str, ...]:
        """The same, or the one job that speaks of all pages."""
        if self._is_ended or not self._first._last._heads:
            return tuple(self._named) if len(self._named) == 1 else ()
        return self.heads

    @property
    def _is_ended(self) -> bool:
        """Whether the source begins with something else, and nothing follows its last objects."""
        last = self._first._last
        return bool(last._heads) and not last._has_events and not self._first._heads


class BrokenScope(RootScope):
    """What follows a broken document, maybe parts of it: they tell each other nothing."""

    def behind(self, *, had_events: bool) -> RootScope:
        """So do all that follow."""
        return self

    def own(self) -> tuple[str, ...]:
        """Whose parts they are is not known."""
        return ()


def job_ids(value: Any) -> Iterator[tuple[str, int]]:
    """Job ids that a JSON value names, and how: see `Scope.found`."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            inner = body(item, _OBJECTS)
            if inner is not None:
                stack.append(inner)
            elif _CREATED not in item:
                yield from ((job, _MENTIONED) for job in JOB_ID.findall(item))
        elif isinstance(item, list):
            stack.extend(reversed(item))
        elif isinstance(item, dict):
            kind = item.get("object")
            field = "id" if kind in _JOB_OBJECTS else "fine_tuning_job_id"
            if kind in _OBJECTS:
                job = item.get(field)
                if isinstance(job, str) and job:
                    yield job, _BY_OBJECT if kind in _JOB_OBJECTS else _BY_CHECKPOINT
            else:
                stack.extend(reversed([part for pair in item.items() for part in pair]))


def _utf8(text: str) -> str:
    """Undo the reading of UTF-8 bytes as single characters."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text
