"""A walk through JSON documents, from their records to blocks.

What names a job may stand after its events, so records wait for the end of their source, up to
the size limit. Arrays of events are read element by element and may have any size.
"""

from __future__ import annotations

import io
import json
import sys
from array import array
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Any

from pipeline import exact, shapes
from pipeline.companions import is_labelled, without_parts
from pipeline.forms.block import Block
from pipeline.forms.evidence import ArrayScope, BrokenScope, ObjectScope, RootScope, Scope
from pipeline.forms.runs import run_of_events
from pipeline.forms.waiting import Waiting
from pipeline.forms.window import Broken, TooLong, Window, string_content
from pipeline.shapes import MAX_NESTING

_BOM = "\xef\xbb\xbf"
_REREADS = 10
"""So often what a broken document had swallowed is read again; what follows is one reject then."""
_REREAD_BYTES = 1 << 20  # more at once counts as often as this goes into it

_Walk = Generator[Block, None, tuple[int, bool]]
"""Yields blocks that cannot wait; returns where a value ends, and whether it held events."""


def walker(raw: bytes, offset: int) -> Walker:
    """A walker over bytes at hand: nothing in it is too long, all of it waits for its end."""
    limit = len(raw) + 1
    # What is written anew, without the events that were inside of it, may be longer than all.
    return Walker(Window(io.BytesIO(raw), limit, offset, limit), sys.maxsize, sys.maxsize)


