"""A lake as its users hold it: ingest, ask, mend."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import views
from pipeline.charts.drawn import Drawn
from pipeline.charts.read import whole_job_id
from pipeline.contract import DEFAULT_MAX_EXPANSION, DEFAULT_MAX_RECORD_BYTES
from pipeline.errors import LakeError, UsageError
from pipeline.interrupts import hearing
from pipeline.lake.faults import told_of, told_of_engines
from pipeline.lake.store import Store, place_of

if TYPE_CHECKING:
    import duckdb
    import polars as pl

    from pipeline.lake.ingest import Progress
    from pipeline.lake.mend import ReplayReport
    from pipeline.lake.reports import IngestReport
    from pipeline.lake.verify import Verification


_GIVES_ROWS = {"SELECT": True, "EXPLAIN": True, "MULTI": True}  # a pivot counts as several


def open_lake(path: str | Path = "lake", *, create: bool = True) -> Lake:
    """Open a lake.

    Args:
        path: its folder.
        create: make it where there is none.

    Raises:
        LakeError: there is no lake, or it cannot be used.
    """
    with told_of(place_of(path)):
        return Lake(Path(path), create=create)


class Lake(Drawn):
    """A folder of Parquet segments and the ledger that says what is in them.

    Use it as a context manager, or close it. A connection it gives out is a snapshot.
    """

    def __init__(self, path: Path, *, create: bool) -> None:
        """Open the lake in a folder; see `open_lake`."""
        self._store = Store(path, create=create)
        self._con: duckdb.DuckDBPyConnection | None = None
        self._files: dict[str, list[str]] = {}
        self._made: set[str] = set()

    @property
    def path(self) -> Path:
        """The lake's folder."""
        return self._store.path

    def __enter__(self) -> Lake:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the lake."""
        self._forget()
        if self._con is not None:
            self._con.close()
            self._con, self._made = None, set()
        self._store.ledger.close()

    # -- asking ---------------------------------------------------------------------------------

    def connect(
        self, only: Iterable[str] | None = None, *, jobs: Iterable[str] = ()
    ) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection with the views over what the lake holds now.

        Args:
            only: views to make, with those they read, or one; all where None.
            jobs: the jobs that the views tell of, some hundreds at most, or one, by their ids or
                beginnings; all where none is given. `leaderboard` then ranks these; `sources` and
                `history` stay whole.

        Raises:
            LakeError: a view of `only` does not exist.
            UsageError: as `whole_job_id`.
        """
        con = _engine()
        only = [only] if isinstance(only, str) else only
        jobs = [self.whole_job_id(job) for job in ([jobs] if isinstance(jobs, str) else jobs)]
        views.create(con, self._store.files(), only=only, jobs=jobs)
        return con

    def sql(self, query: str, **params: Any) -> pl.DataFrame:
        """The rows of a query; `$name` stands for a parameter.

        Raises:
            UsageError: it is no single query: it is empty, or a command, or there are several.
            duckdb.Error: the engine does not understand it.
        """
        con = self._connection(views.named(query))
        if [_GIVES_ROWS.get(s.type.name) for s in con.extract_statements(query)] != [True]:
            raise UsageError(f"{query!r}: no query: write one that gives rows, as a select")
        return con.sql(query, params=params or None).pl()

    def view(self, name: str) -> pl.DataFrame:
        """All rows of a view, in the order of its grain.

        Raises:
            UsageError: there is no such view.
        """
        order = views.orders().get(name)
        if order is None:
            raise UsageError(f"{name}: no such view: `tunelog views` lists them")
        return self._connection({name}).view(name).order(", ".join(order)).pl()

    def refresh(self) -> None:
        """Let `sql` and `view` see what was committed since."""
        self._forget()

    def _connection(self, wanted: set[str] | None) -> duckdb.DuckDBPyConnection:
        """The connection of `sql` and `view`: one snapshot, in which views are made when asked."""
        self._con = self._con or _engine()
        if not self._files:  # the views read what stands under the names of the tables
            self._files = self._store.files()
            views.create(self._con, self._files, only=[])
        if not (wanted := views.closure(wanted)) <= self._made:
            views.create(self._con, self._files, only=wanted, known=self._made)
            self._made |= wanted
        return self._con

    def _forget(self) -> None:
        self._files = {}

    def snapshot(
        self, only: Iterable[str] | None = None, *, jobs: Collection[str] = ()
    ) -> tuple[str, list[str]]:
        """The text of `open.sql` over what the lake holds now, and the live files that it reads.

        They are of one moment: a commit in between would part them.

        Args:
            only: views to make, with those they read, quickly and without comments; all where None.
            jobs: as in `connect`.
        """
        files = self._store.files()
        text = views.script(files, only=only, jobs=jobs, quick=only is not None)
        return text, [file for paths in files.values() for file in paths]

    def telling_damage(self) -> AbstractContextManager[None]:
        """A context in which failures of the engine over damaged files pass as `LakeError`."""
        return told_of_engines(self.path, self._damage)

    def _damage(self) -> LakeError | None:
        from pipeline.lake.damage import damage

        return damage(file for files in self._store.files().values() for file in files)

    def whole_job_id(self, job: str) -> str:
        """The id of the one job that is called so, or whose id begins so.

        Raises:
            UsageError: no job of the lake is, or several do.
        """
        is_known = job.isprintable() and self._store.ledger.has_events_of(job)  # or SQLite fails
        return job if is_known else whole_job_id(self._connection(set()), job)

    def export_events(self, job_id: str | None = None) -> Iterator[str]:
        """The original events as JSON text, one a line, each JSON-equal to what was read.

        Jobs follow one another: what is told beside the events (of objects the fields that the
        lake keeps), a line that names the job, the events, oldest first. Read again, it makes the
        same lake.
        """
        from pipeline.lake.export import lines

        return lines(self.connect(["events"]), job_id)

    def verify(
        self, *, progress: Progress | None = None, waiting: Callable[[str], None] | None = None
    ) -> Verification:
        """Look whether all that the lake holds is there, whole, and by its rules.

        Every segment against its hash and the ledger, every rule of `sql/checks` on the rows,
        SQLite's own check of the ledger, the ledger's snapshots and `open.sql` against the
        ledger, and files that nothing names. Nothing is changed.

        Args:
            progress: told the bytes read and to read.
            waiting: called once if a file can be judged only when another process has committed.

        Raises:
            OSError: a file cannot be read.
        """
        from pipeline.lake.verify import verify

        return verify(self._store, progress=progress, waiting=waiting)

    # -- changing -------------------------------------------------------------------------------

    def ingest(
        self,
        paths: str | Path | Sequence[str | Path],
        *,
        job_id: str | None = None,
        force: bool = False,
        max_record_bytes: int = DEFAULT_MAX_RECORD_BYTES,
        max_expansion: int = DEFAULT_MAX_EXPANSION,
        progress: Progress | None = None,
        waiting: Callable[[str], None] | None = None,
    ) -> IngestReport:
        """Read event dumps into the lake, all in one commit.

        Args:
            paths: files, folders, globs, `-` for stdin, or one of these.
            job_id: the job all of it belongs to.
            force: let `job_id` stand against what the dumps say themselves.
            max_record_bytes: longer records become rejects [byte].
            max_expansion: compressed files whose content is more times as long are refused.
            progress: told the bytes done and, where known, to do.
            waiting: told once who holds the lake, if another process does.

        Raises:
            UsageError: no such path, or `job_id` contradicts a dump.
            LakeError: the lake cannot be written.
        """
        from pipeline.lake.compact import compact_if_worth
        from pipeline.lake.ingest import ingest

        paths = [paths] if isinstance(paths, str | Path) else paths
        with told_of(self.path, self._damage):
            report = ingest(
                self._store, [str(path) for path in paths], job_id=job_id, force=force,
                max_record_bytes=max_record_bytes, max_expansion=max_expansion,
                progress=progress, waiting=waiting,
            )  # fmt: skip
        try:
            with told_of(self.path, self._damage):
                compact_if_worth(self._store, waiting)
        except LakeError as error:
            raise LakeError(f"{error} (all that was read is in the lake)") from error
        finally:
            self._forget()
        return report

    def assign(
        self,
        source: str,
        job: str,
        *,
        force: bool = False,
        waiting: Callable[[str], None] | None = None,
    ) -> int:
        """Give the unattributed events of a source to a job; how many events moved.

        Args:
            source: source id or path.
            job: job id.
            force: move events that have a job already, too.
            waiting: told once who holds the lake, if another process does.

        Raises:
            UsageError: no such source, or all of it has another job.
            LakeError: the lake cannot be written.
        """
        from pipeline.lake.mend import assign

        with told_of(self.path, self._damage):
            moved = assign(self._store, source, job, force=force, waiting=waiting)
        self._forget()
        return moved

    def replay_rejects(
        self,
        *,
        max_record_bytes: int = DEFAULT_MAX_RECORD_BYTES,
        waiting: Callable[[str], None] | None = None,
    ) -> ReplayReport:
        """Read the rejects again with this version; those that pass become events, once.

        Args:
            max_record_bytes: records that were too large pass up to this size; those of more than
                64 KiB are read from their files, which must be what they were [byte].
            waiting: told once who holds the lake, if another process does.

        Raises:
            LakeError: the lake cannot be written.
        """
        from pipeline.lake.mend import replay

        with told_of(self.path, self._damage):
            report = replay(self._store, max_record_bytes=max_record_bytes, waiting=waiting)
        self._forget()
        return report

    def compact(
        self, *, keep_hours: float = 24, waiting: Callable[[str], None] | None = None
    ) -> int:
        """Merge all segments into few, sorted by job and time; how many were merged.

        Args:
            keep_hours: how long files that were replaced stay, for readers that have them open [h].
            waiting: told who holds the lake, if another process does.

        Raises:
            LakeError: the lake cannot be written.
        """
        from pipeline.lake.compact import compact

        with told_of(self.path, self._damage):
            merged = compact(self._store, everything=True, keep_hours=keep_hours, waiting=waiting)
        self._forget()
        return merged


def _engine() -> duckdb.DuckDBPyConnection:
    import duckdb

    con = duckdb.connect(
        config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    )
    return hearing(con)
