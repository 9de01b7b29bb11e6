"""Events that follow one another in an array: most of them found many at a time."""

from __future__ import annotations

import re
from array import array

import numpy as np

from pipeline.forms.bits import Ints
from pipeline.forms.structure import leading_events
from pipeline.shapes import is_event, scan

_NEXT_OBJECT = re.compile(r"[ \t\n\r]*,[ \t\n\r]*(?=\{)").match
_LEAST, _MOST = 1 << 16, 1 << 20
"""How much is looked at at once [byte]: a usual page, and what stays in the processor's cache."""


def run_of_events(text: bytearray, index: int, most: int) -> tuple[Ints, Ints, int, bool]:
    """The elements of an array, from one on, that are events and followed by an object each.

    Args:
        text: JSON, as far as it is at hand.
        index: where an element begins.
        most: events that begin behind it are left.

    Returns:
        Where they begin, where they end, and where the element after them begins; or, and then
        True, where the bracket is that ends the array behind them.
    """
    begins, stops, size = array("q"), array("q"), _LEAST
    goes_on, closed = text[index : index + 1] == b"{", False  # cells of a table begin none
    while goes_on and index <= most:
        piece = bytes(text[index : index + size])
        starts, ends, closed = leading_events(piece)
        count = min(len(ends), int(np.searchsorted(starts, most - index, "right")))
        if not count:
            starts, ends = _one_by_one(piece.decode("latin-1"), most - index)
            count = len(ends)
        begins.frombytes((starts[:count] + index).tobytes())
        stops.frombytes((ends[:count] + index).tobytes())
        index += int(starts[count])
        size = min(2 * size, _MOST)
        goes_on, closed = count > 0 and not closed, closed and count == len(ends)
    return np.array(begins), np.array(stops), index, closed


def _one_by_one(text: str, most: int) -> tuple[Ints, Ints]:
    """As `leading_events`, by Python's own reader, which takes more for JSON."""
    starts, ends = [0], []
    try:
        while starts[-1] <= most:
            value, end = scan(text, starts[-1])
            if type(value) is not dict or not is_event(value):
                break
            follows = _NEXT_OBJECT(text, end)
            if follows is None:
                break
            starts.append(follows.end())
            ends.append(end)
    except (StopIteration, ValueError, RecursionError):
        pass  # cut off by the window, or odd: the careful way takes it from here
    return np.array(starts), np.array(ends, dtype=np.int64)
