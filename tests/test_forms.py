"""Which form content has, and lines."""

from __future__ import annotations

import base64
import io
import json
import pickle

import pytest
import xxhash
from dumps import A, Records, a_job, a_page, an_event, an_exchange
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract import REJECT_PREFIX_BYTES
from pipeline.forms.lines import line_blocks
from pipeline.forms.recognise import recognise
from pipeline.forms.refusals import Unrecognised


@pytest.mark.parametrize(
    ("head", "form"),
    [
        (json.dumps(an_event()), "lines"),
        (json.dumps(an_event()) + "\n" + json.dumps(an_event(1)) + "\n", "lines"),
        ("\ufeff\r\n \t\n" + json.dumps(an_event()) + "\r\n", "lines"),
        ('{"messages": [{"role": "user", "content": "hello"}]}\n', "lines"),
        ('{"object": "fine_tun\n' + json.dumps(an_event()) + "\n", "lines"),
        ("# dumped by me\n" + json.dumps(an_event()) + "\n", "lines"),
        ("\n" * 50 + json.dumps(an_event()), "lines"),
        ("823\n}\n" * 99 + json.dumps(an_event()) + "\n", "lines"),
        (json.dumps(a_page(1)), "documents"),
        (json.dumps(a_page(1)) + "\n" + json.dumps(a_page(2)), "documents"),
        (json.dumps([an_event()]), "documents"),
        (json.dumps(an_event(), indent=2), "documents"),
        (json.dumps(a_page(1, 2), indent=2), "documents"),
        (json.dumps(an_exchange(A, a_page(1))), "documents"),
        (json.dumps(an_exchange(A, a_page(1)), indent=2), "documents"),
        ("[\n" + ",\n".join(json.dumps(an_event(n)) for n in range(9)) + "\n]\n", "documents"),
        ("[\n" + ",\n".join(json.dumps(an_event(n)) for n in range(9)), "documents"),
        (json.dumps(a_page(1, 2), indent=2)[:-2], "documents"),
        (json.dumps(a_page(1, 2), indent=2)[:300], "documents"),
        ("[]", "documents"),
        (json.dumps(json.dumps(a_page(1, 2), indent=2)), "documents"),
        (json.dumps(json.dumps(json.dumps(a_page(1, 2)))), "documents"),
        (json.dumps(json.dumps([an_event()])) + "\r\n" + json.dumps(json.dumps([])), "documents"),
        ('{"job": 1, "events": []}', "lines"),
        ("HTTP/2 200\ndate: now\n\n" + json.dumps(a_page(1, 2), indent=2), "documents"),
        ("< HTTP/2 200\n< \n" + json.dumps(a_page(1)) + "* Connection #0 left intact", "documents"),
        ("$ curl https://a/events\n" + json.dumps([an_event()], indent=2), "documents"),
        ('{"log": "x"}\n' * 200 + json.dumps({"log": json.dumps(an_event())}) + "\n", "documents"),
        ('{"log": "x"}\n' + json.dumps(an_event()) + "\n", "lines"),
        ("x\n" + json.dumps({"log": json.dumps(an_event())}) + '\n{"log": "x"}\n', "documents"),
        ('{"level": "", "message": ""}\n' + json.dumps({"log": an_event()}) + "\n", "documents"),
        (
            json.dumps(a_page(1, 2)).replace("0.5", "nan") + "\n" + json.dumps(a_page(3)),
            "documents",
        ),
        (json.dumps(a_job(A)) + "\n" + json.dumps(a_page(3)) + "\n", "documents"),
    ],
)
def test_recognise(head: str, form: str) -> None:
    """The form is told by the content: lines where lines are objects, documents otherwise."""
    assert recognise(head.encode(), True) == form


JOB_LINE = '{"object": "fine_tuning.job", "id": "ftjob-AbCdEfGhIjKlMnOpQrStUvWx"}\n'


@pytest.mark.parametrize("first", [JOB_LINE, "[2024-05-01 10:00:00] INFO polling\n", "polling\n"])
@pytest.mark.parametrize("size", [10, 20_000])
@pytest.mark.parametrize("page", ["", json.dumps(an_event(1), indent=2) + "\n"])
def test_lines_stay_lines(first: str, size: int, page: str) -> None:
    """Events on lines are lines behind a job object or a log line, however long, and before a page.

    What they say of jobs is said for lines; a file that grows must not change what it is.
    """
    events = "".join(json.dumps({**an_event(n), "message": "x" * size}) + "\n" for n in range(80))
    head = (first + events + page).encode()
    assert recognise(head[: 1 << 20], whole=len(head) <= 1 << 20) == "lines"


