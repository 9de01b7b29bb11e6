"""Compressed or plain: a byte stream of the content, told by the first bytes, not the name."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from pipeline.zstd import zstd

_GZIP = b"\x1f\x8b\x08"
_ZSTD = b"\x28\xb5\x2f\xfd"
_STEP_BYTES = 64 << 10
_GZIP_WINDOW = 31  # zlib's way to say: gzip header and check sum


class Damaged(Exception):
    """The compressed data ends or breaks here; what came before has been read."""


class Stream(Protocol):
    """A byte stream of decompressed content."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end.

        Raises:
            Damaged: all bytes before the damage have been returned.
        """

    def close(self) -> None:
        """Close what it reads from."""


def opened(file: Path | BinaryIO | Stream) -> tuple[Stream, str]:
    """Open a file or pass on a byte stream, decompressed.

    Args:
        file: a path, or a binary stream that need not be seekable.

    Returns:
        The content and its compression: ``none``, ``gz`` or ``zst``.

    Raises:
        OSError: the file cannot be opened.
    """
    raw: BinaryIO | Stream = file.open("rb", buffering=0) if isinstance(file, Path) else file
    head = b""
    while len(head) < 4 and (piece := raw.read(4 - len(head))):
        head += piece
    ahead = Ahead(raw, head)
    if head[:3] == _GZIP:
        return _Inflated(ahead, _gzip_pieces(ahead)), "gz"
    if head == _ZSTD or _skippable(head):
        return _Inflated(ahead, _zstd_pieces(ahead)), "zst"
    return ahead, "none"


def is_compressed(head: bytes) -> bool:
    """Whether content that begins so is compressed."""
    return head.startswith((_GZIP, _ZSTD)) or _skippable(head)


def at_once(data: bytes, most: int) -> tuple[bytes, str] | None:
    """The content of sound, short compressed data in one step, many times as fast as `opened`.

    Args:
        data: one gzip member or one zstd frame, and nothing else.
        most: longer content is not looked at [byte].

    Returns:
        The content and its compression; None where only `opened` can tell what is there.
    """
    inflater: Any
    if data.startswith(_GZIP):
        compression, inflater = "gz", zlib.decompressobj(_GZIP_WINDOW)
    elif data.startswith(_ZSTD):
        compression, inflater = "zst", zstd.ZstdDecompressor()
    else:
        return None
    try:
        content: bytes = inflater.decompress(data, most + 1)
    except (zlib.error, zstd.ZstdError):
        return None
    sound = inflater.eof and not inflater.unused_data and len(content) <= most
    return (content, compression) if sound else None


class Ahead:
    """A stream of which some bytes were read already."""

    def __init__(self, raw: Any, head: bytes) -> None:
        """Read these bytes, then a stream."""
        self._raw, self._head = raw, head

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        if not self._head:
            return bytes(self._raw.read(size))
        head, self._head = self._head[:size], self._head[size:]
        # One copy of the first piece only: every other read goes straight through.
        return head + bytes(self._raw.read(size - len(head))) if size > len(head) else head

    def readinto(self, view: memoryview, /) -> int:
        """Fill a buffer as far as one read goes; how many bytes."""
        if self._head or not hasattr(self._raw, "readinto"):
            piece = self.read(len(view))
            view[: len(piece)] = piece
            return len(piece)
        return int(self._raw.readinto(view))

    def exactly(self, size: int) -> bytes:
        """`size` bytes, fewer only where the stream ends."""
        data = b""
        while len(data) < size and (piece := self.read(size - len(data))):
            data += piece
        return data

    def close(self) -> None:
        """Close the stream."""
        self._raw.close()


class _Inflated:
    """Pieces of content, handed on in the sizes asked for."""

    def __init__(self, raw: Ahead, pieces: Iterator[bytes]) -> None:
        self._raw, self._pieces = raw, pieces
        self._rest = b""
        self._damage: Damaged | None = None

    def read(self, size: int, /) -> bytes:
        parts, wanted = [], size
        while wanted > 0:
            piece = self._rest or self._next()
            if not piece:
                break
            parts.append(piece[:wanted])
            self._rest = piece[wanted:]
            wanted -= len(parts[-1])
        if not parts and self._damage and size > 0:
            raise self._damage
        return b"".join(parts)

    def _next(self) -> bytes:
        if self._damage is None:
            try:
                return next(self._pieces, b"")
            except Damaged as damage:
                self._damage = damage
        return b""

    def close(self) -> None:
        self._raw.close()


def _gzip_pieces(raw: Ahead) -> Iterator[bytes]:
    """Content of all members, one after another."""
    data = raw.read(_STEP_BYTES)
    while data:
        member: Any = zlib.decompressobj(_GZIP_WINDOW)
        while not member.eof:
            if not data:
                data = raw.read(_STEP_BYTES)
            if not data:
                raise Damaged("the gzip data is cut off")
            before = member.copy()
            try:
                piece = member.decompress(data, _STEP_BYTES * 16)
            except zlib.error as error:
                yield from _before_damage(before, data)
                raise Damaged(f"the gzip data is corrupt ({_reason(error)})") from None
            data = member.unconsumed_tail
            if piece:
                yield piece
        data = member.unused_data or raw.read(_STEP_BYTES)
        while data and not data.strip(b"\0"):  # tapes pad with zeros, gzip allows it
            data = raw.read(_STEP_BYTES)
        data = data.lstrip(b"\0")
        if 0 < len(data) < len(_GZIP):
            data += raw.exactly(len(_GZIP) - len(data))
        if data and data[:3] != _GZIP:
            raise Damaged("something else follows the gzip data")


def _before_damage(member: Any, data: bytes) -> Iterator[bytes]:
    """What can still be got out of data in which the damage lies: step by smallest step."""
    try:
        for at in range(len(data)):
            tail = data[at : at + 1]
            while tail:
                piece = member.decompress(tail, _STEP_BYTES)
                tail = member.unconsumed_tail
                if piece:
                    yield piece
    except zlib.error:
        return


def _zstd_pieces(raw: Ahead) -> Iterator[bytes]:
    """Content of all frames, block by block, so that a broken block costs no block before it.

    The frame format: https://www.rfc-editor.org/rfc/rfc8878#section-3.1
    """
    while magic := raw.exactly(4):
        if _skippable(magic):
            size = int.from_bytes(_zstd_part(raw, 4), "little")
            while size:
                size -= len(_zstd_part(raw, min(size, _STEP_BYTES)))
            continue
        if magic != _ZSTD:
            if len(magic) < 4 and _ZSTD.startswith(magic):
                raise Damaged("the zstd data is cut off")
            raise Damaged("something else follows the zstd data")
        frame: Any = zstd.ZstdDecompressor()
        descriptor = _zstd_part(raw, 1)
        single, checked = descriptor[0] & 0x20, descriptor[0] & 0x04
        content_size = (1 if single else 0, 2, 4, 8)[descriptor[0] >> 6]
        window = 0 if single else 1
        dictionary = (0, 1, 2, 4)[descriptor[0] & 3]
        header = _zstd_part(raw, window + dictionary + content_size)
        yield from _zstd_content(frame, magic + descriptor + header)
        last = 0
        while not last:
            block = _zstd_part(raw, 3)
            number = int.from_bytes(block, "little")
            last, kind, size = number & 1, number >> 1 & 3, number >> 3
            body = _zstd_part(raw, 1 if kind == 1 else size)  # kind 1: one byte, repeated
            yield from _zstd_content(frame, block + body)
        if checked:
            yield from _zstd_content(frame, _zstd_part(raw, 4))


def _zstd_content(frame: Any, data: bytes) -> Iterator[bytes]:
    try:
        if piece := frame.decompress(data):
            yield piece
    except zstd.ZstdError as error:
        raise Damaged(f"the zstd data is corrupt ({_reason(error)})") from None


def _zstd_part(raw: Ahead, size: int) -> bytes:
    data = raw.exactly(size)
    if len(data) < size:
        raise Damaged("the zstd data is cut off")
    return data


def _skippable(magic: bytes) -> bool:
    return magic[1:4] == b"\x2a\x4d\x18" and magic[0] >> 4 == 5


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0].rsplit(": ", 1)[-1]
