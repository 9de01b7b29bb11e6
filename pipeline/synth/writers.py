"""Jobs as the dumps people keep: lines, arrays, pages, polls, recorded exchanges."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal, Protocol, cast

from pipeline.synth.job import JOB_ID_FIELD, Event, Job
from pipeline.zstd import zstd

Compression = Literal["none", "gz", "zst"]


class Sink(Protocol):
    """What takes bytes: a file, a compressor, standard output."""

    def write(self, data: bytes, /) -> object:
        """Take bytes."""


_encode = json.JSONEncoder().encode


def compression_of(path: Path) -> Compression:
    """Tell the compression from a file's suffix: .gz, .zst, or none."""
    suffixes: dict[str, Compression] = {".gz": "gz", ".zst": "zst"}
    return suffixes.get(path.suffix.lower(), "none")


@contextmanager
def opened(path: Path, compression: Compression | None = None) -> Iterator[Sink]:
    """Open a file for writing; equal content gives equal bytes, compressed or not.

    Args:
        path: file to write, over what is there.
        compression: None to tell it from the suffix.

    Yields:
        A binary file.
    """
    with (
        path.open("wb", buffering=1 << 20) as file,
        packed(file, compression or compression_of(path)) as sink,
    ):
        yield sink


@contextmanager
def packed(file: IO[bytes], compression: Compression) -> Iterator[IO[bytes]]:
    """What is to be written into an open file, which it is compressed on its way to."""
    if compression == "gz":
        # Without name and time, the header is the same for the same content.
        with gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as sink:
            yield cast("IO[bytes]", sink)
    elif compression == "zst":
        with zstd.ZstdFile(file, "wb") as sink:
            yield cast("IO[bytes]", sink)
    else:
        yield file


def write_lines(jobs: Iterable[Job], out: Sink, *, named: bool = True) -> int:
    """Write JSON lines, oldest first, job after job.

    Args:
        jobs: what to write.
        out: binary file.
        named: put the job's id beside each event of Azure's, which are not told otherwise. False
            leaves the events as the API sent them: for files whose name holds the job's id.

    Returns:
        How many events were written.
    """
    written = 0
    for job in jobs:
        events = _named(job) if named and job.dialect == "azure" else job.events
        out.write("".join([_encode(event) + "\n" for event in events]).encode("ascii"))
        written += len(job.events)
    return written


def write_array(jobs: Iterable[Job], out: Sink) -> int:
    """Write one JSON document: an array of the events, oldest first, job after job.

    The job's id stands beside each event, as one document is otherwise one job.

    Args:
        jobs: what to write.
        out: binary file.

    Returns:
        How many events were written.
    """
    written = 0
    separator = b"[\n"
    for job in jobs:
        lines = [_encode(event) for event in _named(job)]
        out.write(separator + ",\n".join(lines).encode("ascii"))
        separator = b",\n"
        written += len(lines)
    out.write(b"\n]\n" if written else b"[]\n")
    return written


def list_page(job: Job, events: Sequence[Event], has_more: bool) -> dict[str, Any]:
    """Make a list page, newest first, with its keys in the order of the job's dialect.

    Args:
        job: whose page it is.
        events: some of its events, oldest first.
        has_more: whether older events exist.
    """
    data = list(reversed(events))
    if job.dialect == "azure":
        return {"data": data, "has_more": has_more, "object": "list"}
    return {"object": "list", "data": data, "has_more": has_more}


def pages(job: Job, *, limit: int = 20, overlap: int = 0) -> Iterator[dict[str, Any]]:
    """Page through a finished job, newest page first.

    Args:
        job: whose events.
        limit: events on a page.
        overlap: how many of them are on the next page, too.

    Yields:
        List pages; all but the last have more.

    Raises:
        ValueError: an overlap not smaller than the limit.
    """
    if not 0 <= overlap < limit:
        raise ValueError(f"pages: overlap {overlap} of pages of {limit} events: make it smaller")
    end = len(job.events)
    while end > 0:
        begin = max(0, end - limit)
        yield list_page(job, job.events[begin:end], begin > 0)
        end = begin + overlap if begin else 0


def polls(job: Job, *, limit: int = 20, every: int = 15) -> Iterator[dict[str, Any]]:
    """Poll a job while it runs: at each poll the newest page.

    Args:
        job: whose events.
        limit: events on a page.
        every: events that happen between polls; more than `limit` of them leaves gaps.

    Yields:
        List pages in order of time.
    """
    for end in [*range(every, len(job.events), every), len(job.events)]:
        yield list_page(job, job.events[max(0, end - limit) : end], end > limit)


def exchange(job: Job) -> dict[str, Any]:
    """Record an HTTP exchange: the newest page is a string inside, the job's id in the URL.

    Args:
        job: whose newest hundred events.
    """
    url = f"https://api.openai.com/v1/fine_tuning/jobs/{job.job_id}/events?limit=100"
    page = list_page(job, job.events[-100:], len(job.events) > 100)
    return {
        "request": {"method": "GET", "url": url, "headers": {"Accept": "application/json"}},
        "response": {
            "status": {"code": 200, "message": "OK"},
            "headers": {"Content-Type": "application/json"},
            "body": json.dumps(page, indent=2),
        },
    }


def checkpoint_page(job: Job) -> dict[str, Any]:
    """Make the list of a job's checkpoints, newest first; each names the job.

    Args:
        job: whose checkpoints.
    """
    times = {e["data"]["step"]: e["created_at"] for e in job.events if e["type"] == "metrics"}
    curve = job.curve
    data = [
        {
            "id": f"ftchkpt-{job.job_id[6:]}{checkpoint.step:04}",
            "created_at": times[checkpoint.step],
            "fine_tuned_model_checkpoint": checkpoint.model_id,
            JOB_ID_FIELD: job.job_id,
            "metrics": curve[checkpoint.step],
            "object": "fine_tuning.job.checkpoint",
            "step_number": checkpoint.step,
        }
        for checkpoint in reversed(job.checkpoints)
    ]
    return {"data": data, "has_more": False, "object": "list"}


def write_documents(
    documents: Iterable[dict[str, Any]],
    folder: Path,
    stem: str,
    *,
    indent: int | None = None,
    compression: Compression = "none",
) -> int:
    """Write each document to a file of its own: `<stem>-001.json`, `<stem>-002.json`, ...

    Args:
        documents: what to write.
        folder: an existing folder.
        stem: what the names begin with; job ids belong here.
        indent: spaces per level; None for one line.
        compression: of each file.

    Returns:
        How many list pages' events were written, those written twice counted twice.
    """
    suffix = "" if compression == "none" else f".{compression}"
    written = 0
    for number, document in enumerate(documents, 1):
        with opened(folder / f"{stem}-{number:03}.json{suffix}", compression) as out:
            out.write(json.dumps(document, indent=indent).encode("ascii") + b"\n")
        written += len(document.get("data", ()))
    return written


def write_files(jobs: Iterable[Job], folder: Path, *, compression: Compression = "none") -> int:
    """Write one JSON lines file a job, named by its id, the events as the API sent them.

    Args:
        jobs: what to write.
        folder: an existing folder.
        compression: of each file.

    Returns:
        How many events were written.
    """
    suffix = "" if compression == "none" else f".{compression}"
    written = 0
    for job in jobs:
        with opened(folder / f"{job.job_id}.jsonl{suffix}", compression) as out:
            written += write_lines([job], out, named=False)
    return written


def _named(job: Job) -> Iterator[Event]:
    return ({**event, JOB_ID_FIELD: job.job_id} for event in job.events)
