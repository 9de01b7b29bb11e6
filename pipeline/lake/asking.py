"""What a lake answers, and how it is opened and closed."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Self

from pipeline import views
from pipeline.charts.drawn import Drawn
from pipeline.charts.read import whole_job_id
from pipeline.errors import LakeError, UsageError
from pipeline.idle import started
from pipeline.interrupts import hearing
from pipeline.lake.faults import told_of, told_of_engines
from pipeline.lake.store import Store, fit_place, is_made

if TYPE_CHECKING:
    import duckdb
    import polars as pl

    from pipeline.lake.verify import Verification
    from pipeline.telling import Progress, Waiting

_GIVES_ROWS = {"SELECT": True, "EXPLAIN": True, "MULTI": True}  # a pivot counts as several
_QUOTED = re.compile(r"""(["'])(?:(?!\1).|\1\1)*\1""", re.DOTALL)
"""Names of fields and values of enums, as a type's text has those that look like types."""


class Asking(Drawn):
    """The asking half of a lake; where there is none yet, what asks says so and makes nothing."""

    def __init__(self, path: Path, *, create: bool) -> None:
        """Open the lake in a folder; see `open_lake`."""
        self._path, self._create = fit_place(path), create
        self._opened: Store | None = None
        self._con: duckdb.DuckDBPyConnection | None = None
        self._files: dict[str, list[str]] = {}
        self._made: set[str] = set()
        self._is_closed = False
        self._process = os.getpid()
        self._turn = RLock()
        if is_made(self._path) or not create:
            self._opened = Store(self._path, create=create)

    def __repr__(self) -> str:
        return f"<Lake {str(self._path)!r}>"

    @property
    def path(self) -> Path:
        """The lake's folder."""
        return self._path

    @property
    def _store(self) -> Store:
        """The store of what changes the lake: made where there is none.

        Opened anew where the one before is past: else a commit would go into a ledger that nobody
        finds, or an answer come from it.
        """
        self._refuse_closed()
        with self._turn:
            if self._opened is not None and self._opened.ledger.is_past:
                self._opened.ledger.close()
                self._opened = None
            if self._opened is None:
                with told_of(self._path):
                    self._opened = Store(self._path, create=self._create)
            return self._opened

    @property
    def _found(self) -> Store:
        """The store of what reads the lake.

        Raises:
            LakeError: nothing has made one yet.
        """
        self._refuse_closed()
        if not is_made(self._path):
            raise LakeError(f"{self._path}: no lake here: ingest first, or check the path")
        return self._store

    def _refuse_closed(self) -> None:
        if self._is_closed:
            raise UsageError("the lake is closed: open it again")
        if self._process != os.getpid():  # engines, and polars, would wait forever
            raise UsageError("the lake was opened before a fork: spawn workers that open it")

    def make(self) -> None:
        """Make the lake now, where there is none, so that what stands in the way is told.

        Raises:
            LakeError: it cannot be made, or written.
        """
        with told_of(self._path), self._store.workspace():
            pass

    def __enter__(self) -> Self:
        self._refuse_closed()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the lake, for good; what it gave out stays."""
        with self._turn:
            self._forget()
            if self._opened is not None:
                self._opened.ledger.close()
            self._is_closed = True

    # -- asking ---------------------------------------------------------------------------------
    def connect(
        self, only: Iterable[str] | None = None, *, jobs: Iterable[str] | None = None
    ) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection with the views over what the lake holds now.

        It sees no later commit. Once it finds a file no more, as a compaction deletes what was
        replaced a day ago, connect again.

        Args:
            only: views to make, with those they read, or one; all where None.
            jobs: the jobs that the views tell of, some hundreds at most, or one, by their ids or
                beginnings; all where None. `leaderboard` then ranks these; `sources` and
                `history` stay whole.

        Raises:
            LakeError: a view of `only` does not exist, or there is no lake.
            UsageError: as `whole_job_id`, or `jobs` is empty, as what was filtered may be.
        """
        con = _engine()
        only = [only] if isinstance(only, str) else only
        named = [jobs] if isinstance(jobs, str) else list(() if jobs is None else jobs)
        if jobs is not None and not named:
            raise UsageError(f"jobs={named}: names no job: leave it out for all of them")
        wanted = [self.whole_job_id(job) for job in named]
        views.create(con, self._live(), only=only, jobs=wanted)
        return con

    def sql(self, query: str, /, **params: Any) -> pl.DataFrame:
        """The rows of a query; `$name` stands for a parameter, be it a column of polars.

        Raises:
            LakeError: there is no lake, or `refresh` is due: files of the snapshot are gone.
            UsageError: it is no single query: it is empty, or a command, or there are several; or
                a column is an INTERVAL, as differences of times are, which polars has not.
            duckdb.Error: the engine does not understand it.
        """
        with self._turn:
            con = self._connection(views.named(query))
            if [_GIVES_ROWS.get(s.type.name) for s in con.extract_statements(query)] != [True]:
                raise UsageError(f"{query!r}: no query: write one that gives rows, as a select")
            given = {name: _taken(value) for name, value in params.items()}
            rows = con.sql(query, params=given or None)
            for name, kind in zip(rows.columns, rows.types, strict=True):
                if re.search(r"\bINTERVAL\b", _QUOTED.sub("", str(kind))):
                    raise UsageError(f"{name}: polars has no INTERVAL: ask for epoch(...), seconds")
            return rows.pl()

    def view(self, name: str) -> pl.DataFrame:
        """All rows of a view, in the order of its grain.

        Raises:
            LakeError: as `sql`.
            UsageError: there is no such view.
        """
        order = ", ".join(views.orders()[views.known_view(name)])
        with self._turn:
            return self._connection({name}).sql(f"from {name} order by {order}").pl()

    def refresh(self) -> None:
        """Let `sql` and `view` see what was committed since."""
        self._refuse_closed()
        self._forget()

    def _connection(self, wanted: set[str] | None) -> duckdb.DuckDBPyConnection:
        """The connection of `sql` and `view`: one snapshot, in which views are made when asked.

        For one thread at a time, so for who has the turn.
        """
        self._refuse_closed()
        con, files, made = self._con, self._files, self._made
        if con is None:
            con, files, made = _engine(), self._live(), set()
        elif self._is_past():
            raise LakeError(f"{self._path}: was compacted since it was read: call refresh()")
        wanted = views.closure(wanted)
        if con is not self._con or not wanted <= made:
            views.create(con, files, only=wanted, known=made)
        self._con, self._files, self._made = con, files, made | wanted
        return con

    def _is_past(self) -> bool:
        """Whether files of the snapshot were replaced so long ago that they are gone."""
        gone = (not Path(file).exists() for files in self._files.values() for file in files)
        return any(gone) and self._files != self._live()

    def _forget(self) -> None:
        with self._turn:
            if self._con is not None:  # it would keep what it read of files that are gone
                self._con.close()
                self._con = None

    def snapshot(
        self, only: Iterable[str] | None = None, *, jobs: Collection[str] = ()
    ) -> tuple[str, list[str]]:
        """The text of `open.sql` over what the lake holds now, and the live files that it reads.

        They are of one moment: a commit in between would part them.

        Args:
            only: views to make, with those they read, quickly and without comments; all where None.
            jobs: as in `connect`.
        """
        files = self._live()
        text = views.script(files, only=only, jobs=jobs, quick=only is not None)
        return text, [file for paths in files.values() for file in paths]

    @contextmanager
    def spill(self) -> Iterator[Path | None]:
        """A folder for what an engine cannot hold; None where none can be made."""
        with ExitStack() as stack:
            folder = None
            with suppress(OSError, LakeError):
                folder = stack.enter_context(self._found.spill())
            yield folder

    def telling_damage(self) -> AbstractContextManager[None]:
        """A context in which failures of the engine over damaged files pass as `LakeError`."""
        self._refuse_closed()
        return told_of_engines(self.path, self._damage)

    def _damage(self) -> LakeError | None:
        from pipeline.lake.damage import damage

        return damage(file for files in self._live().values() for file in files)

    def _live(self) -> dict[str, list[str]]:
        with self._turn:
            return self._found.files()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """The turn of a thread that writes: others would see, and show, half of its commit.

        What it has written `sql` and `view` see from then on.
        """
        with self._turn, told_of(self.path, self._damage):
            yield
            self._forget()

    def whole_job_id(self, job: str) -> str:
        """The id of the one job that is called so, or whose id begins so.

        Raises:
            UsageError: no job of the lake is, or several do.
        """
        with self._turn:
            is_text = isinstance(job, str) and job.isprintable()  # or SQLite fails
            if is_text and self._found.ledger.has_events_of(job):
                return job
            return whole_job_id(self._connection(set()), job)

    def export_events(self, job: str | None = None) -> Iterator[str]:
        """The original events as JSON text, one a line, each JSON-equal to what was read.

        Jobs follow one another: what is told beside the events (of objects the fields that the
        lake keeps), a line that names the job, the events, oldest first. Read again, it makes the
        same lake.

        Args:
            job: the job, by its id or a beginning; all where None.

        Raises:
            UsageError: as `whole_job_id`.
        """
        from pipeline.lake.export import lines

        job_id = None if job is None else self.whole_job_id(job)
        return lines(self.connect(["events"]), job_id, self.spill())

    def verify(
        self, *, progress: Progress | None = None, waiting: Waiting | None = None
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

        with self._turn:
            return verify(self._found, progress=progress, waiting=waiting)


def _taken(value: Any) -> Any:
    """A parameter as the engine takes it, which knows no column and not all of numpy's numbers."""
    if hasattr(value, "to_list"):
        return value.to_list()
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    return value.item() if kind in tuple("biuf") and value.ndim == 0 else value


def _engine() -> duckdb.DuckDBPyConnection:
    return hearing(started())
