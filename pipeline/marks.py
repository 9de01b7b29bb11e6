"""What the bytes of records tell before they are parsed: quotes, brackets, payloads."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.forms.bits import Bytes, Ints, ones_before, words_where
from pipeline.forms.block import Block
from pipeline.forms.structure import closes

_QUOTE, _COMMA, _OPEN, _CLOSE = b'",{}'
_WHITE = np.isin(np.arange(256), (9, 10, 13, 32))
_MOST_BRACKETS = 200
"""Of a record that the engine is shown: all it reads without doubt are nested less deep."""
_INLINE = 12
"""Texts up to this length lie inside an Arrow string view [byte]."""


@dataclass(frozen=True)
class Marks:
    """The outer shape of a block's n records.

    Attributes:
        quotes: int32[n], quotes per record.
        whole: bool[n], UTF-8, one object with at most one object inside, as far as its brackets
            tell, and no comma before one that closes (the engine lets it pass, JSON does not).
        flat: bool[n], whole, and nothing is nested in the inner object.
        nested: bool[n], whole with that inner object: the payload.
        inner: int64[2, n], where the payload begins and ends in the block [byte].
    """

    quotes: npt.NDArray[np.int32]
    whole: npt.NDArray[np.bool_]
    flat: npt.NDArray[np.bool_]
    nested: npt.NDArray[np.bool_]
    inner: Ints

    def payloads(self, block: Block) -> pa.Array:
        """The payloads' texts as sent, NULL where there is none; no byte is copied."""
        begin, data = self.inner[0], block.data
        length = np.where(self.nested, self.inner[1] - begin, 0)
        views = np.zeros((len(block), 4), dtype=np.int32)  # length, first bytes, buffer, offset
        views[:, 0] = length
        views[:, 1] = _four_at(data, begin)
        views[:, 3] = begin
        short = np.flatnonzero(length <= _INLINE)
        places = np.arange(_INLINE)
        at = np.minimum(begin[short, None] + places, len(data) - 1)
        inline = np.where(places < length[short, None], data[at], 0).astype(np.uint8)
        views[short, 1:] = inline.view(np.int32)
        buffers = [_bits(self.nested), pa.py_buffer(views), pa.py_buffer(data)]
        return pa.Array.from_buffers(pa.string_view(), len(block), buffers)

    def texts(self, block: Block) -> pa.Array:
        """The records that are whole, NULL for the others; no byte is copied."""
        buffers = [_bits(self.whole), *_all(block)]
        return pa.Array.from_buffers(pa.string(), len(block), buffers)


def all_bytes(block: Block) -> pa.Array:
    """The bytes of all records, without a copy."""
    return pa.Array.from_buffers(pa.binary(), len(block), [None, *_all(block)])


def column(values: npt.NDArray[Any]) -> pa.Array:
    """Numbers as an Arrow array, uncopied. (`pa.array` imports pandas and more to look at them.)"""
    buffer = _bits(values) if values.dtype == bool else pa.py_buffer(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, buffer])


def marks(block: Block) -> Marks:
    """Look at a block of at least one record."""
    data, bounds = block.data, block.bounds
    quotes = np.diff(ones_before(words_where(data, lambda piece: piece == _QUOTE), bounds))
    words, brackets = block.brackets
    kinds = data[brackets]
    commas = _trailing_commas(data, brackets[closes(kinds)])
    first = ones_before(words, bounds)
    count = np.diff(first)
    first, last = first[:-1], first[1:] - 1
    kinds = np.concatenate([kinds, np.zeros(2, dtype=np.uint8)])
    nested = (count >= 4) & (count <= _MOST_BRACKETS)
    whole = nested | (count == 2)
    whole &= (kinds[first] == _OPEN) & (kinds[last] == _CLOSE)
    nested &= (kinds[first + 1] == _OPEN) & (kinds[last - 1] == _CLOSE)
    whole &= nested | (count == 2)
    if len(commas):
        whole[np.searchsorted(bounds, commas, side="right") - 1] = False
    whole[_foul(block)] = False
    whole[list(block.oversize)] = False
    nested &= whole
    brackets = np.concatenate([brackets, np.zeros(2, dtype=brackets.dtype)])
    inner = np.stack([brackets[first + 1], brackets[last - 1] + 1])
    return Marks(quotes, whole, whole & (count <= 4), nested, inner)


def _trailing_commas(data: Bytes, closing: Ints) -> Ints:
    """Where a comma stands before a closing bracket."""
    before = closing[closing > 0] - 1
    ends = data[before]
    commas = before[ends == _COMMA]
    while len(before := before[_WHITE[ends] & (before > 0)] - 1):
        ends = data[before]
        commas = np.append(commas, before[ends == _COMMA])
    return commas


def _foul(block: Block) -> list[int]:
    """Indices of records that are not UTF-8."""
    if block.text.isascii():
        return []
    try:
        codecs.utf_8_decode(block.data.data, "strict", True)
        return []
    except UnicodeDecodeError:
        return [index for index in range(len(block)) if not _decodes(block.raw(index))]


def _four_at(data: Bytes, at: Ints) -> npt.NDArray[np.int32]:
    """The four bytes from each place on, as they lie in memory; others near the end of all."""
    if len(data) < 4:
        return np.zeros(len(at), dtype=np.int32)
    overlapping: npt.NDArray[np.int32] = np.ndarray((len(data) - 3,), np.int32, data, strides=(1,))
    return overlapping[np.minimum(at, len(data) - 4)]


def _decodes(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _bits(mask: npt.NDArray[np.bool_]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(mask, bitorder="little"))


def _all(block: Block) -> list[pa.Buffer]:
    return [pa.py_buffer(block.bounds.astype(np.int32)), pa.py_buffer(block.data)]
