"""A window that slides over JSON text too large to be held."""

from __future__ import annotations

import json
import re
from typing import Any

import xxhash

from pipeline.contract import EVENT_OBJECTS, REJECT_PREFIX_BYTES
from pipeline.forms.lines import Readable
from pipeline.shapes import LONGEST_ESCAPE, bare, from_base64, is_cut, scan, scan_any

MAX_READ_BYTES = 16 << 20
_SHORT_BYTES = 1 << 12
"""So much is read as a value first, and more only where it is longer."""
_ODD_BYTES = 1 << 20
"""The end of an event that is no JSON is looked for no further."""
_SPACE = re.compile(rb"[ \t\n\r]*")
_STRUCTURE = re.compile(rb'["\[\]{}]')
_STRING_END = re.compile(rb'["\\]')
_SCALAR_END = re.compile(rb"[ \t\n\r,\]}]")


class Broken(Exception):
    """What stands there is no JSON. `cut`: it would be, if the text did not end."""

    def __init__(self, *, cut: bool) -> None:
        """Tell whether it is the end that breaks it."""
        super().__init__()
        self.cut = cut


class TooLong(Exception):
    """A value does not end within the size limit."""


def string_content(literal: bytes) -> bytes:
    """What a JSON string says, plain or in base64, as bare UTF-8; other bytes stay as they are."""
    text = json.loads(literal.decode("utf-8", "surrogateescape"))
    text = bare(from_base64(text).decode("utf-8", "surrogateescape") or text)
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a surrogate pair, escaped in the string: stays escaped
        return text.encode("utf-8", "backslashreplace")


class Window:
    """Part of a stream, addressed by offsets in the source [byte].

    Values are read a character a byte: UTF-8 keeps all bytes of structure apart from those of
    content, so that is sound, and offsets need no translation.
    """

    def __init__(self, stream: Readable, limit: int, offset: int, chunk: int) -> None:
        """Open a window.

        Args:
            stream: read from where it stands.
            limit: longer values are not held [byte].
            offset: what the stream's first byte counts as [byte].
            chunk: the least to read at once [byte].
        """
        self.text = bytearray()
        self.base = self.reached = offset
        self.ended = False
        self._stream, self._limit, self._chunk = stream, limit, chunk

    def more(self) -> None:
        """Read on."""
        size = max(self._chunk, min(len(self.text), MAX_READ_BYTES))
        piece = self._stream.read(size)
        self.ended = not piece
        self.text += piece

    def drop(self, at: int) -> None:
        """Forget what stands before a place."""
        del self.text[: at - self.base]
        self.base = at

    def cut(self, start: int, end: int) -> bytes:
        """The bytes between two places."""
        return bytes(memoryview(self.text)[start - self.base : end - self.base])

    def space(self, at: int) -> int:
        """The next place that is not white space."""
        while True:
            # Matches anywhere, be it nothing: never None.
            end = _SPACE.match(self.text, at - self.base).end()  # type: ignore[union-attr]
            at = self.base + end
            if end < len(self.text) or self.ended:
                self.reached = at  # how far the text was understood, when it turns out broken
                return at
            self.more()

    def char(self, at: int) -> str:
        """The character at a place; empty at the end."""
        while at - self.base >= len(self.text) and not self.ended:
            self.more()
        return self.text[at - self.base : at - self.base + 1].decode("latin-1")

    def value(self, at: int) -> tuple[Any, int]:
        """The JSON value at a place, and where it ends.

        Raises:
            Broken: it is no JSON.
            TooLong: it does not end within the limit.
            RecursionError: it nests deeper than Python's json follows.
        """
        scanner, size = scan, _SHORT_BYTES
        while True:
            index = at - self.base
            text = self.text[index : index + size].decode("latin-1")
            whole = index + size >= len(self.text)
            try:
                value, end = scanner(text, 0)
            except StopIteration as stop:
                self.reached = at + stop.value
                self._failed("Expecting value", text, stop.value, ended=whole and self.ended)
            except json.JSONDecodeError as error:
                self.reached = at + error.pos
                self._failed(error.msg, text, error.pos, ended=whole and self.ended)
            except ValueError:  # an integer of thousands of digits
                scanner = scan_any
                continue
            else:
                if end < len(text) or (whole and self.ended) or text[end - 1] in '"]}':
                    return value, at + end
            if not whole:
                size *= 8
                continue
            if len(text) > self._limit:
                raise TooLong
            self.more()

    @staticmethod
    def _failed(message: str, text: str, index: int, *, ended: bool) -> None:
        """Pass over a failure that more text may mend."""
        if ended:
            raise Broken(cut=is_cut(text, message, index))
        if not message.startswith("Unterminated") and index + LONGEST_ESCAPE < len(text):
            raise Broken(cut=False)

    def key(self, at: int) -> tuple[str, int]:
        """The name of an object's member, and where its value begins.

        Raises:
            Broken: no member stands there.
        """
        if self.char(at) != '"':
            raise Broken(cut=not self.char(at))
        try:
            key, at = self.value(at)
        except TooLong:
            raise Broken(cut=False) from None
        at = self.space(at)
        if self.char(at) != ":":
            raise Broken(cut=not self.char(at))
        return key, self.space(at + 1)

    def comma(self, at: int, closing: str) -> tuple[int, bool]:
        """After a member or element: where the next one begins, or where the last one ended.

        Returns:
            A place, and whether it is that of the closing bracket.

        Raises:
            Broken: neither a comma nor the bracket stands there.
        """
        at = self.space(at)
        if self.char(at) == closing:
            return at, True
        if self.char(at) != ",":
            raise Broken(cut=not self.char(at))
        return self.space(at + 1), False

    def extent(self, at: int) -> int:
        """Where a value ends, by its brackets and quotes alone.

        Raises:
            Broken: the text ends before it.
            TooLong: it does not end within the limit.
        """
        brackets, seen = _Brackets(), at
        while True:
            piece = self.text[seen - self.base :]
            end = brackets.end(piece)
            if end is not None:
                return seen + end
            if self.ended:
                raise Broken(cut=True)
            seen += len(piece)
            if seen - at > self._limit:
                raise TooLong
            self.more()

    def odd_event(self, at: int) -> int | None:
        """Where an event of an array ends that is no JSON, if its brackets and quotes tell.

        They do if the next object of the array follows, or its end; not of what calls more than
        one thing an event, nor past a line that may begin another document.
        """
        if self.char(at) != "{":
            return None
        reached, index, most = self.reached, at - self.base, min(self._limit, _ODD_BYTES)
        while len(self.text) - index < most and not self.ended:
            self.more()
        text = self.text[index : index + most]
        end = _Brackets().end(text)
        if end is None or _line(b"{[").search(text, 0, end):
            return None
        try:
            after, closed = self.comma(at + end, "]")
        except Broken:
            return None
        finally:
            self.reached = reached
        told = sum(text.count(b'"' + name.encode() + b'"', 0, end) for name in EVENT_OBJECTS)
        return at + end if told == 1 and (closed or self.char(after) == "{") else None

    def skip(self, at: int) -> tuple[bytes, int, str]:
        """Pass over a value by its brackets and quotes alone, dropping it on the way.

        Returns:
            Its bytes (the first of them, if it is over the limit), its length [byte] and hash.
        """
        return self._take(at, _Brackets())

    def broke_on_line(self, at: int) -> bool:
        """Whether what stands at a place broke on the line on which it begins."""
        return at >= self.base and b"\n" not in self.cut(at, self.reached).rstrip()

    def begins_line(self, at: int, openings: bytes) -> bool:
        """Whether one of some characters stands at a place, and a line break before it."""
        before, found = self.cut(at - 1, at), self.cut(at, at + 1)
        return before == b"\n" and found != b"" and found in openings

    def line(self, at: int, openings: bytes) -> int | None:
        """The next line that begins with one of some characters; None if it is far, or none is."""
        line, index = _line(openings), at - self.base
        while True:
            if found := line.search(self.text, index):
                return self.base + found.start() + 1
            if self.ended or len(self.text) - (at - self.base) > self._limit:
                return None
            index = max(index, len(self.text) - 1)
            self.more()

    def rest(self, at: int, openings: bytes) -> tuple[bytes, int, str]:
        """What stands before the next line that begins with one of some characters, or the end.

        Returns:
            As `skip`, without white space at the end.
        """
        return self._take(at, _NextLine(openings))

    def _take(self, at: int, border: _Brackets | _NextLine) -> tuple[bytes, int, str]:
        self.drop(at)
        digest, kept, length, blank = xxhash.xxh3_128(), bytearray(), 0, b""
        while True:
            end = border.end(self.text)
            piece = bytes(self.text[:end])
            self.drop(self.base + len(piece))
            if isinstance(border, _NextLine):
                piece, body = blank + piece, (blank + piece).rstrip(b" \t\r\n")
                piece, blank = body, piece[len(body) :]
            digest.update(piece)
            length += len(piece)
            kept += piece[: max(self._limit, REJECT_PREFIX_BYTES) - len(kept)]
            if end is not None or self.ended:
                return bytes(kept), length, digest.hexdigest()
            self.more()


