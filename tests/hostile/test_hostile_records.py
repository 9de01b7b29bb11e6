"""Records made to break a reader: each is one verdict, and no neighbour pays for it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import product
from math import inf
from pathlib import Path
from typing import Any

import pytest
import xxhash
from dumps import A, an_event
from engine import asked

from pipeline import open_lake, views
from pipeline.contract import REJECT_PREFIX_BYTES
from pipeline.lake.lake import Lake
from pipeline.lake.rules import rules

GOOD = [json.dumps(an_event(n)).encode() for n in range(3)]
RAW = json.dumps(an_event(7)).encode()
DEEP = 100_000
DIGITS = b"9" * 400


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    """An empty lake."""
    with open_lake(tmp_path / "lake") as opened:
        yield opened


def taken(lake: Lake, path: Path, content: bytes, **options: Any) -> dict[str, Any]:
    """What became of a dump: its row of the ledger, after conservation was checked."""
    path.write_bytes(content)
    (report,) = lake.ingest([path], job_id=A, **options).sources
    assert report.status == "new", report.problem
    query = "select * from lake_sources where source_id = (select max(source_id) from lake_sources)"
    (row,) = lake.sql(query).to_dicts()
    parts = ("events", "duplicates", "rejects", "ignored", "blank")
    assert row["records"] == sum(row[part] for part in parts)
    return row


def rejects(lake: Lake) -> list[dict[str, Any]]:
    """The rejects of a lake in their order."""
    return lake.sql("select * from lake_rejects order by position").to_dicts()


def among(record: bytes) -> bytes:
    """A record between good lines."""
    return b"\n".join([*GOOD[:2], record, GOOD[2], b""])


def test_foul_bytes_at_every_offset(lake: Lake, tmp_path: Path) -> None:
    """Invalid UTF-8 and NUL, put in at any offset of a record, reject it with its bytes."""
    lines = []
    for at in range(len(RAW) + 1):
        for foul in (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\0"):
            lines.append(RAW[:at] + foul + RAW[at:])
    row = taken(lake, tmp_path / "x", b"\n".join([*GOOD, *lines, GOOD[0], b""]))
    assert (row["events"], row["duplicates"], row["rejects"]) == (3, 1, len(lines))
    for line, reject in zip(lines, rejects(lake), strict=True):
        assert reject["raw"] == line
        assert reject["reason"] == ("malformed_json" if b"\0" in line else "invalid_utf8")


@pytest.mark.parametrize(
    "content",
    [
        b"\0" * 300 + GOOD[0] + b"\n" + GOOD[1] + b"\n" + GOOD[2] + b"\n",
        b"\n".join([*GOOD, b"\0" * 5_000]),
        b"\n".join([GOOD[0], GOOD[1], b"\0" * 3_000, GOOD[2]]),
        b"\n".join([b"\x01\x02\x03" * 2_000, *GOOD]),
    ],
    ids=["before", "after", "between", "controls"],
)
def test_blocks_of_zeros(lake: Lake, tmp_path: Path, content: bytes) -> None:
    """A log with zeros where a crash lost a block keeps all its whole lines."""
    row = taken(lake, tmp_path / "x", content)
    bad = [line for line in content.split(b"\n") if line and line not in GOOD]
    assert (row["events"], row["rejects"]) == (3 - content.startswith(b"\0"), 1)
    assert [reject["raw"] for reject in rejects(lake)] == bad


def test_zeros_in_a_document(lake: Lake, tmp_path: Path) -> None:
    """A document with a NUL inside keeps the events before it."""
    text = json.dumps([an_event(n) for n in range(3)], indent=1).encode()
    row = taken(lake, tmp_path / "x", text.replace(b"Step 2", b"Step\0 2"))
    assert (row["events"], row["rejects"]) == (2, 1)


@pytest.mark.parametrize("indent", [None, 1])
def test_marks_in_the_middle(lake: Lake, tmp_path: Path, indent: int | None) -> None:
    """Byte order marks between records or documents, as joined files have them, cost nothing."""
    parts = [json.dumps([an_event(n)] if indent else an_event(n), indent=indent) for n in range(4)]
    text = "\n\ufeff".join(parts) + "\n\ufeff\ufeff\n" * bool(indent)
    row = taken(lake, tmp_path / "x", text.encode())
    assert (row["events"], row["rejects"]) == (4, 0)


def test_mark_inside_a_record(lake: Lake, tmp_path: Path) -> None:
    """A byte order mark inside a record is no white space."""
    row = taken(lake, tmp_path / "x", among(RAW.replace(b'", "', b'"\xef\xbb\xbf, "', 1)))
    assert (row["events"], row["rejects"]) == (3, 1)


def test_repeated_keys(lake: Lake, tmp_path: Path) -> None:
    """Of a repeated key the last value counts, as Python's json has it."""
    raw = RAW[:-1] + b', "message": "again", "data": {"step": 1, "step": 9, "train_loss": 2}}'
    assert taken(lake, tmp_path / "x", among(raw))["events"] == 4
    (row,) = lake.sql("select * from lake_events where message = 'again'").to_dicts()
    assert (row["step"], row["train_loss"]) == (9, 2.0)


