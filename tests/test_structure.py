"""Runs of events are found as a loop with Python's own JSON reader finds them."""

from __future__ import annotations

import json
import re

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline import shapes
from pipeline.forms.runs import run_of_events
from pipeline.forms.structure import inside_strings, leading_events

SCAN = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
TEXT = st.text('ab"\\/{}[],: \n\u00e9\ud83d', max_size=8)
VALUE = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
MESSAGE = VALUE.filter(lambda value: not str(value).startswith(("{", "[")))
EVENT = st.fixed_dictionaries(
    {"id": VALUE, "message": MESSAGE, "created_at": VALUE}, optional={"data": VALUE, "level": VALUE}
)
OBJECT = st.dictionaries(
    st.sampled_from(["object", "id", "message", "level", "x"]), VALUE, max_size=3
)
KIND = st.sampled_from(["fine_tuning.job.event", "fine_tuning.job", None, 5])
ELEMENT = EVENT | st.builds(lambda value, kind: value | {"object": kind}, EVENT, KIND) | OBJECT
SPACE = st.sampled_from(["", " ", "\n  ", "\t\r\n"])


@st.composite
def arrays(draw: st.DrawFn) -> bytes:
    """What stands behind the opening bracket of an array, perhaps cut off or damaged."""
    indent = draw(st.none() | st.integers(0, 2))
    elements = draw(st.lists(ELEMENT | ELEMENT | ELEMENT | VALUE, min_size=1, max_size=6))
    ascii_only = draw(st.booleans())
    texts = [json.dumps(e, indent=indent, ensure_ascii=ascii_only) for e in elements]
    comma = draw(SPACE) + "," + draw(SPACE)
    end = draw(SPACE) + draw(st.sampled_from(["]", "]}", ",]", "", "}", "] [{"]))
    text = (comma.join(texts) + end).encode("utf-8", "surrogatepass")
    if draw(st.booleans()):
        return text
    at = draw(st.integers(0, len(text) - 1))
    changed = draw(st.sampled_from([b"", b'"', b"{", b"}", b",", b"\\", b"]", b"\xff", b"\x01"]))
    return text[:at] + changed + text[at + draw(st.integers(0, 1)) :]


def one_by_one(text: bytes) -> tuple[list[int], list[int], bool]:
    """Where events begin, with what follows them, where they end, and if the array does there."""
    letters = text.decode("latin-1")
    starts, ends = [0], []
    while True:
        try:
            value, end = SCAN(letters, starts[-1])
        except (StopIteration, ValueError):
            return starts, ends, False
        if not isinstance(value, dict) or not shapes.is_event(value):
            return starts, ends, False
        if closing := re.compile(r"[ \t\n\r]*(?=\])").match(letters, end):
            return [*starts, closing.end()], [*ends, end], True
        follows = re.compile(r"[ \t\n\r]*,[ \t\n\r]*(?=\{)").match(letters, end)
        if not follows:
            return starts, ends, False
        starts.append(follows.end())
        ends.append(end)


@given(arrays())
@example(
    b'{"message": "\\\\", "id": 1, "created_at": 1}, {"message": "\\"]", "id": 1, "created_at": 1}]'
)
@example(b'{"message": 1, "id": 1, "created_at": 1} {"message": 1, "id": 1, "created_at": 1}]')
@example(b'{"message": 1, "id": 1, "created_at": 1}, {"message": 1, "id": 1, "created_at": 1} x {')
@example(b'{"message": 1, "id": 1, "created_at": 1},]')
@example(b'{"message": 1, "id": 1, "created_at": 1, "object": {"\xed": 1}}]')
@example(b'{"message": 1, "id": 1, "created_at": 1}, 5, {"message": 1, "id": 1, "created_at": 1}]')
def test_many_at_a_time_are_those_found_one_by_one(text: bytes) -> None:
    """Never more, whatever the bytes are."""
    starts, ends, closed = one_by_one(text)
    quick_starts, quick_ends, quick_closed = leading_events(text)
    count = len(quick_ends)
    assert quick_ends.tolist() == ends[:count]
    assert not count or quick_starts.tolist() == starts[: count + 1]
    assert not quick_closed or (closed and count == len(ends))


@given(st.lists(EVENT, min_size=1, max_size=6), SPACE, st.sampled_from(["]", ", {", ", 5", ", "]))
def test_all_of_usual_events_are_found(events: list[object], space: str, end: str) -> None:
    """Events without what stricter readers refuse: no event is left to the slow way."""
    texts = [re.sub(r"NaN|-?Infinity|\\ud83d", "0", json.dumps(event)) for event in events]
    text = (f",{space}".join(texts) + end).encode()
    starts, ends, closed = one_by_one(text)
    known = len(events) - (end != "]")  # what follows the last one is not there yet
    assert len(ends) >= known
    quick_starts, quick_ends, quick_closed = leading_events(text)
    assert quick_ends.tolist() == ends[:known]
    assert not known or quick_starts.tolist() == starts[: known + 1]
    assert quick_closed == closed


@given(arrays(), st.integers(0, 200))
def test_a_run_takes_what_the_slow_way_takes(text: bytes, most: int) -> None:
    """All events, those that only Python takes for JSON included, that begin in time."""
    starts, ends, closed = one_by_one(text)
    count = sum(start <= most for start in starts[: len(ends)])
    begins, stops, index, is_closed = run_of_events(bytearray(b"[" + text), 1, most + 1)
    if len(stops) == len(ends) - 1 and closed:  # the last one is left to the careful way
        count, closed = len(stops), False
    assert begins.tolist() == [start + 1 for start in starts[:count]]
    assert stops.tolist() == [end + 1 for end in ends[:count]]
    assert index == starts[count] + 1
    assert is_closed == (closed and count == len(ends))


@given(st.lists(VALUE, max_size=9), st.integers(0, 70))
def test_inside_strings(values: list[object], before: int) -> None:
    """From each opening quote up to the closing one, wherever words of bits begin."""
    text = b" " * before + json.dumps(values, ensure_ascii=False).encode("utf-8", "surrogatepass")
    inside, expected, at = False, [], 0
    while at < len(text):
        if inside and text[at] == ord("\\"):
            expected += [True, True]
            at += 2
            continue
        inside ^= text[at] == ord('"')
        expected.append(inside)
        at += 1
    bits = np.unpackbits(inside_strings(text).view(np.uint8), bitorder="little")
    assert bits[: len(text)].astype(bool).tolist() == expected
