"""Verification: all that the ledger names is there, whole and by the rules, and nothing else is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import views
from pipeline.contract import DATA_TABLES, LEDGER_TABLES, TABLES
from pipeline.errors import LakeError
from pipeline.lake.commit import from_ledger
from pipeline.lake.engine import engine
from pipeline.lake.faults import is_damage
from pipeline.lake.rules import rules
from pipeline.lake.segments import hash_of
from pipeline.lake.store import Store, place_of
from pipeline.sqlfiles import filled, sql_text
from pipeline.telling import Finding, Progress, Waiting

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LISTED = 20
"""Rows that are listed of one rule; of more, only their number is told."""

_FROM_BACKUP = "restore it from a copy, or make the lake anew from its dumps"
_ANEW = "make the lake anew from its dumps, and report this as a bug"
_COMPACT = "`tunelog compact` writes it anew"
_TOLD_JOBS = pa.schema([("name", pa.string()), ("job_id", pa.string()), ("row_count", pa.int64())])


@dataclass
class Verification:
    """What was looked at and what is wrong.

    Attributes:
        findings: one for each thing that is wrong.
        segments: live files.
        events: events that the ledger counts.
        skipped: the rules about rows were not tried, as files with rows are damaged.
        leftovers: whole files that an interrupted command published and never committed. No
            reader sees them; a compaction deletes them when they are a day old.
    """

    findings: list[Finding] = field(default_factory=list)
    segments: int = 0
    events: int = 0
    skipped: bool = False
    leftovers: list[Path] = field(default_factory=list)


def verify(
    store: Store,
    *,
    progress: Progress | None = None,
    waiting: Waiting | None = None,
) -> Verification:
    """Look at all of a lake; see `Lake.verify`."""
    verifier = _Verifier(store, progress, waiting)
    findings = verifier.outcome.findings
    try:
        for look in (verifier.ledger, verifier.rows, verifier.script, verifier.strays):
            findings.extend(look())
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise LakeError(f"{store.path}/ledger.db: {error}: make it readable") from error
        findings.append(Finding("ledger_is_whole", "ledger.db", str(error), _FROM_BACKUP))
    return verifier.outcome


class _Verifier:
    """One look at a lake: at the state of one moment, and at files that may be too new for it."""

    def __init__(self, store: Store, progress: Progress | None, waiting: Waiting | None) -> None:
        self._store, self._progress, self._waiting = store, progress, waiting
        self.outcome = Verification()

    def ledger(self) -> Iterator[Finding]:
        """The ledger is a whole database, and its rows refer to rows that are there."""
        for fault in self._store.ledger.faults():
            yield Finding("ledger_is_whole", "ledger.db", fault, _FROM_BACKUP)

    # -- the rows, as of one moment ---------------------------------------------------------------

    def rows(self) -> Iterator[Finding]:
        """The segments are whole, and what is in them keeps all rules."""
        outcome, store = self.outcome, self._store
        with store.spill() as folder, engine(folder) as con:
            con.execute("set preserve_insertion_order = false")
            with store.ledger.reading():
                segments = store.ledger.live_segments()
                self._load(con)
            outcome.segments = len(segments)
            outcome.events = sum(s["row_count"] for s in segments if s["kind"] == "events")
            for finding, rows_are_lost in self._damaged(segments):
                outcome.skipped = outcome.skipped or rows_are_lost
                yield finding
            if not outcome.skipped:
                live: dict[str, list[str]] = {kind: [] for kind in TABLES}
                for segment in segments:
                    live[segment["kind"]].append(str(self._path(segment)))
                files = {kind: some or [str(store.empty(kind))] for kind, some in live.items()}
                views.create(con, files, only=[])
                yield from self._job_counts(con, files["events"])
                yield from self._spoken(con, segments)
                yield from self._snapshots(con)
                for check in rules():
                    yield from _listed(con, check.name, check.query, check.rule)

    def _path(self, segment: sqlite3.Row) -> Path:
        return self._store.folder(segment["kind"]) / segment["name"]

    def _load(self, con: DuckDBPyConnection) -> None:
        """Put the ledger's own rows beside what the snapshots hold."""
        for table in ("sources", "streams", "commits", "segment_jobs"):
            schema = TABLES.get(table, _TOLD_JOBS)
            name = "told_jobs" if table == "segment_jobs" else f"told_{table}"
            con.register("batch", schema.empty_table())
            con.execute(f"create temp table {name} as from batch")
            for rows in self._store.ledger.batches(table):
                con.register("batch", from_ledger(rows, schema))
                con.execute(f"insert into {name} from batch")
            con.unregister("batch")

    def _damaged(self, segments: list[sqlite3.Row]) -> Iterator[tuple[Finding, bool]]:
        """Files that are not what the ledger says; whether their rows cannot be trusted."""
        total, done = sum(s["byte_count"] for s in segments), 0
        for segment in segments:
            path, size = self._path(segment), segment["byte_count"]
            place = self._place(path)
            try:
                problem = _changed(path, size)
                rows = None if problem else pq.read_metadata(path).num_rows
            except FileNotFoundError as error:
                if path not in self._store.live(segment["kind"]):
                    told = f"`tunelog compact` deleted {place} meanwhile: repeat the command"
                    raise LakeError(f"{self._store.path}: {told}") from error
                problem, rows = "the ledger names it, and it is not there", None
            except pa.ArrowInvalid as error:
                problem, rows = f"no Parquet file: {error}", None
            if problem:
                yield Finding("segments_are_whole", place, problem, _FROM_BACKUP), True
            elif rows != segment["row_count"]:
                problem = f"holds {rows:,} rows, and the ledger says {segment['row_count']:,}"
                yield Finding("segments_have_their_rows", place, problem, _ANEW), False
            done += size
            if self._progress:
                self._progress(done, total)
        for kind in TABLES:
            empty = self._store.empty(kind)
            if not _is_empty(empty, TABLES[kind]):
                problem = "is not there, or not a Parquet file of its table without rows"
                advice = "delete it if it is there: the next `tunelog ingest` writes it anew"
                yield Finding("segments_are_whole", self._place(empty), problem, advice), True

    def _job_counts(self, con: DuckDBPyConnection, files: list[str]) -> Iterator[Finding]:
        con.read_parquet(files, filename=True).create_view("segments_of_events")
        rule = "A segment holds the jobs that the ledger says, and as many rows of each."
        yield from _listed(con, "segments_have_their_jobs", sql_text("verify/job_counts"), rule)

    def _spoken(self, con: DuckDBPyConnection, segments: list[sqlite3.Row]) -> Iterator[Finding]:
        events = (segment for segment in segments if segment["kind"] == "events")
        if silent := [str(self._path(segment)) for segment in events if segment["speaks"] == 0]:
            con.read_parquet(silent, filename=True).create_view("silent_segments")
            rule = "No message tells a step in a segment of which the ledger says so."
            yield from _listed(con, "segments_tell_their_steps", sql_text("verify/spoken"), rule)

    def _snapshots(self, con: DuckDBPyConnection) -> Iterator[Finding]:
        for table in LEDGER_TABLES:
            query = filled("verify/snapshot", table=table)
            rule = f"The {table} that views show are those of the ledger."
            yield from _listed(con, "snapshots_are_the_ledger", query, rule, _COMPACT)

    # -- the files, as of now ---------------------------------------------------------------------

    def _place(self, path: Path) -> str:
        return str(path.relative_to(self._store.path))

    def script(self) -> Iterator[Finding]:
        """`open.sql` names the live files and no others."""
        for problem in self._problems_of_script():
            yield Finding("open_sql_is_current", "open.sql", problem, _COMPACT)

    def _problems_of_script(self) -> Iterator[str]:
        with self._store.ledger.reading():
            version, files = self._store.ledger.version(), self._store.files()
        if not version:
            return
        shown = self._store.script_version()
        if shown != version and self._store.writable:
            return  # a writer has just committed, and brings it up to date
        try:
            named = views.named_files(self._store.script.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            named = {}
        wanted_of = {table: views.literals(paths) for table, paths in files.items()}
        moved_from = _elsewhere(wanted_of, named)
        if moved_from and place_of(Path(moved_from)) == self._store.path:
            named = wanted_of  # through a link to where it lies
        elif moved_from:
            yield f"names the files where the lake lay once, in {moved_from}"
            return
        for table, wanted in wanted_of.items():
            found = named.get(table, set())
            for literal in sorted(wanted - found):
                yield f"does not name {literal}, which is live in {table}"
            for literal in sorted(found - wanted):
                yield f"names {literal}, which is not live in {table}"
        if named and not self._store.script_is_as_written():
            yield "its content was changed since it was written"

    def strays(self) -> Iterator[Finding]:
        """No file lies among the segments that is none."""
        strays = self._unnamed()
        if strays and self._store.writable:
            # A commit publishes its files before it names them: ask again when none is under way.
            with self._store.ledger.writing(self._waiting, task="verify"):
                strays = self._unnamed()
        for path in strays:
            if path.is_file() and path.suffix == ".parquet" and hash_of(path) == path.stem:
                self.outcome.leftovers.append(path)
            else:
                problem = "the ledger does not name it, and it is no file of tunelog's"
                yield Finding("files_are_named", self._place(path), problem, "move it away")

    def _unnamed(self) -> list[Path]:
        named = self._store.ledger.named_files()
        return sorted(
            path
            for folder in (*DATA_TABLES, "ledger")
            if (self._store.path / folder).is_dir()  # copies often lack those that were empty
            for path in (self._store.path / folder).iterdir()
            if (folder, path.name) not in named
            and path not in [self._store.empty(kind) for kind in TABLES]
        )


def _elsewhere(wanted: Mapping[str, set[str]], named: Mapping[str, set[str]]) -> str | None:
    """The other folder in which a script names the very files that are wanted."""
    here, there = (
        [path.strip("'").rsplit("/", 2) for each in paths.values() for path in sorted(each)]
        for paths in (wanted, {table: named.get(table, set()) for table in wanted})
    )
    folders = {path[0] for path in there}
    same = [path[1:] for path in here] == [path[1:] for path in there]
    if not same or here == there or len(folders) != 1:
        return None
    return folders.pop().replace("''", "'")


def _changed(path: Path, size: int) -> str | None:
    """How a file differs from what its name and the ledger say; None where it does not.

    Raises:
        OSError: It is not there, or cannot be read.
    """
    held = path.stat().st_size
    if held != size:
        return f"holds {held:,} bytes, and the ledger says {size:,}"
    digest = hash_of(path)
    return f"its content was changed: its hash is {digest} now" if digest != path.stem else None


def _is_empty(path: Path, schema: pa.Schema) -> bool:
    try:
        return bool(pq.read_table(path).equals(schema.empty_table()))
    except (OSError, ValueError, pa.ArrowException):  # as which damaged bytes are told
        return False


def _listed(
    con: DuckDBPyConnection, rule: str, query: str, sentence: str, advice: str = _ANEW
) -> Iterator[Finding]:
    """The rows of a query as findings: some in full, of the others their number."""
    query = query.rstrip().removesuffix(";")
    # mostly there are none, and a relation would be planned twice to say so
    if not con.execute(f"from (\n{query}\n) limit 1").fetchall():
        return
    count = 0
    for batch in con.sql(query).to_arrow_reader(1_000):
        for row in batch.slice(0, max(0, LISTED - count)).to_pylist():
            yield Finding(rule, _told(row), f"breaks the rule: {sentence}", advice)
        count += len(batch)
    if count > LISTED:
        left = f"and {count - LISTED:,} more"
        yield Finding(rule, left, f"break the rule: {sentence}", advice)


def _told(row: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items() if value is not None)
