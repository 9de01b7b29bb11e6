"""The ledger: a SQLite database, the only truth about what is in the lake."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.contract import LAKE_VERSION, READER_VERSION, UNATTRIBUTED_PREFIX
from pipeline.errors import LakeError
from pipeline.sqlfiles import sql_text

_WAIT_SECONDS = 3600
_SNAPSHOTS = ("sources", "streams", "commits")
_BATCH_ROWS = 10_000
_BROUGHT = {
    "sources": "select * from sources where commit_id = ? order by 1",
    "streams": "select streams.* from sources join streams using (source_id)"
    " where sources.commit_id = ? order by 1",
    "commits": "select * from commits where commit_id = ?",
}


class Ledger:
    """An open ledger. Reads see what was committed; `writing` holds the one write lock."""

    def __init__(self, path: Path, *, create: bool, writable: bool = True) -> None:
        """Open `ledger.db`, making it if asked to."""
        self.rewritten: set[str] = set()
        """Tables in which the commit under way has changed rows of earlier ones."""
        if not path.exists() and not create:
            raise LakeError(f"{path.parent}: no lake here: make one with `tunelog ingest`")
        try:
            self._db = sqlite3.connect(
                path if writable else _read_only(path),
                uri=not writable, isolation_level=None, timeout=_WAIT_SECONDS,
                check_same_thread=False,
            )  # fmt: skip
            self._db.row_factory = sqlite3.Row
            self._db.execute("pragma foreign_keys = on")
            if writable:
                self._db.execute("pragma journal_mode = wal")
                self._db.execute("pragma synchronous = full")
            if create and not self._has_schema():
                self._create()
            self._check_version(path)
        except sqlite3.Error as error:
            raise LakeError(
                f"{path}: {error}: is this a tunelog lake, readable and whole?"
            ) from error

    def _has_schema(self) -> bool:
        found = self._db.execute("select 1 from sqlite_master where name = 'meta'").fetchone()
        return found is not None

    def _create(self) -> None:
        self._db.execute("begin immediate")
        if not self._has_schema():
            for statement in sql_text("lake/ledger").split(";"):
                self._db.execute(statement)
            self._db.execute("insert into meta values ('lake_version', ?)", (str(LAKE_VERSION),))
        self._db.execute("commit")

    def _check_version(self, path: Path) -> None:
        row = self._db.execute("select value from meta where key = 'lake_version'").fetchone()
        if row and int(row[0]) > LAKE_VERSION:
            raise LakeError(
                f"{path.parent}: made by a newer tunelog (lake version {row[0]}, this one reads "
                f"{LAKE_VERSION}): upgrade tunelog"
            )

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    @contextmanager
    def writing(self, waiting: Callable[[], None] | None = None) -> Iterator[None]:
        """Hold the write lock; commit at the end, or change nothing if an error passes."""
        self._db.execute("pragma busy_timeout = 100")
        try:
            self._db.execute("begin immediate")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise LakeError(f"the lake's ledger cannot be written: {error}") from error
            if waiting:
                waiting()
            self._db.execute(f"pragma busy_timeout = {_WAIT_SECONDS * 1000}")
            self._db.execute("begin immediate")
        try:
            yield
            self._db.execute("commit")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise

    # -- reading ------------------------------------------------------------------------------

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

    def rows(self, kind: str) -> int:
        """Live rows of a table."""
        query = (
            "select coalesce(sum(row_count), 0) from segments where kind = ? and removed_at is null"
        )
        return int(self._db.execute(query, (kind,)).fetchone()[0])

    def segments_of(self, jobs: Sequence[str]) -> list[str]:
        """Live events segments that hold rows of any of the jobs."""
        self._db.execute("create temp table if not exists asked (job_id text primary key)")
        self._db.execute("delete from asked")
        self._db.executemany("insert or ignore into asked values (?)", ((job,) for job in jobs))
        return [row[0] for row in self._db.execute(sql_text("lake/segments_of"))]

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

    def source_at(self, path: str) -> sqlite3.Row | None:
        """The latest source read from a path."""
        return self._db.execute(
            "select * from sources where path = ? order by commit_id desc limit 1", (path,)
        ).fetchone()

    def source(self, source_id: str) -> sqlite3.Row | None:
        """One source."""
        return self._db.execute(
            "select * from sources where source_id = ?", (source_id,)
        ).fetchone()

    def streams(self, source_id: str) -> list[sqlite3.Row]:
        """The streams of a source, in order."""
        query = "select * from streams where source_id = ? order by first_position"
        return self._db.execute(query, (source_id,)).fetchall()

    def find_sources(self, wanted: str) -> list[sqlite3.Row]:
        """Sources by id, by path, or by the end of a path."""
        query = "select * from sources where source_id = ?1 or path = ?1 or path like '%/' || ?1"
        return self._db.execute(query, (wanted,)).fetchall()

    def snapshot(self, table: str, commit_id: int | None = None) -> list[dict[str, Any]]:
        """The rows of `sources`, `streams` or `commits`: all, or those that a commit brought."""
        if commit_id is None:
            return [row for rows in self.batches(table) for row in rows]
        query = _BROUGHT[table]
        return [dict(row) for row in self._db.execute(query, (commit_id,))]

    def batches(self, table: str) -> Iterator[list[dict[str, Any]]]:
        """The rows of `sources`, `streams`, `commits` or `segment_jobs`, some at a time."""
        assert table in (*_SNAPSHOTS, "segment_jobs")
        cursor = self._db.execute(f"select * from {table} order by 1")
        while rows := cursor.fetchmany(_BATCH_ROWS):
            yield [dict(row) for row in rows]

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
        for row in self._db.execute(sql_text("verify/contents")):
            yield f"content {row[0]} counts as known by source {row[2]}, which is not there"

    # -- writing, inside `writing` --------------------------------------------------------------

    def begin_commit(self, command: str) -> int:
        """Open a commit; its totals are filled in by `end_commit`."""
        self.rewritten = set()
        return int(
            self._db.execute(
                "insert into commits (committed_at, command, sources, events, rejects)"
                " values (?, ?, 0, 0, 0)",
                (now().isoformat(), command),
            ).lastrowid
            or 0
        )

    def end_commit(self, commit_id: int) -> None:
        """Fill in what the lake holds after the commit."""
        self._db.execute(sql_text("lake/end_commit"), {"commit_id": commit_id})

    def add_segment(
        self, name: str, kind: str, rows: int, size: int, commit_id: int, jobs: Mapping[str, int]
    ) -> None:
        """Make a segment live."""
        self._db.execute(sql_text("lake/add_segment"), (name, kind, rows, size, commit_id))
        self._db.executemany(
            "insert or replace into segment_jobs values (?, ?, ?)",
            ((job, name, count) for job, count in jobs.items()),
        )

    def remove_segment(self, name: str) -> None:
        """Take a segment out of the live list; its file stays for open readers."""
        self._db.execute(
            "update segments set removed_at = ? where name = ?", (now().isoformat(), name)
        )
        self._db.execute("delete from segment_jobs where name = ?", (name,))

    def forget_segments(self, names: Sequence[str]) -> None:
        """Drop the record of removed segments whose files are gone."""
        self._db.executemany("delete from segments where name = ?", ((name,) for name in names))

    def named_segments(self) -> set[str]:
        """Names of all segments, live or removed."""
        return {row[0] for row in self._db.execute("select name from segments")}

    def named_files(self) -> set[tuple[str, str]]:
        """Folder and name of all segments, live or removed."""
        found = self._db.execute("select kind, name from segments")
        return {("ledger" if kind in _SNAPSHOTS else kind, name) for kind, name in found}

    def live_segments(self) -> list[sqlite3.Row]:
        """The live segments of all tables, as the ledger has them."""
        query = "select * from segments where removed_at is null order by kind, commit_id, name"
        return self._db.execute(query).fetchall()

    def removed_before(self, moment: datetime) -> list[tuple[str, str]]:
        """(kind, name) of segments removed up to a moment."""
        query = "select kind, name from segments where removed_at <= ?"
        return [tuple(row) for row in self._db.execute(query, (moment.isoformat(),))]

    def put_sources(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert sources, or replace their earlier selves."""
        (before,) = self._db.execute("select count(*) from sources").fetchone()
        self._db.executemany(sql_text("lake/put_source"), rows)
        (after,) = self._db.execute("select count(*) from sources").fetchone()
        if after - before < len(rows):
            self.rewritten |= {"sources", "streams"}

    def put_contents(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """Remember contents as known: (content hash, hint, source id)."""
        self._db.executemany(
            "insert or replace into contents values (?, ?, ?, ?)",
            ((content, hint, READER_VERSION, source) for content, hint, source in rows),
        )

    def put_streams(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert streams, or replace their earlier selves."""
        self._db.executemany(sql_text("lake/put_stream"), rows)

    def recount(self, changes: Mapping[str, tuple[int, int, int]]) -> None:
        """Add to the counts of sources: source id -> (events, duplicates, rejects)."""
        self.rewritten |= {"sources"} if changes else set()
        self._db.executemany(
            "update sources set events = events + ?, duplicates = duplicates + ?,"
            " rejects = rejects + ? where source_id = ?",
            ((*change, source) for source, change in changes.items()),
        )

    def rename_jobs(self, names: Mapping[str, str], told_by: str) -> None:
        """Give the streams of one job to another; `told_by` says how its name became known."""
        self.rewritten |= {"streams"} if names else set()
        self._db.executemany(
            "update streams set job_id = ?, told_by = ? where job_id = ?",
            (
                (new, "unknown" if new.startswith(UNATTRIBUTED_PREFIX) else told_by, old)
                for old, new in names.items()
            ),
        )


def _read_only(path: Path) -> str:
    """A URI for a ledger in a folder that may not be written.

    Without other writers' unfinished business beside it, it is read as a file that nobody
    changes: SQLite would want to make its lock files.
    """
    busy = path.with_name(f"{path.name}-wal")
    quiet = not busy.exists() or busy.stat().st_size == 0
    return f"{path.as_uri()}?mode=ro" + ("&immutable=1" if quiet else "")


def now() -> datetime:
    """The present moment, to the second [UTC]."""
    return datetime.now(UTC).replace(microsecond=0)
