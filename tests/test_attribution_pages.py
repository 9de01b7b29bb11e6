"""Logs of newest-first pages: of one job, of several, polled in turn or every night."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import START, examples
from test_laws import workplace
from whose import (
    EXCHANGE,
    NAMELESS,
    A,
    B,
    C,
    Events,
    all_are_large,
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


def test_pages_one_after_another(tmp_path: Path) -> None:
    """Pages of one file are streams of their own; those that share an event are one job."""
    one, two = job_events(A, 6), job_events(B, 6, start=START + 50)
    texts = [json.dumps(page(part)) for part in (one[2:], one[:3], two)]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.json", "\n".join(texts))])
        assert jobs(lake) == {A: ids(one), B: ids(two)}
        assert told(lake) == [(A, "creation"), (A, "shared"), (B, "creation")]


def test_pages_on_lines(tmp_path: Path) -> None:
    """Pages that stand on lines among events are streams of their own."""
    one, two = job_events(A, 4), job_events(B, 4, start=START + 50)
    text = lines(one) + json.dumps(page(two)) + "\n" + json.dumps(EXCHANGE) + "\n"
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", text)])
        assert jobs(lake) == {A: sorted({*ids(one), *ids(NAMELESS)}), B: ids(two)}


def test_pages_of_two_jobs_polled_in_turn(tmp_path: Path) -> None:
    """In a log of newest-first pages none of another job counts as the last one created."""
    of_a, of_b = job_events(A, 8), job_events(B, 8, start=START + 100)
    log = of_a[3::-1] + of_b[3::-1] + of_a[:3:-1] + of_b[:3:-1]
    path = put(tmp_path / "log.jsonl", lines(log))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([path])
        found = jobs(lake)
        assert (found.pop(A), found.pop(B)) == (ids(of_a[:4]), ids(of_b[:4]))
        assert [name[:13] for name in found] == [UNATTRIBUTED_PREFIX]
        lake.ingest([put(tmp_path / f"{job}.jsonl", lines(e)) for job, e in ((A, of_a), (B, of_b))])
        assert (jobs(lake)[A], jobs(lake)[B]) == (ids(of_a), ids(of_b))


def nightly(nights: list[list[int]]) -> tuple[list[Events], list[Events]]:
    """Jobs one after another, and the pages, newest first, that each night adds to their log."""
    whole, pages = [], []
    for number, sizes in enumerate(nights):
        job = f"ftjob-{number:024}"
        events = job_events(job, sum(sizes), start=START + number * 1_000)
        for event in events:
            event["id"] = f"ftevent-{number:012}{event['created_at']:012}"
        whole.append(events)
        starts = [sum(sizes[:n]) for n in range(len(sizes))]
        pages += [events[at : at + n][::-1] for at, n in zip(starts, sizes, strict=True)]
    return whole, pages


@examples(4)
@given(
    nights=st.lists(
        st.tuples(st.integers(3, 5), st.lists(st.integers(1, 5), max_size=4)).map(
            lambda sizes: [sizes[0], *sizes[1]]
        ),
        min_size=2, max_size=3,
    ),
    block_bytes=st.sampled_from([300, 700, 2_000, 8 << 20]),
    lead=st.integers(0, 3),
    said=st.sampled_from(["", "\n", "polled\n", '{"level": "info", "at": 1}\n\n']),
)  # fmt: skip
@example(nights=[[4, 4], [4, 2]], block_bytes=8 << 20, lead=0, said="")
@example(nights=[[4, 4], [4, 2]], block_bytes=8 << 20, lead=0, said="polled\n")
@example(nights=[[3], [2]], block_bytes=300, lead=0, said="")
@example(nights=[[3, 1, 1], [2], [3, 3]], block_bytes=300, lead=2, said="")
@example(nights=[[3, 3], [4, 1], [3, 3]], block_bytes=700, lead=0, said="")
def test_a_log_of_nights(nights: list[list[int]], block_bytes: int, lead: int, said: str) -> None:
    """A job that follows in a log of newest-first pages has its first page, no other its events;
    the first one has all of its own. All of it comes out the same if the log grows by the night,
    and whatever else its lines say between the pages."""
    whole, pages = nightly(nights)
    if lead:  # the end of a job whose creation the log does not hold
        older = job_events(A, lead, start=START - 500, created=False)
        pages.insert(0, older[::-1])
    with workplace() as folder, pytest.MonkeyPatch.context() as patch:
        all_are_large(patch, block_bytes)
        found = []
        for grows in (False, True):
            path = folder / f"{grows}.jsonl"
            with open_lake(folder / f"lake {grows}") as lake:
                for night in range(1, len(pages) + 1) if grows else [len(pages)]:
                    lake.ingest([put(path, said.join(["", *map(lines, pages[:night])]))])
                found.append(jobs(lake))
    assert found[0] == found[1]
    for number, (events, sizes) in enumerate(zip(whole, nights, strict=True)):
        own = found[0][f"ftjob-{number:024}"]
        assert set(own) <= set(ids(events))
        assert set(own) >= set(ids(events if number == 0 else events[: sizes[0]]))


def test_pages_between_creations_may_be_of_any(tmp_path: Path) -> None:
    """Of two jobs that were created, pages above the third one's tell not of which they are."""
    of = [job_events(job, 8, start=START + 100 * n) for n, job in enumerate((A, B, C))]
    log = of[0][3::-1] + of[1][3::-1] + of[1][:3:-1] + of[2][3::-1]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "log.jsonl", lines(log))])
        found = jobs(lake)
        assert [found.pop(job) for job in (A, B, C)] == [ids(events[:4]) for events in of]
        ((job, events),) = found.items()
        assert job.startswith(f"{UNATTRIBUTED_PREFIX}mixed-")
        assert events == ids(of[1][4:])


