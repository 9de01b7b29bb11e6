"""Jobs told by hand: what `assign` gives, moves and refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from whose import NAMELESS, NOBODY, A, B, azure, ids, job_events, jobs, lines, put, told

from pipeline import open_lake
from pipeline.errors import UsageError


def test_assign(tmp_path: Path) -> None:
    """Assign gives a source's nameless events to one job, by path or id, however often asked."""
    path = put(tmp_path / "x.jsonl", lines(NAMELESS))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([path])
        assert lake.assign(str(path), A) == 5
        assert jobs(lake) == {A: ids(NAMELESS)} and told(lake) == [(A, "assigned")]
        assert lake.assign(str(path), A) == 0
        assert jobs(lake) == {A: ids(NAMELESS)} and told(lake) == [(A, "assigned")]
        source = lake.view("sources")["source_id"][0]
        with pytest.raises(UsageError, match=f"belong to {A} already: add --force"):
            lake.assign(source, B)
        with pytest.raises(UsageError, match="nowhere: no such source"):
            lake.assign("nowhere", B)
        assert lake.assign(source, B, force=True) == 5
        assert jobs(lake) == {B: ids(NAMELESS)}


def test_assign_never_leaves_things_silently(tmp_path: Path) -> None:
    """Events given to a job by hand move on by force only, to a job of the source as to others."""
    rows = [*NAMELESS, *({**event, "job_id": B} for event in job_events(B, 9)[1:])]
    path = put(tmp_path / "x.jsonl", lines(rows))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([path])
        for _ in range(2):
            assert lake.assign(str(path), B) in (len(NAMELESS), 0)
        assert jobs(lake).keys() == {B}
    with open_lake(tmp_path / "other") as lake:
        lake.ingest([path])
        assert lake.assign(str(path), A) == len(NAMELESS)
        with pytest.raises(UsageError, match=f"belong to {A}, {B} already: add --force"):
            lake.assign(str(path), B)
        assert jobs(lake).keys() == {A, B}
        assert lake.assign(str(path), B, force=True) == len(NAMELESS)
        assert jobs(lake).keys() == {B}


def test_assign_moves_what_the_source_told(tmp_path: Path) -> None:
    """A slip is mended: events that a wrong --job-id mixed with a job's own are parted again."""
    stray = [{**event, "id": f"{event['id']}-stray"} for event in NAMELESS]
    fuller = {**job_events(A)[3], "data": {"step": 3, "train_loss": 0.5}}
    own = put(tmp_path / "a.jsonl", lines([*job_events(A), fuller]))
    slip = put(tmp_path / "b.jsonl", lines([*stray, {**stray[2], "data": {"step": 1}}]))
    rows = "2.csv"
    put(tmp_path / rows, "step,train_loss\n1,0.5\n")
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([own])
        lake.ingest([slip, tmp_path / rows], job_id=A)
        assert jobs(lake) == {A: sorted(ids(job_events(A)) + ids(stray))}
        assert lake.assign(str(slip), B, force=True) == len(stray)
        assert jobs(lake) == {A: ids(job_events(A)), B: ids(stray)}
        assert sorted(lake.view("variants")["job_id"]) == [A, B]
        assert lake.view("companions")["job_id"].to_list() == [A]
        assert lake.verify().findings == []
        lake.compact(keep_hours=0)
        assert lake.ingest([slip], job_id=A).sources[0].status == "known"
        assert lake.assign(str(tmp_path / rows), B, force=True) == 0
        assert lake.view("companions")["job_id"].to_list() == [B]
        assert lake.assign(str(slip), A, force=True) == len(stray)
        assert jobs(lake) == {A: sorted(ids(job_events(A)) + ids(stray))}
        assert lake.verify().findings == []


