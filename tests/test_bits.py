"""Places of bytes, found by words of bits."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.forms.bits import ones_before, places, words_where

ONE = ord("|")
SPARSE = st.binary(max_size=700).map(lambda text: text.replace(b"\0", b"|"))
DENSE = st.lists(st.sampled_from([b"|", b"-", b"|" * 64, b"-" * 130])).map(b"".join)


def bytes_of(text: bytes) -> np.ndarray:
    """Some text as the array that is looked at."""
    return np.frombuffer(text, dtype=np.uint8)


@given(SPARSE | DENSE)
def test_places_are_those_of_the_bytes_that_pass(text: bytes) -> None:
    """Where ones stand is where a loop over the bytes finds them, in order."""
    words = words_where(bytes_of(text), lambda piece: piece == ONE)
    assert places(words).tolist() == [at for at, byte in enumerate(text) if byte == ONE]


@given(SPARSE | DENSE, st.data())
def test_ones_before_a_place_are_counted(text: bytes, data: st.DataObject) -> None:
    """How many ones stand before any place, the end included, is what a loop counts."""
    at = data.draw(st.lists(st.integers(0, len(text)), min_size=1))
    words = words_where(bytes_of(text), lambda piece: piece == ONE)
    assert ones_before(words, np.array(at)).tolist() == [text[:n].count(ONE) for n in at]


def test_pieces_leave_no_seam() -> None:
    """Bytes around the borders of the pieces that are tested at once are found."""
    borders = [(1 << 18) * n + d for n in (1, 2) for d in (-1, 0, 1)]
    data = np.zeros(3 << 18, dtype=np.uint8)
    data[borders] = ONE
    assert places(words_where(data, lambda piece: piece == ONE)).tolist() == borders
