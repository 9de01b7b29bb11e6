"""Dumps in all forms for tests, and the records that come of them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

from pipeline import exact
from pipeline.forms.block import Block
from pipeline.forms.documents import document_blocks
from pipeline.lake.lake import Lake

LARGE = 64 << 20
A, B, C = (f"ftjob-{letter * 24}" for letter in "ABC")


def an_event(number: int = 0, **fields: Any) -> dict[str, Any]:
    """A metrics event of step `number`."""
    return {
        "object": "fine_tuning.job.event",
        "id": f"ftevent-{number:024}",
        "created_at": 1_700_000_000 + number,
        "level": "info",
        "message": f"Step {number}/9: training loss=0.50, größer",
        "data": {"step": number, "train_loss": 0.5},
        "type": "metrics",
        **fields,
    }


def a_page(*numbers: int) -> dict[str, Any]:
    """A list page."""
    return {"object": "list", "data": [an_event(n) for n in numbers], "has_more": False}


def a_job(job: str) -> dict[str, Any]:
    """A job object that mentions another job."""
    return {"object": "fine_tuning.job", "id": job, "status": "succeeded", "note": f"after {C}"}


def a_checkpoint(job: str) -> dict[str, Any]:
    """A checkpoint object."""
    return {"object": "fine_tuning.job.checkpoint", "id": "ftckpt_1", "fine_tuning_job_id": job}


def an_exchange(job: str, body: Any) -> dict[str, Any]:
    """A recorded HTTP exchange."""
    return {
        "request": {"method": "GET", "uri": f"https://api/v1/fine_tuning/jobs/{job}/events"},
        "response": {"status": {"code": 200}, "body": {"string": json.dumps(body, indent=1)}},
    }


class Records:
    """The records of some blocks, checked for what every block promises."""

    def __init__(self, blocks: Iterator[Block]) -> None:
        """Go through the blocks."""
        self.raws: list[bytes] = []
        self.offsets: list[int] = []
        self.streams: list[tuple[int, tuple[str, ...], bool]] = []
        self.oversize = {}
        self.open_ends: set[int] = set()
        self.verdicts: list[exact.Verdict] = []
        for block in blocks:
            assert block.position == len(self.raws)
            assert len(block.bounds) == len(block) + 1
            assert block.bounds[0] == 0 and block.bounds[-1] == len(block.data)
            for index in range(len(block)):
                raw = block.raw(index)
                last = block.unterminated and index == len(block) - 1
                if last or index in block.open_ends:
                    self.open_ends.add(len(self.raws))
                if index in block.oversize:
                    self.oversize[len(self.raws)] = block.oversize[index]
                self.verdicts.append(exact.read(raw, last=last or index in block.open_ends))
                self.raws.append(raw)
            self.offsets += block.offsets.tolist()
            self.streams += [(mark.position, mark.jobs, mark.run) for mark in block.marks]

    @property
    def values(self) -> list[Any]:
        """The records as JSON values."""
        return [json.loads(raw) for raw in self.raws]

    @property
    def kinds(self) -> list[str]:
        """What each record is: a verdict, a reject's reason or what is ignored."""
        return [
            v.reason if isinstance(v, exact.Reject)
            else v.kind if isinstance(v, exact.Ignored)
            else " ".join(item.kind for item in v.found) if isinstance(v, exact.Companions)
            else type(v).__name__
            for v in self.verdicts
        ]  # fmt: skip


def records_of(text: str | bytes, limit: int = LARGE, block_bytes: int = 4 << 20) -> Records:
    """The records of a text."""
    raw = text.encode() if isinstance(text, str) else text
    return Records(document_blocks(io.BytesIO(raw), limit, block_bytes=block_bytes))


def records_in(*values: Any, **options: int) -> Records:
    """The records of documents one after another."""
    return records_of("\n".join(json.dumps(value) for value in values), **options)


def before_commit(lake: Lake, work: Callable[[], object]) -> None:
    """Let something happen between the reading and the commit of the lake's next ingest."""
    ledger = lake._store.ledger
    writing = ledger.writing

    def late(waiting: Any = None, **task: str) -> Any:
        ledger.writing = writing  # type: ignore[method-assign]
        work()
        return writing(waiting, **task)

    ledger.writing = late  # type: ignore[method-assign]
