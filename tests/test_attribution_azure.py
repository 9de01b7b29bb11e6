"""Jobs of Azure, of whose ids some are only times and tell nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine import asked
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import START, examples
from test_laws import workplace
from whose import (
    CHECKPOINT,
    EXCHANGE,
    JOB_OBJECT,
    NAMELESS,
    URL,
    A,
    B,
    Events,
    all_are_large,
    azure,
    azure_job,
    grouped,
    ids,
    job_events,
    jobs,
    lines,
    page,
    put,
    told,
)

from pipeline import exact, open_lake
from pipeline.contract import UNATTRIBUTED_PREFIX


@pytest.mark.parametrize("place", ["name", "folder", "url"])
def test_ids_of_the_older_api_of_azure(tmp_path: Path, place: str) -> None:
    """They are `ft-` and 32 digits: in addresses and names they tell the job as others do."""
    job = f"ft-{'0f12ab3e' * 4}"
    exchange = {**EXCHANGE, "request": {"uri": URL.replace(A, job)}}
    name = {"name": f"{job}.json", "folder": f"{job}/page.json", "url": "x.json"}[place]
    path = put(tmp_path / name, exchange if place == "url" else page(NAMELESS))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([path])
        assert jobs(lake) == {job: ids(NAMELESS)}
    for none in (f"{job}0", f"{job[:-1]}g", job[:-1], f"0{job}"):
        assert not exact.JOB_ID.search(none)


@pytest.mark.parametrize("block_bytes", [300, 1_000, 8 << 20])
@pytest.mark.parametrize("newest_first", [False, True], ids=["oldest first", "newest first"])
@pytest.mark.parametrize("form", ["x.jsonl", "x.json"])
@pytest.mark.parametrize("before", [True, False])
def test_jobs_of_azure_one_after_another(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    newest_first: bool,
    form: str,
    block_bytes: int,
    before: bool,
) -> None:
    """Each begins where it was enqueued, though that names no job; times are no ids of theirs."""
    all_are_large(monkeypatch, block_bytes)
    own = [job_events(A)] if before else []
    others = [azure_job(n, start=START + 100) for n in range(2)]
    rows = [e for s in (*own, *others) for e in (s[::-1] if newest_first else s)]
    path = put(tmp_path / form, lines(rows) if form == "x.jsonl" else rows)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([path])
        found = jobs(lake)
        assert found.pop(A, []) == (ids(job_events(A)) if before else [])
        assert all(job.startswith(UNATTRIBUTED_PREFIX) for job in found)
        assert sorted(found.values()) == sorted(map(ids, others))
        assert asked(lake).execute("from lake_variants").fetchall() == []


@pytest.mark.parametrize("known", [True, False])
def test_jobs_of_azure_in_a_log_that_grows(tmp_path: Path, known: bool) -> None:
    """What may be of several jobs is one's own when the log goes on to where that job begins."""
    one, two = azure_job(1, start=START), azure_job(2, start=START + 100)
    rows, found = two[::-1] + one[::-1], []
    dump = put(tmp_path / f"{A}.jsonl", lines(one[2:]))
    for cuts in ([], [7], [7, 9]):
        with open_lake(tmp_path / f"lake {len(cuts)}") as lake:
            for cut in [*cuts, len(rows)]:
                lake.ingest([put(tmp_path / f"{len(cuts)}.jsonl", lines(rows[:cut]))])
            if known:
                lake.ingest([dump])
            found.append(jobs(lake))
            assert lake.verify().findings == []
    assert sorted(found[0].values()) == sorted([ids(one), ids(two)])
    assert found[1:] == found[:1] * 2 and (A in found[0]) is known


@pytest.mark.parametrize("block_bytes", [300, 1_000, 8 << 20])
@pytest.mark.parametrize("turns", [1, 3])
@pytest.mark.parametrize("named_first", [True, False])
def test_ids_of_two_forms_are_of_two_jobs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    block_bytes: int,
    turns: int,
    named_first: bool,
) -> None:
    """Events of Azure are none of OpenAI's job, also polled in turn, with pages on lines."""
    all_are_large(monkeypatch, block_bytes)
    of_a, of_azure = job_events(A, 6), azure_job(1, start=START)[1:]
    of_azure[1]["id"] = f"ftevent-{'3' * 32}"
    between = page([{**event, "id": f"{event['id']}0"} for event in job_events(B)])
    rows: Events = []
    for turn in range(turns):
        pieces = [of_a[turn::turns], of_azure[turn::turns]]
        rows += [e for piece in (pieces if named_first else pieces[::-1]) for e in piece]
        rows.append(between)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", lines(rows))])
        found = jobs(lake)
        assert (found.pop(A), len(found.pop(B))) == (ids(of_a), 5)
        assert all(job.startswith(UNATTRIBUTED_PREFIX) for job in found)
        assert sorted(e for events in found.values() for e in events) == ids(of_azure)


