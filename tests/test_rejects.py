"""What is no event is kept as a reject, whole, with its reason and its place."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import xxhash
from strategies import job_name
from test_ingest import JOB, event, exchange, page

from pipeline import open_lake
from pipeline.cli import run
from pipeline.contract import REJECT_PREFIX_BYTES, REJECT_REASONS
from pipeline.errors import ExitCode
from pipeline.lake.lake import Lake

GOOD = [event(0), event(1), event(2)]
LIMIT = 200_000


@dataclass(frozen=True)
class Bad:
    """A bad record between good ones.

    Attributes:
        reason: the reject's.
        raw: the record.
        detail: what the reject says, in part.
        last: it ends the file, without a line break.
    """

    reason: str
    raw: bytes
    detail: str
    last: bool = False

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


def bad(reason: str, detail: str, **fields: Any) -> Bad:
    """An event with fields of the wrong kind; `...` for an absent one."""
    some = {name: value for name, value in event(5, **fields).items() if value is not ...}
    return Bad(reason, json.dumps(some).encode(), detail)


DEEPER = b', "x": ' + b"[" * 700 + b"]" * 700 + b"}"
"""One level more than is followed; no version of Python's json minds."""
DEEP = b'{"object": "fine_tuning.job.event", "data": ' + b"[" * 5_000 + b"]" * 5_000 + b"}"
CASES = [
    Bad("invalid_utf8", json.dumps(event(5)).encode().replace(b"Step", b"St\xffp"), "byte 0xff"),
    Bad("malformed_json", json.dumps(event(5)).encode()[:-1] + b",}", ""),
    Bad("malformed_json", b"Traceback (most recent call last):", "Expecting value"),
    Bad("malformed_json", json.dumps(event(5)).encode() + b" {}", "Extra data"),
    Bad("cut_off", json.dumps(event(5)).encode()[:-20], "", last=True),
    Bad(
        "malformed_json", json.dumps(event(5)).encode().replace(b'", "', b'",, "', 1), "", last=True
    ),
    Bad("cut_off", '{"message": "größer'.encode()[:-3], "ends inside a character", last=True),
    Bad("too_deep", DEEP, "nested deeper"),
    Bad("too_deep", json.dumps(event(5))[:-1].encode() + DEEPER, "than 700 levels"),
    Bad("too_large", json.dumps(event(5, message="x" * LIMIT)).encode(), "--max-record-bytes"),
    Bad("not_an_object", b"17", "a number: 17"),
    Bad("not_an_object", b'"text"', "a string"),
    Bad("not_an_object", b"[1, 2]", "an array without objects"),
    Bad("unknown_object", b'{"a": 1}', "an object with a"),
    bad("missing_field", "id is absent", id=...),
    bad("missing_field", "id is null", id=None),
    bad("missing_field", "created_at is absent", created_at=...),
    bad("missing_field", "level is absent", level=...),
    bad("missing_field", "message is null", message=None),
    bad("wrong_type", "id is a number", id=5),
    bad("wrong_type", "level is an array", level=["info"]),
    bad("wrong_type", "message is an object", message={"a": 1}),
    bad("wrong_type", "type is a boolean", type=True),
    bad("wrong_type", "data is an array", data=[1]),
    bad("wrong_type", "data is a string", data="{}"),
    bad("wrong_type", "created_at is a string", created_at="1700000000"),
    bad("wrong_type", "created_at is a boolean", created_at=True),
    bad("wrong_type", "not whole seconds", created_at=1.5),
    bad("wrong_type", "jsonFormat=relaxed", created_at={"$numberLong": "1"}),
    bad("wrong_type", "whole seconds", created_at={"$date": "2024"}),
    bad("wrong_type", "by columns", id={"0": "a"}, created_at={"0": 1}, message={"0": "b"}),
    bad("wrong_type", "by columns", id=["a"], created_at=[1], message=["b"]),
    bad("wrong_type", "id is an object", id={"S": "a"}, created_at={"N": 1}, message={"S": "b"}),
    bad("bad_time", "created_at is -1", created_at=-1),
    bad("bad_time", "no Unix time in seconds", created_at=1_700_000_000_000_000),
    bad("bad_time", "created_at is nan", created_at=float("nan")),
    bad("lone_surrogate", "message holds", message="\ud800"),
    bad("lone_surrogate", "level holds", level="\udfff"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_reason_place_and_bytes(tmp_path: Path, case: Bad) -> None:
    """A bad record is one reject with its reason, place and bytes; its neighbours are events."""
    before = b"".join(json.dumps(good).encode() + b"\r\n" for good in GOOD[:2])
    after = b"" if case.last else b"\n" + json.dumps(GOOD[2]).encode() + b"\n"
    (tmp_path / "dump.jsonl").write_bytes(before + case.raw + after)
    with open_lake(tmp_path / "lake") as lake:
        report = lake.ingest([tmp_path / "dump.jsonl"], max_record_bytes=LIMIT)
        (source,) = report.sources
        assert (source.events, source.rejects) == (2 if case.last else 3, {case.reason: 1})
        assert report.reject_count == 1
        (row,) = rejects(lake)
    assert case.detail in row["detail"]
    assert (row["reason"], row["position"]) == (case.reason, 2)
    assert (row["byte_offset"], row["byte_length"]) == (len(before), len(case.raw))
    if case.reason == "too_large":
        assert row["raw"] == case.raw[:REJECT_PREFIX_BYTES]
        assert row["raw_hash"] == xxhash.xxh3_128_hexdigest(case.raw)
    else:
        assert (row["raw"], row["raw_hash"]) == (case.raw, None)
    assert row["job_id"] == JOB


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("body", [page(0, 1, 2), page(0, 1, 2)["data"]], ids=["page", "array"])
def test_a_cut_off_document(tmp_path: Path, body: Any, indent: int | None) -> None:
    """The end of a cut-off document is said to be cut off, plain, compressed and beside others."""
    text = json.dumps(body, indent=indent).encode()[:-70]
    (tmp_path / "a.json").write_bytes(text)
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(b" " + text))
    (tmp_path / "c.json").write_bytes(json.dumps(page(0, 1, 2)).encode())
    for names in (["a.json"], ["b.json.gz"], ["a.json", "b.json.gz", "c.json"]):
        with open_lake(tmp_path / f"lake of {len(names)}, {names[0]}") as lake:
            report = lake.ingest([tmp_path / name for name in names], job_id=JOB)
            told = [source.rejects for source in report.sources if source.path[-6:] != "c.json"]
            assert told == [{"cut_off": 1}] * len(told)
            kept = {row["raw"] for row in rejects(lake)}
        assert all(text.endswith(raw) for raw in kept) and kept


def test_too_large_before_a_crlf(tmp_path: Path) -> None:
    """Of a line that is too long, the \\r of its end is neither counted nor kept."""
    lines = [json.dumps(event(n, message="x" * 200 * n)).encode() for n in range(2)]
    (tmp_path / "dump.jsonl").write_bytes(b"".join(line + b"\r\n" for line in lines))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([tmp_path / "dump.jsonl"], job_id=JOB, max_record_bytes=len(lines[0]) + 5)
        (row,) = rejects(lake)
        assert (row["raw"], row["byte_length"]) == (lines[1], len(lines[1]))
        assert lake.verify().findings == []


def test_what_lies_between_pages(tmp_path: Path) -> None:
    """What is no page among pages is a reject by itself, byte for byte; all pages are read."""
    pages = [json.dumps(page(n), indent=2).encode() for n in range(3)]
    lost = [b"HTTP/2 200\ndate: now", b"curl: (28) timed out", b"404"]
    parts = [lost[0], pages[0], lost[1], pages[1], lost[2], pages[2]]
    content = b"\n".join(parts) + b"\n"
    (tmp_path / "polls.log").write_bytes(content)
    with open_lake(tmp_path / "lake") as lake:
        (source,) = lake.ingest([tmp_path / "polls.log"], job_id=JOB).sources
        assert (source.events, source.records) == (3, 6)
        assert source.rejects == {"malformed_json": 2, "not_an_object": 1}
        kept = sorted((row["byte_offset"], row["raw"]) for row in rejects(lake))
        assert kept == [(content.index(raw + b"\n"), raw) for raw in lost]
        assert all(row["byte_length"] == len(row["raw"]) for row in rejects(lake))
        assert lake.verify().findings == []


@pytest.mark.parametrize("first", ["error", "broken page", "prompt, error"])
def test_a_line_of_json_among_pages(tmp_path: Path, first: str) -> None:
    """Pages of many lines are read, whatever objects lie on lines of their own before them."""
    error = '{"error": {"code": 429, "message": "Too many requests"}}'
    before = {"error": error, "broken page": json.dumps(page(7), indent=2)[:200] + "\n" + error}
    pages = [json.dumps(page(2 * n, 2 * n + 1), indent=2) for n in range(3)]
    parts = [before.get(first, f"$ curl $URL\n{error}"), pages[0], error, *pages[1:]]
    (tmp_path / "polls.json").write_text("\n".join(parts))
    with open_lake(tmp_path / "lake") as lake:
        (source,) = lake.ingest([tmp_path / "polls.json"], job_id=JOB).sources
        wanted = {"unknown_object": 2} | ({} if first == "error" else {"malformed_json": 1})
        assert (source.events, source.rejects) == (6, wanted)


def test_job_conflict(tmp_path: Path) -> None:
    """A stream whose evidence names two jobs is rejected whole, never merged."""
    other = job_name(7)
    (tmp_path / "dump.json").write_text(json.dumps(exchange(page(0, 1, 2), other)))
    with open_lake(tmp_path / "lake") as lake:
        (source,) = lake.ingest([tmp_path / "dump.json"]).sources
        assert (source.events, source.rejects) == (0, {"job_conflict": 3})
        rows = rejects(lake)
    assert [json.loads(row["raw"]) for row in rows] == page(0, 1, 2)["data"]
    assert all(JOB in row["detail"] and other in row["detail"] for row in rows)


def test_job_conflict_of_one_record(tmp_path: Path) -> None:
    """A record that names another job than --job-id is rejected, its neighbours are not."""
    texts = [json.dumps(event(1)), json.dumps(event(2, job_id=job_name(7)))]
    (tmp_path / "dump.jsonl").write_text("\n".join(texts))
    with open_lake(tmp_path / "lake") as lake:
        (source,) = lake.ingest([tmp_path / "dump.jsonl"], job_id=JOB).sources
        assert (source.events, source.rejects) == (1, {"job_conflict": 1})
        (row,) = rejects(lake)
    assert (row["position"], row["raw"].decode()) == (1, texts[1])


def test_corrupt_compression(tmp_path: Path) -> None:
    """Of a cut-off gzip file the part before is kept, the damage is a reject at its place."""
    text = b"".join(json.dumps(event(n)).encode() + b"\n" for n in range(2_000))
    (tmp_path / "dump.gz").write_bytes(gzip.compress(text)[:-2_000])
    with open_lake(tmp_path / "lake") as lake:
        (source,) = lake.ingest([tmp_path / "dump.gz"]).sources
        assert source.rejects.pop("corrupt_compression") == 1
        assert set(source.rejects) <= {"cut_off"}
        assert 1_000 < source.events < 2_000
        assert source.records == source.events + 1 + sum(source.rejects.values())
        row = next(row for row in rejects(lake) if row["reason"] == "corrupt_compression")
        ends = lake.sql('select max("offset") as last from lake_events')["last"][0]
    assert row["byte_offset"] > ends and row["position"] == source.records - 1


def test_every_reason_has_a_case() -> None:
    """No reason of the closed list is without a bad record here."""
    apart = {"job_conflict", "corrupt_compression", "bad_row"}  # of other forms
    assert {case.reason for case in CASES} | apart == REJECT_REASONS.keys()


def rejects(lake: Lake) -> list[dict[str, Any]]:
    """The rejects of a lake, in the order of their sources."""
    return lake.sql("select * from lake_rejects order by source_id, position").to_dicts()


def test_rejects_repeat(tmp_path: Path) -> None:
    """Ingesting a file with rejects again rejects nothing anew."""
    (tmp_path / "dump.jsonl").write_text("\n".join([*map(json.dumps, GOOD), "{oops}", "17"]))
    with open_lake(tmp_path / "lake") as lake:
        for _ in range(2):
            lake.ingest([tmp_path / "dump.jsonl"])
            assert [row["reason"] for row in rejects(lake)] == ["malformed_json", "not_an_object"]


def test_rejects_are_told_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A repeated ingest counts the rejects that the lake keeps: the exit code stays what it was."""
    dump = tmp_path / "dump.jsonl"
    text = "\n".join([*map(json.dumps, GOOD), "{oops}", '{"id'])
    dump.write_text(text)
    (tmp_path / "same.jsonl").write_text(text)
    ingest = ["ingest", str(dump), str(tmp_path / "same.jsonl"), "--lake", str(tmp_path / "lake")]
    for told in ("1 malformed_json, 1 cut_off", "2 kept from earlier"):
        assert run(ingest) == ExitCode.DATA
        assert f"2 rejects ({told})" in capsys.readouterr().out
    assert run([*ingest, "--allow-rejects", "2"]) == ExitCode.OK
    capsys.readouterr()
    dump.write_text(text + '": 1}\n')  # the line that was cut off is another reject now
    assert run([*ingest, "--format", "json", "--allow-rejects", "4"]) == ExitCode.OK
    grown, same = json.loads(capsys.readouterr().out)
    assert (grown["status"], grown["rejects"], grown["kept_rejects"]) == (
        "grown", {"unknown_object": 1}, 1
    )  # fmt: skip
    assert (same["status"], same["rejects"], same["kept_rejects"]) == ("known", {}, 0)


def test_the_summary_counts_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is one, lines of an export are told as such, and a refused source is told where it is."""
    rows = [{"object": "fine_tuning.job", "id": JOB}, {"messages": [{"role": "user"}]}, event(1)]
    (tmp_path / "dump.jsonl").write_text("\n".join([*map(json.dumps, rows), "", "{oops}", ""]))
    (tmp_path / "empty").write_text("")
    monkeypatch.chdir(tmp_path)
    assert run(["ingest", "dump.jsonl", "empty"]) == ExitCode.DATA
    told = capsys.readouterr()
    for line in (
        "1 new event in 1 job",
        "0 duplicates",
        "2 ignored (1 naming a job and no more, as exports do, 1 of chats to train on)",
        "1 reject (1 malformed_json)",
        "1 blank line",
        "empty: empty: leave it out, or give the dump itself",
    ):
        assert line in [text.strip() for text in told.out.splitlines()]
    assert "lake: 1 reject, with 0 allowed" in told.err
    (tmp_path / "again.jsonl").write_text(json.dumps(rows[0]) + "\n" + json.dumps(event(1)))
    assert run(["ingest", "again.jsonl"]) == ExitCode.OK
    assert "0 new events in 0 jobs" in capsys.readouterr().out, "its one is a duplicate"
    assert run(["ingest", "empty", "--format", "jsonl"]) == ExitCode.DATA
    told = capsys.readouterr()
    problem = json.loads(told.out)["problem"]
    assert problem == "empty: leave it out, or give the dump itself"
    assert told.err == f"lake: 1 of 1 sources refused, the first: empty: {problem}\n"


def test_many_rejects(tmp_path: Path) -> None:
    """More rejects than fit one batch are all there, in their places."""
    lines = [json.dumps(event(0)), json.dumps(event(1)), *(f"{n} {{" for n in range(25_000))]
    (tmp_path / "dump.jsonl").write_text("\n".join(lines) + "\n")
    with open_lake(tmp_path / "lake") as lake:
        assert lake.ingest([tmp_path / "dump.jsonl"]).reject_count == 25_000
        found = rejects(lake)
    assert [row["raw"].decode() for row in found] == lines[2:]
    assert [row["position"] for row in found] == list(range(2, 25_002))
