"""Job objects on lines of their own, which tell whose the lines below them are."""

from __future__ import annotations

import json

from pipeline.contract import JOB_OBJECT, UNATTRIBUTED_PREFIX
from pipeline.forms.block import Mark
from pipeline.shapes import is_job

QUOTED_JOB_OBJECT = f'"{JOB_OBJECT}"'.encode()
MIXED_PREFIX = f"{UNATTRIBUTED_PREFIX}mixed-"
"""Of names for events that may be of several jobs: what one of them shares tells of no other."""


def job_line(raw: bytes | bytearray, position: int) -> Mark | None:
    """What a line that is a job object says of the lines below it."""
    if QUOTED_JOB_OBJECT not in raw:
        return None
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or value.get("object") != JOB_OBJECT:
        return None
    name = value.get("id")
    if not isinstance(name, str) or not name:
        return None
    exported = len(value) == 2  # the API's own job objects hold much more
    jobs = (name,) if is_job(name) else ()
    mixed = name.startswith(MIXED_PREFIX)
    return Mark(position, jobs, run=True, exported=exported, mixed=mixed)