def test_a_log_is_one_before_it_tells_an_event() -> None:
    """Entries of a log that begins without events are documents: those to come are wrapped."""
    for entry in ('{"log": "x\\n", "stream": "", "time": ""}', '{"level": "info", "message": "x"}'):
        assert recognise(f"{entry}\n".encode() * 99, False) == "documents"
        assert recognise(f"{entry}\n{json.dumps(an_event())}\n{entry}\n".encode(), False) == "lines"
    rows = b'{"messages": [{"role": "user", "content": "hello"}]}\n' * 99
    assert recognise(rows, False) == "lines"
    with pytest.raises(Unrecognised, match="a text that begins without JSON: leave it out"):
        recognise(b"polled\n" * 99, False)


def test_recognise_part() -> None:
    """The first bytes are enough, wherever they end."""
    page = json.dumps(a_page(*range(20)), indent=2).encode()
    lines = b"".join(json.dumps(an_event(n)).encode() + b"\n" for n in range(20))
    one_line = json.dumps(a_page(*range(20))).encode()
    quoted = json.dumps(json.dumps(a_page(*range(20)), indent=2)).encode()
    for size in range(2, 3_000, 7):
        assert recognise(page[:size], False) == "documents"
        assert recognise(lines[:size], False) == "lines"
    for size in range(40, 3_000, 7):
        assert recognise(one_line[:size], False) == "documents"
        assert recognise(quoted[:size], False) == "documents"


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf", "white space"),
        (b" \n\r\n", "white space"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"%PDF-1.7", "a PDF"),
        (b"PK\x03\x04abc", "a ZIP archive"),
        (b"PK\x03\x04" + b"\0" * 26 + b"xl/workbook.xml", "an Excel workbook"),
        (pickle.dumps([an_event()], 4), "a Python pickle"),
        (pickle.dumps(json.dumps(an_event()) + "\n" + json.dumps(an_event())), "a Python pickle"),
        (b"\x1f\x8b\x08abc", "gzip data in compressed data"),
        (b"PAR1abc", "a Parquet file: leave it out, or give the dump itself"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"\x00\x01\x02\x03" * 9, "binary data"),
        (bytes(range(1, 32)) * 9, "binary data"),
        ("\ufeff{}".encode("utf-16-le"), "UTF-16"),
        (json.dumps(an_event()).encode("utf-16-le"), "UTF-16"),
        (json.dumps(an_event()).encode("utf-16-be"), "UTF-16"),
        (b"x" * 257 + b"ustar", "a tar archive"),
        (b'data: {"object": "fine-tune-event"}\n\ndata: [DONE]\n', "server-sent events"),
        (b"[FineTuningJobEvent(id='ftevent-1', created_at=1)]", "a Python repr"),
        (b"> SyncCursorPage[FineTuningJobEvent](data=[])", "a Python repr"),
        (b"{'object': 'list', 'data': []}", "a Python repr"),
        (b"[{'created_at': 1,\n  'data': {},\n  'id': 'ftevent-1'}]\n", "a Python repr"),  # pprint
        (
            b"[\n  {\n    object: 'fine_tuning.job.event',\n    id: 'ftevent-1',\n  }\n]\n",
            "console.log",
        ),
        (b"[ { id: 'ftevent-1', level: 'info' }, { id: 'ftevent-2' } ]\n", "console.log"),
        (b"{\n  object: 'list',\n  data: [ [Object] ],\n  has_more: false\n}\n", "JSON.stringify"),
        (b"{ object: 'fine_tuning.job.event' }\n{ object: 'fine_tuning.job.event' }\n", "console"),
        (b"CursorPage {\n  options: { method: 'get' },\n  data: [\n    {\n", "console.log"),
        (b'<OpenAIObject list at 0x7f> JSON: {\n  "data": []\n}', "a printed OpenAIObject"),
        (b'{"cells": [{"cell_type": "code", "outputs": []}]}', "a Jupyter notebook"),
        (b'{\n "cells": [\n  {\n   "cell_type": "code",\n', "a Jupyter notebook"),
        (b"[1692407401] Fine-tuning job started\n", "polling log lines"),
        (b"Step 1/3: training loss=0.5\nStep 2/3: training loss=0.4\n", "polling log lines"),
        (b"2024-01-01 00:00:00 | INFO | waiting\n", "not read yet: give the events as JSON"),
        (b"<!DOCTYPE html><html></html>", "an HTML page"),
        (b"interactions:\n- request: {}\n", "a YAML cassette"),
        (b"---\nrecorded_with: VCR 6.0\nhttp_interactions:\n- request: {}\n", "a YAML cassette"),
        (b'object: "list"\ndata:\n- object: "fine_tuning.job.event"\n  id: "x"\n', "YAML"),
        (base64.encodebytes(json.dumps(a_page(1)).encode()), "JSON in base64"),
        (base64.b64encode(json.dumps([an_event()], indent=2).encode()), "JSON in base64"),
        (base64.b64encode(base64.b64encode(json.dumps(a_page(1)).encode())), "JSON in base64"),
        (b"version: 1\ninteractions:\n- request: {}\n", "a YAML cassette"),
        (b'// of the job\n{"object": "fine_tuning.job.event", // Step 1/2: training\n', "comments"),
        (b'> {\n>   "object": "fine_tuning.job.event",\n> Step 1/2: train', "inside another text"),
        (b"id,created_at,level,message\nftevent-1,1,info,Step 1/2: train\n", "a table of events"),
        (b",id,created_at,message\n0,ftevent-1,1,m\n", "a table of events"),  # to_csv of pandas
        (b"job_id;when;message\nftjob-1;2024;Step 1/2: train\n", "a table of events"),
        (b" id | message \n----+-------\n 1  | Step 1/2: train\n", "a table of events"),
        (b"step;train_loss\r\n1;0,5\r\n", "a table of steps"),  # as Excel saves it again
        (b'"Step","tune-7 - train/loss","x"\n"1","0.5",""\n', "a table of steps"),  # W&B
        (b"message\nof, the, day\n", "a text without JSON"),
        (b"a" + b',"' * 10_000, "a text without JSON"),  # told at once
        (b'a/b.jsonl:3:{"object": "fine_tuning.job.event"}\n', "lines with the name of their file"),
        (b'Response: {"object": "fine_tuning.job.event"}\n', "JSON inside another text"),
        (b'const page = {\n  "data": [{"message": "Step 1/2: train"}]}\n', "JavaScript"),
        (b'callback({"object": "list"})', "JavaScript"),
        (b'x\n"{\\"object\\": \\"fine_tuning.job.event\\"}"\nStep 1/2: train\n', "inside another"),
        (b'\x1e{"object": "list"}\n', "a JSON text sequence"),
        (b'[worker] {"object": "fine_tuning.job.event"}\n', "log lines"),
        (b"to be, or not to be\n", "a text without JSON"),
        (b"null\n", "a JSON value without events"),
        (b'"Step 1"', "a JSON value without events"),
    ],
)
def test_unrecognised(head: bytes, name: str) -> None:
    """What is no dump is named as what it is, with what to do, in words on one line."""
    with pytest.raises(Unrecognised) as error:
        recognise(head, True)
    what, to_do = str(error.value).split(": ")
    assert name in f"{what}: {to_do}" and to_do and "\n" not in str(error.value)


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