@pytest.mark.parametrize("grows", [True, False])
def test_other_ids_in_the_midst_of_a_small_file(tmp_path: Path, grows: bool) -> None:
    """Events of Azure between a job's are none of it, though both ends of the file are."""
    rows, of_azure = job_events(A, 6), azure_job(1, start=START)[1:]
    inner = put(tmp_path / "dumps" / "x.jsonl", lines([*rows[:3], *of_azure, rows[3]]))
    put(tmp_path / "dumps" / "w.jsonl", lines(job_events(B)))
    put(tmp_path / "dumps" / "y.jsonl", lines(azure_job(2, start=START + 100)))
    with open_lake(tmp_path / "lake") as lake:
        if grows:
            lake.ingest([inner.parent])
        put(inner, lines([*rows[:3], *of_azure, *rows[3:]]))
        lake.ingest([inner.parent])
        found = jobs(lake)
    assert (found.pop(A), found.pop(B)) == (ids(rows), ids(job_events(B)))
    assert sorted(map(sorted, found.values())) == sorted(
        map(ids, (of_azure, azure_job(2, start=START + 100)))
    )


def test_jobs_of_azure_below_an_object(tmp_path: Path) -> None:
    """A job object tells of the first of them, also read again and again, and of no other."""
    one, two = azure_job(1, start=START), azure_job(2, start=START + 100)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest(
            [put(tmp_path / "x.jsonl", lines([JOB_OBJECT, CHECKPOINT, *one[:3], *one, *two]))]
        )
        found = jobs(lake)
        assert found.pop(A) == ids(one) and list(found.values()) == [ids(two)]
    with open_lake(tmp_path / "named") as lake:
        lake.ingest([put(tmp_path / f"{A}.jsonl", lines([*one[:3], *one]))])
        assert jobs(lake) == {A: ids(one)} and told(lake) == [(A, "name")]


def test_times_as_ids_link_nothing(tmp_path: Path) -> None:
    """Azure's ids of metrics events, which two jobs can share, link no stream to a job."""
    named = azure(job_events(A), metrics=True)
    loose = azure(job_events(B, created=False)[1:], metrics=True)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "a.jsonl", lines(named))])
        lake.ingest([put(tmp_path / "b.jsonl", lines(loose))])
        found = jobs(lake)
    assert found.pop(A) == ids(named)
    ((job, events),) = found.items()
    assert job.startswith(UNATTRIBUTED_PREFIX) and events == ids(loose)


@examples(6)
@given(
    chosen=st.lists(st.sets(st.integers(0, 7), min_size=1, max_size=4), min_size=2, max_size=4),
    named=st.sets(st.integers(4, 7), max_size=2),
    order=st.permutations(range(5)),
    together=st.booleans(),
)
@example(chosen=[{0, 1}, {0, 2, 5}], named={5}, order=[0, 1, 2], together=False)
@example(chosen=[{1, 2}, {1, 6}, {0, 6}], named=set(), order=[0, 1, 2, 3], together=False)
def test_times_as_ids_need_no_order(
    chosen: list[set[int]], named: set[int], order: list[int], together: bool
) -> None:
    """Streams of them alone are one job if they begin alike, whoever else does, in any order."""
    of_time, of_one = (azure(job_events(A, 5, created=False), metrics=m) for m in (True, False))
    events = [*of_time[:4], *of_one]
    picked = [[events[n] for n in sorted(some)] for some in [*chosen, {*named, 8}]]
    parts = [sorted(part, key=lambda event: event["created_at"]) for part in picked]
    links = [[event for event in part if event in of_one] or part[:1] for part in parts]
    wanted = sorted(
        sorted({i for part, link in zip(parts, links, strict=True) if link[0]["id"] in group
                for i in ids(part)})
        for group in grouped(links)
    )  # fmt: skip
    with workplace() as folder:
        paths = [put(folder / f"{n}.jsonl", lines(part)) for n, part in enumerate(parts)]
        paths[-1] = paths[-1].rename(folder / f"{A}.jsonl")
        arriving = [paths[n] for n in order if n < len(paths)]
        with open_lake(folder / "lake") as lake, open_lake(folder / "again") as again:
            for some in [arriving] if together else [[path] for path in arriving]:
                lake.ingest(some)
            found = jobs(lake)
            again.ingest([put(folder / "out.jsonl", "\n".join(lake.export_events()))])
            assert jobs(again) == found
        assert sorted(found.values()) == wanted
        assert of_one[4]["id"] in found[A]
        assert len([job for job in found if not job.startswith(UNATTRIBUTED_PREFIX)]) == 1


def test_azure_ids_of_messages_link(tmp_path: Path) -> None:
    """Azure's ids of other events are unique, so they link."""
    named = azure(job_events(A), metrics=False)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "b.jsonl", lines(named[2:]))])
        lake.ingest([put(tmp_path / "a.jsonl", lines(named))])
        assert jobs(lake) == {A: ids(named)}
