"""The views over a lake: their script, their order, and what each of them answers.

A view is one file under ``sql/views/<layer>/``; its header and its comments are the only place
where it is described.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.contract import DATA_TABLES, TABLES
from pipeline.errors import LakeError, UsageError, nearest
from pipeline.idle import started
from pipeline.sqlfiles import literal, statements
from pipeline.view_files import (
    DEFERRED,
    NO_ROWS,
    PREFIX,
    SPOKEN,
    ViewFile,
    view_files,
    view_texts,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_USAGE = """\
-- The views of this lake, for any DuckDB from 1.4 on, but 1.5.3. Made anew by each commit: do not
-- edit.
--
--   duckdb -init open.sql                    the DuckDB shell, then: from jobs;
--   con.execute(Path("open.sql").read_text())    from a program
--
-- The files are named by their absolute paths: a lake that was moved needs `tunelog compact`
-- once to name them anew.
"""

_UNIT = re.compile(r"\s*\[([^\]]+)\]$")

_COLUMNS = "select table_name, column_name, data_type from duckdb_columns() order by column_index"

_LISTED = re.compile(rf"view {PREFIX}(\w+) as\nselect \* from read_parquet\(\[\n(.*?)\n\]", re.S)

OF_ALL = ("leaderboard",)
"""Views whose rows tell a job's place among all, or among those that are asked for."""

_CATALOGUE = ("duckdb_", "information_schema", "pg_", "sqlite_", "show", "describe")

# No view: lists of tables are for who asks, and nobody asks this one.
_NO_JOBS = f"""create or replace macro {PREFIX}no_jobs() as table
select null::varchar as job_id where false;
"""

# Footers of immutable segments are worth keeping: they are read by every query.
# A person's own settings must not turn what stands in a view about.
_SETTINGS = """set TimeZone = 'UTC';
set default_order = 'asc';
set parquet_metadata_cache = true;
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a view.

    Attributes:
        name: name in SQL.
        type: DuckDB's name of its type.
        comment: what it means, its unit in brackets at the end.
    """

    name: str
    type: str
    comment: str

    @property
    def unit(self) -> str | None:
        """Its unit, None where it has none."""
        found = _UNIT.search(self.comment)
        return found[1] if found else None

    @property
    def meaning(self) -> str:
        """What it means, without the unit."""
        return _UNIT.sub("", self.comment)


@dataclass(frozen=True)
class View(ViewFile):
    """A view with its columns, in order, whose types only an engine knows."""

    columns: tuple[Column, ...]


def script(
    files: Mapping[str, Sequence[str]],
    *,
    only: Iterable[str] | None = None,
    known: Collection[str] = (),
    jobs: Collection[str] = (),
    quick: bool = False,
) -> str:
    """The text of `open.sql`: every table of the lake and every view over it.

    It changes nothing but the session's time zone and Parquet footer cache, and runs in the Python
    package and in the DuckDB shell alike.

    Args:
        files: table of `contract.TABLES` -> absolute paths of its Parquet files, at least one each;
            `SPOKEN` -> those of events that it is made of, or none; all where it is not given.
        only: views to make, with those they read; all where None. Those that are optional are made
            with the tables, as it depends on these what they are.
        known: views that are made already.
        jobs: ids of the jobs that the views tell of, see `focus`; all where none is given.
        quick: make them in a tenth of the time, for the engine that tunelog brings along: each is
            planned when it is first asked, and has no comments, which need its plan.

    Raises:
        LakeError: a table has no file (write an empty Parquet file with its schema), or a view of
            `only` does not exist.
    """
    wanted = closure(only).difference(known)
    parts = [_USAGE, _SETTINGS]
    deferred = DEFERRED if quick else ""
    for table in TABLES:
        paths = files.get(table)
        if not paths:
            raise LakeError(f"{table}: no Parquet file: the lake needs one at least, with no rows")
        parts.append(_table(table, _read(paths), deferred))
    if spoken := files.get(SPOKEN):
        parts.append(_table(SPOKEN, _read(spoken), deferred))
    else:  # an engine that knows that there are no rows leaves out what would be made of them
        condition = " where false" if SPOKEN in files else ""
        parts.append(_table(SPOKEN, f"select * from {PREFIX}events{condition}", deferred))
    if jobs:
        parts.append(focus(jobs))
    parts.append(_NO_JOBS)
    bare = {PREFIX + table for table in (*TABLES, SPOKEN) if _has_no_rows(table, files)}
    return "\n".join([*parts, view_texts(frozenset(wanted), frozenset(bare), quick)])


def focus(jobs: Collection[str]) -> str:
    """What lets all views over the tables of a lake tell of some jobs alone, some hundreds at most.

    `sources`, `history` and the dumps that jobs are in stay those of the whole lake. Views whose
    rows say how a job stands among all (`OF_ALL`) then say how it stands among these.

    Raises:
        UsageError: an id is no text that could be stored.
    """
    for job in jobs:
        if re.search(r"[\ud800-\udfff]", job):
            raise UsageError(f"{job!r}: no job of that name: see `tunelog show jobs`")
    text, listed = statements("query/focus"), ", ".join(map(literal, sorted(set(jobs))))
    return "\n".join(text.format(table=t, jobs=listed) for t in (*DATA_TABLES, SPOKEN))


