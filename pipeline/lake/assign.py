"""A job for what has none, or has another's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.contract import UNATTRIBUTED_PREFIX
from pipeline.errors import UsageError
from pipeline.lake.change import Change
from pipeline.lake.commit import Commit
from pipeline.lake.engine import engine
from pipeline.lake.naming import check_job_id
from pipeline.lake.store import Store
from pipeline.lake.taken import Taken
from pipeline.sources import shown
from pipeline.telling import Waiting


def assign(store: Store, source: str, job: str, *, force: bool, waiting: Waiting | None) -> int:
    """Give the events of a source's streams to a job; see `Lake.assign`."""
    check_job_id(job)
    source_id = _source_id(store, source)
    with store.workspace() as folder, store.ledger.writing(waiting, task="assign"):
        streams = store.ledger.streams(source_id)
        others = {row["stream_id"]: row["job_id"] for row in streams if row["job_id"] != job}
        nameless = {
            row["job_id"]
            for row in streams
            if row["stream_id"] in others
            and (row["job_id"].startswith(UNATTRIBUTED_PREFIX) or row["told_by"] == "unknown")
        }
        named = {stream: old for stream, old in others.items() if force and old not in nameless}
        jobs = {row["job_id"] for row in streams}
        # Streams that were given to another job by hand are not passed over without a word.
        elsewhere = {row["job_id"] for row in streams if row["told_by"] == "assigned"} - {job}
        done = job in jobs and not elsewhere
        # Of rejects alone, as headers above a page: whose these are says nothing of the events.
        empty = {row["job_id"] for row in streams if row["job_id"] == row["stream_id"]}
        owners = jobs - empty
        if owners and nameless <= empty and not named and not done:
            raise UsageError(
                f"{source}: its events belong to {', '.join(sorted(owners))} already: "
                "add --force to move them"
            )
        moved = 0
        if nameless or named:
            commit = Commit(store, folder, f"assign {source_id} {job}")
            moved = _move(commit, source_id, nameless, named, job)
            commit.finish()
    store.write_script()
    return moved


def _source_id(store: Store, named: str) -> str:
    """The id of the one source of this id or path: as given, else as the same file's other path."""
    paths = (os.path.relpath(named), str(Path(named).absolute())) if named else ()
    for name in (named, *paths):
        found = store.ledger.find_sources(shown(name))
        if len(found) == 1:
            return str(found[0]["source_id"])
        if found:
            break
    what = "no such source" if not found else f"{len(found)} sources are called so"
    raise UsageError(
        f"{named or repr(named)}: {what}: `tunelog show sources` lists their ids and paths"
    )


def _move(
    commit: Commit, source: str, nameless: set[str], named: Mapping[str, str], job: str
) -> int:
    """Give nameless jobs, and streams of a source that others have, to a job; how many events."""
    change = Change(commit)
    fresh: list[Any] = []
    with engine(commit.folder) as con:
        if nameless:  # each is one stream, maybe seen in several files: all of it moves
            change.rename(con, dict.fromkeys(sorted(nameless), job), "assigned", fresh)
        moved = sum(staged.rows for staged in fresh)
        if named:
            moved += change.move(con, source, named, job, fresh)
    settled, _ = change.bring(Taken(events=fresh))
    change.recount(settled)
    return moved
