"""Documents of any nesting, drawn and real: all of their events, in order, each with its job."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from dumps import (
    LARGE,
    A,
    B,
    C,
    Records,
    a_checkpoint,
    a_job,
    a_page,
    an_event,
    records_of,
)  # fmt: skip
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import exact
from pipeline.forms.documents import expanded
from pipeline.forms.lines import line_blocks
from pipeline.forms.recognise import recognise

CORPUS = Path(__file__).parents[2] / "shared" / "corpus"
_JOBS = st.sampled_from([A, B, C])
Expected = list[tuple[int, tuple[str, ...]]]


@st.composite
def _anything(draw: st.DrawFn, told: tuple[str, ...], depth: int) -> tuple[Any, Expected]:
    """A JSON value with events inside, and these in order with the jobs they are told by."""
    numbers = draw(st.lists(st.integers(0, 99), min_size=1, max_size=3))
    shapes = ["array", "page", "event"]
    if depth:
        shapes += ["job", "field", "key", "exchange", "pages", "beside"]
    shape = draw(st.sampled_from(shapes))
    if shape == "event":
        return {"event": an_event(numbers[0])}, [(numbers[0], told)]
    if shape in ("array", "page"):
        events = [an_event(number) for number in numbers]
        value: Any = events if shape == "array" else {"has_more": True, "data": events, "n": 1}
        return value, [(number, told) for number in numbers]
    if shape == "pages":
        parts = draw(st.lists(_anything(told, depth - 1), min_size=1, max_size=3))
        value = [part for part, _ in parts]
        return value, [item for _, expected in parts for item in expected]
    job = draw(_JOBS)
    inner, expected = draw(_anything((job,), depth - 1))
    if shape == "key":
        return {job: inner}, expected
    if shape == "exchange":
        body = json.dumps(inner, indent=draw(st.sampled_from([None, 2])))
        pairs = [("url", f"https://api/{job}/events"), ("response", {"body": body})]
    elif shape == "job":
        pairs = [("job", a_job(job)), ("answer", inner)]
    elif shape == "field":
        pairs = [("job_id", job), ("answer", inner)]
    else:
        pairs = [("checkpoints", [a_checkpoint(job)]), ("answer", inner)]
    return dict(pairs if draw(st.booleans()) else pairs[::-1]), expected


@given(
    st.lists(_anything((), 3), min_size=1, max_size=3),
    st.sampled_from([None, 1]),
    st.booleans(),
    st.integers(1, 500),
)
@settings(max_examples=150, deadline=None)
def test_any_document(
    parts: list[tuple[Any, Expected]], indent: int | None, ascii_only: bool, block_bytes: int
) -> None:
    """From any nesting of pages, arrays, wrappers and exchanges come the events, in order, each
    with the job told nearest to it."""
    texts = [json.dumps(value, indent=indent, ensure_ascii=ascii_only) for value, _ in parts]
    records = records_of("\n".join(texts), block_bytes=block_bytes)
    found: Expected = []
    for index, kind in enumerate(records.kinds):
        assert kind in ("Event", "job", "fine_tuning.job.checkpoint")
        if kind == "Event":
            jobs = [names for at, names, _ in records.streams if at <= index][-1]
            found.append((json.loads(records.raws[index])["data"]["step"], jobs))
    assert found == [item for _, expected in parts for item in expected]


@given(_anything((), 3))
@settings(max_examples=60, deadline=None)
def test_expanded(part: tuple[Any, Expected]) -> None:
    """A container on a line expands to the records it has as a document, and to no container."""
    value, expected = part
    line = json.dumps(value)
    (block,) = line_blocks(io.BytesIO(b"\n" + line.encode() + b"\n"), LARGE)
    assert isinstance(exact.read(block.raw(1)), exact.Container)
    inner = Records(iter([expanded(block.raw(1), int(block.offsets[1]))]))
    whole = records_of("\n" + line)
    assert (inner.raws, inner.offsets, inner.streams) == (whole.raws, whole.offsets, whole.streams)
    assert inner.kinds.count("Event") == len(expected)
    assert "Container" not in inner.kinds


_KEYS = st.sampled_from(
    ["object", "message", "created_at", "level", "data", "events", "messages", "request",
     "response", "body", "id", "job_id", A]
)  # fmt: skip
_SCALARS = st.sampled_from(
    ["fine_tuning.job.event", "fine-tune-event", "list", "fine_tuning.job", A, B, 1, None, True,
     json.dumps(an_event(1)), json.dumps([a_page(1)]), '\ufeff {"object": "fine-tune-event"}',
     '["fine_tuning.job.event', "größer fine_tuning.job.event"]
)  # fmt: skip
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(_VALUES, st.booleans())
@settings(max_examples=400, deadline=None)
def test_containers_are_expanded_once(value: Any, ascii_only: bool) -> None:
    """Whatever is judged a container has records inside, and none of them is one again."""
    line = json.dumps(value, ensure_ascii=ascii_only).encode()
    (block,) = line_blocks(io.BytesIO(line), LARGE)
    records = records_of(line)
    assert "Container" not in records.kinds
    if isinstance(exact.read(line), exact.Container):
        assert Records(iter([expanded(block.raw(0), int(block.offsets[0]))])).kinds == records.kinds
    else:
        assert len(records.kinds) == 1


def _corpus() -> list[tuple[str, int]]:
    rows = (CORPUS / "EXPECTED.tsv").read_text().splitlines()[1:] if CORPUS.is_dir() else []
    cells = [row.split("\t") for row in rows]
    return [(cell[0], int(cell[2])) for cell in cells if cell[1] == "json"]


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real dumps is not here")
@pytest.mark.parametrize(("name", "events"), _corpus())
def test_real_dumps(name: str, events: int) -> None:
    """Real JSON dumps give the events they hold and nothing to be rejected."""
    raw = (CORPUS / name).read_bytes()
    assert recognise(raw[: 1 << 20], True) == "documents"
    records = records_of(raw)
    assert records.kinds.count("Event") == events
    assert not any(isinstance(verdict, exact.Reject) for verdict in records.verdicts)
