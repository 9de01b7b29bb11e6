"""The rules of a lake: queries under ``sql/checks`` that return the rows that break them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pipeline.sqlfiles import sql_root
from pipeline.view_files import header


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the lake as a query that returns the rows that break it.

    Attributes:
        name: file name of the check.
        rule: the rule, as a sentence.
        query: SELECT over the lake's tables and views; no rows where the rule holds.
    """

    name: str
    rule: str
    query: str


@cache
def rules() -> tuple[Rule, ...]:
    """Every rule of the lake, by name, as a query that returns the rows that break it."""
    found = []
    for path in sorted((sql_root() / "checks").glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        found.append(Rule(path.stem, header(text)[0], text))
    return tuple(found)
