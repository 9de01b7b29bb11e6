"""What is asked of the ledger."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from pipeline.contract import LEDGER_TABLES, READER_VERSION, UNATTRIBUTED_PREFIX
from pipeline.sqlfiles import sql_text
from pipeline.view_files import SPOKEN

_BATCH_ROWS = 10_000
_BROUGHT = {
    "sources": "select * from sources where commit_id = ? order by 1",
    "streams": "select streams.* from sources join streams using (source_id)"
    " where sources.commit_id = ? order by 1",
    "commits": "select * from commits where commit_id = ?",
}


class Questions:
    """The reading half of the ledger: what was committed, as rows and names."""

    _db: sqlite3.Connection

    def version(self) -> int:
        """Id of the latest commit, 0 in an empty lake."""
        return int(
            self._db.execute("select coalesce(max(commit_id), 0) from commits").fetchone()[0]
        )

    def live(self, kind: str) -> list[str]:
        """Names of the live segments of a table, in order of commit."""
        query = (
            "select name from segments where kind = ? and removed_at is null"
            " order by commit_id, name"
        )
        return [row[0] for row in self._db.execute(query, (kind,))]

    def live_by_kind(self) -> dict[str, list[str]]:
        """Table -> names of its live segments, all of one moment, in order of commit.

        Under `SPOKEN` those of events in which a message may tell a step.
        """
        found: dict[str, list[str]] = {}
        for segment in self.live_segments():
            found.setdefault(segment["kind"], []).append(segment["name"])
            if segment["kind"] == "events" and segment["speaks"] != 0:
                found.setdefault(SPOKEN, []).append(segment["name"])
        return found

    def lake_version(self) -> int:
        """Layout of the lake on disk, as `contract.LAKE_VERSION` counts them; 0 if none can be."""
        row = self._db.execute("select value from meta where key = 'lake_version'").fetchone()
        told = row[0] if row else "1"
        return int(told) if told.isdecimal() else 0

    def segments_of(self, jobs: Sequence[str]) -> list[str]:
        """Live events segments that hold rows of any of the jobs."""
        self._db.execute("create temp table if not exists asked (job_id text primary key)")
        self._db.execute("delete from asked")
        self._db.executemany("insert or ignore into asked values (?)", ((job,) for job in jobs))
        return [row[0] for row in self._db.execute(sql_text("lake/segments_of"))]

    def has_events_of(self, job: str) -> bool:
        """Whether a live events segment holds rows of a job."""
        query = "select exists (select 1 from segment_jobs where job_id = ?)"
        return bool(self._db.execute(query, (job,)).fetchone()[0])

    def unattributed(self) -> list[str]:
        """Jobs whose name is not known yet."""
        query = (
            "select distinct job_id from segment_jobs join segments using (name)"
            " where removed_at is null and job_id glob ?"
        )
        return [row[0] for row in self._db.execute(query, (f"{UNATTRIBUTED_PREFIX}*",))]

    def known(self, content_hash: str, hint: str) -> sqlite3.Row | None:
        """The source this content was read as under this hint, if it was."""
        return self._db.execute(
            "select sources.* from contents join sources using (source_id)"
            " where contents.content_hash = ? and hint = ? and reader_version = ?",
            (content_hash, hint, READER_VERSION),
        ).fetchone()

    def sources_at(self, *paths: str) -> list[sqlite3.Row]:
        """The sources read from a path, the earliest first; several are spellings of one."""
        places = ", ".join("?" * len(paths))
        return self._db.execute(
            f"select * from sources where path in ({places}) order by commit_id", paths
        ).fetchall()

    def source(self, source_id: str) -> sqlite3.Row | None:
        """One source."""
        return self._db.execute(
            "select * from sources where source_id = ?", (source_id,)
        ).fetchone()

    def streams(self, source_id: str) -> list[sqlite3.Row]:
        """The streams of a source, in order."""
        query = "select * from streams where source_id = ? order by first_position"
        return self._db.execute(query, (source_id,)).fetchall()

    def streams_of_contents(self, hashes: Sequence[str]) -> list[sqlite3.Row]:
        """The streams that were read from any of these contents, with its `content_hash`."""
        query = (
            "select streams.*, content_hash from json_each(?) as wanted"
            " join contents on content_hash = wanted.value join streams using (source_id)"
        )
        return self._db.execute(query, (json.dumps(hashes),)).fetchall()

    def find_sources(self, wanted: str) -> list[sqlite3.Row]:
        """Sources by id, by path, or by the end of a path."""
        end = "substr(path, -length(:wanted) - 1) = '/' || :wanted"
        query = f"select * from sources where source_id = :wanted or path = :wanted or {end}"
        return self._db.execute(query, {"wanted": wanted}).fetchall()

    def snapshot(self, table: str, commit_id: int | None = None) -> list[sqlite3.Row]:
        """The rows of `sources`, `streams` or `commits`: all, or those that a commit brought."""
        if commit_id is None:
            return [row for rows in self.batches(table) for row in rows]
        return self._db.execute(_BROUGHT[table], (commit_id,)).fetchall()

    def batches(self, table: str) -> Iterator[list[sqlite3.Row]]:
        """The rows of `sources`, `streams`, `commits` or `segment_jobs`, some at a time."""
        assert table in (*LEDGER_TABLES, "segment_jobs")
        cursor = self._db.execute(f"select * from {table} order by 1")
        while rows := cursor.fetchmany(_BATCH_ROWS):
            yield rows

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See one state of the ledger, whatever is committed meanwhile."""
        self._db.execute("begin")
        try:
            yield
        finally:
            if self._db.in_transaction:
                self._db.execute("rollback")

    def faults(self) -> Iterator[str]:
        """What SQLite itself finds wrong with the database, and rows that refer to nothing."""
        for (text,) in self._db.execute("pragma integrity_check"):
            if text != "ok":
                yield text
        for table, _, parent, _ in self._db.execute("pragma foreign_key_check"):
            yield f"a row of {table} refers to a row of {parent} that is not there"
        for (fault,) in self._db.execute(sql_text("verify/contents")):
            yield fault

    def named_files(self) -> set[tuple[str, str]]:
        """Folder and name of all segments, live or removed."""
        found = self._db.execute("select kind, name from segments")
        return {("ledger" if kind in LEDGER_TABLES else kind, name) for kind, name in found}

    def live_segments(self) -> list[sqlite3.Row]:
        """The live segments of all tables, as the ledger has them."""
        query = "select * from segments where removed_at is null order by kind, commit_id, name"
        return self._db.execute(query).fetchall()

    def removed_before(self, moment: datetime) -> list[tuple[str, str]]:
        """(kind, name) of segments removed up to a moment."""
        query = "select kind, name from segments where removed_at <= ?"
        return [tuple(row) for row in self._db.execute(query, (moment.isoformat(),))]