class Walker:
    """Walks through the documents of one source."""

    def __init__(self, window: Window, limit: int, block_bytes: int) -> None:
        """Walk through a window's text; `limit` and `block_bytes` as in `Waiting`."""
        self._window, self._limit, self._block_bytes = window, limit, block_bytes
        self._waiting = Waiting(limit, block_bytes)
        self._labelled = False  # the last value without events says what object it is

    def source(self) -> Iterator[Block]:
        """All blocks of the source."""
        window, waiting, root = self._window, self._waiting, RootScope()
        begin = at = window.base
        bare, patience = False, _REREADS
        openings = b'{["' if window.char(self._beginning(at)) == '"' else b"{["
        while opening := window.char(at := self._beginning(at)):
            first, events, start = waiting.next, waiting.events, at
            try:
                at, _ = yield from self._element(at, root, lazy=not bare, among=bare)
            except Broken as broken:
                if bare and opening == "{":  # read as one of them: by members, it may hold some
                    bare = False
                    continue
                if waiting.events == events:
                    waiting.keep(first)
                begun, reached = waiting.next > first, window.reached
                parts = opening in '["' or (opening == "{" and not window.broke_on_line(start))
                at = yield from self._break(start, opening, begun, broken.cut, root, openings)
                bare, root = False, BrokenScope() if parts else root
                patience -= (reached > at) + max(reached - at, 0) // _REREAD_BYTES
                openings = openings if patience > 0 else b""
            else:
                bare = waiting.events - events == waiting.next - first == 1
                root = root.behind(had_events=waiting.events > events)
                at = window.space(at)  # what was cut out of an array has commas in between
                at += window.char(at) == ","
            if at - begin > self._limit and at - window.base > self._block_bytes:
                yield from self._flush(at)
        yield from self._flush(at)

    def _beginning(self, at: int) -> int:
        """Where the next document begins; joined files bring byte order marks in between."""
        window = self._window
        at = window.space(at)
        while "".join(window.char(at + i) for i in range(len(_BOM))) == _BOM:
            at = window.space(at + len(_BOM))
        return at

    def _flush(self, at: int) -> Iterator[Block]:
        yield from self._waiting.blocks(self._window)
        self._window.drop(at)

    def _break(
        self, start: int, opening: str, begun: bool, cut: bool, scope: Scope, openings: bytes
    ) -> Generator[Block, None, int]:
        """What was not taken of a broken document, up to a line that begins as another one.

        Returns:
            Where that line is, or the end.
        """
        window, waiting, at, over = self._window, self._waiting, start, False
        if begun:
            scope = waiting.scopes[-1][1] if waiting.scopes else scope
            at = window.space(max(waiting.taken, window.base))
            if window.char(at) == ",":
                at = window.space(at + 1)
            else:
                over = window.begins_line(at, openings)
        end = at if over else window.line(at, openings)
        if end is None:
            yield from self._flush(at)
            raw, length, digest = window.rest(at, openings)
            if raw:
                yield waiting.lone(at, raw, length, digest, scope, cut=cut)
            end = window.base
        else:
            raw = window.cut(at, end).rstrip(b" \t\r\n")
            length = len(raw)
            if raw:
                waiting.add(at, at + length, scope)
        if length <= self._limit and not isinstance(exact.read(raw), exact.Reject):
            # All is read, yet the document is not whole: its bracket that never closes tells.
            yield from self._flush(end)
            yield waiting.lone(start, opening.encode(), 1, "", scope, cut=cut)
        return end

    def _element(self, at: int, scope: Scope, *, lazy: bool = False, among: bool = False) -> _Walk:
        """A document, or an element of an array.

        Args:
            at: where it begins.
            scope: what it stands in.
            lazy: read an object member by member.
            among: events stand before it: too long to be held, it is taken for one.
        """
        window, waiting = self._window, self._waiting
        opening, shallow = window.char(at), scope.depth < MAX_NESTING
        self._labelled = False
        if opening == "[" and shallow:
            return (yield from self._array(at, scope, member=False))
        if opening == "{" and lazy and shallow:
            return (yield from self._object(at, scope))
        try:
            value, end = window.value(at)
        except TooLong:
            if opening == "{" and shallow and not among:
                return (yield from self._object(at, scope))
            return (yield from self._skip(at, scope))
        except RecursionError:
            try:
                end = window.extent(at)
            except TooLong:
                return (yield from self._skip(at, scope))
            waiting.add(at, end, scope)
            return end, False
        if shallow and (yield from self._inside(value, at, end, scope)):
            return end, True
        scope.learn(value)
        waiting.add(at, end, scope)
        self._labelled = is_labelled(value)
        return end, False

    def _inside(self, value: Any, at: int, end: int, scope: Scope) -> Generator[Block, None, bool]:
        """The records of a value at hand, if it is an event or holds events."""
        if isinstance(value, dict):
            if shapes.is_event(value):
                self._waiting.add(at, end, scope)
                self._waiting.events += 1
                return True
            if shapes.holds_events(value):
                return (yield from self._object(at, scope))[1]
        elif isinstance(value, str) and shapes.holds_events(value):
            self._body(at, end, scope)
            return True
        return False

    def _body(self, at: int, end: int, scope: Scope) -> None:
        """The records in a string of JSON; they lie where the string does."""
        raw = string_content(self._window.cut(at, end))
        inside = walker(raw, 0)
        for _ in inside._element(0, scope, lazy=True):
            raise AssertionError("a value at hand waits for its end")
        inner, scopes = inside._waiting, dict(inside._waiting.scopes)
        for index, (start, stop) in enumerate(zip(inner.starts, inner.ends, strict=True)):
            scope = scopes.get(index, scope)
            found = inner.bodies.get(index) or inside._window.cut(start, stop)
            self._waiting.add(at, end, scope, found)
        self._waiting.events += inner.events

    def _array(self, at: int, parent: Scope, *, member: bool) -> _Walk:
        """An array. `member` of an object: without events, only labelled objects are records."""
        window, waiting, scope = self._window, self._waiting, ArrayScope(parent)
        begin, first, events = at, waiting.next, waiting.events
        labelled, nested, hot, patience = array("q"), False, True, self._limit
        cells, position, known, framed = list[tuple[range, int]](), first, events, False
        at = window.space(at + 1)
        try:
            closed = window.char(at) == "]"
            while not closed:
                if hot:
                    at, closed = self._run(at, scope, patience)
                if not closed:
                    position, known, opening = waiting.next, waiting.events, window.char(at)
                    among = hot and known > events
                    try:
                        at, found = yield from self._element(at, scope, among=among)
                    except Broken:
                        end = window.odd_event(at) if waiting.next == position else None
                        if end is None:
                            raise
                        waiting.add(at, end, scope)
                        labelled.append(position)
                        at, found = end, False
                    hot = waiting.next - position == waiting.events - known == 1
                    if found and len(cells) < 2:  # more tell no more
                        cells.append((range(position, waiting.next), waiting.events - known))
                    bare = hot and opening == "{" and waiting.taken == at
                    framed = framed or opening not in "[{" or (found and not bare)  # no page
                    nested, known = nested or opening in "[{", waiting.events
                    if self._labelled and not found:
                        labelled.append(position)
                    at, closed = window.comma(at, "]")
                if at - window.base > patience:
                    yield from self._flush(at)
                    patience = self._block_bytes
        except Broken:
            if waiting.events > max(events, known):  # so it stands when the rest has come, too
                cells.append((range(position, waiting.next), waiting.events - known))
            if member and waiting.events == events:
                waiting.keep(first)
            raise
        finally:
            if framed and scope.is_inner and [n for _, n in cells] == [waiting.events - events]:
                scope.is_row = True
                waiting.keep(first, sorted({*labelled, *cells[0][0]}))
        at, self._labelled = at + 1, False
        if waiting.events > events:
            return at, True
        parent.merge(scope.found.items())
        if member:
            waiting.keep(first, labelled)
        elif not nested and begin >= window.base:
            waiting.keep(first)
            waiting.add(begin, at, parent)
        return at, False

    def _run(self, at: int, scope: Scope, patience: int) -> tuple[int, bool]:
        """Take events as far as it goes quickly: where the next element is, or the end bracket."""
        base = self._window.base
        self._waiting.enter(scope)  # if the document breaks here, the rest of it stands there too
        starts, ends, index, closed = run_of_events(self._window.text, at - base, patience)
        if len(starts):
            self._waiting.add_events(starts + base, ends + base, scope)
        return base + index, closed

    def _object(self, at: int, parent: Scope) -> _Walk:
        """An object, member by member: an event, something with events inside, or neither."""
        window, waiting, scope = self._window, self._waiting, ObjectScope(parent)
        begin, first, events = at, waiting.next, waiting.events
        members: dict[str, Any] = {}
        at = window.space(at + 1)
        closed = window.char(at) == "}"
        while not closed:
            key, at = window.key(at)
            members[key] = None
            try:
                at, members[key] = yield from self._member(key, at, scope, members)
            except TooLong:
                waits = begin >= window.base
                if waits and (key == "message" or shapes.is_event(members)):
                    waiting.keep(first)
                    return (yield from self._skip(begin, parent))
                at, _ = yield from self._skip(at, scope)
            at, closed = window.comma(at, "}")
        at += 1
        found = waiting.events > events
        if begin < window.base:
            return at, found
        if found and ("messages" in members or shapes.foreign(members) or shapes.is_event(members)):
            with suppress(json.JSONDecodeError):  # it has an odd event
                members = shapes.loads(window.cut(begin, at).decode("utf-8", "surrogateescape"))
                found = shapes.holds_events(members)  # looser shapes do not count in another thing
        event = shapes.is_event(members)
        if found and not event and (own := without_parts(members)):
            waiting.add(at - 1, at, scope, own)
        if event or not found:
            waiting.keep(first)
            waiting.add(begin, at, parent)
            waiting.events = events + event
            self._labelled = is_labelled(members)
            if not event:
                scope.pass_on()
            return at, event
        return at, True

    def _member(
        self, key: str, at: int, scope: ObjectScope, members: dict[str, Any]
    ) -> Generator[Block, None, Any]:
        """A member's value: its end and, where it matters for what its object is, itself."""
        window, waiting = self._window, self._waiting
        inner = scope.named(key)
        opening, shallow = window.char(at), scope.depth < MAX_NESTING
        if opening == "[" and shallow:
            end, found = yield from self._array(at, inner, member=True)
            if not found and inner is not scope:
                scope.merge(inner.found.items())
            return end, [{}]
        try:
            value, end = window.value(at)
        except RecursionError:
            return window.extent(at), None
        except TooLong:
            if opening != "{" or not shallow or shapes.is_event(members):
                raise
            end, _ = yield from self._object(at, inner)
            return end, {}
        if not (shallow and (yield from self._inside(value, at, end, inner))):
            if is_labelled(value):
                waiting.add(at, end, scope)
            scope.learn_member(key, value)
        return end, value

    def _skip(self, at: int, scope: Scope) -> _Walk:
        """A record that is too long to be held."""
        yield from self._flush(at)
        raw, length, digest = self._window.skip(at)
        yield self._waiting.lone(at, raw, length, digest, scope, cut=False)
        return self._window.base, False
