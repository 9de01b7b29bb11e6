"""Where SQL lives: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path


@cache
def sql_root() -> Path:
    """The folder that holds `normalise/`, `views/`, `lake/`, ..."""
    package = Path(__file__).resolve().parent
    inside = package / "sql"
    return inside if inside.is_dir() else package.parent / "sql"


@cache
def sql_text(name: str) -> str:
    """The text of one SQL file, as in ``sql_text("normalise/regular")``."""
    return (sql_root() / f"{name}.sql").read_text(encoding="utf-8")


def filled(name: str, **marks: str) -> str:
    """The text of one SQL file with what its marks stand for, such as ``{table}``."""
    text = sql_text(name)
    for mark, words in marks.items():
        text = text.replace(f"{{{mark}}}", words)
    return text


def statements(name: str) -> str:
    """The text of one SQL file without its header, in which marks stand for what is filled in."""
    return re.sub(r"\A(?:--.*\n)*", "", sql_text(name))


def literal(text: object) -> str:
    """A text, or what has one, as a literal of SQL."""
    return "'" + str(text).replace("'", "''") + "'"
