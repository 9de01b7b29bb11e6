"""Job objects between lines: whose events they tell of, in files, logs and tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from engine import asked
from strategies import START
from whose import (
    CHECKPOINT,
    JOB_OBJECT,
    NAMELESS,
    A,
    B,
    C,
    all_are_large,
    ids,
    job_events,
    jobs,
    lines,
    page,
    put,
)

from pipeline import open_lake
from pipeline.contract import UNATTRIBUTED_PREFIX

OTHERS = job_events(B, created=False, start=START + 50)
OTHER_OBJECT = {**JOB_OBJECT, "id": B}


@pytest.mark.parametrize("between", [[], [""], [CHECKPOINT], [JOB_OBJECT, "", CHECKPOINT]])
@pytest.mark.parametrize("block_bytes", [300, 8 << 20])
def test_a_list_of_job_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, between: list[Any], block_bytes: int
) -> None:
    """Several jobs named with no event between them name nobody's events; the next one does."""
    all_are_large(monkeypatch, block_bytes)
    rows = [*job_events(C, start=START + 90), JOB_OBJECT, *between, OTHER_OBJECT, *NAMELESS]
    text = "".join(f"{json.dumps(row) if row else ''}\n" for row in [*rows, OTHER_OBJECT, *OTHERS])
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", text)])
        found = jobs(lake)
        assert (found.pop(C), found.pop(B)) == (ids(job_events(C, start=START + 90)), ids(OTHERS))
        ((job, events),) = found.items()
        assert job.startswith(UNATTRIBUTED_PREFIX) and events == ids(NAMELESS)


@pytest.mark.parametrize("block_bytes", [300, 8 << 20])
@pytest.mark.parametrize("paged", [False, True], ids=["lines", "pages"])
def test_job_objects_below_their_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paged: bool, block_bytes: int
) -> None:
    """Where a file begins with events and ends with a job's object, none tells of what is below
    it, also if that end came later; where all are of one job, it does."""
    all_are_large(monkeypatch, block_bytes)
    beginning = lines([*NAMELESS, JOB_OBJECT, *([page(OTHERS)] if paged else OTHERS)])
    for grows in (False, True):
        with open_lake(tmp_path / f"lake {grows}") as lake:
            path = tmp_path / f"{grows}.jsonl"
            if grows:
                lake.ingest([put(path, beginning)])
                assert jobs(lake)[A] == ids(OTHERS)
            lake.ingest([put(path, beginning + lines([OTHER_OBJECT]))])
            found = jobs(lake)
            assert sorted(found.values()) == sorted([ids(NAMELESS), ids(OTHERS)])
            assert all(job.startswith(UNATTRIBUTED_PREFIX) for job in found)
            lake.ingest([put(tmp_path / "one.jsonl", beginning + lines([JOB_OBJECT]))])
            assert jobs(lake)[A] == ids(OTHERS)


LOGGED = {"id": "entry", "created_at": START - 60, "level": "info"}
WAYS = [
    ("line", None, lambda row: row),
    ("indented", 1, lambda row: row),
    ("entry", None, lambda row: {"at": "2024", "what": row}),
    ("string", None, lambda row: {"log": json.dumps(row)}),
    ("entry with a time", None, lambda row: LOGGED | {"message": json.dumps(row)}),
]


@pytest.mark.parametrize("bare", [False, True], ids=["as events", "bare"])
@pytest.mark.parametrize(("indent", "way"), [w[1:] for w in WAYS], ids=[w[0] for w in WAYS])
def test_job_objects_in_a_log(tmp_path: Path, indent: int | None, way: Any, bare: bool) -> None:
    """However a log writes events and jobs: a job's object tells of what is below it, up to the
    next one, and of nothing above it; creation messages count before."""

    def written(*rows: Any) -> str:
        how = [row if bare and row in (JOB_OBJECT, OTHER_OBJECT) else way(row) for row in rows]
        return "".join(json.dumps(row, indent=indent) + "\n" for row in how)

    named, last = job_events(C, start=START + 90), job_events(B, start=START + 200)
    parts = [*named, JOB_OBJECT, *NAMELESS, OTHER_OBJECT, *OTHERS]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", written(*parts))])
        assert jobs(lake) == {A: ids(NAMELESS), B: ids(OTHERS), C: ids(named)}
        assert not lake.sql("from rejects").rows()
    with open_lake(tmp_path / "above") as lake:
        lake.ingest([put(tmp_path / "y.jsonl", written(*NAMELESS, OTHER_OBJECT, *OTHERS))])
        found = jobs(lake)
        assert found.pop(B) == ids(OTHERS) and [*found.values()] == [ids(NAMELESS)]
    with open_lake(tmp_path / "end") as lake:
        lake.ingest([put(tmp_path / "z.jsonl", written(*NAMELESS, *last, OTHER_OBJECT))])
        found = jobs(lake)
        assert found.pop(B) == ids(last) and [*found.values()] == [ids(NAMELESS)]