def polled(*turns: tuple[str, int, int]) -> Events:
    """A log of newest-first pages: of each job its first events, then pages of (job, from, to)."""
    of = {job: job_events(job, 9, start=START + 100 * n) for n, job in enumerate((A, B, C))}
    named = dict.fromkeys(job for job, *_ in turns)
    pages = [of[job][3::-1] for job in named] + [of[j][low:high][::-1] for j, low, high in turns]
    return [event for page in pages for event in page]


@examples(2)
@given(
    turns=st.lists(
        st.tuples(st.sampled_from((A, B, C)), st.integers(4, 6), st.integers(7, 9)),
        min_size=2, max_size=5,
    ),
    dumps=st.lists(st.sampled_from("ABCab"), unique=True, min_size=1, max_size=3),
    order=st.randoms(use_true_random=False),
)  # fmt: skip
@example(turns=[(A, 4, 9), (B, 4, 9)], dumps=["A"], order=random.Random(0))
@example(turns=[(A, 4, 9), (B, 4, 9)], dumps=["b", "B"], order=random.Random(1))
def test_a_log_of_several_jobs_gives_none_the_other_ones_events(
    turns: list[tuple[str, int, int]], dumps: list[str], order: random.Random
) -> None:
    """Whatever dumps arrive beside it, whole or nameless, and in whatever order."""
    whole = {"A": job_events(A, 9), "B": job_events(B, 9, start=START + 100),
             "C": job_events(C, 9, start=START + 200)}  # fmt: skip
    files = {"log": polled(*turns)} | {
        name: whole[name] if name.isupper() else whole[name.upper()][4:] for name in dumps
    }
    with workplace() as folder:
        paths = [put(folder / f"{name}.jsonl", lines(rows)) for name, rows in files.items()]
        found = []
        for attempt in range(2):
            with open_lake(folder / f"lake {attempt}") as lake:
                for path in paths:
                    lake.ingest([path])
                found.append(jobs(lake))
                for job, events in found[-1].items():
                    if not job.startswith(UNATTRIBUTED_PREFIX):
                        assert {event.split("-")[1][0] for event in events} == {job[-1]}
            order.shuffle(paths)
        assert found[0] == found[1]


def test_a_log_of_several_jobs_comes_out_as_it_was(tmp_path: Path) -> None:
    """Its unattributed end is that in an export too: none adopts it, until it is assigned."""
    log = put(tmp_path / "log.jsonl", lines(polled((A, 4, 9), (B, 4, 9))))
    dump = put(tmp_path / "dump.jsonl", lines(job_events(A, 9)))
    with open_lake(tmp_path / "lake") as lake, open_lake(tmp_path / "again") as again:
        lake.ingest([log])
        again.ingest([put(tmp_path / "out.jsonl", "\n".join(lake.export_events()))])
        assert jobs(again) == jobs(lake)
        for each in (lake, again):
            each.ingest([dump])
        assert jobs(again) == jobs(lake)
        assert {job[:19]: len(found) for job, found in jobs(lake).items()} == {
            A[:19]: 9, B[:19]: 4, f"{UNATTRIBUTED_PREFIX}mixed-": 10
        }  # fmt: skip
        assert lake.assign(str(log), B) == 10
        assert {job: len(found) for job, found in jobs(lake).items()} == {A: 9, B: 14}


@pytest.mark.parametrize("order", ["log dump replay", "dump log replay", "log replay dump"])
def test_a_log_of_several_jobs_has_no_evidence_in_its_rejects(tmp_path: Path, order: str) -> None:
    """What passes a replay tells no more of whose its unattributed end is than the others do."""
    of_a, log = job_events(A, 9), polled((A, 4, 9), (B, 4, 9))
    for event in [e for e in (*of_a, *log) if e["id"] == of_a[6]["id"]]:
        event["message"] = "x" * 3_000
    with open_lake(tmp_path / "lake") as lake:
        for what in order.split():
            if what == "replay":
                assert lake.replay_rejects().passed == 1
            else:
                path = put(tmp_path / f"{what}.jsonl", lines(log if what == "log" else of_a))
                lake.ingest([path], max_record_bytes=1_000 if what == "log" else 10_000)
        found = jobs(lake)
    assert (found[A], len(found[B]), len(found)) == (ids(of_a), 4, 3)
