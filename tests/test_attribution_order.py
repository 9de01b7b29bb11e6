"""Jobs one after another in one file, oldest or newest first: where one ends."""

from __future__ import annotations

import json
import time
from itertools import permutations, product
from pathlib import Path
from typing import Any

import pytest
from strategies import START
from whose import A, B, C, Events, all_are_large, ids, job_events, jobs, lines, page, put

from pipeline import open_lake
from pipeline.attribution import Scout
from pipeline.contract import UNATTRIBUTED_PREFIX
from pipeline.forms.lines import lines_of


@pytest.mark.parametrize("newest_first", [False, True], ids=["oldest first", "newest first"])
@pytest.mark.parametrize("count", [2, 40])
def test_many_jobs_in_one_file(tmp_path: Path, newest_first: bool, count: int) -> None:
    """A JSONL of many jobs one after another is cut at their creation messages, either way up."""
    all_jobs = [f"ftjob-{n:024}" for n in range(count)]
    streams = [job_events(job, 4, start=START + 100 * n) for n, job in enumerate(all_jobs)]
    for n, stream in enumerate(streams):
        for event in stream:
            event["id"] = f"ftevent-{n:012}{event['created_at']:012}"
    rows = [event for s in streams for event in (s[::-1] if newest_first else s)]
    path = put(tmp_path / "x.jsonl", lines(rows))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([path])
        assert jobs(lake) == {job: ids(s) for job, s in zip(all_jobs, streams, strict=True)}
        assert lake.sql("select distinct newest_first from lake_streams").rows() == [
            (newest_first,)
        ]


@pytest.mark.parametrize("newest_first", [False, True], ids=["oldest first", "newest first"])
def test_validating_beside_created(tmp_path: Path, newest_first: bool) -> None:
    """Each `Validating` that stands before `Created` of the same second belongs to the same job."""
    streams = []
    for job, start in ((A, START), (B, START + 100)):
        events = job_events(job, 5, start=start)
        for event, file in ((events[1], "training"), (events[2], "validation")):
            event |= {"message": f"Validating {file} file: file-abc", "created_at": start}
        events[:3] = events[2::-1]
        streams.append(events)
    rows = [event for s in streams for event in (s[::-1] if newest_first else s)]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", lines(rows))])
        assert jobs(lake) == {A: ids(streams[0]), B: ids(streams[1])}
        assert lake.view("events")["message"][1].startswith("Validating")


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("between", ["", "\ufeff", " "], ids=["nothing", "mark", "space"])
@pytest.mark.parametrize("large", [False, True])
def test_files_joined_without_a_break(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newest_first: bool, between: str, large: bool
) -> None:
    """Of files joined to one, whose last lines lack their break, each job keeps its events.

    What is appended later is read on.
    """
    if large:
        all_are_large(monkeypatch, 8 << 20)
    told = {job: job_events(job, start=START + 100 * n) for n, job in enumerate((A, B, C))}
    texts = [lines(e[::-1] if newest_first else e)[:-1] for e in told.values()]
    texts = texts[::-1] if newest_first else texts
    joined = between.join([*texts, ""])
    on_a_line = "\n" + between + between.join([*texts[0].splitlines(), "\n"])
    with open_lake(tmp_path / "lake") as lake:
        for again, end in enumerate(("", on_a_line)):
            lake.ingest([put(tmp_path / "all.jsonl", joined + end)])
            assert jobs(lake) == {job: ids(events) for job, events in told.items()}
            counts = lake.sql("select records, events, duplicates from lake_sources").rows()
            assert counts == [(15 + 5 * again, 15, 5 * again)]


@pytest.mark.parametrize("ties", [False, True])
def test_jobs_of_either_direction(ties: bool) -> None:
    """Of jobs in one file, some oldest and some newest first, none has events of another.

    Of two, whichever is the older one, each has all of its own.
    """
    for count in (2, 3):
        for places, steps in product(permutations(range(count)), product((1, -1), repeat=count)):
            events: Events = []
            for job, place, step in zip((A, B, C), places, steps, strict=False):
                own = job_events(job, 6, start=START + 100 * place)
                if ties:
                    own[-1]["created_at"] = own[-2]["created_at"]
                events += own[::step]
            scout = Scout(lines=True)
            scout.see(lines_of(lines(events).encode(), 1 << 20))
            for stream in scout.streams():
                named = {e["id"][8] for e in events[stream.first : stream.last + 1]}
                assert named == {stream.job[-1]} if stream.job else count > 2


def test_one_event_between_creations(tmp_path: Path) -> None:
    """What stands alone between two creation messages is of the one that it can follow in time."""
    rows = [*job_events(A, 2), *job_events(B, 1, start=START + 50)]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.json", rows)])
        assert jobs(lake) == {A: ids(rows[:2]), B: ids(rows[2:])}
    against = [*job_events(C, 3, start=START - 90), rows[2], rows[1], rows[0]]
    with open_lake(tmp_path / "against") as lake:
        lake.ingest([put(tmp_path / "y.json", against)])
        assert jobs(lake) == {A: ids(rows[:2]), B: ids(rows[2:]), C: ids(against[:3])}