@pytest.mark.parametrize(("indent", "way"), [w[1:] for w in WAYS], ids=[w[0] for w in WAYS])
def test_a_job_object_tells_no_direction(tmp_path: Path, indent: int | None, way: Any) -> None:
    """Newest first is what stands so below a job's object, which is older than all of it."""
    objects = [{**row, "created_at": START - 50} for row in (JOB_OBJECT, CHECKPOINT, OTHER_OBJECT)]
    rows = [*objects[:2], *NAMELESS[::-1], objects[2], *OTHERS]
    text = "".join(json.dumps(way(row), indent=indent) + "\n" for row in rows)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", text)])
        question = "select job_id, newest_first from lake_streams order by all"
        assert asked(lake).execute(question).fetchall() == [(A, True), (B, False)]


def test_a_webhook_tells_no_direction(tmp_path: Path) -> None:
    """A webhook that ends one job in the second in which the next begins turns no log around."""
    of_a, of_b = job_events(A), job_events(B, start=START + 100)
    kind = {"object": "event", "type": "fine_tuning.job.succeeded"}
    told = {**kind, "id": "evt_1", "created_at": START + 100, "data": {"id": A}}
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", lines([*of_a[::-1], told, *of_b[::-1]]))])
        assert jobs(lake) == {A: ids(of_a), B: ids(of_b)}


def test_a_job_object_in_another_document_takes_no_page(tmp_path: Path) -> None:
    """A page that names its job is that job's, though the file has an object of another one."""
    pages = [JOB_OBJECT, page(NAMELESS), page(job_events(B, start=START + 50))]
    text = "\n".join(json.dumps(part, indent=1) for part in pages)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.json", text)])
        assert jobs(lake) == {A: ids(NAMELESS), B: ids(job_events(B, start=START + 50))}


@pytest.mark.parametrize(
    ("entry", "other"),
    [
        (lambda event: {"log": json.dumps(event)}, '{"log": "begins"}'),
        (
            lambda event: {"level": "info", "message": json.dumps(event)},
            '{"level": 1, "message": 2}',
        ),
        (lambda event: {"log": json.dumps(event)}, "begins"),
    ],
)
def test_a_log_that_begins_with_something_else(tmp_path: Path, entry: Any, other: str) -> None:
    """Entries of a log around events are one job, whatever stands above them and between, one that
    is cut off as well."""
    entries = [json.dumps(entry(event)) for event in job_events(A)]
    cut = entries[0][: len(other) + 9]  # by a crash
    path, grown = tmp_path / "x.jsonl", [*[other] * 150, *entries[:3], other, cut, *entries[3:]]
    with open_lake(tmp_path / "lake") as lake:
        for count in (100, 152, len(grown)):
            lake.ingest([put(path, "\n".join(grown[:count]) + "\n")])
        assert jobs(lake) == {A: ids(job_events(A))}


@pytest.mark.parametrize("held", [dict, json.dumps], ids=["object", "string"])
def test_what_a_logger_says_of_events_and_jobs(tmp_path: Path, held: Any) -> None:
    """Its message may hold the event's own, and of a job's object it makes an entry as of an event:
    neither takes an event out of its job."""
    both = [job_events(A), job_events(B, start=START + 100)]
    prefix = "" if held is dict else "polled: "
    said = [[{"message": prefix + row["message"], "event": held(row)} for row in x] for x in both]
    about = {"level": "info", "message": "polled", "job": held({**JOB_OBJECT, "id": C})}
    nameless = job_events(C, start=START + 200, created=False)
    told = [{"level": "info", "message": "new", "event": held(row)} for row in nameless]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", lines([*said[0], *said[1], about, *told]))])
        assert jobs(lake) == {A: ids(both[0]), B: ids(both[1]), C: ids(nameless)}
        assert lake.sql("select companions, rejects from lake_sources").rows() == [(1, 0)]


def test_a_table_that_grows(tmp_path: Path) -> None:
    """Of a table that was half-written nothing stays beside it, wherever a row broke off."""
    told = [job_events(A)[::-1], job_events(B, start=START + 100, created=False)[::-1]]
    rows = [["x", told[0]], ["y", {"page": told[1]}]]
    text, path = json.dumps(rows), tmp_path / "x.json"
    for end in range(300, len(text), 230):
        with open_lake(tmp_path / f"{end}") as lake:
            for part in text[:end], text:
                lake.ingest([put(path, part)])
            assert sorted(map(len, jobs(lake).values())) == [5, 5]
            assert lake.sql("select rejects from lake_sources").rows() == [(0,)]


def test_a_job_object_above_what_is_younger_than_the_next_job(tmp_path: Path) -> None:
    """What runs with time below a job's object is that job's, though an older job's creation
    message follows; what runs down to a message is of the job that it creates."""
    older, later = job_events(A, start=START - 100), job_events(B, start=START, created=False)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", lines([OTHER_OBJECT, *later, *older]))])
        assert jobs(lake) == {A: ids(older), B: ids(later)}
    with open_lake(tmp_path / "down") as lake:
        lake.ingest([put(tmp_path / "y.jsonl", lines([OTHER_OBJECT, *older[::-1]]))])
        assert jobs(lake) == {A: ids(older)}
