"""Responses into the store: what the manifest says of each, and how its file is called."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from pipeline.archive.account import Answer
from pipeline.archive.chains import Walk
from pipeline.archive.layout import safe
from pipeline.archive.pages import JobFacts, Page
from pipeline.archive.redaction import REMOVED
from pipeline.archive.store import Store


def keep(
    store: Store, answer: Answer, line: dict[str, Any], place: str, suffix: str
) -> dict[str, Any]:
    """Keep a response; the line as it was written."""
    if answer.removed:
        line = {**line, "removed": answer.removed}
    line = {
        **line,
        "url": answer.url,
        "time": now(),
        "status": 200,
        "request_id": answer.request_id,
    }
    return store.keep(line, answer.body, place, suffix)


def page_line(kind: str, walk: Walk, page: Page, *, joined: bool = False) -> dict[str, Any]:
    """What the manifest says of a list page before it is kept."""
    line = {
        "kind": kind,
        "walk": walk.number,
        "final": walk.final,
        "page": len(walk.paths),
        "after": walk.cursor,
        "count": len(page.items),
        "first": page.items[0]["id"] if page.items else None,
        "last": page.last,
        "has_more": page.has_more,
    }
    return {**line, "joined": True} if joined else line


def place_of(job: JobFacts, what: str, page: Page) -> str:
    """Beginning of the name of a page's file: its job, and when its newest item came."""
    when = "undated" if page.items else "empty"
    with suppress(ValueError, OverflowError, OSError):
        when = f"{datetime.fromtimestamp(max(page.times), UTC):%Y%m%dT%H%M%SZ}"
    return f"{safe(job.id)}/{what}-{when}"


def other_job(items: list[dict[str, Any]], job: str) -> str | None:
    """The job that one of a list's items says it is of, where that is another; events tell none."""
    told = (item.get("fine_tuning_job_id") for item in items)
    return next((name for name in told if isinstance(name, str) and _differ(name, job)), None)


def other_file(about: dict[str, Any], file: str) -> str | None:
    """The file that an object is about, where that is another."""
    name = about.get("id")
    return name if isinstance(name, str) and _differ(name, file) else None


def _differ(name: str, asked: str) -> bool:
    return name != asked and REMOVED not in asked  # a secret may be kept in one and not the other


def now() -> str:
    """This moment, as lines tell it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