@pytest.mark.parametrize(
    "record",
    [
        b"[" * DEEP + b"]" * DEEP,
        b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        b"[" * DEEP,
        RAW[:-1] + b', "x": ' + b"[" * DEEP + b"]" * DEEP + b"}",
        RAW.replace(b'"step": 7', b'"step": ' + b"[" * DEEP + b"]" * DEEP),
        RAW.replace(b'"train_loss": 0.5', b'"a": ' + b'{"a":' * DEEP + b"1" + b"}" * DEEP),
    ],
    ids=["arrays", "objects", "open", "unknown", "counter", "payload"],
)
def test_nesting(lake: Lake, tmp_path: Path, record: bytes) -> None:
    """A record nested 100,000 deep is one reject with its bytes."""
    row = taken(lake, tmp_path / "x", among(record))
    assert (row["events"], row["rejects"]) == (3, 1)
    (reject,) = rejects(lake)
    assert (reject["reason"], reject["raw"]) == ("too_deep", record)


NUMBERS = [DIGITS, b"-" + DIGITS, b"9" * 5_000, b"1e999", b"-1e999", b"1e-999", b"0." + DIGITS]


def test_enormous_numbers(lake: Lake, tmp_path: Path) -> None:
    """Numbers beyond all columns stay in data as sent; as a time they are a reject."""
    for count, number in enumerate(NUMBERS):
        one, two, three = (RAW.replace(b"0007", b"%d%03d" % (n, count)) for n in (1, 2, 3))
        rows = [
            one.replace(b'"step": 7', b'"step": ' + number),
            two.replace(b'"train_loss": 0.5', b'"train_loss": ' + number),
            three.replace(b'"train_loss": 0.5', b'"x": {"y": ' + number + b"}"),
            one.replace(b"1700001%03d" % count, number),
        ]
        path = tmp_path / f"{count}"
        path.write_bytes(b"\n".join(rows))
        (told,) = lake.ingest([path], job_id=A).sources
        rounds = float(number) in (
            0.0,
            1.0,
        )  # then it is a time, of the event that is there already
        found = (told.events, told.rejects.get("bad_time", 0), told.duplicates)
        assert found == (3, 1 - rounds, rounds), number
    con = asked(lake)
    for view in views.catalogue():
        con.execute(f"from {view.name}").fetchall()
    exported = "\n".join(lake.export_events()).encode()
    assert all(exported.count(number) >= 3 for number in NUMBERS)


def test_numbers_beyond_doubles(lake: Lake, tmp_path: Path) -> None:
    """A number beyond the range of doubles is an infinity of its sign, however it is spelled."""
    spelled = [b"1e999", b"1" + b"0" * 400, b"9" * 5_000]
    rows = [
        RAW.replace(b'"train_loss": 0.5', b'"train_loss": %b, "x": %b' % (sign + word, sign + word))
        .replace(b"0007", b"%04d" % n)
        for n, (sign, word) in enumerate(product((b"", b"-"), spelled), 100)
    ]  # fmt: skip
    taken(lake, tmp_path / "x", among(b"\n".join(rows)))
    found = lake.sql(
        "select train_loss, other_metrics['x'] as x, misfits from lake_events"
        " where event_id[-4:] >= '0100' order by event_id"
    ).rows()
    assert found == [(n, n, None) for n in (inf, inf, inf, -inf, -inf, -inf)]


def test_lone_surrogates(lake: Lake, tmp_path: Path) -> None:
    """Half a surrogate pair in a payload is kept as its escape; in a text column it is a reject."""
    half = rb"\ud800"
    raws = [
        RAW.replace(b"Step 7", half),
        RAW.replace(b'"train_loss": 0.5', b'"' + half + b'": "' + half + b'", "train_loss": 3'),
        RAW.replace(b"0007", b"0008")[:-1] + b', "' + half + b'": "' + half + b'"}',
    ]
    row = taken(lake, tmp_path / "x", among(b"\n".join(raws)))
    assert (row["events"], row["rejects"]) == (5, 1)
    assert [(r["reason"], r["raw"]) for r in rejects(lake)] == [("lone_surrogate", raws[0])]
    con = asked(lake)
    for view in views.catalogue():
        con.execute(f"from {view.name}").fetchall()
    assert sum(text.count(r"\ud800") for text in lake.export_events()) == 4