class _Brackets:
    """Follows the nesting of a value through pieces of its text."""

    def __init__(self) -> None:
        self._depth, self._in_string, self._begun, self._escaped = 0, False, False, False

    def end(self, text: bytes | bytearray) -> int | None:
        """Where the value ends in this piece; None where it goes on."""
        at = 0
        if text and not self._begun and text[0] not in b'"[{':
            scalar = _SCALAR_END.search(text)
            return scalar.start() if scalar else None
        self._begun = self._begun or bool(text)
        if self._escaped and text:
            at, self._escaped = 1, False
        while found := (_STRING_END if self._in_string else _STRUCTURE).search(text, at):
            at = found.end()
            mark = found[0]
            if mark == b"\\":
                self._escaped = at == len(text)
                at += 1
            elif mark == b'"':
                self._in_string = not self._in_string
            else:
                self._depth += 1 if mark in b"[{" else -1
            if not self._in_string and self._depth <= 0:
                return at
        return None


def _line(openings: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"\n[" + re.escape(openings) + rb"]" if openings else rb"(?!)")


class _NextLine:
    """Finds a line that begins with one of some characters, behind the one that is begun."""

    def __init__(self, openings: bytes) -> None:
        self._line, self._openings, self._last = _line(openings), openings, b""

    def end(self, text: bytes | bytearray) -> int | None:
        """Where the line begins in this piece; None where the piece has none."""
        if self._last == b"\n" and text[:1] and text[0] in self._openings:
            return 0
        if found := self._line.search(text):
            return found.start() + 1
        self._last = bytes(text[-1:]) or self._last
        return None
