"""The one shape in which every form hands on its records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pipeline.forms.bits import Ints, Words, places, words_where
from pipeline.forms.structure import is_bracket

_NEWLINE, _RETURN = 10, 13


@dataclass(frozen=True)
class Oversize:
    """What is kept of a record over the size limit: the block holds a prefix of it.

    Attributes:
        length: length of the whole record [byte].
        hash: XXH3-128 of the whole record, hexadecimal.
    """

    length: int
    hash: str


@dataclass(frozen=True)
class Mark:
    """A document begins: its records, up to the next mark, are one stream or several.

    Attributes:
        position: of the document's first record.
        jobs: job ids found beside the events (URL, job or checkpoint object), in order.
        run: the records stand one after another without a frame, as lines do.
        apart: the jobs are those of other documents, maybe below: what records say counts before.
        exported: a line of an export that says whose all records below it are; no job: nobody's.
        mixed: such a line says that they may be of several jobs.
        more: the document is a page that says that older events exist.
    """

    position: int
    jobs: tuple[str, ...] = ()
    run: bool = False
    apart: bool = False
    exported: bool = False
    mixed: bool = False
    more: bool = False


@dataclass
class Block:
    """Consecutive records of one source, back to back in one buffer.

    Record i is ``data[bounds[i]:bounds[i + 1]]``; white space at its ends does not matter.

    Attributes:
        data: uint8[bytes], the records' bytes.
        bounds: int64[n + 1], where records begin and end in `data` [byte].
        position: ordinal of the first record in its source; the others follow without a gap.
        offsets: int64[n], where records begin in the (decompressed) source [byte].
        marks: documents that begin in this block (none where the source is one run of lines).
        oversize: records over the size limit, by index.
        unterminated: the last record is the end of its source and lacks a line break.
        open_ends: the same of records anywhere, in a block joined from several sources.
        buffer: what `data` is the beginning of, where that is at hand.
        told: of records that are rows of a result file and nothing else, the content of their
            `companions.Companion`, where it is at hand; else None, or empty for all.
    """

    data: npt.NDArray[np.uint8]
    bounds: Ints
    position: int
    offsets: Ints
    marks: list[Mark] = field(default_factory=list)
    oversize: dict[int, Oversize] = field(default_factory=dict)
    unterminated: bool = False
    open_ends: set[int] = field(default_factory=set)
    buffer: bytes | bytearray | None = None
    told: list[str | None] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.offsets)

    @cached_property
    def brackets(self) -> tuple[Words, Ints]:
        """Where brackets stand in `data`, as bits and as places; more than one ask."""
        words = words_where(self.data, is_bracket)
        return words, places(words)

    @property
    def text(self) -> bytes | bytearray:
        """All bytes of the block, at least: `data` says where it ends."""
        if self.buffer is None:
            self.buffer = self.data.tobytes()
        return self.buffer

    def raw(self, index: int) -> bytes:
        """The bytes of one record."""
        return self.data[self.bounds[index] : self.bounds[index + 1]].tobytes()

    def pieces(self, most: int) -> Iterator[Block]:
        """The same records in blocks of at most so many; marks are left out."""
        if len(self) <= most:
            yield self
            return
        for low in range(0, len(self), most):
            high = min(low + most, len(self))
            begin = self.bounds[low]
            yield Block(
                self.data[begin : self.bounds[high]],
                self.bounds[low : high + 1] - begin,
                self.position + low,
                self.offsets[low:high],
                oversize={n - low: over for n, over in self.oversize.items() if low <= n < high},
                unterminated=self.unterminated and high == len(self),
                open_ends={n - low for n in self.open_ends if low <= n < high},
                told=self.told[low:high],
            )

    def blank(self) -> npt.NDArray[np.bool_]:
        """bool[n], the records that are a line break and nothing else."""
        first, size = self.bounds[:-1], np.diff(self.bounds)
        found = size == 1
        found[found] = self.data[first[found]] == _NEWLINE
        pairs = np.flatnonzero(size == 2)
        ends = (self.data[first[pairs]] == _RETURN) & (self.data[first[pairs] + 1] == _NEWLINE)
        found[pairs[ends]] = True
        return found

    def record_at(self, byte: int) -> tuple[int, int, int]:
        """The record around a byte of `data`: its index, where it begins, where it ends."""
        index = int(self.bounds.searchsorted(byte, "right")) - 1
        return index, int(self.bounds[index]), int(self.bounds[index + 1])

    def records_with(self, needle: bytes) -> list[tuple[int, int, int]]:
        """The records that hold some bytes, in order, each as `record_at` tells it.

        Looked for from the end: that takes Python less than half of the time.
        """
        found: list[tuple[int, int, int]] = []
        at = self.text.rfind(needle, 0, len(self.data))
        while at >= 0:
            found.append(self.record_at(at))
            at = self.text.rfind(needle, 0, found[-1][1])
        return found[::-1]


class Lines(Block):
    """All lines of some content, not empty; where they lie is found only when that is asked."""

    def __init__(self, content: bytes, offset: int = 0) -> None:
        """Take the content; `offset` is where it begins in its source [byte]."""
        self.buffer, self.position, self.offset = content, 0, offset
        self.marks, self.oversize, self.open_ends, self.told = [], {}, set(), []
        self.data = np.frombuffer(content, dtype=np.uint8)
        self.unterminated = not content.endswith(b"\n")
        self._content, self._at, self._line = content, 0, 0
        self._count = int(np.count_nonzero(self.data == _NEWLINE)) + self.unterminated

    def __len__(self) -> int:
        return self._count

    # Fields of a block, here found when first asked for: mypy allows no property for a field.
    @cached_property
    def bounds(self) -> Ints:  # type: ignore[override]
        """Where lines begin and end."""
        return line_bounds(self.data)

    @cached_property
    def offsets(self) -> Ints:  # type: ignore[override]
        """Where lines begin in the source."""
        return self.bounds[:-1] + self.offset

    def record_at(self, byte: int) -> tuple[int, int, int]:
        """The line around a byte; quickest for one close to the last that was asked for."""
        begin = self._content.rfind(b"\n", 0, byte) + 1
        end = self._content.find(b"\n", byte) + 1 or len(self._content)
        if end == len(self._content):
            return self._count - 1, begin, end
        if begin >= self._at:
            self._line += self._content.count(b"\n", self._at, begin)
        else:
            self._line -= self._content.count(b"\n", begin, self._at)
        self._at = begin
        return self._line, begin, end


def line_block(buffer: bytes | bytearray, size: int, position: int, offset: int) -> Block:
    """The lines in the first `size` bytes of a buffer; the last may lack its line break."""
    data = np.frombuffer(buffer, dtype=np.uint8, count=size)
    bounds = line_bounds(data)
    return Block(data, bounds, position, bounds[:-1] + offset, buffer=buffer)


def line_bounds(data: npt.NDArray[np.uint8]) -> Ints:
    """Where lines begin and end; the last may lack its line break."""
    ends = places(words_where(data, lambda piece: piece == _NEWLINE)) + 1
    bounds = np.concatenate([np.zeros(1, dtype=np.int64), ends])
    return bounds if bounds[-1] == len(data) else np.append(bounds, len(data))
