"""JSON documents to records: which they are, and which job is told."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from dumps import (
    A,
    B,
    C,
    a_checkpoint,
    a_job,
    a_page,
    an_event,
    an_exchange,
    records_in,
    records_of,
)  # fmt: skip

from pipeline import exact


def test_page() -> None:
    """The elements of a page are the records, byte for byte, and one stream."""
    text = json.dumps(a_page(3, 2, 1), indent=3, ensure_ascii=False)
    records = records_of(text)
    assert records.values == [an_event(3), an_event(2), an_event(1)]
    assert records.streams == [(0, (), False)]
    for raw, offset in zip(records.raws, records.offsets, strict=True):
        assert text.encode()[offset:].startswith(raw.rstrip())


def test_page_after_mark() -> None:
    """A byte order mark and white space before and after a document do not matter."""
    records = records_of(b"\xef\xbb\xbf \r\n" + json.dumps(a_page(1)).encode() + b"\r\n\t")
    assert records.values == [an_event(1)]


def test_bare_events() -> None:
    """Bare events one after another are one run, indented or not, between pages too."""
    text = json.dumps(an_event(1), indent=2) + "\n"
    text += json.dumps(an_event(2)) + json.dumps(an_event(3))
    records = records_of(text + json.dumps(a_page(4)) + text)
    assert [value["data"]["step"] for value in records.values] == [1, 2, 3, 4, 1, 2, 3]
    assert records.streams == [(0, (), True), (3, (), False), (4, (), True)]


def test_same_page_twice() -> None:
    """The same page twice is two streams."""
    records = records_in(a_page(2, 1), a_page(2, 1))
    assert records.streams == [(0, (), False), (2, (), False)]


@pytest.mark.parametrize(
    ("document", "jobs"),
    [
        ({"job": a_job(A), "events": [an_event(1)]}, (A,)),
        ({"events": [an_event(1)], "job": a_job(A)}, (A,)),
        ({"job_id": A, "event": an_event(1)}, (A,)),
        ({"event": an_event(1), "fine_tuning_job_id": "my-job"}, ("my-job",)),
        ({A: [an_event(1)]}, (A,)),
        ({A: {"events": [an_event(1)], "status": "x"}}, (A,)),
        ({"jobs": {A: a_page(1)}}, (A,)),
        ({"url": f"/jobs/{A}/events", "body": json.dumps(a_page(1))}, (A,)),
        ({"url": f"/jobs/{A}/events", "body": "\ufeff " + json.dumps([an_event(1)])}, (A,)),
        ({"id": A, "object": "fine-tune", "events": [an_event(1)], "after": B}, (A,)),
        ({"result": {"page": a_page(1)}, "meta": [{"of": A}]}, (A,)),
        ([a_job(A), an_event(1)], (A,)),
        ([an_event(1), a_checkpoint(A)], (A,)),
        ([an_event(1), {"note": A}], ()),
        ({"events": [an_event(1)], "checkpoints": [a_checkpoint(A)]}, (A,)),
        ({"events": [an_event(1)], "a": f"{A} and {B}"}, (A, B)),
        ({"job": A, "pages": [a_page(1)], "note": {"after": B}}, (A, B)),
        ({"job": A, "inner": {"job": B, "events": [an_event(1)]}}, (B,)),
        ({"job_id": A, "url": f"/{B}/events", "events": [an_event(1)]}, (A,)),
        ({"log": {"entries": [an_exchange(A, a_page(1))]}}, (A,)),
        (an_exchange(A, an_exchange("", a_page(1))), (A,)),
        (a_page(1), ()),
        ({"azure": "gpt-4.ft-51727d94ab964acd9e4278f47b13bf3a", "events": [an_event(1)]}, ()),
    ],
)
def test_evidence(document: Any, jobs: tuple[str, ...]) -> None:
    """The nearest thing around the events that names a job tells it, before them or after."""
    records = records_in(document)
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
    told = [an_exchange(A, a_page(2, 1)), other, an_exchange("", a_page(3))]
    records = records_in([*told, an_exchange(B, a_page(4))])
    ignored = "recorded exchange of something else"
    assert records.kinds == ["Event", "Event", ignored, "Event", "Event"]
    streams = {at: jobs for at, jobs, _ in records.streams}
    assert (streams[0], streams[3], streams[4]) == ((A,), (), (B,))


@pytest.mark.parametrize("key", ["base64_string", "text"])
@pytest.mark.parametrize(
    "coded",
    [
        lambda page: base64.b64encode(page).decode(),
        lambda page: base64.encodebytes(page).decode(),
        lambda page: base64.urlsafe_b64encode(page).decode().rstrip("="),
        lambda page: base64.b64encode(base64.b64encode(page)).decode(),
    ],
    ids=["plain", "in lines", "for URLs", "twice"],
)
def test_a_body_in_base64_is_read(coded: Callable[[bytes], str], key: str) -> None:
    """A recorded body in base64, as HAR files and cassettes have it, gives what it gives plain."""
    page = a_page(2, 1) | {"note": "ÿ?>" * 20}
    for indent in (None, 2):
        body = coded(json.dumps(page, ensure_ascii=False, indent=indent).encode())
        told = an_exchange(A, None) | {"response": {"content": {key: body, "encoding": "base64"}}}
        records = records_in({"log": {"entries": [told, an_exchange(B, a_page(3))]}})
        assert records.values == [an_event(2), an_event(1), an_event(3)]
        assert records.streams == [(0, (A,), False), (2, (B,), False)]
    job = {"object": "list", "data": [a_job(A)], "has_more": False}
    told = an_exchange(A, None) | {"response": {key: coded(json.dumps(job).encode())}}
    assert records_in(told).kinds == ["job"]


@pytest.mark.parametrize(
    "coded",
    [gzip.compress, lambda page: page + b"\xff", lambda page: page[:-1]],
    ids=["compressed", "no text", "cut off"],
)
@pytest.mark.parametrize("around", [lambda it: it, lambda it: {"log": {"entries": [it]}}])
def test_an_exchange_in_base64_is_told(
    coded: Callable[[bytes], bytes], around: Callable[[Any], Any]
) -> None:
    """An exchange about a job's events whose body nobody can read here is a reject, not passed."""
    body = base64.b64encode(coded(json.dumps(a_page(1)).encode())).decode()
    exchange = an_exchange(A, None) | {"response": {"body": {"base64_string": body}}}
    told = exact.read(json.dumps(around(exchange)).encode())
    assert (
        isinstance(told, exact.Reject) and "about events whose body is lost, cut off" in told.detail
    )
    other = exchange | {"request": {"uri": f"https://api.openai.com/v1/files/{A}/content"}}
    empty = an_exchange(A, {"object": "list", "data": [], "has_more": False})
    assert records_in(other).kinds == records_in(empty).kinds
    assert records_in(other).kinds == ["recorded exchange of something else"]
    refused = base64.b64encode(b'{"error": {"message": "Incorrect API key provided"}}').decode()
    for harmless in (refused, "0123456789abcdef" * 4, "1" * 40):
        exchange = an_exchange(A, None) | {"response": {"headers": {"etag": harmless}}}
        assert records_in(exchange).kinds == ["recorded exchange of something else"]


