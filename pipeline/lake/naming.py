"""Before a commit: which job has what no evidence of its own names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
import xxhash

from pipeline.contract import UNATTRIBUTED_PREFIX
from pipeline.errors import UsageError
from pipeline.job_lines import MIXED_PREFIX
from pipeline.lake.identity import rank
from pipeline.lake.taken import Taken
from pipeline.sqlfiles import sql_text


@dataclass
class Names:
    """The outcome of attribution by shared event ids.

    Attributes:
        streams: stream id -> job, for streams that had none.
        jobs: job -> job, for unattributed jobs of the lake that have another name now.
        shared: streams and jobs whose name another stream's event told.
    """

    streams: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, str] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)


def check_job_id(job: str) -> None:
    """Refuse a text that is no id of a job.

    Raises:
        UsageError: it is empty, holds white space or what cannot be printed, or is a name for
            events of which nothing tells the job.
    """
    if not isinstance(job, str) or not job or " " in job or not job.isprintable():
        raise UsageError(
            f"{job!a}: no job id: give one without white space and control characters,"
            " such as ftjob-abc123"
        )
    if job.startswith(UNATTRIBUTED_PREFIX):
        raise UsageError(
            f"{job!a}: no job id: {UNATTRIBUTED_PREFIX}… are names for events of which nothing"
            " tells the job: give the id that the API gave it, such as ftjob-abc123"
        )


def name_streams(
    con: duckdb.DuckDBPyConnection, unattributed: Iterable[str], taken: Taken
) -> Names:
    """Name pending streams, and rename unattributed jobs, by the event ids they share.

    Reads the views `fresh` (staged, job known), `pending` (staged, job_id is the stream's id),
    `held` (the lake without what is replaced) and `unnamed` (rows of the lake's unattributed jobs).
    No event of what may be of several jobs tells of which.
    """
    old = set(unattributed)
    mixed = taken.mixed | {job for job in old if job.startswith(MIXED_PREFIX)}
    mixed -= {job for stream, job in taken.ties if stream not in mixed}  # the whole file may tell
    con.register("mixed", pa.table({"job_id": pa.array(sorted(mixed), pa.string())}))
    con.execute(sql_text("lake/unique_ids"))
    pairs = con.execute(sql_text("lake/shared_ids")).fetchall()
    rows = con.execute("select distinct job_id from pending").fetchall() if taken.pending else ()
    streams = [row[0] for row in rows]
    without_name = old.union(streams)
    links = _Union()
    for stream in streams:
        links.join(stream, stream)
    jobs_of: dict[str, set[str]] = defaultdict(set)
    for nameless, other in [*pairs, *taken.ties, *taken.copies]:
        if nameless in without_name:
            known = other not in without_name
            links.join(nameless, nameless if known else other)
            jobs_of[nameless].update([other] if known else [])
    goes_on = {stream: job for stream, job in taken.ties if job not in without_name}
    names = Names()
    alone: list[list[str]] = []
    for members in links.groups():
        found = {job for member in members for job in jobs_of[member]}
        if len(found) == 1:
            _call(names, members, found.pop(), old)
            names.shared.update(members)
            continue
        # of several jobs none is told, but where a stream goes on
        for member in goes_on.keys() & set(members) - old:
            _call(names, [member], goes_on[member], old)
        if left := [member for member in members if member not in names.streams]:
            alone.append(left)
    for number, *first in _first_events(con, alone):
        prefix = UNATTRIBUTED_PREFIX if mixed.isdisjoint(alone[number]) else MIXED_PREFIX
        _call(names, alone[number], prefix + _digest(first), old)
    return names


def _call(names: Names, members: Iterable[str], job: str, old: set[str]) -> None:
    """Note the job of streams, and of jobs of the lake that were called otherwise."""
    for member in members:
        if member not in old:
            names.streams[member] = job
        elif member != job:
            names.jobs[member] = job


def _first_events(
    con: duckdb.DuckDBPyConnection, groups: Sequence[Sequence[str]]
) -> list[tuple[Any, ...]]:
    """The first event of each group of streams and jobs: the group, and its time, id and message.

    A group of which all comes again as that of other jobs has none.
    Of an event with several contents only the one that will stay counts: what a group is called
    must be told by what the lake then holds.
    """
    grouped = [(member, number) for number, group in enumerate(groups) for member in group]
    con.register("grouped", pa.table({
        "job_id": pa.array([member for member, _ in grouped], pa.string()),
        "number": pa.array([number for _, number in grouped], pa.int64()),
    }))  # fmt: skip
    con.execute(
        "create or replace temp table lost"
        " (number bigint, event_id varchar, created_at bigint, message varchar)"
    )
    while True:
        con.execute(sql_text("lake/first_events"))
        lost = [
            (number, event_id, created_at, message)
            for (number, event_id), contents in _disputed(con).items()
            for created_at, message in contents
        ]
        if not lost:
            break
        con.executemany("insert into lost values (?, ?, ?, ?)", lost)
    con.unregister("grouped")
    query = "select number, created_at, event_id, message from first_events order by number"
    return con.execute(query).fetchall()


def _disputed(con: duckdb.DuckDBPyConnection) -> dict[tuple[int, str], set[tuple[int, str]]]:
    """Of first events that have several contents: time and message of those that will go."""
    found = defaultdict(list)
    for row in con.sql(sql_text("lake/disputed_firsts")).to_arrow_table().to_pylist():
        found[row["number"], row["event_id"]].append(row)
    losing = {}
    for event, rows in found.items():
        winner = max(rows, key=rank)
        stays = (winner["created_at"], winner["message"])
        losing[event] = {(row["created_at"], row["message"]) for row in rows} - {stays}
    return losing


def _digest(first: Sequence[Any]) -> str:
    """What an unattributed job is called: by its first event, so the same from any file."""
    key = "\0".join(map(str, first)).encode("utf-8", "backslashreplace")
    return xxhash.xxh3_64_hexdigest(key)


class _Union:
    """Sets of names that belong together."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def _root(self, name: str) -> str:
        self._parent.setdefault(name, name)
        while self._parent[name] != name:
            self._parent[name] = self._parent[self._parent[name]]
            name = self._parent[name]
        return name

    def join(self, left: str, right: str) -> None:
        self._parent[self._root(left)] = self._root(right)

    def groups(self) -> list[list[str]]:
        groups: dict[str, list[str]] = {}
        for name in self._parent:
            groups.setdefault(self._root(name), []).append(name)
        return list(groups.values())
