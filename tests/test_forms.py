"""Bytes to records: recognition, lines, documents."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import exact
from pipeline.contract import REJECT_PREFIX_BYTES
from pipeline.forms.block import Block
from pipeline.forms.documents import document_blocks, expanded
from pipeline.forms.lines import line_blocks
from pipeline.forms.recognise import Unrecognised, recognise

CORPUS = Path(__file__).parents[2] / "shared" / "corpus"
LARGE = 64 << 20
A, B, C = (f"ftjob-{letter * 24}" for letter in "ABC")


def _event(number: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "object": "fine_tuning.job.event",
        "id": f"ftevent-{number:024}",
        "created_at": 1_700_000_000 + number,
        "level": "info",
        "message": f"Step {number}/9: training loss=0.50, größer",
        "data": {"step": number, "train_loss": 0.5},
        "type": "metrics",
        **fields,
    }


def _page(*numbers: int) -> dict[str, Any]:
    return {"object": "list", "data": [_event(n) for n in numbers], "has_more": False}


def _job(job: str) -> dict[str, Any]:
    return {"object": "fine_tuning.job", "id": job, "status": "succeeded", "note": f"after {C}"}


def _checkpoint(job: str) -> dict[str, Any]:
    return {"object": "fine_tuning.job.checkpoint", "id": "ftckpt_1", "fine_tuning_job_id": job}


def _exchange(job: str, body: Any) -> dict[str, Any]:
    return {
        "request": {"method": "GET", "uri": f"https://api/v1/fine_tuning/jobs/{job}/events"},
        "response": {"status": {"code": 200}, "body": {"string": json.dumps(body, indent=1)}},
    }


class _Records:
    """The records of some blocks, checked for what every block promises."""

    def __init__(self, blocks: Iterator[Block]) -> None:
        self.raws: list[bytes] = []
        self.offsets: list[int] = []
        self.streams: list[tuple[int, tuple[str, ...], bool]] = []
        self.oversize = {}
        self.open_ends: set[int] = set()
        self.verdicts: list[exact.Verdict] = []
        for block in blocks:
            assert block.position == len(self.raws)
            assert len(block.bounds) == len(block) + 1
            assert block.bounds[0] == 0 and block.bounds[-1] == len(block.data)
            for index in range(len(block)):
                raw = block.raw(index)
                last = block.unterminated and index == len(block) - 1
                if last or index in block.open_ends:
                    self.open_ends.add(len(self.raws))
                if index in block.oversize:
                    self.oversize[len(self.raws)] = block.oversize[index]
                self.verdicts.append(exact.read(raw, last=last or index in block.open_ends))
                self.raws.append(raw)
            self.offsets += block.offsets.tolist()
            self.streams += [(mark.position, mark.jobs, mark.run) for mark in block.marks]

    @property
    def values(self) -> list[Any]:
        return [json.loads(raw) for raw in self.raws]

    @property
    def kinds(self) -> list[str]:
        return [
            v.reason if isinstance(v, exact.Reject)
            else v.kind if isinstance(v, exact.Ignored)
            else type(v).__name__
            for v in self.verdicts
        ]  # fmt: skip


def _documents(text: str | bytes, limit: int = LARGE, block_bytes: int = 4 << 20) -> _Records:
    raw = text.encode() if isinstance(text, str) else text
    return _Records(document_blocks(io.BytesIO(raw), limit, block_bytes=block_bytes))


def _read(*values: Any, **options: int) -> _Records:
    return _documents("\n".join(json.dumps(value) for value in values), **options)


# ---------------------------------------------------------------- recognition


@pytest.mark.parametrize(
    ("head", "form"),
    [
        (json.dumps(_event()), "lines"),
        (json.dumps(_event()) + "\n" + json.dumps(_event(1)) + "\n", "lines"),
        ("\ufeff\r\n \t\n" + json.dumps(_event()) + "\r\n", "lines"),
        ('{"messages": [{"role": "user", "content": "hello"}]}\n', "lines"),
        ('{"object": "fine_tun\n' + json.dumps(_event()) + "\n", "lines"),
        ("# dumped by me\n" + json.dumps(_event()) + "\n", "lines"),
        ("\n" * 50 + json.dumps(_event()), "lines"),
        (json.dumps(_page(1)), "documents"),
        (json.dumps(_page(1)) + "\n" + json.dumps(_page(2)), "documents"),
        (json.dumps([_event()]), "documents"),
        (json.dumps(_event(), indent=2), "documents"),
        (json.dumps(_page(1, 2), indent=2), "documents"),
        (json.dumps(_exchange(A, _page(1))), "documents"),
        (json.dumps(_exchange(A, _page(1)), indent=2), "documents"),
        ("[\n" + ",\n".join(json.dumps(_event(n)) for n in range(9)) + "\n]\n", "documents"),
        ("[\n" + ",\n".join(json.dumps(_event(n)) for n in range(9)), "documents"),
        (json.dumps(_page(1, 2), indent=2)[:-2], "documents"),
        (json.dumps(_page(1, 2), indent=2)[:300], "documents"),
        ("[]", "documents"),
        ('{"job": 1, "events": []}', "lines"),
    ],
)
def test_recognise(head: str, form: str) -> None:
    """The form is told by the content: lines where lines are objects, documents otherwise."""
    assert recognise(head.encode(), True) == form


def test_recognise_part() -> None:
    """The first bytes are enough, wherever they end."""
    page = json.dumps(_page(*range(20)), indent=2).encode()
    lines = b"".join(json.dumps(_event(n)).encode() + b"\n" for n in range(20))
    one_line = json.dumps(_page(*range(20))).encode()
    for size in range(2, 3_000, 7):
        assert recognise(page[:size], False) == "documents"
        assert recognise(lines[:size], False) == "lines"
    for size in range(40, 3_000, 7):
        assert recognise(one_line[:size], False) == "documents"


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"", "an empty file"),
        (b"\xef\xbb\xbf", "white space"),
        (b" \n\r\n", "white space"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"%PDF-1.7", "a PDF"),
        (b"PK\x03\x04abc", "a ZIP archive"),
        (b"\x1f\x8b\x08abc", "gzip data in gzip data"),
        (b"PAR1abc", "a Parquet file"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"\x00\x01\x02\x03" * 9, "binary data"),
        (bytes(range(1, 32)) * 9, "binary data"),
        ("\ufeff{}".encode("utf-16-le"), "UTF-16"),
        (json.dumps(_event()).encode("utf-16-le"), "UTF-16"),
        (json.dumps(_event()).encode("utf-16-be"), "UTF-16"),
        (b"x" * 257 + b"ustar", "a tar archive"),
        (b'data: {"object": "fine-tune-event"}\n\ndata: [DONE]\n', "server-sent events"),
        (b"[FineTuningJobEvent(id='ftevent-1', created_at=1)]", "a Python repr"),
        (b"> SyncCursorPage[FineTuningJobEvent](data=[])", "a Python repr"),
        (b"{'object': 'list', 'data': []}", "a Python repr"),
        (b'<OpenAIObject list at 0x7f> JSON: {\n  "data": []\n}', "a printed OpenAIObject"),
        (b'{"cells": [{"cell_type": "code", "outputs": []}]}', "a Jupyter notebook"),
        (b'{\n "cells": [\n  {\n   "cell_type": "code",\n', "a Jupyter notebook"),
        (b"step,train_loss,valid_loss\n1,0.5,\n", "a CSV result file"),
        (b"c3RlcCx0cmFpbl9sb3NzLHRyYWluX2FjY3VyYWN5LHZhbGlkX2xvc3M=", "in base64"),
        (b"[1692407401] Fine-tuning job started\n", "polling log lines"),
        (b"Step 1/3: training loss=0.5\nStep 2/3: training loss=0.4\n", "polling log lines"),
        (b"2024-01-01 00:00:00 | INFO | waiting\n", "log lines"),
        (b"<!DOCTYPE html><html></html>", "an HTML page"),
        (b"interactions:\n- request: {}\n", "a YAML cassette"),
        (b"to be, or not to be\n", "a text without JSON"),
    ],
)
def test_unrecognised(head: bytes, name: str) -> None:
    """What is no dump is named as what it is, in words on one line."""
    with pytest.raises(Unrecognised) as error:
        recognise(head, True)
    assert name in str(error.value) and "\n" not in str(error.value)


@given(st.binary(max_size=300), st.booleans())
def test_recognise_anything(head: bytes, whole: bool) -> None:
    """Any bytes are recognised or refused, never a crash."""
    try:
        assert recognise(head, whole) in ("lines", "documents")
    except Unrecognised as error:
        assert str(error)


def test_recognise_deep() -> None:
    """Brackets without end are a document to be rejected, not a crash."""
    assert recognise(b"[" * 1_000_000, True) == "documents"
    assert recognise(b'{"a":' * 100_000, True) in ("documents", "lines")


# ---------------------------------------------------------------- lines

_LINE = st.binary(max_size=12).map(lambda raw: raw.replace(b"\n", b""))


@given(st.lists(_LINE, max_size=12), st.booleans(), st.integers(1, 40), st.integers(4, 9))
def test_lines(parts: list[bytes], ended: bool, block_bytes: int, limit: int) -> None:
    """Lines are the records, with their offsets, whatever the size of blocks and the limit."""
    text = b"\n".join(parts) + (b"\n" if ended else b"")
    lines = text.split(b"\n")
    if not lines[-1]:
        lines.pop()
    records = _Records(line_blocks(io.BytesIO(text), limit, offset=3, block_bytes=block_bytes))
    assert len(records.raws) == len(lines)
    assert records.offsets == [3 + sum(len(x) + 1 for x in lines[:i]) for i in range(len(lines))]
    for index, line in enumerate(lines):
        content = line.rstrip(b"\r")
        over = records.oversize.get(index)
        if over is None:
            assert records.raws[index].removesuffix(b"\n") == line and len(content) <= limit
        else:
            assert over.length > limit and content.startswith(records.raws[index][:limit])
            assert over.hash == xxhash.xxh3_128_hexdigest(line[: over.length])
    assert not any(index < len(lines) - 1 for index in records.open_ends)
    if text.endswith(b"\n"):
        assert not records.open_ends


def test_long_line() -> None:
    """Of a line over the limit a prefix is kept, with the length and hash of the whole."""
    long = b"x" * 1_000_000
    text = b"1\n" + long + b"\r\n2\n" + long
    records = _Records(line_blocks(io.BytesIO(text), 100_000, block_bytes=30_000))
    assert [len(raw) for raw in records.raws] == [2, REJECT_PREFIX_BYTES, 2, REJECT_PREFIX_BYTES]
    for over in (records.oversize[1], records.oversize[3]):
        assert (over.length, over.hash) == (len(long), xxhash.xxh3_128_hexdigest(long))
    assert records.offsets == [0, 2, 1_000_004, 1_000_006]


# ---------------------------------------------------------------- documents


def test_page() -> None:
    """The elements of a page are the records, byte for byte, and one stream."""
    text = json.dumps(_page(3, 2, 1), indent=3, ensure_ascii=False)
    records = _documents(text)
    assert records.values == [_event(3), _event(2), _event(1)]
    assert records.streams == [(0, (), False)]
    for raw, offset in zip(records.raws, records.offsets, strict=True):
        assert text.encode()[offset:].startswith(raw.removesuffix(b"\n"))


def test_page_after_mark() -> None:
    """A byte order mark and white space before and after a document do not matter."""
    records = _documents(b"\xef\xbb\xbf \r\n" + json.dumps(_page(1)).encode() + b"\r\n\t")
    assert records.values == [_event(1)]


def test_bare_events() -> None:
    """Bare events one after another are one run, indented or not, between pages too."""
    text = json.dumps(_event(1), indent=2) + "\n" + json.dumps(_event(2)) + json.dumps(_event(3))
    records = _documents(text + json.dumps(_page(4)) + text)
    assert [value["created_at"] - 1_700_000_000 for value in records.values] == [1, 2, 3, 4, 1, 2, 3]
    assert records.streams == [(0, (), True), (3, (), False), (4, (), True)]


def test_same_page_twice() -> None:
    """The same page twice is two streams."""
    records = _read(_page(2, 1), _page(2, 1))
    assert records.streams == [(0, (), False), (2, (), False)]


@pytest.mark.parametrize(
    ("document", "jobs"),
    [
        ({"job": _job(A), "events": [_event(1)]}, (A,)),
        ({"events": [_event(1)], "job": _job(A)}, (A,)),
        ({"job_id": A, "event": _event(1)}, (A,)),
        ({"event": _event(1), "fine_tuning_job_id": "my-job"}, ("my-job",)),
        ({A: [_event(1)]}, (A,)),
        ({A: {"events": [_event(1)], "status": "x"}}, (A,)),
        ({"jobs": {A: _page(1)}}, (A,)),
        ({"url": f"https://api/jobs/{A}/events", "body": json.dumps(_page(1))}, (A,)),
        ({"url": f"https://api/jobs/{A}/events", "body": "\ufeff " + json.dumps([_event(1)])}, (A,)),
        ({"id": A, "object": "fine-tune", "events": [_event(1)], "after": B}, (A,)),
        ({"result": {"page": _page(1)}, "meta": [{"of": A}]}, (A,)),
        ([_job(A), _event(1)], (A,)),
        ([_event(1), _checkpoint(A)], (A,)),
        ([_event(1), {"note": A}], ()),
        ({"events": [_event(1)], "checkpoints": [_checkpoint(A)]}, (A,)),
        ({"events": [_event(1)], "a": f"{A} and {B}"}, (A, B)),
        ({"job": A, "pages": [_page(1)], "note": {"after": B}}, (A, B)),
        ({"job": A, "inner": {"job": B, "events": [_event(1)]}}, (B,)),
        ({"job_id": A, "url": f"/{B}/events", "events": [_event(1)]}, (A,)),
        ({"log": {"entries": [_exchange(A, _page(1))]}}, (A,)),
        (_exchange(A, _exchange("", _page(1))), (A,)),
        (_page(1), ()),
        ({"azure": "gpt-4.ft-51727d94ab964acd9e4278f47b13bf3a", "events": [_event(1)]}, ()),
    ],
)
def test_evidence(document: Any, jobs: tuple[str, ...]) -> None:
    """The nearest thing around the events that names a job tells it, before them or after."""
    records = _read(document)
    (told,) = [
        [names for at, names, _ in records.streams if at <= index][-1]
        for index, kind in enumerate(records.kinds)
        if kind == "Event"
    ]
    assert told == jobs
    assert "unknown_object" not in records.kinds or document[1:] == [{"note": A}]


def test_exchanges_apart() -> None:
    """Recorded exchanges side by side do not share what names their job."""
    other = {"request": {"uri": f"https://api/jobs/{C}"}, "response": {"body": "{}"}}
    records = _read([_exchange(A, _page(2, 1)), other, _exchange("", _page(3)), _exchange(B, _page(4))])
    assert records.kinds == ["Event", "Event", "recorded exchange of something else"] + ["Event"] * 2
    streams = {at: jobs for at, jobs, _ in records.streams}
    assert (streams[0], streams[3], streams[4]) == ((A,), (), (B,))


def test_wrapped_events() -> None:
    """Wrapped events in a row are one stream as long as they tell one job."""
    wrapped = [{"job_id": job, "event": _event(n)} for n, job in enumerate([A, A, B, B, A])]
    records = _read(wrapped)
    assert records.values == [_event(n) for n in range(5)]
    assert [(at, jobs) for at, jobs, _ in records.streams] == [(0, (A,)), (2, (B,)), (4, (A,))]


def test_keys_apart() -> None:
    """Lists under the names of jobs are streams of these jobs."""
    records = _read({A: [_event(1), _event(2)], B: [_event(3)], "at": 5, C: []})
    assert records.streams == [(0, (A,), False), (2, (B,), False)]


def test_documents_tell_each_other() -> None:
    """Checkpoints as a document of their own name the job of the pages around, if it is one."""
    checkpoints = {"object": "list", "data": [_checkpoint(A)], "has_more": False}
    records = _read(_page(1), checkpoints)
    assert records.streams[0] == (0, (A,), False)
    assert records.kinds == ["Event", "list of fine_tuning.job.checkpoint"]
    assert _read(_page(1), _job(A), _page(2), _job(B)).streams[0] == (0, (), False)
    assert _read(_job(A), _event(1), _event(2)).streams == [(0, (), True)]


def test_offsets_in_bodies() -> None:
    """Records in a string have the bytes of the decoded string and the offset of its quote."""
    event = _event(1, message='größer "\n" \U0001f600 \\')
    for ascii_outside in (True, False):
        for ascii_inside in (True, False):
            body = json.dumps({"data": [event]}, ensure_ascii=ascii_inside)
            text = json.dumps({"ü": 1, "body": body}, ensure_ascii=ascii_outside)
            records = _documents(text)
            assert records.raws == [json.dumps(event, ensure_ascii=ascii_inside).encode()]
            assert records.offsets == [text.encode().index(b'"body": ') + 8]


def test_things_beside() -> None:
    """Objects beside events are records of their own; settings and headers are not."""
    document = {
        "job": _job(A),
        "headers": [{"name": "x", "value": "y"}],
        "limits": {"n": 20},
        "checkpoints": [_checkpoint(A), _checkpoint(A)],
        "events": [_event(1), 5, {"other": 1}, None, "text", [], [1]],
    }
    records = _read(document)
    assert records.kinds == [
        "fine_tuning.job", "fine_tuning.job.checkpoint", "fine_tuning.job.checkpoint", "Event",
        "not_an_object", "unknown_object", "not_an_object", "not_an_object", "empty array",
        "not_an_object",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("document", "kinds"),
    [
        ({"object": "list", "data": [], "has_more": False}, ["empty list page"]),
        ({"object": "list", "data": [_job(A), _job(B)]}, ["list of fine_tuning.job"]),
        ([_job(A), _checkpoint(A)], ["fine_tuning.job", "fine_tuning.job.checkpoint"]),
        ([], ["empty array"]),
        ([1, 2], ["not_an_object"]),
        ([[1], [2]], ["not_an_object"] * 2),
        ({}, ["unknown_object"]),
        ({"a": [1, {"b": 2}]}, ["unknown_object"]),
        (3, ["not_an_object"]),
        ({"messages": [{"message": "a", "created_at": 1}]}, ["chat training row"]),
        ({"about": "fine_tuning.job.event", "c": []}, ["unknown_object"]),
        ({"log_history": [{"step": 1, "loss": 2.0}]}, ["Hugging Face trainer state"]),
        (_event(1, data={"events": [_event(2)]}), ["Event"]),
        (_event(1, note=[_event(2)]), ["Event"]),
        (_event(1, id=None), ["missing_field"]),
    ],
)
def test_documents_without_events(document: Any, kinds: list[str]) -> None:
    """A document that holds no events is one record, an array of objects one per object."""
    records = _read(document)
    assert records.kinds == kinds
    if len(kinds) == 1 and not isinstance(document, list):
        assert records.values == [document]
    assert _documents(json.dumps(document, indent=2)).kinds == kinds


def test_numbers() -> None:
    """NaN, infinities and integers of any length pass."""
    text = json.dumps([_event(1, data={"train_loss": float("nan"), "x": float("-inf")})])
    text = text[:-1] + ", " + json.dumps(_event(2, data={"y": 777})).replace("777", "9" * 9_000) + "]"
    for block_bytes in (50, 4 << 20):
        records = _documents(text, block_bytes=block_bytes)
        assert records.kinds == ["Event", "Event"]
        assert b"9" * 9_000 in records.raws[1] and b"NaN" in records.raws[0]


# ---------------------------------------------------------------- damage


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("frame", [_page(1, 2), [_event(1), _event(2)], {"job": A, "e": [_event(1)]}])
def test_cut_anywhere(frame: Any, indent: int | None) -> None:
    """Cut off anywhere, a document keeps its events and ends with one reject that says so."""
    raw = json.dumps(frame, indent=indent, ensure_ascii=False).encode()
    whole = _documents(raw)
    ends = [o + len(r.rstrip()) for o, r in zip(whole.offsets, whole.raws, strict=True)]
    for size in range(1, len(raw)):
        for block_bytes in (17, 4 << 20):
            records = _documents(raw[:size], block_bytes=block_bytes)
            events = sum(end <= size for end in ends)
            assert records.kinds == ["Event"] * events + ["cut_off"], raw[:size]
            assert [r.rstrip() for r in records.raws[:-1]] == [r.rstrip() for r in whole.raws[:events]]
            rest = records.raws[-1]
            assert raw[records.offsets[-1] :].startswith(rest)
            assert raw[:size].rstrip().endswith(rest) or rest in (b"[", b"{")


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ('[E, {"id": 1,}, E]', ["Event", "malformed_json"]),
        ("[E E]", ["Event", "malformed_json"]),
        ("[E, E,]", ["Event", "Event", "malformed_json"]),
        ("[E] ]", ["Event", "malformed_json"]),
        ("[E], [E]", ["Event", "malformed_json"]),
        ("E, E", ["Event", "malformed_json"]),
        ("[E, undefined]", ["Event", "malformed_json"]),
        ("[E, 'x']", ["Event", "malformed_json"]),
        ('{"data": [E] "has_more": 1}', ["Event", "malformed_json"]),
        ('{"data": [E], has_more: 1}', ["Event", "malformed_json"]),
        ('{"data" [E]}', ["malformed_json"]),
        ('{"a": 1} garbage', ["unknown_object", "malformed_json"]),
        ("[E\nE", ["Event", "Event", "malformed_json"]),
        ("{1: [E]}", ["malformed_json"]),
    ],
)
def test_malformed(text: str, kinds: list[str]) -> None:
    """What is not JSON is one reject with all that follows; what came before is kept."""
    raw = text.replace("E", json.dumps(_event())).encode()
    for block_bytes in (1, 100, 4 << 20):
        records = _documents(raw, block_bytes=block_bytes)
        assert records.kinds == kinds
        if records.raws[-1] != b"[":
            assert raw.endswith(records.raws[-1])
            assert records.offsets[-1] == len(raw) - len(records.raws[-1])


def test_damage_keeps_evidence() -> None:
    """A broken document's events keep what named their job before the break."""
    records = _documents(json.dumps({"job": A, "events": [_event(1), _event(2)]})[:-150])
    assert records.streams == [(0, (A,), False)]
    assert records.kinds == ["Event", "cut_off"]