def _has_no_rows(table: str, files: Mapping[str, Sequence[str]]) -> bool:
    """Whether the names of a table's files tell that it has none."""
    if table == SPOKEN:
        return SPOKEN in files and not files[SPOKEN]
    return [Path(path).name for path in files[table]] == [NO_ROWS.format(table)]


def _table(name: str, query: str, deferred: str) -> str:
    return f"create or replace view {PREFIX}{name}{deferred} as\n{query};\n"


def _read(paths: Iterable[str]) -> str:
    listed = ",\n    ".join(map(_literal, paths))
    # A lake may lie below a folder called `step=7`: no column of its own.
    return f"select * from read_parquet([\n    {listed}\n], hive_partitioning = false)"


def closure(only: Iterable[str] | None) -> set[str]:
    """The views named, and all that they read."""
    reads = {file.name: file.reads for file in view_files()}
    found: set[str] = set()
    left = list(reads) if only is None else list(only)
    while left:
        name = left.pop()
        if name not in reads:
            raise LakeError(f"{name}: no such view: `tunelog views` lists them")
        found.add(name)
        left.extend(read for read in reads[name] if read in reads and read not in found)
    return found


def named(query: str) -> set[str] | None:
    """The views that the text of a query may read: those whose names stand in it.

    Returns:
        Their names; None for all, where the query asks the catalogue itself.
    """
    words = set(re.findall(r"\w+", query.lower()))
    if any(word.startswith(_CATALOGUE) for word in words):
        return None
    return words & {file.name for file in view_files()}


def named_files(text: str) -> dict[str, set[str]]:
    """Table -> the files that the text of a script names, as literals."""
    return {
        table: {line.strip().removesuffix(",") for line in listed.splitlines()}
        for table, listed in _LISTED.findall(text)
    }


def literals(paths: Iterable[str]) -> set[str]:
    """Paths as a script names them."""
    return {_literal(path) for path in paths}


def _literal(path: str) -> str:
    """A path as a SQL literal that names this file only, whatever characters are in it."""
    return literal(re.sub(r"[*?\[]", lambda match: f"[{match[0]}]", path))


def create(
    con: DuckDBPyConnection,
    files: Mapping[str, Sequence[str]],
    *,
    only: Iterable[str] | None = None,
    known: Collection[str] = (),
    jobs: Collection[str] = (),
) -> None:
    """Make the tables and views of the lake in a connection.

    Args:
        con: any DuckDB connection; views of the same names are replaced.
        files: as in `script`.
        only: as in `script`.
        known: as in `script`.
        jobs: as in `script`.

    Raises:
        LakeError: as `script`.
    """
    con.execute(script(files, only=only, known=known, jobs=jobs, quick=True))


@cache
def orders() -> dict[str, tuple[str, ...]]:
    """By name of every view, the columns to sort its rows by for reading."""
    return {file.name: file.order for file in view_files()}


def known_view(name: str) -> str:
    """The name of a view, which exists.

    Raises:
        UsageError: there is none; the message names the nearest.
    """
    known = orders()
    if name not in known:
        raise UsageError(f"{name}: no such view{nearest(name, known)}: see `tunelog views`")
    return name


@cache
def column_names(name: str) -> tuple[str, ...]:
    """The columns of a view, for a mart as its comments tell them, which needs no engine."""
    told = next(file.comments for file in view_files() if file.name == name)
    return tuple(told) or tuple(column.name for column in find(name).columns)


def find(name: str) -> View:
    """The view of that name, which must exist. Needs no lake."""
    return next(view for view in _described(name) if view.name == name)


def catalogue() -> tuple[View, ...]:
    """Every view, marts first, each layer by name. Needs no lake."""
    return tuple(sorted(_described(None), key=lambda view: (view.layer, view.name)))


@cache
def _described(name: str | None) -> tuple[View, ...]:
    """All views, or one and those it reads: only an engine that made them knows their columns."""
    wanted = closure(None if name is None else [name])
    files = [file for file in view_files() if file.name in wanted]
    with started() as con:
        for table, schema in TABLES.items():
            con.register(PREFIX + table, schema.empty_table())
        con.execute(_table(SPOKEN, f"select * from {PREFIX}events", ""))
        con.execute("\n".join(file.quick for file in files))
        described = con.execute(_COLUMNS).fetchall()
    columns: dict[str, list[tuple[str, str]]] = {}
    for view, column, kind in described:
        columns.setdefault(view, []).append((column, kind))
    return tuple(
        View(
            file.name, file.layer, file.question, file.fields, file.sql,
            tuple(Column(*told, file.comments.get(told[0], "")) for told in columns[file.name]),
        )
        for file in files
    )  # fmt: skip