@pytest.mark.parametrize("wrap", [b"%s", b"[%s"], ids=["lines", "document"])
def test_a_line_without_end(lake: Lake, tmp_path: Path, wrap: bytes) -> None:
    """A line far over the limit is one reject with offset, length, hash and 64 KiB of it."""
    long = json.dumps(an_event(5, message="x" * (24 << 20))).encode()
    if wrap == b"%s":
        content = among(long)
    else:
        content = b"[" + b",\n".join([GOOD[0], GOOD[1], long, GOOD[2]]) + b"]"
    row = taken(lake, tmp_path / "x", content, max_record_bytes=1 << 20)
    assert (row["events"], row["rejects"]) == (3, 1)
    (reject,) = rejects(lake)
    assert reject["reason"] == "too_large" and reject["byte_length"] == len(long)
    assert reject["byte_offset"] == content.index(long)
    assert reject["raw"] == long[:REJECT_PREFIX_BYTES]
    assert reject["raw_hash"] == xxhash.xxh3_128_hexdigest(long)


def _created(number: int) -> bytes:
    fields = {"message": f"Created fine-tuning job: {A}", "data": {"a": "Validating "}}
    return json.dumps(an_event(0, id=f"ftevent-{number:024}", **fields)).encode()


SLOW = {
    "equal names": among(
        json.dumps(an_event(5, data={"g": [{"name": "x", "v": 1}] * 30_000})).encode()
    ),
    "creations": b"\n".join(_created(n) for n in range(2_500)),
    "a word again and again": b"[" + b"FineTun" * 140_000 + b"\n",
}


@pytest.mark.parametrize("kind", SLOW)
def test_no_record_takes_forever(tmp_path: Path, lake: Lake, kind: str) -> None:
    """What once took time with the square of its length is read in seconds."""
    (tmp_path / "x").write_bytes(SLOW[kind])
    begin = time.process_time()
    lake.ingest([tmp_path / "x"])
    assert time.process_time() - begin < 10


@pytest.mark.parametrize("content", [b"", b"\n", b" \r\n\t\n", b"\xef\xbb\xbf"], ids=repr)
def test_nothing_in_it(lake: Lake, tmp_path: Path, content: bytes) -> None:
    """A file without content is refused on one line, and leaves no trace."""
    (tmp_path / "x").write_bytes(content)
    (report,) = lake.ingest([tmp_path / "x"]).sources
    assert report.status == "refused" and str(report.problem).count("\n") == 0
    assert lake.view("sources").is_empty()


def test_a_total_of_steps_that_nobody_can_mean(lake: Lake, tmp_path: Path) -> None:
    """A running job that plans 2**52 steps is due at no time, and breaks no view."""
    rows = [
        json.dumps(an_event(n, data={"step": n, "total_steps": 2**52, "train_loss": 0.5}))
        for n in (1, 9)
    ]
    (tmp_path / "x").write_text("\n".join(rows))
    lake.ingest([tmp_path / "x"])
    (row,) = lake.view("throughput").to_dicts()
    assert row["done_at"] is None and row["total_steps"] == 2**52


def test_numbers_at_the_ends_of_their_types(lake: Lake, tmp_path: Path) -> None:
    """Steps, totals, times and metrics as far out as a column goes break no view of any job."""
    ends = (-(2**63), -1, 1, 2**53 - 1, 2**53, 2**63 - 1024, 2**63 - 1)
    metrics = (1.7976931348623157e308, -1.7976931348623157e308, 5e-324, 0.5, -inf, 0.0, 0.25)
    records: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for number, (step, total) in enumerate(product(ends, ends)):
        data = {"step": step, "total_steps": total, "train_loss": metrics[number % 7]}
        data["valid_loss"] = data["full_valid_loss"] = metrics[number // 7]
        created_at = (0, 253_402_300_799, 1_700_000_000)[number % 3]
        records.append(an_event(number, created_at=created_at, data=data))
        text = f"Checkpoint created at step {step}"
        told = {"fine_tuning_job_id": A, "step_number": step, "created_at": created_at}
        records.append(an_event(99 + number, message=text, data={}, type="message"))
        records.append({"object": "fine_tuning.job.checkpoint", "id": f"c{number}", **told})
        for place, end in enumerate((1, step, total, 3), 4 * number):
            data = {"step": end, "train_loss": 0.5, "valid_loss": 0.5}
            text = f"Step {end}/{total}: training loss=0.50, validation loss=0.50"
            both = (
                an_event(1_000 + place, data=data),
                an_event(2_000 + place, message=text, data={}),
            )
            others += [event | {"fine_tuning_job_id": f"ftjob-{number:024}"} for event in both]
    for status in ("running", "succeeded"):
        times = {"created_at": 0, "finished_at": 253_402_300_799}
        job = {"status": status, "trained_tokens": 2**63 - 1, "seed": -(2**63), **times}
        records.append({"object": "fine_tuning.job", "id": A, **job})
    row = lake.ingest([write_lines(tmp_path / "x.jsonl", records)], job_id=A)
    assert row.reject_count + lake.ingest(write_lines(tmp_path / "y", others)).reject_count == 0
    con = asked(lake)
    for view in views.catalogue():
        con.execute(f"from {view.name}").fetchall()
    assert not [check.name for check in rules() if con.execute(check.query).fetchall()]


def write_lines(path: Path, records: list[dict[str, Any]]) -> Path:
    """A file of JSON lines."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path
