"""Corners of reading: little evidence, marks, depths, masks, events without ids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dumps import A, B, C, an_event

from pipeline import Lake, attribution, open_lake
from pipeline.errors import UsageError
from pipeline.forms import lines as cut_lines


def said(number: int, when: int, words: str, **fields: Any) -> dict[str, Any]:
    """A message."""
    about = {"message": words, "created_at": 1_700_000_000 + when, "data": {}, "type": "message"}
    return an_event(number, **about | fields)


def created(number: int, when: int, job: str) -> dict[str, Any]:
    """A creation message."""
    return said(number, when, f"Created fine-tuning job: {job}")


def jobs_of(lake: Lake) -> dict[str, list[int]]:
    """The numbers of the events of each job."""
    question = (
        "select job_id, list(right(event_id, 4)::int order by event_id) from events group by all"
    )
    return dict(lake.sql(question).rows())


def ingested(folder: Path, *records: Any, **how: Any) -> dict[str, list[int]]:
    """Ingest records as lines; the events of each job."""
    path = folder / "dump.jsonl"
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    with open_lake(folder / "lake") as lake:
        lake.ingest([path], **how)
        return jobs_of(lake)


def test_short_jobs_newest_first_are_told_apart(tmp_path: Path) -> None:
    """One record between two creation messages belongs to that which it stands before."""
    failed = [
        [
            said(10 * n + 3, 1000 * n + 60, "Error while validating", level="error"),
            said(10 * n + 2, 1000 * n, "Validating training file: file-abc"),
            created(10 * n + 1, 1000 * n, job),
        ]
        for n, job in enumerate((A, B, C))
    ]
    found = ingested(tmp_path, *(event for own in failed for event in own))
    assert found == {A: [1, 2, 3], B: [11, 12, 13], C: [21, 22, 23]}


def test_short_jobs_oldest_first_in_an_array(tmp_path: Path) -> None:
    """An array is newest first where nothing tells otherwise; what stands at its end does."""
    told = [
        created(1, 0, A),
        said(2, 60, "The job has successfully completed"),
        created(11, 1000, B),
        said(12, 1060, "The job has successfully completed"),
    ]
    (tmp_path / "dump.json").write_text(json.dumps(told))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([tmp_path / "dump.json"])
        assert jobs_of(lake) == {A: [1, 2], B: [11, 12]}


@pytest.mark.parametrize("block_bytes", [600, 1_000, 1_500, 8 << 20])
def test_where_a_block_ends_tells_nothing(tmp_path: Path, block_bytes: int) -> None:
    """The first record behind a job object is looked at, wherever the block ends."""
    records = [
        {"object": "fine_tuning.job", "id": A, "status": "failed", "model": "m"},
        said(3, 60, "The job failed, of A"),
        created(1, 0, A),
        {"object": "fine_tuning.job", "id": B, "status": "failed", "model": "m"},
        said(22, 1060, "The job failed, of B"),
        said(21, 1030, "Fine-tuning job started"),
        created(20, 1000, B),
    ]
    raw = "".join(f"{json.dumps(record)}\n" for record in records).encode()
    (tmp_path / "dump.jsonl").write_bytes(raw)
    scout = attribution.Scout(lines=True)
    with (tmp_path / "dump.jsonl").open("rb") as file:
        for block in cut_lines.line_blocks(file, 1 << 20, block_bytes=block_bytes):
            scout.see(block)
    streams = {(s.first, s.job) for s in scout.streams() if s.job}
    assert {job for _, job in streams} == {A, B}
    owner = max((s for s in scout.streams() if s.first <= 4), key=lambda s: s.first)
    assert owner.job == B


def test_a_mark_before_white_space(tmp_path: Path) -> None:
    """Of files with byte order marks put together, each line is read."""
    events = [an_event(n, extra=1) for n in (1, 2, 3)]
    text = "".join(f"\ufeff {json.dumps(event)}\n" for event in events)
    (tmp_path / "dump.jsonl").write_text(text)
    with open_lake(tmp_path / "lake") as lake:
        (source,) = lake.ingest([tmp_path / "dump.jsonl"], job_id=A).sources
        assert (source.events, source.rejects) == (3, {})


@pytest.mark.parametrize("levels", [90, 150, 400, 699])
def test_deep_contents_are_compared(tmp_path: Path, levels: int) -> None:
    """Two contents of one event, however deep: the same one stays, whichever comes first."""
    deep = "[" * levels + "]" * levels
    plain, other = (
        json.dumps(an_event(1, level=level))[:-1] + f', "deep": {deep}}}\n'
        for level in ("info", "warn")
    )
    kept = set()
    for number, order in enumerate(([plain, other], [other, plain])):
        with open_lake(tmp_path / f"lake-{number}") as lake:
            for place, line in enumerate(order):
                path = tmp_path / f"{number}-{place}.jsonl"
                path.write_text(line)
                lake.ingest([path], job_id=A)
            assert lake.view("variants").height == 1
            kept.add(lake.view("events")["level"].item())
    assert len(kept) == 1


def test_masked_rejects_do_not_pass_as_they_are_kept(tmp_path: Path) -> None:
    """Replayed are the bytes that were read, from the file; never those with asterisks."""
    key = "sk-" + "a1B2" * 8
    event = an_event(1, note={"api_key": key})
    path = tmp_path / "dump.jsonl"
    path.write_text(json.dumps(event)[:-1] + ",\n" + json.dumps(an_event(2)) + "\n")
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([path], job_id=A)
        (kept,) = lake.view("rejects").select("raw", "raw_hash").rows()
        assert key.encode() not in kept[0] and kept[1] is not None
        assert lake.replay_rejects().passed == 0
        assert lake.view("events").height == 1


def test_equal_events_without_ids_of_two_jobs(tmp_path: Path) -> None:
    """Each job has the first of its own, from whichever file: read again, nothing is new."""
    legacy = {"object": "fine-tune-event", "created_at": 1_650_000_000, "level": "info"}
    both = [legacy | {"message": "Fine-tune started", "job_id": job} for job in (A, B)]
    (tmp_path / "both.jsonl").write_text("".join(f"{json.dumps(event)}\n" for event in both))
    (tmp_path / "one.jsonl").write_text(f"{json.dumps(both[1])}\n")
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([tmp_path / "both.jsonl"])
        (source,) = lake.ingest([tmp_path / "one.jsonl"]).sources
        assert (source.events, source.duplicates) == (0, 1)
        assert lake.sql("select job_id, count(*) from events group by all order by 1").rows() == [
            (A, 1), (B, 1),
        ]  # fmt: skip


def test_equal_payloads_make_one_id(tmp_path: Path) -> None:
    """Of an event without an id, absent, null and {} are the same payload, and so are 1 and 1.0."""
    legacy = {"object": "fine-tune-event", "created_at": 1_650_000_000, "level": "info"}
    with open_lake(tmp_path / "lake") as lake:
        for number, more in enumerate(
            ({}, {"data": None}, {"data": {}}, {"data": {"x": 1}}, {"data": {"x": 1.0, "y": None}})
        ):
            path = tmp_path / f"{number}.jsonl"
            path.write_text(f"{json.dumps(legacy | {'message': 'Started'} | more)}\n")
            lake.ingest([path], job_id=A)
        assert lake.view("events").height == 2


def test_a_page_on_a_line_may_contradict_the_job_given(tmp_path: Path) -> None:
    """What names another job inside a line is as good as on a line of its own."""
    page = {"object": "list", "data": [an_event(2), created(1, 0, B)], "has_more": False}
    with pytest.raises(UsageError, match=rf"names job {B} itself, but --job-id says {A}"):
        ingested(tmp_path, an_event(5), page, job_id=A)
    assert ingested(tmp_path, an_event(5), page, job_id=A, force=True) == {A: [1, 2, 5]}


@pytest.mark.parametrize("order", ["plain first", "named first", "at once", "by hand"])
def test_copies_are_of_one_job(tmp_path: Path, order: str) -> None:
    """Azure's metrics have ids that are no job's own: that a content is the same tells it."""
    ticks = [f"{638_000_000_000_000_000 + n:016x}" for n in range(5)]
    events = [an_event(n, id=f"ftevent-{tick}{tick}") for n, tick in enumerate(ticks)]
    text = "".join(f"{json.dumps(event)}\n" for event in events)
    azure = "ftjob-" + "ab" * 16
    plain, named = tmp_path / "plain.jsonl", tmp_path / azure / "copy.jsonl"
    named.parent.mkdir()
    plain.write_text(text)
    named.write_text(text)
    with open_lake(tmp_path / "lake") as lake:
        if order == "by hand":
            lake.ingest([plain])
            lake.ingest([plain], job_id=azure)
        elif order == "at once":
            lake.ingest([plain, named])
        else:
            for path in (plain, named) if order == "plain first" else (named, plain):
                lake.ingest([path])
        assert lake.sql("select job_id, events from jobs").rows() == [(azure, 5)]
        assert lake.verify().findings == []


def test_a_line_that_goes_on_behind_a_carriage_return(tmp_path: Path) -> None:
    r"""A `\r` alone ends no line, but an object behind it is a record; the line is read anew."""
    path = tmp_path / "dump.jsonl"
    first, second, third, last = (json.dumps(an_event(n)).encode() for n in range(1, 5))
    path.write_bytes(first + b"\n" + second)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([path], job_id=A)
        path.write_bytes(first + b"\n" + second + b"\r" + third + b"\n" + last + b"\n")
        lake.ingest([path], job_id=A)
        assert lake.sql("select records, events, rejects from lake_sources").rows() == [(4, 4, 0)]
        assert lake.verify().findings == []
