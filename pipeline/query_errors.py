"""What the process that answers a query tells of a failure, as one line for who asked."""

from __future__ import annotations

import re

from pipeline.errors import LakeError, QueryError, TunelogError

_MENDS = {
    "ParserException": "write one SELECT in DuckDB's SQL",
    "BinderException": "change it (`tunelog views NAME` lists a view's columns)",
    "CatalogException": "`tunelog views` lists what there is",
}


def query_error(kind: str, text: str, at: int | None, query: str) -> TunelogError:
    """One line from what the child told: where, what, what to do."""
    if kind == "RuntimeError":
        return LakeError(_line(f"lake: {text}: run `tunelog verify`"))
    if kind == "RecursionError" or "expression depth" in text:
        return QueryError("sql: the query nests too deeply: split it with WITH")
    text = text if kind == "Refused" else re.sub(r"^[A-Z][\w ]* Error: ", "", text)
    where = "sql"
    if at is not None:
        before = query.encode()[: int(at)].decode(errors="replace")
        where += (
            f": line {before.count(chr(10)) + 1}, column {len(before.rpartition(chr(10))[2]) + 1}"
        )
    mends = _MENDS.get(kind, "change the query")
    if column := re.match(r'Referenced column "([^"\']{1,40})"', text):
        mends = f"change it, or write '{column[1]}' if it is a text" + mends.removeprefix(
            "change it"
        )
    if "arameter" in text and ("not provided" in text or "count mismatch" in text):
        mends = "give each $NAME of the query its -p NAME VALUE, and no others"
    mends = "" if kind == "Refused" else f": {mends}"
    return QueryError(_line(f"{where}: {text}", mends))


def _line(text: str, end: str = "", most: int = 400) -> str:
    """One printable line, cut in the middle of nothing but its text."""
    text = re.sub(r"!?\s*\n\s*", "; ", text.strip()).replace(":; ", ": ")
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return (text if len(text) <= most else text[: most - 1] + "…") + end
