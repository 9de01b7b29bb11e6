"""Large files, read in blocks: told the same as small ones, in one pass where that is enough."""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from engine import asked
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from strategies import START, examples
from whose import A, B, Events, all_are_large, ids, job_events, jobs, lines, put

from pipeline import open_lake
from pipeline.attribution import Scout
from pipeline.forms.lines import lines_of
from pipeline.lake import reading

ARRANGED = st.lists(
    st.tuples(
        st.integers(2, 30),  # events of the job
        st.sampled_from(["up", "up", "up", "down", "shuffled"]),
        st.sampled_from(["created", "created", "nameless", "object before", "object behind"]),
    ),
    min_size=1,
    max_size=6,
)


PLACED = ("events", "lake_streams")
SAME_SECOND = [{**event, "created_at": START} for event in job_events(A, 12)]
LATE = {
    "creation": ([*SAME_SECOND[1:], SAME_SECOND[0]], {A: ids(SAME_SECOND)}),
    "creation in between": (
        [job_events(A, 6)[n] for n in (1, 3, 0, 5, 2, 4)],
        {A: ids(job_events(A, 6))},
    ),
    "object": (
        [*job_events(A, 12), {"object": "fine_tuning.job", "id": B}, *job_events(B)[1:]],
        {A: ids(job_events(A, 12)), B: ids(job_events(B)[1:])},
    ),
}


@pytest.mark.parametrize("kind", LATE)
def test_told_after_it_was_read(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What only the end of a large file tells of its jobs holds for what was read before, too."""
    rows, wanted = LATE[kind]
    all_are_large(monkeypatch, 300)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([put(tmp_path / "x.jsonl", lines(rows))])
        assert jobs(lake) == wanted


@examples(10)
@given(parts=ARRANGED, block_bytes=st.sampled_from([300, 1_000, 5_000]), seed=st.integers(0, 9))
def test_read_on_sight(parts: list[tuple[int, str, str]], block_bytes: int, seed: int) -> None:
    """A large file is read once where that tells its jobs, and whatever is in it, told the same."""
    rows: Events = []
    for number, (count, order, named) in enumerate(parts):
        job = f"ftjob-{number:024d}"
        start = START + 10_000 * number
        some = job_events(job, count, start=start, created=named == "created")
        if order != "up":
            some = some[::-1]
        if order == "shuffled":
            random.Random(seed).shuffle(some)
        beside = {"object": "fine_tuning.job", "id": job}
        before, behind = named == "object before", named == "object behind"
        rows += [beside] * before + some + [beside] * behind
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = put(Path(folder) / "x.jsonl", lines(rows))
        all_are_large(patch, block_bytes)
        seen = []
        for on_sight in (True, False):
            patch.setattr(reading.Reading, "is_large", on_sight)
            with open_lake(Path(folder) / f"lake-{on_sight}") as lake:
                lake.ingest([path])
                con = asked(lake)
                seen.append([con.sql(f"from {name} order by all").pl() for name in PLACED])
        assert len(seen[0][0]) == sum(count for count, *_ in parts)
        for here, there in zip(*seen, strict=True):
            assert_frame_equal(here, there)


def test_a_long_list_of_job_objects_costs_no_memory() -> None:
    """Of thousands of job objects below one another no line keeps the names of all above it."""
    told = "".join(
        f'{{"object": "fine_tuning.job", "id": "ftjob-{n:024}"}}\n' for n in range(4_000)
    )
    block = lines_of(told.replace("}", ', "model": "m"}').encode(), 1_000)
    scout = Scout(lines=True)
    tracemalloc.start()
    try:
        scout.see(block)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert {stream.job for stream in scout.streams()[1:]} == {None}
