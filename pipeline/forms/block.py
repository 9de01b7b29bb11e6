"""The one shape in which every form hands on its records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

_NEWLINE = 10
_PIECE = 1 << 20


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
    """

    position: int
    jobs: tuple[str, ...] = ()
    run: bool = False


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
    """

    data: npt.NDArray[np.uint8]
    bounds: Ints
    position: int
    offsets: Ints
    marks: list[Mark] = field(default_factory=list)
    oversize: dict[int, Oversize] = field(default_factory=dict)
    unterminated: bool = False
    open_ends: set[int] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def text(self) -> bytes | bytearray:
        """All bytes of the block, at least: `data` says where it ends."""
        return self.data.tobytes()

    def raw(self, index: int) -> bytes:
        """The bytes of one record."""
        return self.data[self.bounds[index] : self.bounds[index + 1]].tobytes()

    def record_at(self, byte: int) -> tuple[int, int, int]:
        """The record around a byte of `data`: its index, where it begins, where it ends."""
        index = int(np.searchsorted(self.bounds, byte, side="right")) - 1
        return index, int(self.bounds[index]), int(self.bounds[index + 1])


class LineBlock(Block):
    """A block of whole lines, which finds its bounds only when asked for them."""

    def __init__(self, buffer: Any, size: int, position: int, offset: int) -> None:
        """Take the first `size` bytes of a buffer; its last line may lack a line break."""
        self._buffer, self._size, self._offset = buffer, size, offset
        self.data = np.frombuffer(buffer, dtype=np.uint8, count=size)
        self.position = position
        self.marks, self.oversize, self.open_ends = [], {}, set()
        self.unterminated = False
        self._open = bool(self.data[-1] != _NEWLINE)
        self._count = sum(np.count_nonzero(p == _NEWLINE) for p in self._pieces()) + self._open
        self._at, self._lines = 0, 0

    def _pieces(self) -> Iterator[npt.NDArray[np.uint8]]:
        # Pieces that stay in the processor's cache together with what is made of them.
        return (self.data[low : low + _PIECE] for low in range(0, self._size, _PIECE))

    def __len__(self) -> int:
        return int(self._count)

    @property
    def text(self) -> bytes | bytearray:
        """The buffer the block was cut from, without a copy where that can be."""
        if not isinstance(self._buffer, bytes | bytearray):
            self._buffer = self.data.tobytes()
        return self._buffer

    @cached_property
    def bounds(self) -> Ints:  # type: ignore[override]
        """Where lines begin and end."""
        bounds = np.zeros(self._count + 1, dtype=np.int64)
        at = 1
        for number, piece in enumerate(self._pieces()):
            breaks = np.flatnonzero(piece == _NEWLINE)
            np.add(breaks, number * _PIECE + 1, out=bounds[at : at + len(breaks)])
            at += len(breaks)
        bounds[-1] = self._size
        return bounds

    @cached_property
    def offsets(self) -> Ints:  # type: ignore[override]
        """Where lines begin in the source."""
        return self.bounds[:-1] + self._offset

    def record_at(self, byte: int) -> tuple[int, int, int]:
        """The line around a byte; quickest where bytes are asked for in order."""
        text = self.text
        begin = text.rfind(b"\n", 0, byte) + 1
        end = text.find(b"\n", byte, self._size) + 1 or self._size
        low, high = sorted((begin, self._at))
        between = int(np.count_nonzero(self.data[low:high] == _NEWLINE))
        self._lines += between if begin > self._at else -between
        self._at = begin
        return self._lines, begin, end
