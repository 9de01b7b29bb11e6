"""The ledger: a SQLite database, the only truth about what is in the lake."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from pipeline.contract import LAKE_VERSION, READER_VERSION, UNATTRIBUTED_PREFIX
from pipeline.errors import LakeError
from pipeline.lake.holder import Holder
from pipeline.lake.lockless import Mark, mark, read_only
from pipeline.lake.questions import Questions
from pipeline.lake.segments import Staged
from pipeline.sqlfiles import sql_text
from pipeline.telling import Waiting

_COUNTS = ("records", "events", "companions", "duplicates", "rejects")
_WAIT_SECONDS = 3600
_MAKING_SECONDS = 60  # how long another process may take to make a lake
_NONE_HERE = "{}: no lake here: make one with `tunelog ingest`"


def is_lost(lake: Path) -> bool:
    """Whether segments lie in a folder without ledger; a new one would take them for garbage."""
    return any((lake / "events").glob("*.parquet"))


def with_kinds(text: str, more: Mapping[str, int]) -> str:
    """The column `ignored_kinds` of a source of which more is ignored: kind -> how many."""
    return json.dumps(Counter(json.loads(text)) + Counter(more), sort_keys=True)


class Ledger(Questions):
    """An open ledger. Reads see what was committed; `writing` holds the one write lock."""

    def __init__(self, path: Path, *, create: bool, writable: bool = True) -> None:
        """Open `ledger.db`, making it if asked to."""
        self.rewritten: set[str] = set()
        """Tables in which the commit under way has changed rows of earlier ones."""
        self._mark: Mark = None
        self._path, self._holder = path, Holder(path.parent / "tmp" / "writer")
        if not path.exists():
            self._refuse_lost()
            if not create:
                raise LakeError(_NONE_HERE.format(path.parent))
        try:
            try:
                self._connect(path if writable else read_only(path))
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_IOERR or not path.stat().st_size:
                    raise
                writable = False  # a full disk has no room for SQLite's locks: it can be read
                self._connect(read_only(path))
            if writable:
                self._write_ahead()
                self._db.execute("pragma synchronous = full")
            if not self._has_schema():
                self._refuse_lost()
                if not create:  # whoever began to make it did not finish
                    raise LakeError(_NONE_HERE.format(path.parent))
                self._create()
            self._check_version(path)
            self._mark = self._mark or mark(path, locks=self._locks)
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0)  # text that is not UTF-8 has none
            if code & 0xFF in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL):
                raise
            raise LakeError(
                f"{path}: {error}: is this a tunelog lake, readable and whole?"
            ) from error

    def _connect(self, place: Path | str) -> None:
        """Connect to the database and look whose it is."""
        self._locks = isinstance(place, Path)
        self._mark = mark(self._path, locks=self._locks)  # first: so no later change is missed
        self._db = sqlite3.connect(
            place, uri=not self._locks, isolation_level=None, timeout=_WAIT_SECONDS,
            check_same_thread=False,
        )  # fmt: skip
        self._db.row_factory = sqlite3.Row
        self._db.execute("pragma foreign_keys = on")
        if self._db.execute("select 1 from sqlite_master").fetchone() and not self._has_schema():
            raise LakeError(f"{self._path}: another program's database: name another folder")

    def _write_ahead(self) -> None:
        """Let readers go on beside a writer. To change the mode waits for nobody by itself."""
        until = monotonic() + _MAKING_SECONDS
        while True:
            try:
                self._db.execute("pragma journal_mode = wal")
                return
            except sqlite3.OperationalError as error:  # another process makes this lake, too
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() > until:
                    raise
                sleep(0.01)

    def _refuse_lost(self) -> None:
        if is_lost(self._path.parent):
            raise LakeError(
                f"{self._path}: the ledger is lost, its events lie beside it: bring it back from a"
                " copy, or move the folder away and ingest the dumps anew"
            )

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
        version = self.lake_version()
        if version < 1:
            raise LakeError(f"{path}: damaged (no lake version): bring it back from a copy")
        if version > LAKE_VERSION:
            raise LakeError(
                f"{path.parent}: made by a newer tunelog (lake version {version}, this one reads "
                f"{LAKE_VERSION}): upgrade tunelog"
            )

    @property
    def is_past(self) -> bool:
        """Whether another file lies there now, or one that is read without locks has changed."""
        return self._mark != mark(self._path, locks=self._locks)

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    @contextmanager
    def writing(self, waiting: Waiting | None = None, *, task: str = "ingest") -> Iterator[None]:
        """Hold the write lock; commit at the end, or change nothing if an error passes.

        Args:
            waiting: told once who holds the lock, if another process does.
            task: what those who wait are told that this process does.
        """
        holder = None
        for _ in range(10):  # one may be gone, the next not have told yet who it is
            locked = self._locked(100)
            if locked or (holder := self._holder.described()):
                break
        if not locked:
            holder = holder or "another process"
            if waiting:
                waiting(holder)
            if not self._locked(_WAIT_SECONDS * 1000):
                raise LakeError(f"{self._path.parent}: {holder} writes this lake: try again later")
        self._holder.enter(task)
        try:
            yield
            self._holder.leave()
            self._db.execute("commit")
        except BaseException:
            self._holder.leave()
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise

    def _locked(self, patience: int) -> bool:
        """Take the write lock; False if another process keeps it so long [ms]."""
        self._db.execute(f"pragma busy_timeout = {patience}")
        try:
            self._db.execute("begin immediate")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise LakeError(f"{self._path}: cannot be written: {error}") from error
            return False
        return True

    def upgrade(self) -> None:
        """Bring the tables of an older lake up to date; inside `writing`."""
        known = {row["name"] for row in self._db.execute("pragma table_info(sources)")}
        if "companions" not in known:
            self._db.execute("alter table sources add column companions integer not null default 0")
        if "seen_commit_id" not in known:
            self._db.execute(
                "alter table sources add column seen_commit_id integer references commits"
            )
        known = {row["name"] for row in self._db.execute("pragma table_info(segments)")}
        if "speaks" not in known:
            self._db.execute("alter table segments add column speaks integer")
            self._db.execute("alter table commits add column last_event_at text")
        self._db.execute(
            "update meta set value = ? where key = 'lake_version'", (str(LAKE_VERSION),)
        )

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

    def end_commit(self, commit_id: int, last_event_at: datetime | None) -> None:
        """Fill in what the lake holds after the commit, and when what it read ends."""
        values = {"commit_id": commit_id, "last_event_at": _told(last_event_at)}
        self._db.execute(sql_text("lake/end_commit"), values)

    def add_segment(self, name: str, staged: Staged, size: int, commit_id: int) -> None:
        """Make a staged file live under its name."""
        row = (name, staged.kind, staged.rows, size, commit_id, staged.speaks)
        self._db.execute(sql_text("lake/add_segment"), row)
        self._db.executemany(
            "insert or replace into segment_jobs values (?, ?, ?)",
            ((job, name, count) for job, count in staged.jobs.items()),
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

    def put_sources(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert sources, or replace their earlier selves."""
        (before,) = self._db.execute("select count(*) from sources").fetchone()
        self._db.executemany(sql_text("lake/put_source"), rows)
        (after,) = self._db.execute("select count(*) from sources").fetchone()
        if after - before < len(rows):
            self.rewritten |= {"sources", "streams"}

    def see_sources(
        self, passed: Sequence[tuple[str, str]], commit_id: int, last_event_at: datetime | None
    ) -> None:
        """Note the sources that a commit passed over, as known, beside what it read.

        Args:
            passed: their contents: (content hash, hint).
            commit_id: the commit.
            last_event_at: when what it read ends; where nothing tells, nothing is noted.
        """
        if not passed or last_event_at is None:
            return
        values = {
            "passed": json.dumps(passed),
            "reader_version": READER_VERSION,
            "commit_id": commit_id,
            "last_event_at": _told(last_event_at),
        }
        if self._db.execute(sql_text("lake/see_sources"), values).rowcount:
            self.rewritten.add("sources")

    def replace_source(self, old: str, new: str) -> None:
        """Let a source leave; who reads its content again finds the one in its place."""
        self.rewritten |= {"sources", "streams"}
        self._db.execute("delete from streams where source_id = ?", (old,))
        self._db.execute("delete from sources where source_id = ?", (old,))
        self._db.execute("update contents set source_id = ? where source_id = ?", (new, old))

    def put_contents(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """Remember contents as known: (content hash, hint, source id)."""
        self._db.executemany(
            "insert or replace into contents values (?, ?, ?, ?)",
            ((content, hint, READER_VERSION, source) for content, hint, source in rows),
        )

    def put_streams(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert streams, or replace their earlier selves."""
        self._db.executemany(sql_text("lake/put_stream"), rows)

    def recount(self, changes: Mapping[str, Mapping[str, int]]) -> None:
        """Add to the counts of sources: source id -> count -> change."""
        self.rewritten |= {"sources"} if changes else set()
        self._db.executemany(
            sql_text("lake/recount"),
            (dict.fromkeys(_COUNTS, 0) | dict(c) | {"source_id": s} for s, c in changes.items()),
        )

    def ignore(self, found: Mapping[str, Counter[str]]) -> None:
        """Count more of what is ignored: source id -> kind -> how many."""
        for source, kinds in found.items():
            if kinds and (row := self.source(source)):
                text = with_kinds(row["ignored_kinds"], kinds)
                self._db.execute(sql_text("lake/ignore"), (kinds.total(), text, source))

    def move_streams(self, streams: Iterable[str], job: str) -> None:
        """Give streams to a job, by hand."""
        self.rewritten |= {"streams"}
        self._db.executemany(
            "update streams set job_id = ?, told_by = 'assigned' where stream_id = ?",
            ((job, stream) for stream in streams),
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


def _told(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def now() -> datetime:
    """The present moment, to the second [UTC]."""
    return datetime.now(UTC).replace(microsecond=0)
