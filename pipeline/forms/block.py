"""The one shape in which every form hands on its records."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


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

    def raw(self, index: int) -> bytes:
        """The bytes of one record."""
        return self.data[self.bounds[index] : self.bounds[index + 1]].tobytes()