_LINE = st.binary(max_size=12).map(lambda raw: raw.replace(b"\n", b""))


@given(st.lists(_LINE, max_size=12), st.booleans(), st.integers(1, 40), st.integers(4, 9))
def test_lines(parts: list[bytes], ended: bool, block_bytes: int, limit: int) -> None:
    """Lines are the records, with their offsets, whatever the size of blocks and the limit."""
    text = b"\n".join(parts) + (b"\n" if ended else b"")
    lines = text.split(b"\n")
    if not lines[-1]:
        lines.pop()
    records = Records(line_blocks(io.BytesIO(text), limit, offset=3, block_bytes=block_bytes))
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


def test_objects_on_the_line_of_another() -> None:
    """An object right behind another is a record of its own, as files without a last break join."""
    whole = ['{"a": "}{\\"b"}', '{"a": {}}', '{"\u00e9": 1}', '{"n": ' + "9" * 5_000 + "}"]
    apart = ['{"a": 1}{ "b": 2}', '{"a": "}{"}', '[{"a": 1}{"b": 2}]', '{"a": 1}  {"b": 2}', "x{}"]
    text = "\n".join([*apart, " " + "".join(whole) + '{"cut', *apart, " ".join(whole)]).encode()
    for block_bytes in (1, 8, 1 << 20):
        found = Records(line_blocks(io.BytesIO(text), 1 << 20, offset=3, block_bytes=block_bytes))
        raws = [raw.decode().strip() for raw in found.raws]
        assert raws == [*apart, *whole, '{"cut', *apart, *whole]
        sizes = [0, *map(len, found.raws[:-1])]
        assert found.offsets == [3 + sum(sizes[: n + 1]) for n in range(len(raws))]
        assert found.open_ends == {len(raws) - 1}


def test_long_line() -> None:
    """Of a line over the limit a prefix is kept, with the length and hash of the whole."""
    long = b"x" * 1_000_000
    text = b"1\n" + long + b"\r\n2\n" + long
    records = Records(line_blocks(io.BytesIO(text), 100_000, block_bytes=30_000))
    assert [len(raw) for raw in records.raws] == [2, REJECT_PREFIX_BYTES, 2, REJECT_PREFIX_BYTES]
    for over in (records.oversize[1], records.oversize[3]):
        assert (over.length, over.hash) == (len(long), xxhash.xxh3_128_hexdigest(long))
    assert records.offsets == [0, 2, 1_000_004, 1_000_006]
