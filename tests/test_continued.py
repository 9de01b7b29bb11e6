"""Pages of one job, one after another in a file: the last names it, and those that lead to it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dumps import LARGE
from hypothesis import given
from hypothesis import strategies as st
from strategies import START, examples
from test_laws import sound

from pipeline import open_lake
from pipeline.attribution import Scout
from pipeline.forms.documents import document_blocks

A, B, C = (f"ftjob-{letter * 24}" for letter in "ABC")
Page = dict[str, Any]


def event(job: str, number: int, at: int, message: str, data: Page | None = None) -> Page:
    """An event; its id tells nothing of the job to the reader."""
    return {
        "object": "fine_tuning.job.event",
        "id": f"ftevent-{job[-1]}{number:023}",
        "created_at": at,
        "level": "info",
        "message": message,
        "type": "metrics" if data else "message",
        "data": data or {},
    }


def pages(
    job: str,
    steps: int,
    *,
    total: int = 0,
    limit: int = 10,
    start: int = START,
    spoken: bool = False,
) -> list[Page]:
    """The pages that the API gives of a job of some steps, the newest first."""
    texts = [f"Created fine-tuning job: {job}", "Fine-tuning job started"]
    events = [event(job, n, start + n, text) for n, text in enumerate(texts)]
    for step in range(1, steps + 1):
        data = None if spoken else {"step": step, "total_steps": total or steps}
        told = f"Step {step}/{total or steps}: training loss=0.50"
        events.append(event(job, step + 2, start + 2 * step, told, data))
    if steps >= total:
        done = "The job has successfully completed"
        events.append(event(job, steps + 3, start + 2 * steps, done))
    newest = events[::-1]
    cuts = range(0, len(newest), limit)
    return [
        {"object": "list", "data": newest[n : n + limit], "has_more": n + limit < len(newest)}
        for n in cuts
    ]


FORMS: dict[str, Callable[[list[Page]], str]] = {
    "array": json.dumps,
    "lines": lambda found: "".join(f"{json.dumps(page)}\n" for page in found),
    "indented": lambda found: "\n".join(json.dumps(page, indent=2) for page in found),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("spoken", [False, True])
def test_pages_that_go_on_are_of_one_job(tmp_path: Path, form: str, spoken: bool) -> None:
    """All pages of a job in one file are its, in whatever form the file puts them together."""
    path = tmp_path / "events.json"
    path.write_text(FORMS[form](pages(A, 35, spoken=spoken)), encoding="utf-8")
    with open_lake(tmp_path / "lake") as lake:
        report = lake.ingest([path])
        assert not report.reject_count
        assert lake.sql("select job_id, events from jobs").rows() == [(A, 38)]


@pytest.mark.parametrize("names", [("all", "first"), ("first", "all")])
def test_a_page_alone_is_of_the_same_job(tmp_path: Path, names: tuple[str, str]) -> None:
    """A page that came by itself, before or after, is its job's once a file tells whose it is."""
    found = pages(A, 35)
    for name, some in (("all", found), ("first", found[:1])):
        (tmp_path / f"{name}.json").write_text(json.dumps(some), encoding="utf-8")
    with open_lake(tmp_path / "lake") as lake:
        for name in names:
            lake.ingest([tmp_path / f"{name}.json"])
        assert lake.sql("select job_id, events from jobs").rows() == [(A, 38)]
        sound(lake)


def owners(found: list[Page], block_bytes: int = LARGE) -> Iterator[str | None]:
    """The job that the scout tells of each event of some pages in one file."""
    scout = Scout(lines=False)
    text = io.BytesIO(json.dumps(found).encode())
    for block in document_blocks(text, LARGE, block_bytes=block_bytes):
        scout.see(block)
    for stream in scout.streams():
        yield from [stream.job] * (stream.last + 1 - stream.first)


OTHERS = {
    "the whole of an older job": pages(B, 8, total=35, limit=30, start=START - 900),
    "an older job of as many steps, completed": pages(B, 6, limit=30, start=START - 900),
    "the rest of another of other length": pages(B, 36, total=40, start=START + 1)[1:],
    "the rest of one that ran the day before": pages(B, 35, start=START - 86_400)[1:],
    "its own pages but for one": pages(A, 35)[2:],
    "nothing": [],
}


@pytest.mark.parametrize("case", OTHERS)
def test_a_page_that_is_not_followed_is_nobodys(case: str) -> None:
    """First pages of several jobs, or with one left out, in one file: no name goes too far."""
    first = pages(A, 35)[:1]
    told = list(owners([*first, *OTHERS[case]]))
    assert told[:10] == [None] * 10
    assert set(told[10:]) <= {A, B}


def test_a_page_that_ends_with_the_first_step_is_nobodys() -> None:
    """What stands before the first step are messages, and such end the pages of other jobs."""
    first = pages(A, 9)[:1]
    assert first[0]["data"][-1]["data"]["step"] == 1
    assert list(owners([*first, *pages(B, 9, limit=30, start=START - 900)]))[:10] == [None] * 10


@given(
    st.lists(
        st.tuples(st.integers(1, 45), st.integers(0, 60), st.integers(1, 6)),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from([5, 10, 20]),
    st.sampled_from([300, 2_000, LARGE]),
)
@examples(60)
def test_nobody_is_given_the_events_of_another(
    jobs: list[tuple[int, int, int]], limit: int, block_bytes: int
) -> None:
    """Whichever first pages of jobs of unlike length a file holds, however it is cut in blocks."""
    found, own = [], []
    for job, (steps, later, kept) in zip((A, B, C), jobs, strict=False):
        total = 50 + ord(job[-1])
        chosen = pages(job, steps, total=total, limit=limit, start=START + later)[:kept]
        found += chosen
        own += [job] * sum(len(page["data"]) for page in chosen)
    told = list(owners(found, block_bytes))
    assert told == list(owners(found))
    assert all(name in (None, job) for name, job in zip(told, own, strict=True))
