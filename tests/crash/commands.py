"""The commands that change a lake, each with a lake to change and the truth about the outcome."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundness import STRAY, Row, events_of

from pipeline import exact, open_lake

JOBS = [f"ftjob-{letter * 24}" for letter in "ABCD"]
UNUSUAL = "an unusual"


@dataclass(frozen=True)
class Command:
    """A command that changes a lake.

    Attributes:
        name: as in the reports.
        args: of `tunelog`, in a folder that has `dumps/` and `lake/`.
        prepare: writes the dumps and makes the lake, in a folder; gives the events that the oracle
            expects once the command is done.
    """

    name: str
    args: tuple[str, ...]
    prepare: Callable[[Path], list[Row]]


def event(job: int, number: int, **fields: Any) -> dict[str, Any]:
    """An event of a job."""
    return {
        "object": "fine_tuning.job.event",
        "id": f"ftevent-{job:08}{number:016}",
        "created_at": 1_700_000_000 + 10 * number,
        "level": "info",
        "type": "metrics",
        "message": f"Step {number}/9: training loss=0.50",
        "data": {"step": number, "train_loss": 0.5 + number},
        **fields,
    }


def creation(job: int) -> dict[str, Any]:
    """The event that names its job."""
    message = f"Created fine-tuning job: {JOBS[job]}"
    return event(job, 0, message=message, type="message", data=None)


def write(path: Path, records: Sequence[dict[str, Any] | str]) -> Path:
    """Write records as JSON lines; texts as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def ingest_first(folder: Path) -> list[Row]:
    """No lake yet; dumps with a broken line and a nameless page."""
    one = [creation(0), *(event(0, n) for n in range(1, 6))]
    write(folder / "dumps" / "one.jsonl", [*one, "{oops"])
    page = {"object": "list", "data": [event(1, n) for n in (3, 2)], "has_more": True}
    nameless = write(folder / "dumps" / "two.json", [page])
    truth = events_of([write(folder / "truth" / "one.jsonl", one)])
    job = {"job": _unattributed(nameless)}
    return sorted(truth + events_of([nameless], **job))


def ingest_more(folder: Path) -> list[Row]:
    """A lake whose files grow, whose events lose to fuller ones, whose nameless page gets a job."""
    dumps = folder / "dumps"
    one = [creation(0), *(event(0, n) for n in range(1, 6))]
    page = {"object": "list", "data": [event(1, n) for n in (3, 2)], "has_more": True}
    write(dumps / "one.jsonl", one)
    write(dumps / "two.json", [page])
    cut = write(dumps / "three.jsonl", [creation(2), *(event(2, n) for n in range(1, 4))])
    cut.write_text(cut.read_text()[:-9])
    with open_lake(folder / "lake") as lake:
        lake.ingest([dumps])
    write(dumps / "three.jsonl", [creation(2), *(event(2, n) for n in range(1, 7))])
    fuller = event(0, 2, data={"step": 2, "train_loss": 2.5, "valid_loss": 2.25})
    write(dumps / "four.jsonl", [creation(0), event(0, 1), fuller, event(0, 6)])
    write(dumps / "five.jsonl", [creation(1), *(event(1, n) for n in (1, 2, 4))])
    return events_of(sorted(dumps.iterdir()))


def assign(folder: Path) -> list[Row]:
    """A lake with a nameless page and events of the job it belongs to."""
    page = {"object": "list", "data": [event(1, n) for n in (3, 2)], "has_more": True}
    nameless = write(folder / "dumps" / "two.json", [page])
    named = write(folder / "dumps" / "one.jsonl", [creation(0), event(0, 1)])
    with open_lake(folder / "lake") as lake:
        lake.ingest([folder / "dumps"])
    return sorted(events_of([nameless], job=JOBS[1]) + events_of([named]))


def replay(folder: Path) -> list[Row]:
    """A lake whose rejects an earlier version did not understand, one of them twice."""
    dumps = folder / "dumps"
    # A level in other letters is read exactly, not by the engine.
    odd = [event(0, n, message=f"{UNUSUAL} {n}", level="Info") for n in (1, 2)]
    rows = [creation(0), *odd, event(0, 3)]
    write(dumps / "one.jsonl", [*rows, "{oops"])
    write(dumps / "two.jsonl", [creation(0), rows[1]])
    with _blind(), open_lake(folder / "lake") as lake:
        assert lake.ingest([dumps]).reject_count == 4
    return events_of([write(folder / "truth" / "one.jsonl", rows)])


def compact(folder: Path) -> list[Row]:
    """A lake of three commits, with files that were replaced or left behind long ago."""
    dumps = [
        write(folder / "dumps" / f"{job}.jsonl", [creation(job), event(job, 1), "{oops"])
        for job in range(3)
    ]
    with open_lake(folder / "lake") as lake:
        for path in dumps:
            lake.ingest([path])
        with sqlite3.connect(lake.path / "ledger.db") as db:
            db.execute("update segments set removed_at = '2020-01-01T00:00:00+00:00'"
                       " where removed_at is not null")  # fmt: skip
        db.close()
        left = lake.path / "events" / f"{STRAY}.parquet"
        left.write_bytes(b"published, never named")
        os.utime(left, (1_600_000_000, 1_600_000_000))
    whole = [
        write(folder / "truth" / path.name, [creation(job), event(job, 1)])
        for job, path in enumerate(dumps)
    ]
    return events_of(whole)


INGEST = ("ingest", "dumps", "--lake", "lake", "--allow-rejects", "9")
COMMANDS = (
    Command("ingest, no lake yet", INGEST, ingest_first),
    Command("ingest", INGEST, ingest_more),
    Command("rejects --replay", ("rejects", "--replay", "--lake", "lake"), replay),
    Command("assign", ("assign", "two.json", JOBS[1], "--lake", "lake"), assign),
    Command("compact", ("compact", "--lake", "lake"), compact),
)


@contextmanager
def _blind() -> Iterator[None]:
    """Let the reader reject what it does not know yet, as an earlier version might."""
    read = exact.read

    def poor(raw: bytes, *, last: bool = False) -> exact.Verdict:
        verdict = read(raw, last=last)
        if isinstance(verdict, exact.Event) and verdict.message.startswith(UNUSUAL):
            return exact.Reject("wrong_type", "not understood yet")
        return verdict

    exact.read = poor
    try:
        yield
    finally:
        exact.read = read


def _unattributed(nameless: Path) -> str:
    """The name that events without a job have in a lake, learnt from a lake of their own."""
    folder = nameless.parents[1] / "aside"
    with open_lake(folder) as lake:
        lake.ingest([nameless])
        (job,) = lake.view("unattributed_events")["job_id"].unique()
    shutil.rmtree(folder)
    return str(job)
