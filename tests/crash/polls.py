"""Polls: a lake that grows by a page at a time, thousands of times, while somebody reads it."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from pathlib import Path

from commands import JOBS, event
from soundness import events_in, events_of, unsound

from pipeline import open_lake
from pipeline.lake import compact
from pipeline.lake.lake import Lake

EVENTS, NEW = 10, 8
"""How many events a page holds, newest first, and how many of them the page before it lacked."""
PAUSE = 1.0
"""Between two questions of the reader [s]."""


@dataclass
class Polls:
    """What came of it.

    Attributes:
        pages: pages ingested, each by an ingest of its own.
        events: events in the lake at the end.
        answers: questions answered meanwhile.
        most: most live files that a table ever had after an ingest.
        files: live files of all tables after the compaction at the end.
        wrong: what was lost, doubled or refused, or too many, in words.
    """

    pages: int = 0
    events: int = 0
    answers: int = 0
    most: int = 0
    files: int = 0
    wrong: list[str] = field(default_factory=list)


def polls(folder: Path, *, pages: int) -> Polls:
    """Ingest the pages of a few jobs in turn, and compact at the end.

    Args:
        folder: to work in.
        pages: how many there are.
    """
    result, over = Polls(), threading.Event()
    truth: dict[str, list[Path]] = {job: [] for job in JOBS}
    with open_lake(folder / "lake") as lake:
        lake.make()  # the reader makes none
        reader = threading.Thread(target=_read, args=(folder / "lake", over, result))
        reader.start()
        try:
            for number in range(pages):
                job = number % len(JOBS)
                page = _page(folder, job, number // len(JOBS))
                truth[JOBS[job]].append(page)
                lake.ingest([page], job_id=JOBS[job])
                result.pages += 1
                result.most = max(result.most, *_live(lake).values())
            lake.compact()  # keeps what it replaces: the reader may have it open
            result.files = sum(_live(lake).values())
            if max(_live(lake).values()) > 1:
                result.wrong.append("several files of a table after a compaction")
        finally:
            over.set()
            reader.join()
    result.wrong += unsound(folder / "lake", settled=True)
    held = events_in(folder / "lake")
    result.events = len(held)
    if held != sorted({row for job, dumps in truth.items() for row in events_of(dumps, job)}):
        result.wrong.append("the lake does not hold the events of the pages")
    if result.most > compact.MOST_SEGMENTS + 1:
        result.wrong.append(f"{result.most} files of a table: too many for one that is compacted")
    return result


def _page(folder: Path, job: int, number: int) -> Path:
    """A page as a poll gets it."""
    newest = number * NEW + EVENTS
    data = [event(job, n) for n in range(newest, newest - EVENTS, -1)]
    path = folder / f"page-{job}-{number}.json"
    path.write_text(json.dumps({"object": "list", "data": data, "has_more": True}))
    return path


def _live(lake: Lake) -> dict[str, int]:
    """Table -> live files."""
    return {kind: len(files) for kind, files in lake._store.files().items()}


def _read(path: Path, over: threading.Event, result: Polls) -> None:
    """Ask again and again: no error, nothing twice, nothing gone."""
    most = 0
    try:
        with open_lake(path, create=False) as lake:
            while True:
                lake.refresh()
                asked = "select count(*), count(distinct (job_id, event_id)) from lake_events"
                rows, ids = lake.sql(asked).row(0)
                if rows != ids or rows < most:
                    result.wrong.append(f"{rows} events, {ids} ids, after {most} events")
                most = rows
                result.answers += 1
                if over.wait(PAUSE):
                    return
    except Exception as error:
        result.wrong.append(f"a reader failed: {error!r}")
