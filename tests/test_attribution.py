"""What tells a job: every kind of evidence, which of it wins, and what names nobody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from engine import asked
from strategies import START
from whose import (
    CHECKPOINT,
    EXCHANGE,
    JOB_OBJECT,
    NAMELESS,
    NOBODY,
    A,
    B,
    C,
    ids,
    job_events,
    jobs,
    lines,
    page,
    put,
    told,
)

from pipeline import open_lake
from pipeline.contract import UNATTRIBUTED_PREFIX
from pipeline.errors import UsageError

EXPORT_LINE = {"object": "fine_tuning.job", "id": A}


@pytest.mark.parametrize(
    ("name", "content", "flag", "how"),
    [
        ("x.jsonl", lines(NAMELESS), A, "flag"),
        (f"{B}.jsonl", lines([{**event, "job_id": A} for event in NAMELESS]), None, "beside"),
        ("x.json", EXCHANGE, None, "beside"),
        ("x.json", {"job": JOB_OBJECT, "events": page(NAMELESS)}, None, "beside"),
        ("x.json", {"checkpoints": [CHECKPOINT], "events": NAMELESS}, None, "beside"),
        ("x.json", {"fine_tuning_job_id": A, "events": NAMELESS}, None, "beside"),
        ("x.jsonl", lines([JOB_OBJECT, *NAMELESS]), None, "beside"),
        ("x.jsonl", lines(job_events(A)), None, "creation"),
        ("x.json", page(job_events(A)), None, "creation"),
        ("x.json", job_events(A), None, "creation"),
        (f"{A}.jsonl", lines(NAMELESS), None, "name"),
        (f"{A}/page.json", page(NAMELESS), None, "name"),
    ],
)
def test_evidence(tmp_path: Path, name: str, content: Any, flag: str | None, how: str) -> None:
    """Each kind of evidence gives the events to the job it names, and is told."""
    path = put(tmp_path / "dumps" / name, content)
    with open_lake(tmp_path / "lake") as lake:
        assert not lake.ingest([path], job_id=flag).reject_count
        assert [*jobs(lake)] == [A] and len(jobs(lake)[A]) == 5
        assert how in {by for _, by in told(lake)}


@pytest.mark.parametrize(
    ("name", "content", "how"),
    [
        (f"{B}.jsonl", lines(job_events(A)), "creation"),
        (f"{B}.json", EXCHANGE, "beside"),
        (f"{B}/{A}.jsonl", lines(NAMELESS), "name"),
        (f"{B}.jsonl", lines([JOB_OBJECT, *NAMELESS]), "beside"),
    ],
)
def test_nearer_evidence_wins(tmp_path: Path, name: str, content: Any, how: str) -> None:
    """What stands beside the events is nearer than their creation message, that than a name."""
    path = put(tmp_path / name, content)
    with open_lake(tmp_path / "lake") as lake:
        assert not lake.ingest([path]).reject_count
        assert [*jobs(lake)] == [A] and told(lake) == [(A, how)]


def test_name_beats_shared_ids(tmp_path: Path) -> None:
    """A stream whose name tells a job keeps it, though another job holds the same events."""
    one = put(tmp_path / "one" / f"{A}.jsonl", lines(NAMELESS))
    two = put(tmp_path / "two" / f"{B}.jsonl", lines(NAMELESS[:3]))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([one])
        lake.ingest([two])
        assert {job: len(found) for job, found in jobs(lake).items()} == {A: 5, B: 3}


@pytest.mark.parametrize("above", [JOB_OBJECT, EXPORT_LINE], ids=["object", "export"])
def test_a_page_below_a_job_object(tmp_path: Path, above: dict[str, Any]) -> None:
    """A page on a line is of the job above it, as events there are, unless it names its own."""
    own = [page(job_events(B, start=START + 50)), page(job_events(C, created=False, start=START))]
    own[1]["fine_tuning_job_id"] = C
    path = put(tmp_path / f"{B}.jsonl", lines([above, page(NAMELESS), *own]))
    with open_lake(tmp_path / "lake") as lake:
        assert not lake.ingest([path]).reject_count
        assert jobs(lake) == {
            A: ids(NAMELESS),
            B: ids(job_events(B, start=START + 50)),
            C: ids(job_events(C, created=False, start=START)),
        }
        assert told(lake) == [(A, "beside"), (B, "creation"), (C, "beside")]


CONTRARY = {
    "creation": ("x.jsonl", lines(job_events(A))),
    "url": ("x.json", EXCHANGE),
    "name": (f"{A}.jsonl", lines(NAMELESS)),
    "object": ("x.jsonl", lines([JOB_OBJECT, *NAMELESS])),
    "export": ("x.jsonl", lines([EXPORT_LINE, *NAMELESS])),
}


@pytest.mark.parametrize("kind", CONTRARY)
def test_flag_against_evidence(tmp_path: Path, kind: str) -> None:
    """--job-id against what a dump says of itself is refused, changes nothing; --force lets it."""
    name, content = CONTRARY[kind]
    path = put(tmp_path / name, content)
    with open_lake(tmp_path / "lake") as lake:
        with pytest.raises(UsageError, match=rf"^[^\n]*names job {A}[^\n]*{B}[^\n]*--force$"):
            lake.ingest([path], job_id=B)
        assert jobs(lake) == {} and lake.view("sources").is_empty()
        lake.ingest([path], job_id=B, force=True)
        assert [*jobs(lake)] == [B] and told(lake) == [(B, "flag")]


def test_flag_with_evidence(tmp_path: Path) -> None:
    """--job-id that says what the dump says is no contradiction."""
    path = put(tmp_path / f"{A}.jsonl", lines(job_events(A)))
    with open_lake(tmp_path / "lake") as lake:
        assert not lake.ingest([path], job_id=A).reject_count
        assert [*jobs(lake)] == [A]


NOBODYS = {"object": "fine_tuning.job", "id": NOBODY}


@pytest.mark.parametrize(
    "content",
    [
        lines([{**event, "fine_tuning_job_id": NOBODY} for event in NAMELESS]),
        lines([NOBODYS | JOB_OBJECT | {"id": NOBODY}, *NAMELESS]),
        lines([NOBODYS, *NAMELESS]),
        lines(job_events(NOBODY)),
        [NOBODYS, *NAMELESS],
        {"fine_tuning_job_id": NOBODY, "data": NAMELESS},
        {**CHECKPOINT, "fine_tuning_job_id": NOBODY, "metrics": {"step": 1}, "events": NAMELESS},
        {"id": "evt_1", "type": "fine_tuning.job.failed", "data": {"id": NOBODY}, "of": NAMELESS},
        lines([{"object": "tunelog.result", "job_id": NOBODY, "step": 1, "x": 1}, *NAMELESS]),
    ],
)
def test_no_document_names_nobody(tmp_path: Path, content: Any) -> None:
    """A name for events whose job nothing tells is no job's, whatever tells it; an export that
    holds it says the same again, even where it stands in a list with another job's."""
    path = put(tmp_path / "x", content)
    with open_lake(tmp_path / "lake") as lake, open_lake(tmp_path / "again") as again:
        lake.ingest([path])
        wanted = jobs(lake)
        ((job, events),) = wanted.items()
        assert job.startswith(UNATTRIBUTED_PREFIX) and job != NOBODY
        assert len(events) == len(NAMELESS) and told(lake) == [(job, "unknown")]
        assert (NOBODY,) not in asked(lake).execute("select job_id from jobs").fetchall()
        exported = [*map(json.loads, lake.export_events())]
        again.ingest([put(tmp_path / "exported.jsonl", lines(exported))])
        assert jobs(again) == wanted
        again.ingest([put(tmp_path / "list.json", [*exported, JOB_OBJECT])])
        assert jobs(again) == wanted


