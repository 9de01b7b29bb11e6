"""JSON lines: a byte stream to blocks of records, one record a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import xxhash

from pipeline.contract import REJECT_PREFIX_BYTES
from pipeline.forms.block import Block, LineBlock, Oversize

BLOCK_BYTES = 8 << 20


class Readable(Protocol):
    """A byte stream."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""


def line_blocks(
    stream: Readable,
    max_record_bytes: int,
    *,
    offset: int = 0,
    block_bytes: int = BLOCK_BYTES,
    passing: bool = False,
) -> Iterator[Block]:
    """Cut a byte stream at its line breaks, block by block.

    Memory stays near `block_bytes` plus the longest line, `max_record_bytes` at most; of a
    longer line a prefix is kept.

    Args:
        stream: read from where it stands.
        max_record_bytes: longer lines become `Oversize` [byte].
        offset: what the stream's first byte counts as [byte].
        block_bytes: how much to read at once [byte].
        passing: a block is used before the next is asked for, so they may share their memory.
    """
    position = 0
    carry = b""
    shared = bytearray()
    while True:
        # Fresh pages cost more than reading into them: take used ones, the same or the pool's.
        wanted = len(carry) + block_bytes
        if not passing:
            buffer: Any = pa.allocate_buffer(wanted)
        else:
            if len(shared) < wanted:
                shared = bytearray(wanted + len(carry))
            buffer = shared
        view = memoryview(buffer).cast("B")
        view[: len(carry)] = carry
        got = _read_into(stream, view[len(carry) : wanted])
        if not got:
            break
        size = len(carry) + got
        cut = _last_break(view[:size]) + 1
        if cut:
            block = _block(buffer, cut, position, offset, max_record_bytes)
            yield block
            position += len(block)
            offset += cut
        carry = bytes(view[cut:size])
        if len(carry) > max_record_bytes + 1:  # one may be the \r of its end
            block, length, carry = _skip_line(stream, carry, position, offset, block_bytes)
            yield block
            position += 1
            offset += length
    if carry:
        block = _block(bytearray(carry), len(carry), position, offset, max_record_bytes)
        block.unterminated = not carry.endswith(b"\n")
        yield block


def _read_into(stream: Readable, view: memoryview) -> int:
    """Fill a part of a view from a stream; how many bytes."""
    readinto = getattr(stream, "readinto", None)
    if readinto is not None:
        return int(readinto(view))
    piece = stream.read(len(view))
    view[: len(piece)] = piece
    return len(piece)


def _last_break(view: memoryview) -> int:
    """Where the last line break is, -1 where there is none."""
    step = 1 << 16
    for low in range(len(view) - step, -step, -step):
        found = bytes(view[max(low, 0) : low + step]).rfind(b"\n")
        if found >= 0:
            return max(low, 0) + found
    return -1


def _block(buffer: Any, cut: int, position: int, offset: int, max_record_bytes: int) -> Block:
    block = LineBlock(buffer, cut, position, offset)
    if cut > max_record_bytes:
        lengths = np.diff(block.bounds)
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
