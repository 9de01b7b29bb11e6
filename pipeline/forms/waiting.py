"""Records that were found and wait until it is known what names their job."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise
from operator import itemgetter

import numpy as np
import xxhash

from pipeline.contract import REJECT_PREFIX_BYTES
from pipeline.forms.bits import Ints
from pipeline.forms.block import Block, Mark, Oversize
from pipeline.forms.evidence import RootScope, Scope
from pipeline.forms.window import Window

_BREAK = 0x0A


class Waiting:
    """Records by their place in a window, each with the scope it stands in.

    Attributes:
        position: ordinal in the source of the first record that waits.
        starts: where the records begin [byte].
        ends: where they end [byte].
        bodies: position -> bytes, of records that stand inside a string.
        events: how many events were found in the source.
    """

    def __init__(self, limit: int, block_bytes: int) -> None:
        """Wait for records of at most `limit` bytes, to be put in blocks of some size."""
        self.position = self.events = self._settled = 0
        self.starts, self.ends = array("q"), array("q")
        self.bodies: dict[int, bytes] = {}
        self.scopes: list[tuple[int, Scope]] = []
        self._limit, self._block_bytes = limit, block_bytes
        self._stream: tuple[Scope, tuple[str, ...], bool] | None = None

    @property
    def next(self) -> int:
        """Position of the record that comes next."""
        return self.position + len(self.starts)

    @property
    def taken(self) -> int:
        """Where the last record of the source so far ends [byte]."""
        return self.ends[-1] if self.ends else self._settled

    def enter(self, scope: Scope) -> None:
        """The records that come next stand in this scope."""
        if self.scopes and self.scopes[-1][0] == self.next:
            self.scopes.pop()  # nothing stood in it
        if not self.scopes or self.scopes[-1][1] is not scope:
            self.scopes.append((self.next, scope))

    def add(self, start: int, end: int, scope: Scope, body: bytes | None = None) -> None:
        """Add a record; `body` where its bytes are not those between the places."""
        self.enter(scope)
        if body is not None:
            self.bodies[self.next] = body
        self.starts.append(start)
        self.ends.append(end)

    def add_events(self, starts: Ints, ends: Ints, scope: Scope) -> None:
        """Add events that follow one another."""
        self.enter(scope)
        self.starts.frombytes(starts.tobytes())
        self.ends.frombytes(ends.tobytes())
        self.events += len(starts)

    def keep(self, first: int, kept: Iterable[int] = ()) -> None:
        """Forget the records from a position on, but for some, as far as they wait."""
        first = max(first, self.position)
        again = [
            (
                self.starts[at - self.position],
                self.ends[at - self.position],
                self.scopes[bisect_right(self.scopes, at, key=itemgetter(0)) - 1][1],
                self.bodies.get(at),
            )
            for at in kept
            if at >= first
        ]
        del self.starts[first - self.position :], self.ends[first - self.position :]
        while self.scopes and self.scopes[-1][0] >= first:
            self.scopes.pop()
        while self.bodies and next(reversed(self.bodies)) >= first:
            self.bodies.popitem()
        for record in again:
            self.add(*record)

    def blocks(self, window: Window) -> Iterator[Block]:
        """Settle what waits, and put it into blocks."""
        count = len(self.starts)
        if not count:
            return
        starts, ends = np.array(self.starts), np.array(self.ends)
        sizes = ends - starts
        for at, body in self.bodies.items():
            sizes[at - self.position] = len(body)
        group = (np.cumsum(sizes + 1) - 1) // self._block_bytes
        edges = [0, *(np.flatnonzero(np.diff(group)) + 1).tolist(), count]
        marks = list(self._marks())
        bodies, position = self.bodies, self.position
        self.position += count
        self._settled = self.taken
        self.starts, self.ends, self.scopes, self.bodies = array("q"), array("q"), [], {}
        for low, high in pairwise(edges):
            begin = int(starts[low])
            text = window.cut(begin, int(ends[high - 1]))
            inside = range(position + low, position + high)
            own = [mark for mark in marks if mark.position in inside]
            bounds = starts[low:high] - begin, ends[low:high] - begin
            long = np.flatnonzero(sizes[low:high] > self._limit).tolist()
            if not bodies and not long and (block := _in_place(text, *bounds)):
                block.position, block.offsets, block.marks = inside.start, starts[low:high], own
                yield block
                continue
            raws = [
                text[start:end] for start, end in zip(*map(np.ndarray.tolist, bounds), strict=True)
            ]
            raws = [bodies.get(at, raw) for at, raw in zip(inside, raws, strict=True)]
            oversize = {}
            for index in long:
                raw = raws[index]
                oversize[index] = Oversize(len(raw), xxhash.xxh3_128_hexdigest(raw))
                raws[index] = raw[:REJECT_PREFIX_BYTES]
            yield _block(raws, position + low, starts[low:high], own, oversize)

    def lone(
        self, at: int, raw: bytes, length: int, digest: str, scope: Scope, *, cut: bool
    ) -> Block:
        """A block of one record that cannot wait; nothing else may be waiting."""
        self.enter(scope)
        marks = list(self._marks())
        self.scopes = []
        oversize = {0: Oversize(length, digest)} if length > self._limit else {}
        raw = raw[:REJECT_PREFIX_BYTES] if oversize else raw
        block = _block([raw], self.position, np.array([at]), marks, oversize)
        if cut:
            block.open_ends.add(0)
        self.position += 1
        self._settled = at + length
        return block

    def _marks(self) -> Iterator[Mark]:
        for position, scope in self.scopes:
            teller, stream = scope.teller, scope.stream
            jobs, apart, run = teller.jobs, isinstance(teller, RootScope), False
            if apart and isinstance(stream, RootScope):
                jobs, run = stream.heads, True
            if self._stream != (stream, jobs, run):
                self._stream = stream, jobs, run
                yield Mark(position, jobs, run, apart, more=scope.is_continued)


def _in_place(text: bytes, starts: Ints, ends: Ints) -> Block | None:
    """Records where they stand, and line breaks in between; None if little of a text is records."""
    gaps = starts[1:] - ends[:-1]
    between = int(gaps.sum())
    if 2 * between > len(text):
        return None
    buffer = bytearray(text)
    data = np.frombuffer(buffer, dtype=np.uint8)
    data[np.repeat(ends[:-1] - np.cumsum(gaps) + gaps, gaps) + np.arange(between)] = _BREAK
    return Block(data, np.append(starts, len(data)), 0, starts, buffer=buffer)


def _block(
    raws: list[bytes],
    position: int,
    offsets: Ints,
    marks: list[Mark],
    oversize: dict[int, Oversize],
) -> Block:
    data = np.frombuffer(b"\n".join(raws), dtype=np.uint8)
    bounds = np.zeros(len(raws) + 1, dtype=np.int64)
    np.cumsum([len(raw) + 1 for raw in raws], out=bounds[1:])
    bounds[-1] = len(data)
    return Block(data, bounds, position, offsets, marks, oversize)
