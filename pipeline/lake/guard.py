"""A stream of content that ends where it is damaged or grows too long, and says so afterwards."""

from __future__ import annotations

from pipeline.forms.compression import Damaged
from pipeline.forms.lines import MARK, Readable


class Guard:
    """A stream that ends where it is damaged, and says so afterwards."""

    def __init__(self, stream: Readable, most: int | None = None) -> None:
        """Read from a stream, `most` bytes at most."""
        self._stream, self._ahead, self._most = stream, b"", most
        self.damage: str | None = None
        self.skipped = self.passed = 0

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end or the damage."""
        if self._ahead:
            ahead, self._ahead = self._ahead, b""
            return ahead
        if self.damage:
            return b""
        try:
            piece = self._stream.read(size)
            self.passed += len(piece)
            if self.over:
                return b""
            return piece
        except Damaged as error:
            self.damage = str(error)
            return b""

    def readinto(self, view: memoryview, /) -> int:
        """Fill a buffer as far as one read goes; how many bytes."""
        readinto = getattr(self._stream, "readinto", None)
        if self._ahead or self.damage or readinto is None:
            piece = self.read(len(view))
            view[: len(piece)] = piece
            return len(piece)
        got = int(readinto(view))
        self.passed += got
        return got

    @property
    def over(self) -> bool:
        """Whether the content is longer than it may be."""
        return self._most is not None and self.passed > self._most

    def skip_mark(self) -> None:
        """Pass over a byte order mark."""
        head = b""
        while len(head) < 3 and (piece := self.read(3 - len(head))):
            head += piece
        if head == MARK:
            self.skipped = 3
        else:
            self._ahead = head
