"""One version of a file: what was hashed is what is read, or the source is refused."""

from __future__ import annotations

import errno
import os
import stat
from io import BytesIO, FileIO
from pathlib import Path

import xxhash

SMALL_BYTES = 4 << 20
"""Files up to this size are read once and kept [byte]."""
_CACHED_BYTES = 1 << 18
"""Larger ones are hashed in pieces that the processor's cache holds [byte]."""
_DRAINED_BYTES = 1 << 20


class Refused(Exception):
    """A source that cannot be taken in; the text says what to do, without its path."""


def open_regular(file: str | Path) -> FileIO:
    """Open a file to be read without buffer, and without ever waiting for a writer.

    Raises:
        OSError: it cannot be opened, or lies there no more as a regular file.
    """
    return FileIO(_descriptor(file)[0], "rb")


def hashed(file: str | Path) -> tuple[str, int, bytes | None]:
    """The hash of a regular file, its size [byte], and its content if it is small.

    Raises:
        OSError: as `open_regular`, or it cannot be read.
    """
    digest, size = xxhash.xxh3_128(), 0
    number, told = _descriptor(file)  # of 20,000 files, what a file object does beside is felt
    try:
        wanted = min(told + 1, SMALL_BYTES)
        while piece := os.read(number, wanted):
            digest.update(piece)
            size += len(piece)
            if len(piece) < wanted:
                break
            wanted = _CACHED_BYTES
    except BlockingIOError:  # a file of the kernel's, that would be waited for
        raise BlockingIOError(errno.EAGAIN, "no file that ends", file) from None
    finally:
        os.close(number)
    return digest.hexdigest(), size, piece if size == len(piece) < SMALL_BYTES else None


def _descriptor(file: str | Path) -> tuple[int, int]:
    """A descriptor, to be closed, and the size that the file has now [byte]."""
    raw = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    status = os.fstat(raw)
    if not stat.S_ISREG(status.st_mode):
        os.close(raw)
        raise OSError(errno.EINVAL, "it is no regular file any more")
    return raw, status.st_size


class Version:
    """The content of a file as it was hashed; what was appended since is not seen."""

    def __init__(self, file: FileIO | BytesIO, size: int) -> None:
        """Read the first `size` bytes of a file."""
        self._file, self._left = file, size
        self._digest = xxhash.xxh3_128()

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end.

        Raises:
            Refused: the file cannot be read on.
        """
        try:
            piece = self._file.read(min(size, self._left))
        except OSError as error:
            raise Refused(f"cannot be read ({error.strerror}): mend or remove it") from None
        self._left -= len(piece)
        self._digest.update(piece)
        return piece

    def readinto(self, view: memoryview, /) -> int:
        """Fill a buffer as far as one read goes; how many bytes.

        Raises:
            Refused: the file cannot be read on.
        """
        view = view[: self._left]
        try:
            got = self._file.readinto(view)
        except OSError as error:
            raise Refused(f"cannot be read ({error.strerror}): mend or remove it") from None
        self._left -= got
        self._digest.update(view[:got])
        return got

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def verify(self, content_hash: str) -> None:
        """See that what was read, and what is left to read, is what was hashed.

        Raises:
            Refused: the file was changed or replaced meanwhile.
        """
        while self.read(_DRAINED_BYTES):
            pass
        if self._left or self._digest.hexdigest() != content_hash:
            raise Refused("was changed while it was read: ingest it again")
