"""Where bytes of a kind stand: a bit a byte, searched and counted 64 at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
"""Bit i of word w stands for byte 64 * w + i; at least one word, the rest of the last is zero."""

_PIECE = 1 << 18
"""Bytes that stay in the processor's cache together with what is made of them."""
_ONE = np.uint64(1)


def words_where(data: Bytes, test: Callable[[Bytes], npt.NDArray[np.bool_]]) -> Words:
    """The bytes that pass a test, which is asked of pieces of them."""
    words = np.zeros(len(data) // 64 + 1, dtype=np.uint64)
    bits = words.view(np.uint8)
    for at in range(0, len(data), _PIECE):
        packed = np.packbits(test(data[at : at + _PIECE]), bitorder="little")
        bits[at // 8 : at // 8 + len(packed)] = packed
    return words


def places(words: Words) -> Ints:
    """Where ones stand, in order: quick where they are few."""
    at = np.flatnonzero(words != 0)
    left = words[at]
    count = np.bitwise_count(left)
    ends = np.cumsum(count, dtype=np.int64)
    found = np.empty(int(ends[-1]) if len(ends) else 0, dtype=np.int64)
    place = ends - count
    at *= 64
    while len(at):  # each turn takes the lowest one out of every word that has one left
        below = left - _ONE
        found[place] = at + np.bitwise_count(below & ~left)
        left &= below
        more = np.flatnonzero(left)
        at, left, place = at[more], left[more], place[more] + 1
    return found


def ones_before(words: Words, at: Ints) -> npt.NDArray[np.int32]:
    """How many ones stand before each place: whole words counted at once, then part of one."""
    before = np.zeros(len(words), dtype=np.int32)
    np.cumsum(np.bitwise_count(words[:-1]), out=before[1:], dtype=np.int32)
    word = at >> 6
    mask = (_ONE << (at & 63).astype(np.uint64)) - _ONE
    counts: npt.NDArray[np.int32] = before[word] + np.bitwise_count(words[word] & mask)
    return counts
