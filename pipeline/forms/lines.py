"""JSON lines: a byte stream to blocks of records, one record a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import xxhash

from pipeline.contract import REJECT_PREFIX_BYTES
from pipeline.forms.block import Block, Oversize

BLOCK_BYTES = 4 << 20
_NEWLINE = 10


class Readable(Protocol):
    """A byte stream."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""


def line_blocks(
    stream: Readable, max_record_bytes: int, *, offset: int = 0, block_bytes: int = BLOCK_BYTES
) -> Iterator[Block]:
    """Cut a byte stream at its line breaks, block by block.

    Memory stays near `block_bytes` plus the longest line, `max_record_bytes` at most; of a
    longer line a prefix is kept.

    Args:
        stream: read from where it stands.
        max_record_bytes: longer lines become `Oversize` [byte].
        offset: what the stream's first byte counts as [byte].
        block_bytes: how much to read at once [byte].
    """
    position = 0
    carry = b""
    while chunk := stream.read(block_bytes):
        text = carry + chunk if carry else chunk
        cut = text.rfind(b"\n") + 1
        if cut:
            block = _block(text, cut, position, offset, max_record_bytes)
            yield block
            position += len(block)
            offset += cut
        carry = text[cut:]
        if len(carry) > max_record_bytes:
            block, length, carry = _skip_line(stream, carry, position, offset, block_bytes)
            yield block
            position += 1
            offset += length
    if carry:
        block = _block(carry, len(carry), position, offset, max_record_bytes)
        block.unterminated = True
        yield block


def _block(text: bytes, cut: int, position: int, offset: int, max_record_bytes: int) -> Block:
    data = np.frombuffer(text, dtype=np.uint8, count=cut)
    breaks = np.flatnonzero(data == _NEWLINE)
    ends_open = text[cut - 1] != _NEWLINE
    bounds = np.empty(len(breaks) + 1 + ends_open, dtype=np.int64)
    bounds[0] = 0
    bounds[1 : len(breaks) + 1] = breaks + 1
    if ends_open:
        bounds[-1] = cut
    block = Block(data, bounds, position, bounds[:-1] + offset)
    lengths = np.diff(bounds)
    if lengths.max() > max_record_bytes:
        for index in map(int, np.flatnonzero(lengths > max_record_bytes)):
            raw = block.raw(index).rstrip(b"\r\n")
            if len(raw) > max_record_bytes:
                block.oversize[index] = Oversize(len(raw), xxhash.xxh3_128_hexdigest(raw))
    return block


def _skip_line(
    stream: Readable, carry: bytes, position: int, offset: int, block_bytes: int
) -> tuple[Block, int, bytes]:
    """Read to the end of a line that is too long: its block, its length, what follows it."""
    digest = xxhash.xxh3_128()
    prefix, length, rest = carry[:REJECT_PREFIX_BYTES], 0, b""
    tail = b""  # a \r may be the line's last byte or not: known only with the next chunk
    piece = carry
    ended = False
    while piece:
        end = piece.find(b"\n")
        if end >= 0:
            piece, rest, ended = piece[:end], piece[end + 1 :], True
        piece = tail + piece
        tail = b"\r" if piece.endswith(b"\r") else b""
        body = piece[: len(piece) - len(tail)]
        digest.update(body)
        length += len(body)
        if ended:
            break
        piece = stream.read(block_bytes)
    if tail and not ended:
        digest.update(tail)
        length += 1
    data = np.frombuffer(prefix, dtype=np.uint8)
    block = Block(data, np.array([0, len(prefix)]), position, np.array([offset]))
    block.oversize[0] = Oversize(length, digest.hexdigest())
    return block, length + (len(tail) + 1 if ended else 0), rest
