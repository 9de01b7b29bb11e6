"""What a response must look like to be kept: a list page, an object."""

from __future__ import annotations

import json
import math
from base64 import b64decode
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

FINAL_STATES = frozenset({"succeeded", "failed", "cancelled", "canceled", "deleted"})

SETTLE_SECONDS = 900
"""Events still come after the end: Azure's bills up to four minutes later."""

_LONGEST_SECONDS = 30 * 86_400
"""No job lasts so long: of one that does not tell when it ended, nothing comes any more."""


class Malformed(ValueError):
    """A body that was cut off, or is not what the endpoint documents."""


@dataclass(frozen=True)
class Page:
    """A list page.

    Attributes:
        items: the objects, as the server orders them: newest first.
        has_more: whether older ones follow.
    """

    items: list[dict[str, Any]]
    has_more: bool

    @property
    def ids(self) -> list[str]:
        """The ids, in the page's order."""
        return [item["id"] for item in self.items]

    @property
    def last(self) -> str | None:
        """The id that the next page follows; None of an empty page."""
        return self.items[-1]["id"] if self.items else None

    @cached_property
    def times(self) -> list[float]:
        """Those of its items that tell one [s since 1970]."""
        return [at for item in self.items if (at := moment(item)) is not None]


def moment(item: dict[str, Any], name: str = "created_at") -> float | None:
    """A time of an item, None where it tells none [s since 1970]."""
    at = item.get(name)
    if isinstance(at, bool) or not isinstance(at, int | float):
        return None
    try:
        return at if math.isfinite(at) else None
    except OverflowError:  # an integer beyond any time
        return None


def parsed(body: bytes) -> dict[str, Any]:
    """A body that must be a JSON object.

    Raises:
        Malformed: it is not.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"no JSON: {error}") from None
    if not isinstance(value, dict):
        raise Malformed(f"a JSON {type(value).__name__} instead of an object")
    return value


def page(value: dict[str, Any]) -> Page:
    """A list page.

    Raises:
        Malformed: fields are missing, or the next page could not be asked for.
    """
    items, has_more = value.get("data"), value.get("has_more")
    if not isinstance(items, list) or not isinstance(has_more, bool):
        raise Malformed("a list page without data or has_more")
    for item in items:
        if not isinstance(item, dict) or not isinstance(item.get("id"), str) or not item["id"]:
            raise Malformed("a list page with something that has no id")
    if has_more and not items:
        raise Malformed("an empty page that says has_more")
    return Page(items, has_more)


def told_size(about: dict[str, Any]) -> int | None:
    """How long a file is by its file object, None where that tells nothing [byte]."""
    size = about.get("bytes")
    return size if isinstance(size, int) and size > 0 and not isinstance(size, bool) else None


def sizes(content: bytes) -> frozenset[int]:
    """How long a file may be said to be by its content: as sent, and less base64 [byte]."""
    found = {len(content)}
    with suppress(ValueError):
        found.add(len(b64decode(b"".join(content.split()), validate=True)))
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What of a job object decides how it is archived.

    Attributes:
        id: job id.
        status: the API's word.
        created: when it was created, infinity where it does not tell [s since 1970].
        settled: it ended long enough ago for its events to be all there.
        files: ids of its result files.
    """

    id: str
    status: str
    created: float
    settled: bool
    files: tuple[str, ...]


def facts(job: dict[str, Any], now: float) -> JobFacts:
    """The facts of a job object.

    Args:
        job: the object, which has an id.
        now: the server's time when it sent the object [s since 1970].
    """
    status = job.get("status")
    status = status if isinstance(status, str) else "unknown"
    created = moment(job)
    created = math.inf if created is None else created
    ended = moment(job, "finished_at")
    if ended is None:  # cancelled jobs need not have one
        ended = created + _LONGEST_SECONDS
    files = job.get("result_files")
    named = tuple(f for f in files if isinstance(f, str) and f) if isinstance(files, list) else ()
    settled = status in FINAL_STATES and now - ended >= SETTLE_SECONDS
    return JobFacts(job["id"], status, created, settled, named)
