"""The files of the views as they lie under ``sql/views/<layer>/``: header, SQL, comments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from graphlib import CycleError, TopologicalSorter

from pipeline.contract import TABLES
from pipeline.errors import LakeError
from pipeline.sqlfiles import sql_root, statements

PREFIX = "lake_"
"""Of the tables of a lake, in SQL."""

SPOKEN = "spoken"
"""The segments of events in which a message may tell a step that no payload gives (few lakes have
any), beside the tables: views read them as `lake_spoken`."""

NO_ROWS = "no-{}.parquet"
"""Name of the file that stands for a table without rows."""

DEFERRED = " with (defer_binding)"
"""What lets an engine plan a view when it is first asked; DuckDB knows it from 2.0 on."""

_FIELD = re.compile(r"^(Grain|Order|Reads|Columns|Parameters|Caveat|Source): *(.*)$")
_COMMENT = re.compile(r"^comment on column \w+\.\"?(\w+)\"? is\s+'((?:[^']|'')*)'", re.M)
_WINDOW = r" as \(\s*(?:partition|order) by\b"
_VIEW = re.compile(r"^(create or replace view \w+) as$", re.M)


@dataclass(frozen=True)
class ViewFile:
    """A view as its file tells it.

    Attributes:
        name: name in SQL.
        layer: ``staging`` (made to be read by other views) or ``marts`` (made to be asked).
        question: the question it answers.
        fields: those of its header, by name.
        sql: the whole file.
    """

    name: str
    layer: str
    question: str
    fields: dict[str, str]
    sql: str

    @cached_property
    def quick(self) -> str:
        """The view without comments, planned when it is first asked."""
        return _VIEW.sub(rf"\1{DEFERRED} as", self.sql.partition("\ncomment on ")[0])

    @property
    def portable(self) -> str:
        """The view with names of windows that no other has: DuckDB before 2.0 takes a name once in
        a script."""
        sql = self.sql
        windows = {sql[: at.start()].rsplit(None, 1)[-1] for at in re.finditer(_WINDOW, sql)}
        if not windows:
            return sql
        name = rf"\b(?:{'|'.join(sorted(windows))})\b"
        return re.sub(rf"(?<=\bover ){name}|{name}(?={_WINDOW})", rf"\g<0>_of_{self.name}", sql)

    @property
    def is_optional(self) -> bool:
        """It reads tables that many lakes have no rows of, and tells its columns for that case."""
        return "Columns" in self.fields

    def empty(self, deferred: str = "") -> str:
        """The view where its tables have no rows."""
        columns = [column.partition(" ") for column in _names(self.fields["Columns"])]
        parts = {
            "name": self.name,
            "deferred": deferred,
            "columns": ",\n    ".join(
                f"null::{kind} as {name}" if kind else name for name, _, kind in columns
            ),
        }
        return statements("query/no_rows").format(**parts)

    @cached_property
    def comments(self) -> dict[str, str]:
        """Column -> what it means."""
        return {name: text.replace("''", "'") for name, text in _COMMENT.findall(self.sql)}

    @property
    def grain(self) -> tuple[str, ...]:
        """Columns that tell its rows apart."""
        return _names(self.fields["Grain"])

    @cached_property
    def reads(self) -> tuple[str, ...]:
        """Views and ``lake_...`` tables that it is made from."""
        return _names(self.fields["Reads"])

    @property
    def order(self) -> tuple[str, ...]:
        """Columns to sort its rows by for reading; they tell the rows apart as well."""
        return _names(self.fields.get("Order", "") or self.fields["Grain"])

    @property
    def parameters(self) -> str:
        """What it takes when it is called as a table function of its name, with the defaults by
        which the view itself is made; empty where it takes none."""
        return self.fields.get("Parameters", "")

    @property
    def caveat(self) -> str:
        """What to know before trusting it."""
        return self.fields["Caveat"]

    @property
    def source(self) -> str:
        """Where its formula or its facts come from; empty where it has none."""
        return self.fields.get("Source", "")


def header(text: str) -> tuple[str, dict[str, str]]:
    """First sentence and named fields of the comment lines a SQL file begins with."""
    question: list[str] = []
    fields: dict[str, str] = {}
    field = ""
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        content = line.removeprefix("--").strip()
        if match := _FIELD.match(content):
            field, fields[match[1]] = match[1], match[2]
        elif field:
            fields[field] = f"{fields[field]} {content}".strip()
        elif content:
            question.append(content)
    return " ".join(question), fields


@cache
def view_files() -> tuple[ViewFile, ...]:
    """The files of the views, every file after those it reads.

    Raises:
        LakeError: a header lacks a field, or names what does not exist.
    """
    files: dict[str, ViewFile] = {}
    for path in sorted((sql_root() / "views").glob("*/*.sql")):
        text = path.read_text(encoding="utf-8")
        question, fields = header(text)
        if lacking := {"Grain", "Reads", "Caveat"} - fields.keys():
            raise LakeError(
                f"{path}: header without {', '.join(sorted(lacking))}: reinstall tunelog"
            )
        files[path.stem] = ViewFile(path.stem, path.parent.name, question, fields, text)
    graph = {
        name: [_known(name, read, files) for read in file.reads] for name, file in files.items()
    }
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise LakeError(
            f"{sql_root()}: views read each other, {error.args[1]}: reinstall tunelog"
        ) from error
    return tuple(files[name] for name in order if name in files)


@lru_cache(64)  # most lakes have the same tables without rows
def view_texts(wanted: frozenset[str], bare: frozenset[str], quick: bool) -> str:
    """What makes the views of a script, and those that are optional, where nobody wants them, too.

    Args:
        wanted: names of views.
        bare: tables without rows: optional views of these alone are made empty.
        quick: as in `views.script`.
    """
    parts = []
    for file in view_files():
        if file.is_optional and bare.issuperset(file.reads):
            parts.append(file.empty(DEFERRED if quick else ""))
        elif file.is_optional or file.name in wanted:
            parts.append(file.quick if quick else file.portable)
    return "\n".join(parts)


def _known(name: str, read: str, files: Mapping[str, ViewFile]) -> str:
    if read not in files and read.removeprefix(PREFIX) not in (*TABLES, SPOKEN):
        raise LakeError(f"{name}.sql: reads {read!r}, which does not exist: reinstall tunelog")
    return read


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
