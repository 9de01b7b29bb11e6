"""Events that nothing names: kept, linked by shared ids, and adopted by the job that has them."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import START, examples
from test_laws import workplace
from whose import NAMELESS, A, B, C, azure, grouped, ids, job_events, jobs, lines, page, put, told

from pipeline import open_lake
from pipeline.contract import UNATTRIBUTED_PREFIX


def test_unattributed(tmp_path: Path) -> None:
    """Events that nothing names are kept as a job of their own, the same from any file."""
    names = []
    for name, content in (("one/x.jsonl", lines(NAMELESS)), ("two/y.json", page(NAMELESS))):
        path = put(tmp_path / name, content)
        with open_lake(path.parent / "lake") as lake:
            lake.ingest([path])
            ((job, events),) = jobs(lake).items()
            assert events == ids(NAMELESS)
            assert len(lake.view("unattributed_events")) == 5
            assert told(lake) == [(job, "unknown")]
            names.append(job)
    assert names[0] == names[1] and names[0].startswith(UNATTRIBUTED_PREFIX)


@pytest.mark.parametrize("order", [*list(permutations(range(3)))[1::2], None])
def test_unattributed_by_what_stays(tmp_path: Path, order: tuple[int, ...] | None) -> None:
    """A content that loses names no job, in whatever order contents arrive: an export shows it."""
    first, *rest = NAMELESS
    early = {**first, "created_at": START - 9, "data": None}
    stays = {**first, "created_at": START - 5, "data": {"note": "more"}}
    twice = {**rest[0], "created_at": START - 7}  # of equal weight, less in its text
    parts = [[early, *rest], [stays, twice, rest[0]], [rest[1], *rest[2:]]]
    paths = [put(tmp_path / f"{n}.jsonl", lines(part)) for n, part in enumerate(parts)]
    with open_lake(tmp_path / "lake") as lake:
        for some in [[paths[n]] for n in order] if order else [paths]:
            lake.ingest(some)
        with open_lake(tmp_path / "plain") as plain:
            plain.ingest([put(tmp_path / "stays.jsonl", lines([stays, *rest]))])
            assert jobs(lake) == jobs(plain)


def test_adoption(tmp_path: Path) -> None:
    """A stream that arrives again under its job adopts the copy that had none."""
    whole = job_events(A, 8)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "late.jsonl", lines(whole[3:]))])
        assert [*jobs(lake)] != [A]
        lake.ingest([put(tmp_path / "early.jsonl", lines(whole[:4]))])
        assert jobs(lake) == {A: ids(whole)}
        assert told(lake) == [(A, "creation"), (A, "shared")]
        assert lake.view("unattributed_events").is_empty()


def test_variants_follow_their_job(tmp_path: Path) -> None:
    """Contents that lost while their job had no name are variants of the job that adopts it."""
    whole = job_events(A, 6)
    other = {**whole[4], "data": {"step": 4}}
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "0.jsonl", lines([*whole[3:], other]))])
        lake.ingest([put(tmp_path / "1.jsonl", lines([*whole, other]))])
        assert jobs(lake) == {A: ids(whole)}
        (variant,) = lake.view("variants").to_dicts()
        assert (variant["job_id"], json.loads(variant["event"])) == (A, whole[4])


def test_adoption_by_a_link(tmp_path: Path) -> None:
    """Nameless streams that share events are one job, and all get the name of any of them."""
    whole = job_events(A, 9)
    parts = [whole[5:], whole[3:6], whole[:4]]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "0.jsonl", lines(parts[0]))])
        lake.ingest([put(tmp_path / "1.jsonl", lines(parts[1]))])
        ((job, events),) = jobs(lake).items()
        assert job.startswith(UNATTRIBUTED_PREFIX) and events == ids(whole[3:])
        lake.ingest([put(tmp_path / "2.jsonl", lines(parts[2]))])
        assert jobs(lake) == {A: ids(whole)}


@examples(8)
@given(
    cuts=st.lists(st.tuples(st.integers(0, 9), st.integers(2, 6)), min_size=1, max_size=4),
    order=st.permutations(range(6)),
    together=st.booleans(),
    upside=st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_attribution_needs_no_order(
    cuts: list[tuple[int, int]], order: list[int], together: bool, upside: list[bool]
) -> None:
    """Streams find their job by shared events in whatever order they arrive."""
    whole, other = job_events(A, 12), job_events(B, 4, start=START + 500)
    parts = [whole[:3], *(whole[at : at + size] for at, size in cuts), other]
    wanted = grouped(parts[:-1])
    with workplace() as folder:
        paths = [
            put(folder / f"{n}.jsonl", lines(part[::-1] if upside[n] else part))
            for n, part in enumerate(parts)
        ]
        arriving = [paths[n] for n in order if n < len(paths)]
        with open_lake(folder / "lake") as lake:
            for batch in [arriving] if together else [[path] for path in arriving]:
                lake.ingest(batch)
            found = jobs(lake)
            assert found.pop(B) == ids(other)
            assert sorted(found.values()) == wanted
            assert found[A] == next(group for group in wanted if whole[0]["id"] in group)


def test_two_jobs_share_an_event(tmp_path: Path) -> None:
    """A nameless stream that shares events with two jobs is given to neither, however often one
    of them comes again."""
    one, two = job_events(A), job_events(B, start=START + 50)
    loose = [one[3], two[3]]
    for order in ("abcd", "bacd", "adbc"):
        folder = tmp_path / order
        contents = {"a": one[:4], "b": two, "c": loose, "d": one}
        with open_lake(folder / "lake") as lake:
            for name in order:
                lake.ingest([put(folder / f"{name}.jsonl", lines(contents[name]))])
            found = jobs(lake)
            assert (found.pop(A), found.pop(B)) == (ids(one), ids(two))
            assert [*found.values()] == [ids(loose)]


def test_what_is_of_neither_stands_between_none(tmp_path: Path) -> None:
    """What shares events with two jobs keeps no stream from the one job that it shares events
    with, and is one job with those that share its own."""
    one, two = job_events(A), job_events(B, start=START + 50)
    more = job_events(C, 4, created=False, start=START + 90)
    parts = {"x": [one[3], two[3], more[0]], "y": [one[4], more[1]], "z": [*two[1:2], *more[2:]]}
    parts["w"] = [more[0], {**more[0], "id": more[0]["id"][:-1] + "w"}]
    named = [put(tmp_path / f"{n}.jsonl", lines(part)) for n, part in enumerate((one, two))]
    loose = [put(tmp_path / f"{name}.jsonl", lines(part)) for name, part in parts.items()]
    for number, arriving in enumerate([*permutations(loose)][::5]):
        with open_lake(tmp_path / f"lake {number}") as lake:
            lake.ingest(named)
            for some in [[path] for path in arriving] if number else [list(arriving)]:
                lake.ingest(some)
            found = jobs(lake)
        assert found.pop(A) == ids([*one, more[1]])
        assert found.pop(B) == ids([*two, *more[2:]])
        assert [*found.values()] == [ids([*parts["x"], parts["w"][1]])]


@pytest.mark.parametrize("unique", [True, False])
def test_a_copy_of_two_jobs_files(tmp_path: Path, unique: bool) -> None:
    """One content under the names of two jobs, and under none, is of neither a third time."""
    rows = NAMELESS if unique else azure(job_events(A, created=False), metrics=True)
    paths = [put(tmp_path / name, lines(rows)) for name in (f"{A}.jsonl", f"{B}.jsonl", "x.jsonl")]
    for together in (True, False):
        with open_lake(tmp_path / f"lake {together}") as lake:
            for some in [paths] if together else [[path] for path in paths]:
                lake.ingest(some)
            found = jobs(lake)
            assert found.pop(A) == found.pop(B) == ids(rows)
            ((job, events),) = found.items()
            assert job.startswith(UNATTRIBUTED_PREFIX) and events == ids(rows)
