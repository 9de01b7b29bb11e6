"""JSON lines: a byte stream to blocks of records, one record a line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
import xxhash

from pipeline.contract import REJECT_PREFIX_BYTES
from pipeline.forms.block import Block, Lines, Oversize, line_block
from pipeline.shapes import scan_any

MARK = b"\xef\xbb\xbf"
"""The byte order mark of UTF-8."""
BLOCK_BYTES = 8 << 20
_OPEN, _COMMA, _NEWLINE = b"{,\n"
_GAP = r"(?:[ \t\r]|\xef\xbb\xbf)?"
"""What may stand between objects on a line: the mark with which a file that was joined begins."""
_BESIDE = re.compile(_GAP + r'(?=\{")')
JOINT = re.compile(rf'\}}(?={_GAP}\{{")'.encode("latin-1"))
"""Where an object may begin on the line of another: inside a string the quote ends it."""
JOINT_BYTES = 6


class Readable(Protocol):
    """A byte stream."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""


def lines_of(content: bytes, max_record_bytes: int, *, offset: int = 0) -> Block:
    """Some content, not empty, as one block of lines; see `line_blocks`."""
    block = _apart(Lines(content, offset))
    _note_oversize(block, max_record_bytes)
    return block


class _Memory:
    """Buffers for blocks, taken again when nothing looks into them: fresh pages are slow."""

    def __init__(self) -> None:
        self._buffers: list[bytearray] = []

    def take(self, size: int) -> bytearray:
        """A buffer of at least some size."""
        for buffer in self._buffers:
            if len(buffer) >= size and _is_free(buffer):
                return buffer
        self._buffers = [b for b in self._buffers if len(b) >= size]
        self._buffers.append(bytearray(size + size // 8))
        return self._buffers[-1]


def _is_free(buffer: bytearray) -> bool:
    try:
        buffer.append(buffer.pop())  # refused while an array looks into it
    except BufferError:
        return False
    return True


def line_blocks(
    stream: Readable,
    max_record_bytes: int,
    *,
    offset: int = 0,
    block_bytes: int = BLOCK_BYTES,
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
    memory = _Memory()
    while True:
        buffer, size = _read_on(stream, carry, memory, block_bytes)
        if size == len(carry):
            break
        cut = buffer.rfind(b"\n", 0, size) + 1
        carry = bytes(buffer[cut:size])
        if cut:
            block = _apart(line_block(buffer, cut, position, offset))
            _note_oversize(block, max_record_bytes)
            position += len(block)
            offset += cut
            yield block
            del block
        if len(carry) > max_record_bytes + 1:  # one may be the \r of its end
            block, length, carry = _skip_line(stream, carry, position, offset, block_bytes)
            yield block
            position += 1
            offset += length
    if carry:
        block = lines_of(carry, max_record_bytes, offset=offset)
        block.position = position
        yield block


def _read_on(
    stream: Readable, carry: bytes, memory: _Memory, block_bytes: int
) -> tuple[bytes | bytearray, int]:
    """What was read before and what a stream gives next, and how many bytes that is."""
    readinto = getattr(stream, "readinto", None)
    if readinto is None:
        read = carry + stream.read(block_bytes)
        return read, len(read)
    wanted = len(carry) + block_bytes
    buffer = memory.take(wanted)
    with memoryview(buffer) as view:
        view[: len(carry)] = carry
        return buffer, len(carry) + int(readinto(view[len(carry) : wanted]))


def _apart(block: Block) -> Block:
    """A block of lines, objects on the line of another being records of their own.

    So files end up that are joined to one though their last lines lack a line break.
    """
    begins: list[int] = []
    seen = 0
    for joint in _joints(block):
        if joint >= seen:
            _, begin, seen = block.record_at(joint)
            begins += (begin + at for at in _objects_behind(block.text[begin:seen]))
    if not begins:
        return block
    bounds = np.sort(np.append(block.bounds, begins))
    offsets = bounds[:-1] + block.offsets[0]
    ended = block.unterminated
    return Block(
        block.data, bounds, block.position, offsets, unterminated=ended, buffer=block.buffer
    )


def _joints(block: Block) -> Iterable[int]:
    """Where an object may begin on the line of another."""
    if isinstance(block, Lines):  # little content is sooner searched
        return (joint.end() for joint in JOINT.finditer(block.text, 0, len(block.data)))
    data, (_, at) = block.data, block.brackets
    behind = at[np.flatnonzero(np.diff(at) < JOINT_BYTES - 1) + 1]
    behind = behind[np.flatnonzero(data[behind - 1] != _NEWLINE)]  # as most: quickest so
    behind = behind[(data[behind] == _OPEN) & (data[behind - 1] != _COMMA)]
    joints = (JOINT.search(block.text, at - JOINT_BYTES, at + 2) for at in behind.tolist())
    return [joint.end() for joint in joints if joint]


def _objects_behind(line: bytes | bytearray) -> Iterator[int]:
    """Where what begins right behind an object on a line that begins with one is another."""
    text = line.decode("latin-1")
    at = len(text) - len(text.lstrip(" \t\r\xef\xbb\xbf"))
    try:
        while text[at] == "{":
            _, at = scan_any(text, at)
            if not (beside := _BESIDE.match(text, at)):
                break
            yield at
            at = beside.end()
    except (StopIteration, ValueError, RecursionError):
        pass  # the last one is broken: a reject


def _note_oversize(block: Block, max_record_bytes: int) -> None:
    if len(block.data) > max_record_bytes:
        lengths = np.diff(block.bounds)
        for index in map(int, np.flatnonzero(lengths > max_record_bytes)):
            raw = block.raw(index).rstrip(b"\r\n")
            if len(raw) > max_record_bytes:
                block.oversize[index] = Oversize(len(raw), xxhash.xxh3_128_hexdigest(raw))


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