@pytest.mark.parametrize("fuller", ["own", "slip"])
def test_assign_parts_equal_ids(tmp_path: Path, fuller: str) -> None:
    """Of two jobs with equal ids each has its contents again, whichever lost under one of them."""
    contents = {}
    for name in ("own", "slip"):
        rows = azure(job_events(A, created=False), metrics=True)
        for step, row in enumerate(rows):
            row["data"] = {"step": step, "train_loss": len(name) + step}
            row["data"] |= {"valid_loss": 1.0} if name == fuller else {}
        contents[name] = rows
    own, slip = (put(tmp_path / f"{n}.jsonl", lines(rows)) for n, rows in contents.items())
    query = "select job_id, step, train_loss from events order by all"
    with open_lake(tmp_path / "right") as lake:
        lake.ingest([own], job_id=A)
        lake.ingest([slip], job_id=B)
        wanted = lake.sql(query).rows()
    with open_lake(tmp_path / "mended") as lake:
        for path in (own, slip):
            lake.ingest([path], job_id=A)
        assert len(lake.view("variants")) == len(contents["own"])
        assert lake.assign(str(slip), B, force=True) == len(contents["slip"])
        assert lake.sql(query).rows() == wanted and lake.view("variants").is_empty()
        assert lake.view("sources")["events"].to_list() == [len(contents["own"])] * 2
        assert lake.verify().findings == []
        assert lake.assign(str(slip), A, force=True) == len(contents["slip"])
        assert len(lake.view("variants")) == len(contents["own"])
        assert lake.verify().findings == []


def test_rejects_above_a_page_are_not_its_events(tmp_path: Path) -> None:
    """What a page belongs to is told, though headers above it, which are rejects, are nobody's."""
    body = json.dumps({"object": "list", "data": job_events(A)[::-1], "has_more": False})
    path = put(tmp_path / "x.txt", f"HTTP/2 200\nage: 0\n\n{body}\n")
    with open_lake(tmp_path / "lake") as lake:
        assert lake.ingest([path]).reject_count == 1
        with pytest.raises(UsageError, match=f"belong to {A} already: add --force"):
            lake.assign(str(path), B)
        assert B not in {job for job, _ in told(lake)}
        assert lake.assign(str(path), A) == 0
        assert lake.assign(str(path), B, force=True) == len(job_events(A))
        assert jobs(lake) == {B: ids(job_events(A))}


def test_assign_of_what_is_all_rejects(tmp_path: Path) -> None:
    """A source of which nothing was an event yet can be given to a job; a replay heeds that."""
    path = put(tmp_path / "x.jsonl", lines(NAMELESS))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([path], max_record_bytes=10)
        assert lake.assign(str(path), A) == 0
        lake.replay_rejects()
        assert jobs(lake) == {A: ids(NAMELESS)}


def test_assign_finds_a_file_by_any_of_its_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source is called by its path as it was given, or by another path of the same file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").mkdir()
    put(tmp_path / "d" / "x_1.jsonl", lines(NAMELESS))
    put(tmp_path / "d" / "xy1.jsonl", lines(NAMELESS[1:]))
    for number, (read, called) in enumerate(
        [
            ("d", tmp_path / "d" / "x_1.jsonl"),
            ("d", "./d/../d/x_1.jsonl"),
            (tmp_path / "d", "d/x_1.jsonl"),
            ("d", "x_1.jsonl"),
        ]
    ):
        with open_lake(tmp_path / f"lake {number}") as lake:
            lake.ingest([read])
            assert lake.assign(called, A) == len(NAMELESS)


@pytest.mark.parametrize(
    "text", ["", 5, "not a job", "a\nb", "a\tb", "a\u2003b", "\x1b[2J", "a\u202eb", NOBODY]
)
def test_what_is_no_job_id(tmp_path: Path, text: Any) -> None:
    """A job id has no white space and nothing that cannot be printed, and names somebody."""
    says = "no job id: .*: give the id" if text == NOBODY else "no job id: give one without white"
    path = put(tmp_path / "x.jsonl", lines(NAMELESS))
    with open_lake(tmp_path / "lake") as lake:
        with pytest.raises(UsageError, match=says):
            lake.ingest([path], job_id=text)
        lake.ingest([path])
        with pytest.raises(UsageError, match=says):
            lake.assign(str(path), text)


def test_assign_joins_what_the_job_has(tmp_path: Path) -> None:
    """Events assigned to a job that has them already become duplicates of its own."""
    named = azure(job_events(A), metrics=True)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "a.jsonl", lines(named))])
        path = put(tmp_path / "b.jsonl", lines(named[2:]))
        lake.ingest([path])
        assert len(jobs(lake)) == 2
        lake.assign(str(path), A)
        assert jobs(lake) == {A: ids(named)}
        rows = {Path(row["path"]).name: row for row in lake.view("sources").to_dicts()}
    assert (rows["b.jsonl"]["events"], rows["b.jsonl"]["duplicates"]) == (0, 3)