@pytest.mark.parametrize(
    "body",
    [json.dumps(a_page(1))[:-1], f"{json.dumps(an_event(1))}\n{json.dumps(an_event(2))}\n"],
    ids=["cut off", "lines"],
)
def test_an_exchange_that_is_no_page_is_told(body: str) -> None:
    """An exchange whose body speaks of events in no JSON is a reject, beside others too."""
    told = an_exchange(A, None) | {"response": {"content": {"text": body}}}
    assert records_in(told).kinds == ["unknown_object"]
    records = records_in({"log": {"entries": [told, an_exchange(A, a_page(1))]}})
    assert records.kinds == ["unknown_object", "Event"]


def test_an_exchange_without_its_page_is_told() -> None:
    """A page that a browser let go, or that lies deeper in a body, is a reject; no error is."""
    page = base64.b64encode(json.dumps(a_page(1)).encode()).decode()
    lost = {"content": {"size": 1370, "mimeType": "application/json"}}
    deep = {"body": json.dumps({"isBase64Encoded": True, "body": page})}
    told = [an_exchange(A, None) | {"response": response} for response in (lost, deep)]
    none = an_exchange(A, None) | {"response": {"content": {"size": 0, "mimeType": "x-unknown"}}}
    records = records_in({"log": {"entries": [*told, none, an_exchange(A, a_page(1))]}})
    ignored = "recorded exchange of something else"
    assert records.kinds == ["unknown_object", "unknown_object", ignored, "Event"]
    alone = exact.read(json.dumps({"log": {"entries": told[:1]}}).encode())
    assert isinstance(alone, exact.Reject) and "whose body is lost" in alone.detail
    answers = [lost | {"status": status} for status in (401, 429, 500, 200, 304)]
    entries = [an_exchange(A, None) | {"response": answer} for answer in answers]
    harmless = records_in({"log": {"entries": [*entries, an_exchange(A, a_page(1))]}})
    assert harmless.kinds == [ignored] * 3 + ["unknown_object"] * 2 + ["Event"]


def test_a_page_that_is_cut_off_in_a_string_is_kept_beside_others() -> None:
    """Of pages by the names of their files, each in a string, one that is cut off is a reject."""
    pages = {"a.json": json.dumps(a_page(1)), "b.json": json.dumps(a_page(3, 2))[:-1], "note": "x"}
    records = records_in(pages)
    assert records.kinds == ["Event", "not_an_object"]
    assert json.loads(records.raws[1]) == pages["b.json"]


def test_wrapped_events() -> None:
    """Wrapped events in a row are one stream as long as they tell one job."""
    wrapped = [{"job_id": job, "event": an_event(n)} for n, job in enumerate([A, A, B, B, A])]
    records = records_in(wrapped)
    assert records.values == [an_event(n) for n in range(5)]
    assert [(at, jobs) for at, jobs, _ in records.streams] == [(0, (A,)), (2, (B,)), (4, (A,))]