HALF = "ftjob-\ud800"


@pytest.mark.parametrize(
    "content",
    [
        lines([{**event, "job_id": HALF} for event in NAMELESS]),
        lines([JOB_OBJECT | {"id": HALF}, *NAMELESS]),
        [JOB_OBJECT | {"id": HALF}, *NAMELESS],
        {"fine_tuning_job_id": HALF, "data": NAMELESS},
        {"checkpoints": [CHECKPOINT | {"fine_tuning_job_id": HALF}], "events": NAMELESS},
    ],
)
def test_an_id_that_no_text_can_store(tmp_path: Path, content: Any) -> None:
    """Half a surrogate pair in what would name a job names none, and keeps nothing else out."""
    other = put(tmp_path / "other.jsonl", lines(job_events(B)))
    with open_lake(tmp_path / "lake") as lake:
        report = lake.ingest([put(tmp_path / "x", content), other])
        assert not report.reject_count and not report.refused
        found = jobs(lake)
        assert found.pop(B) == ids(job_events(B))
        ((job, events),) = found.items()
        assert job.startswith(UNATTRIBUTED_PREFIX) and events == ids(NAMELESS)
        again = put(tmp_path / "exported.jsonl", "\n".join(lake.export_events()))
        assert not lake.ingest([again]).reject_count
        assert jobs(lake) == {B: ids(job_events(B)), job: events}


