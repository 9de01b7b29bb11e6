"""Runs of events in an array, found by brackets and quotes many at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.forms.bits import Bytes, Ints, Words, places, words_where
from pipeline.shapes import MAX_NESTING

_QUOTE, _BACKSLASH, _OPEN = b'"\\{'
_ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_ONE = np.uint64(1)
_WHITE = b" \t\n\r"


def is_bracket(piece: Bytes) -> npt.NDArray[np.bool_]:
    """The bytes that are [ ] { or }."""
    kind = piece | 0x20  # they, and nothing else, pass the next three lines as zero
    kind -= _OPEN
    kind &= 0xFD
    return kind == 0


def closes(brackets: Bytes) -> npt.NDArray[np.bool_]:
    """The brackets that close: ] is 0x5d, } is 0x7d."""
    return (brackets & 0x07) == 0x05


def inside_strings(text: bytes) -> Words:
    """The bytes of JSON strings, from the quote that opens one up to the one that closes it.

    Right as long as the text is JSON and begins outside a string.
    """
    data = np.frombuffer(text, dtype=np.uint8)
    quotes = words_where(data, lambda piece: piece == _QUOTE)
    if _BACKSLASH in text:
        escaped = _escaped(places(words_where(data, lambda piece: piece == _BACKSLASH)))
        np.bitwise_and.at(quotes, escaped >> 6, ~(_ONE << (escaped & 63).astype(np.uint64)))
    inside = quotes.copy()
    for step in (1, 2, 4, 8, 16, 32):  # each bit becomes the parity of all up to it
        inside ^= inside << np.uint64(step)
    odd = np.cumsum(np.bitwise_count(quotes), dtype=np.int64) & 1
    inside[1:] ^= np.where(odd[:-1], _ALL, np.uint64(0))
    return inside


def _escaped(backslashes: Ints) -> Ints:
    """Where bytes stand that a backslash escapes: behind every other one of those in a row."""
    begins = np.flatnonzero(np.diff(backslashes, prepend=-2) != 1)
    lengths = np.diff(begins, append=len(backslashes))
    nth = np.arange(len(backslashes)) - np.repeat(begins, lengths)
    return backslashes[nth % 2 == 0] + 1


def leading_events(text: bytes) -> tuple[Ints, Ints, bool]:
    """The elements of an array, from one on, that are events, up to one that is none.

    The last element of the text is told only with the bracket that closes the array: what
    follows any other is an object.

    Args:
        text: from the beginning of an element on, as far as it is at hand.

    Returns:
        Where they begin, and behind them the next element or the bracket; where they end; whether
        it is the bracket. Nothing where only another way can tell.
    """
    nothing = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), False
    data = np.frombuffer(text, dtype=np.uint8)
    at = places(words_where(data, is_bracket) & ~inside_strings(text))
    closing = closes(data[at])
    depth = np.cumsum(np.where(closing, -1, 1))
    beyond = np.flatnonzero(depth < 0)[:1]
    last = len(text)
    if len(beyond):
        last = int(at[beyond[0]])
        at, closing, depth = at[: beyond[0]], closing[: beyond[0]], depth[: beyond[0]]
    starts, ends = at[~closing & (depth == 1)], at[closing & (depth == 0)] + 1
    if not len(ends) or depth.max() > MAX_NESTING:
        return nothing
    stop = int(ends[-1])
    # Here, as msgspec takes a while to load, and lines need none of it.
    from pipeline.forms.elements import leading

    count = leading(text[:stop])
    # What is JSON has its brackets where they seem to be; each object has a pair of its own.
    if count is None:
        return nothing
    if count == len(ends) and text[stop : last + 1].strip(_WHITE) == b"]":
        return np.append(starts, last), ends, True
    few = min(count, len(ends) - 1)  # what follows the last one was not looked at
    followed = data[starts[1 : few + 1]] == _OPEN
    few = few if followed.all() else int(np.argmin(followed))
    return starts[: few + 1], ends[:few], False
