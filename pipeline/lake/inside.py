"""What lies inside a reject that holds events after all, as a page on a line does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline import exact
from pipeline.attribution import Scout, Stream
from pipeline.companions import Companion
from pipeline.forms.documents import expanded
from pipeline.lake.companions import companion_row
from pipeline.lake.identity import event_row
from pipeline.lake.reports import stream_row


@dataclass
class Found:
    """What a reject is after all, and how that changes the counts of its source."""

    events: list[dict[str, Any]] = field(default_factory=list)
    companions: list[dict[str, Any]] = field(default_factory=list)
    streams: dict[str, dict[str, Any]] = field(default_factory=dict)
    ties: set[tuple[str, str]] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=lambda: Counter(rejects=-1))
    ignored: Counter[str] = field(default_factory=Counter)

    def tell(self, beside: exact.Companions, own: str | None, *place: Any) -> bool:
        """Take what is told of jobs, of `own` where it names none; not if neither does."""
        told = [item for item in beside.found if isinstance(item, Companion)]
        if not all(item.job or own for item in told):
            return False
        self.companions += [
            companion_row(item.kind, item.content, item.job or own or "", *place) for item in told
        ]
        self.counts.update(records=len(beside.found) - 1, companions=len(told))
        self.ignored.update(i.kind for i in beside.found if not isinstance(i, Companion))
        return True


def inside(
    raw: bytes, reject: Mapping[str, Any], around: Mapping[str, Any], hint: str | None
) -> Found | None:
    """The events and companions of a container, as an ingest would have taken them out of it.

    Args:
        raw: its bytes.
        reject: what is kept of it.
        around: the stream that it lies in.
        hint: job id in the name of its file or folder.

    Returns:
        Them, or None where anything in it is a reject still.
    """
    block = expanded(raw, reject["byte_offset"])
    line, prefix = reject["position"], f"{reject['source_id']}/{reject['position']}."
    given = {around["told_by"]: around["job_id"]}
    told = given.get("flag")
    below = given.get("beside") or given.get("export")
    scout = Scout(lines=False, hint=hint, told=told, below=below)
    scout.see(block)
    streams = [_assigned(stream, given.get("assigned")) for stream in scout.streams()]
    if any(stream.conflict for stream in streams):
        return None
    found, equal, number = Found(), Counter[tuple[Any, ...]](), 0
    found.counts["records"] += len(block) - 1
    shared: Counter[int] = Counter()
    for index, offset in enumerate(block.offsets.tolist()):
        while streams[number].last < index:
            number += 1
        stream, name = streams[number], f"{prefix}{number}"
        place = (reject["source_id"], line, offset + shared[offset])  # as of records of one string
        shared[offset] += 1
        own = stream.job or name
        verdict = exact.read(block.raw(index))
        if isinstance(verdict, exact.Event):
            job = verdict.job or own
            if told and job != told:
                return None
            if job != own:
                name = f"{name}@{job}"
            verdict.tell_apart(equal, name)
            ordinal = -index if stream.newest_first else index
            found.events.append(event_row(verdict, job, name, *place, ordinal))
            told_by = stream.told_by if job == own else "beside"
            around_it = stream._replace(first=line, last=line)
            found.streams[name] = stream_row(reject["source_id"], name, around_it, job, told_by)
            found.counts["events"] += 1
        elif isinstance(verdict, exact.Companions):
            if not found.tell(verdict, stream.job, *place):
                return None
        elif isinstance(verdict, exact.Ignored):
            found.ignored[verdict.kind] += 1
        else:
            return None
    return found


def _assigned(stream: Stream, job: str | None) -> Stream:
    """A stream that nothing names, under the job that its source was given by hand."""
    return stream._replace(job=job, told_by="assigned") if job and not stream.job else stream