def test_deep() -> None:
    """Nesting without end is a reject and stops nothing."""
    event = json.dumps(_event())
    for depth in (99, 101, 500, 5_000, 200_000):
        deep = "[" * depth + "]" * depth
        records = _documents(f'[{event}, {deep}, {event}] {event}')
        assert records.kinds[0] == "Event" and records.kinds[-2:] == ["Event", "Event"]
        assert len(records.raws) == 4
        records = _documents("[" * depth + event + "]" * depth)
        assert records.kinds in (["Event"], ["too_deep"], ["Container"])
        assert records.kinds == ["Event"] or depth > 98
        records = _documents('{"a":' * depth + event + "}" * depth + event)
        assert records.kinds[-1] == "Event" and len(records.kinds) == 2
        assert _documents("[" * depth).kinds in (["cut_off"], ["too_deep"])


@given(st.binary(max_size=200) | st.text("[]{},:\"\\ \ne1tE", max_size=60))
@settings(max_examples=300)
def test_any_bytes(raw: bytes | str) -> None:
    """Any bytes end in records, never in a crash, and whatever the size of blocks in the same."""
    if isinstance(raw, str):
        raw = raw.replace("E", json.dumps(_event())).encode()
    records = _documents(raw)
    assert bool(records.raws) == bool(raw.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n"))
    small = _documents(raw, block_bytes=3)
    assert [r.strip() for r in small.raws] == [r.strip() for r in records.raws]
    assert (small.offsets, small.streams, small.kinds) == (
        records.offsets, records.streams, records.kinds
    )  # fmt: skip


# ---------------------------------------------------------------- size


class _Counting(io.BytesIO):
    """A stream that knows how far it was read."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.taken += len(piece)
        return piece


@pytest.mark.parametrize("wrap", ["[%s]", '{"job_id": "J", "data": [%s]}', '[1, {"data": [%s]}]'])
def test_streaming(wrap: str) -> None:
    """A document far over the limit passes through little memory, with what named it before."""
    events = [json.dumps(_event(n)) for n in range(4_000)]
    source = _Counting((wrap % ", ".join(events)).encode())
    seen = position = 0
    jobs = []
    for block in document_blocks(source, 100_000, block_bytes=20_000):
        position += len(block)
        jobs += [mark.jobs for mark in block.marks]
        assert source.taken - int(block.offsets[-1]) < 450_000
        seen += sum(exact.is_event(json.loads(block.raw(i))) for i in range(len(block))
                    if block.raw(i).strip() != b"1")  # fmt: skip
        assert len(block.data) < 25_000
    assert seen == 4_000 and position == 4_000 + wrap.startswith("[1")
    assert jobs[-1] == (("J",) if "J" in wrap else ())


def test_large_records() -> None:
    """A record over the limit is told by a prefix, length and hash; those around it are read."""
    long = _event(2, message="x" * 300_000)
    nested = _event(3, data={"a": [{"b": "]}\\\"" * 60_000}]})
    big = dict(reversed(_event(4, message="y" * 300_000).items()))
    raws = [json.dumps(x) for x in (_event(1), long, _event(5), nested, big, _event(6))]
    for text in ("[" + ", ".join(raws) + "]", "\n".join(raws)):
        for block_bytes in (1_000, 70_000, 4 << 20):
            records = _documents(text, limit=100_000, block_bytes=block_bytes)
            assert sorted(records.oversize) == [1, 3, 4]
            for index, over in records.oversize.items():
                raw = raws[index].encode()
                assert (over.length, over.hash) == (len(raw), xxhash.xxh3_128_hexdigest(raw))
                assert raw.startswith(records.raws[index].strip())
                assert len(records.raws[index]) <= REJECT_PREFIX_BYTES + 1
                assert text.encode()[records.offsets[index] :].startswith(raw)
            assert [records.kinds[i] for i in (0, 2, 5)] == ["Event"] * 3


def test_large_rest() -> None:
    """The rest of a broken document over the limit is one reject that is not held whole."""
    text = "[" + json.dumps(_event(1)) + ", oops " + "z" * 500_000 + " \n"
    for block_bytes in (1_000, 4 << 20):
        records = _documents(text, limit=100_000, block_bytes=block_bytes)
        rest = text[text.index("oops") :].strip().encode()
        over = records.oversize[1]
        assert (over.length, over.hash) == (len(rest), xxhash.xxh3_128_hexdigest(rest))


# ---------------------------------------------------------------- any document

_JOBS = st.sampled_from([A, B, C])
Expected = list[tuple[int, tuple[str, ...]]]


@st.composite
def _anything(draw: st.DrawFn, told: tuple[str, ...], depth: int) -> tuple[Any, Expected]:
    """A JSON value with events inside, and these in order with the jobs they are told by."""
    numbers = draw(st.lists(st.integers(0, 99), min_size=1, max_size=3))
    shape = draw(st.sampled_from(["array", "page", "event"] if depth == 0 else [
        "array", "page", "event", "job", "field", "key", "exchange", "pages", "beside"]))  # fmt: skip
    if shape == "event":
        return {"event": _event(numbers[0])}, [(numbers[0], told)]
    if shape in ("array", "page"):
        events = [_event(number) for number in numbers]
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
        pairs = [("job", _job(job)), ("answer", inner)]
    elif shape == "field":
        pairs = [("job_id", job), ("answer", inner)]
    else:
        pairs = [("checkpoints", [_checkpoint(job)]), ("answer", inner)]
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
    records = _documents("\n".join(texts), block_bytes=block_bytes)
    found: Expected = []
    for index, kind in enumerate(records.kinds):
        assert kind in ("Event", "fine_tuning.job", "fine_tuning.job.checkpoint")
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
    inner = _Records(iter([expanded(block, 1)]))
    whole = _documents("\n" + line)
    assert (inner.raws, inner.offsets, inner.streams) == (whole.raws, whole.offsets, whole.streams)
    assert inner.kinds.count("Event") == len(expected)
    assert "Container" not in inner.kinds


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
    records = _documents(raw)
    assert records.kinds.count("Event") == events
    assert not any(isinstance(verdict, exact.Reject) for verdict in records.verdicts)