def test_a_key_twice() -> None:
    """Around events both are read; in an event the last counts."""
    one, two = (json.dumps(an_event(n)) for n in (1, 2))
    records = records_of(f'{{"data": [{one}], "at": 1, "data": [{two}]}}')
    assert records.values == [an_event(1), an_event(2)]
    (event,) = records_of(f'{{"data": [{one[:-1]}, "level": "warn"}}]}}').verdicts
    assert isinstance(event, exact.Event) and event.level == "warn"


def test_keys_apart() -> None:
    """Lists under the names of jobs are streams of these jobs."""
    records = records_in({A: [an_event(1), an_event(2)], B: [an_event(3)], "at": 5, C: []})
    assert records.streams == [(0, (A,), False), (2, (B,), False)]


def test_documents_tell_each_other() -> None:
    """Checkpoints as a document of their own name the job of the pages around, if it is one.

    A job's object names what stands below it, and what is above where nothing is below.
    """
    checkpoints = {"object": "list", "data": [a_checkpoint(A)], "has_more": False}
    records = records_in(a_page(1), checkpoints)
    assert records.streams[0] == (0, (A,), False)
    assert records.kinds == ["Event", "list of fine_tuning.job.checkpoint"]
    assert records_in(a_page(1), a_job(A), a_page(2), a_job(B)).streams[0] == (0, (), False)
    assert records_in(a_page(1), a_job(A)).streams[0] == (0, (A,), False)
    mixed = records_in(a_page(1), a_job(A), a_page(2)).streams
    assert [mixed[0], mixed[-1]] == [(0, (), False), (2, (A,), False)]
    assert records_in(a_job(A), an_event(1), an_event(2)).streams == [(0, (A,), True)]


def test_offsets_in_bodies() -> None:
    """Records in a string have the bytes of the decoded string and the offset of its quote."""
    event = an_event(1, message='größer "\n" \U0001f600 \\')
    for ascii_outside in (True, False):
        for ascii_inside in (True, False):
            body = json.dumps({"data": [event]}, ensure_ascii=ascii_inside)
            text = json.dumps({"ü": 1, "body": body}, ensure_ascii=ascii_outside)
            records = records_of(text)
            assert records.raws == [json.dumps(event, ensure_ascii=ascii_inside).encode()]
            assert records.offsets == [text.encode().index(b'"body": ') + 8]


def test_things_beside() -> None:
    """Objects beside events are records of their own; settings and headers are not."""
    document = {
        "job": a_job(A),
        "headers": [{"name": "x", "value": "y"}],
        "limits": {"n": 20},
        "checkpoints": [a_checkpoint(A), a_checkpoint(A)],
        "events": [an_event(1), 5, {"other": 1}, None, "text", [], [1]],
    }
    records = records_in(document)
    assert records.kinds == [
        "job", "fine_tuning.job.checkpoint", "fine_tuning.job.checkpoint", "Event",
        "not_an_object", "unknown_object", "not_an_object", "not_an_object", "empty array",
        "not_an_object",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("document", "kinds"),
    [
        ({"object": "list", "data": [], "has_more": False}, ["empty list page"]),
        ({"object": "list", "data": [a_job(A), a_job(B)]}, ["job job"]),
        ([a_job(A), a_checkpoint(A)], ["job", "fine_tuning.job.checkpoint"]),
        ([], ["empty array"]),
        ([1, 2], ["not_an_object"]),
        ([[1], [2]], ["not_an_object"] * 2),
        ({}, ["unknown_object"]),
        ({"a": [1, {"b": 2}]}, ["unknown_object"]),
        (3, ["not_an_object"]),
        ({"messages": [{"role": "", "message": "a", "created_at": 1}]}, ["chat training row"]),
        (
            {"input": {}, "preferred_output": [], "non_preferred_output": []},
            ["preference training row"],
        ),
        ({"ok": True, "messages": [{"text": '```{"object"}```'}]}, ["unknown_object"]),
        ({"about": "fine_tuning.job.event", "c": []}, ["unknown_object"]),
        ({"log_history": [{"step": 1, "loss": 2.0}]}, ["Hugging Face trainer state"]),
        (an_event(1, data={"events": [an_event(2)]}), ["Event"]),
        (an_event(1, note=[an_event(2)]), ["Event"]),
        (an_event(1, id=None), ["missing_field"]),
    ],
)
def test_documents_without_events(document: Any, kinds: list[str]) -> None:
    """A document that holds no events is one record, an array of objects one per object."""
    records = records_in(document)
    assert records.kinds == kinds
    if len(kinds) == 1 and not isinstance(document, list):
        assert records.values == [document]
    assert records_of(json.dumps(document, indent=2)).kinds == kinds


def test_numbers() -> None:
    """NaN, infinities and integers of any length pass."""
    infinite = an_event(1, data={"train_loss": float("nan"), "x": float("-inf")})
    text = json.dumps([infinite, an_event(2, data={"y": 777})]).replace("777", "9" * 9_000)
    for block_bytes in (50, 4 << 20):
        records = records_of(text, block_bytes=block_bytes)
        assert records.kinds == ["Event", "Event"]
        assert b"9" * 9_000 in records.raws[1] and b"NaN" in records.raws[0]