def test_job_field_of_an_event(tmp_path: Path) -> None:
    """A job id field in an event decides over the stream's other evidence."""
    rows = [*job_events(A, 3), *({**event, "job_id": B} for event in NAMELESS)]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", lines(rows))])
        assert {job: len(found) for job, found in jobs(lake).items()} == {A: 3, B: 5}


@pytest.mark.parametrize("job", [B, "0", "1", "my job"])
def test_job_fields_in_a_page(tmp_path: Path, job: str) -> None:
    """Events that name another job than their newest-first page are a stream of its direction."""
    rows = job_events(A, 6)
    rows[2:4] = [{**event, "job_id": job} for event in rows[2:4]]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.json", page(rows))])
        assert {name: len(found) for name, found in jobs(lake).items()} == {A: 4, job: 2}
        query = "select job_id, newest_first from lake_streams order by all"
        assert sorted(lake.sql(query).rows()) == sorted([(A, True), (job, True)])


def test_a_job_inside_an_event(tmp_path: Path) -> None:
    """A job object in an event's payload says nothing of the lines below."""
    rows = job_events(A, 6)
    rows[2]["data"] = {"job": {"object": "fine_tuning.job", "id": B}}
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", lines(rows))])
        assert jobs(lake) == {A: ids(rows)}


MOVED = {
    "flag": [("x.jsonl", lines(job_events(A)))],
    "fields": [("x.jsonl", lines([{**event, "job_id": A} for event in NAMELESS]))],
    "two": [("x.jsonl", lines(job_events(A) + job_events(C, start=START + 90)))],
    "unattributed": [("x.jsonl", lines(NAMELESS)), ("y.jsonl", lines(job_events(C)))],
}


@pytest.mark.parametrize("job", [B, "my-job"])
@pytest.mark.parametrize("kind", MOVED)
def test_an_export_names_jobs_beyond_doubt(tmp_path: Path, kind: str, job: str) -> None:
    """Read again, an export gives each job its events, also those it was given by force."""
    paths = [put(tmp_path / name, content) for name, content in MOVED[kind]]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest(paths)
        if kind != "unattributed":
            lake.assign(str(paths[0]), job, force=True)
        wanted, out = jobs(lake), "\n".join(lake.export_events())
    with open_lake(tmp_path / "again") as lake:
        assert not lake.ingest([put(tmp_path / f"{C}.jsonl", out)]).reject_count
        assert jobs(lake) == wanted