def test_below_the_creation_of_the_only_job(tmp_path: Path) -> None:
    """In a newest-first log of one job, what stands below its creation message is its own too."""
    rows = job_events(A, 6)
    rows[1] |= {"message": "Files validated, moving job to queued state", "created_at": START}
    rows[:2] = rows[1::-1]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", lines(rows[::-1]))])
        assert jobs(lake) == {A: ids(rows)}


@pytest.mark.parametrize("form", ["x.jsonl", "x.json"])
def test_cut_in_a_number(tmp_path: Path, form: str) -> None:
    """A time or a step that is cut in two does not turn a log around."""
    events = job_events(A, 5)
    for number, event in enumerate(events):
        event |= {"created_at": START, "data": {"step": 10 + number}}
    later = [event | {"created_at": START + 10 * n} for n, event in enumerate(job_events(A, 5))]
    for some in (events, later):
        text = lines(some) if form == "x.jsonl" else json.dumps(some)
        last = text.rindex('{"object')
        for mark in ('"created_at": ', '"step": ')[: 1 + (some is events)]:
            at = text.index(mark, last) + len(mark) + 1
            for end in ("", "\n"):
                with open_lake(tmp_path / f"{len(list(tmp_path.iterdir()))}") as lake:
                    lake.ingest([put(tmp_path / form, text[:at] + end)])
                    assert jobs(lake) == {A: ids(events)[:-1]}


@pytest.mark.parametrize("newest_first", [False, True], ids=["oldest first", "newest first"])
def test_jobs_that_begin_in_one_second(tmp_path: Path, newest_first: bool) -> None:
    """Jobs whose times overlap are still cut where their creation messages stand."""
    streams = [job_events(job, 6, start=START) for job in (A, B, C)]
    rows = [event for s in streams for event in (s[::-1] if newest_first else s)]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", lines(rows))])
        assert jobs(lake) == {j: ids(s) for j, s in zip((A, B, C), streams, strict=True)}


def ended(job: str, start: int, count: int = 9) -> Events:
    """The events of a job that came to its end, oldest first."""
    events = job_events(job, count, start=start)
    events[-1]["message"] = "The job has successfully completed"
    return events


@pytest.mark.parametrize("block_bytes", [300, 8 << 20])
@pytest.mark.parametrize("newest_first", [False, True], ids=["oldest first", "newest first"])
@pytest.mark.parametrize("named", [False, True])
def test_a_job_ends_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    named: bool,
    newest_first: bool,
    block_bytes: int,
) -> None:
    """Of the last events of several jobs in one file, what is later than the end of one is not of
    that job, be it the only one whose creation message or whose own dump is there."""
    all_are_large(monkeypatch, block_bytes)
    whole = {job: ended(job, START + 100 * n) for n, job in enumerate((A, B, C))}
    tails = [whole[A] if named else whole[A][4:], whole[B][4:], whole[C][4:]]
    own = [put(tmp_path / f"{job}.jsonl", lines(whole[job])) for job in (A, B)]
    for order in tails, tails[::-1]:
        rows = [row for tail in order for row in (tail[::-1] if newest_first else tail)]
        all_of = put(tmp_path / "all.jsonl", lines(rows))
        for paths in [all_of, *own], [*own, all_of]:
            with open_lake(tmp_path / f"{len(list(tmp_path.iterdir()))}") as lake:
                for path in paths:
                    lake.ingest([path])
                found = jobs(lake)
                assert (found.pop(A), found.pop(B)) == (ids(whole[A]), ids(whole[B]))
                assert all(name.startswith(UNATTRIBUTED_PREFIX) for name in found)
                others = sorted(event for events in found.values() for event in events)
                assert others == ids(tails[1] + tails[2])


def test_the_end_of_an_older_job_ends_no_other(tmp_path: Path) -> None:
    """Of jobs that run at once the older one may end first: the younger one goes on."""
    older, younger = ended(A, START), ended(B, START + 4, 99)
    rows = sorted(older + younger, key=lambda event: event["created_at"])
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "log.jsonl", lines(rows))])
        found = jobs(lake)
        assert found.keys() == {A, B} and {*found[B]} >= {*ids(younger)}


def test_an_end_inside_a_line_is_of_what_is_there(tmp_path: Path) -> None:
    """Pages on lines of their own, and what an event quotes, tell no end of the job around."""
    log: list[Any] = job_events(A, 9)
    log[3]["data"] = {"error": {"message": "The job failed due to an invalid file"}}
    log.insert(5, page(ended(B, START + 200)[4:]))
    log[-1] |= {"message": "The job has successfully completed", "created_at": START + 300}
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "log.jsonl", lines(log))])
        assert len(jobs(lake)[A]) == 9


def test_thousands_of_jobs_with_two_ends() -> None:
    """Which end is whose is told in time that grows with the file."""
    rows: Events = []
    for number in range(12_000):
        created, *ends = job_events(f"ftjob-{number:024}", 3, start=START + 1_000 * number)
        for end in ends:
            end["message"] = "The job has successfully completed"
        ends[1]["created_at"] += 200
        rows += [created, *ends]
    scout = Scout(lines=True)
    scout.see(lines_of(lines(rows).encode(), 1 << 20))
    begin = time.process_time()
    assert len(scout.streams()) == 24_000
    assert time.process_time() - begin < 1.5
