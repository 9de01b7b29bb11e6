"""`tunelog.toml`: which rules make a check fail, and from which values on detectors speak."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError, nearest
from pipeline.sqlfiles import sql_text

FILE_NAME = "tunelog.toml"

RULES = ("error", "nan", "divergence", "overfit", "spike", "stall", "gap")
"""The rules of the view `verdicts`; the help of `tunelog check` says when each trips."""

FAIL_ON = ("error", "nan", "divergence")
"""Rules that make a check fail by default: after these there is no model, or none worth having."""

_COUNTS = ("point", "evaluation", "gap", "leap")
"""Units of thresholds that are whole numbers."""
_MOST_COUNTED = 1e9
"""More of them no job has, and the engine counts in 64 bits."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A number from which on a detector speaks; see the view `thresholds`.

    Attributes:
        value: its default.
        least: the least it can be.
        most: the most it can be, infinite where it has no end.
    """

    value: float
    unit: str
    least: float
    most: float

    def problem(self, value: object) -> str | None:
        """What is wrong with a value, and what to write instead; None if nothing is."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"{_shown(value)} is no number"
        if not math.isfinite(value):
            return f"{value} is not finite"
        if self.unit in _COUNTS and value != int(value):
            return f"{value} is no whole number, which {self.unit}s are"
        if not self.least <= value <= self.most:
            span = f"{self.least:g} or more"
            if math.isfinite(self.most):
                span = f"{self.least:g} to {self.most:,.10g}"
            return f"{value} is out of range: give {span}"
        return None


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user set.

    Attributes:
        fail_on: rules that make a check fail.
        thresholds: (detector, threshold) -> value, of those set.
        path: the file they are from, None for the defaults.
    """

    fail_on: tuple[str, ...] = FAIL_ON
    thresholds: Mapping[tuple[str, str], float] = field(default_factory=dict)
    path: Path | None = None


@cache
def defaults() -> dict[str, dict[str, Threshold]]:
    """Detector -> threshold -> its default and range, as the view `thresholds` has them."""
    import duckdb

    with duckdb.connect() as con:
        con.execute(sql_text("views/marts/thresholds"))
        rows = con.execute("select detector, threshold, value, unit, least, most from thresholds")
        found: dict[str, dict[str, Threshold]] = {}
        for detector, name, value, unit, least, most in rows.fetchall():
            end = _MOST_COUNTED if unit in _COUNTS else math.inf
            end = end if most is None else most
            found.setdefault(detector, {})[name] = Threshold(value, unit, least, end)
    return found


def load(path: str | Path | None = None) -> Settings:
    """Read the settings.

    Args:
        path: the file; `tunelog.toml` in the current folder, if there is one, by default.

    Raises:
        UsageError: no such file, or something in it that is unknown or of the wrong kind.
    """
    file = Path(path or FILE_NAME)
    if path is None and not file.exists() and not file.is_symlink():
        return Settings()
    where = f"--config {file}" if path else f"{file}"
    try:
        told = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        what = "leads to no file" if file.is_symlink() else "no such file"
        raise UsageError(f"{where}: {what}: write it, or leave it out") from None
    except IsADirectoryError:
        raise UsageError(f"{where}: is a folder: name a file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: no TOML: {error}: mend it") from None
    sections = {"check": dict, "thresholds": dict}
    _known(file, "", told, sections)
    check, thresholds = (_table(file, name, told.get(name, {})) for name in sections)
    _known(file, "check", check, ("fail_on",))
    given = check.get("fail_on", list(FAIL_ON))
    given = [given] if given in ("all", "none") else given
    if not isinstance(given, list) or not all(isinstance(rule, str) for rule in given):
        raise UsageError(
            f"{file}: check.fail_on: {_shown(given)} is no list of rules:"
            ' write ["error", "nan"], or "all"'
        )
    return Settings(
        rules(given, f"{file}: check.fail_on"), dict(_thresholds(file, thresholds)), file
    )


def rules(names: Iterable[str], where: str) -> tuple[str, ...]:
    """The rules named, in their order in `RULES`; `all` and `none` are understood.

    Raises:
        UsageError: there is no such rule; the message begins with `where`.
    """
    wanted = [name.strip() for name in names]
    for name in wanted:
        if name not in (*RULES, "all", "none"):
            hint = nearest(name, (*RULES, "all", "none"))[2:] or f"give {', '.join(RULES)}"
            raise UsageError(f"{where}: no rule {name!r}: {hint}")
    if "none" in wanted and len(wanted) > 1:
        raise UsageError(f"{where}: 'none' beside {len(wanted) - 1} others: leave one out")
    return tuple(rule for rule in RULES if rule in wanted or "all" in wanted)


def _thresholds(file: Path, sections: Mapping[str, Any]) -> Iterable[tuple[tuple[str, str], float]]:
    known = defaults()
    _known(file, "thresholds", sections, known)
    for detector, section in sections.items():
        _known(file, f"thresholds.{detector}", _table(file, f"thresholds.{detector}", section),
               known[detector])  # fmt: skip
        for name, value in section.items():
            if problem := known[detector][name].problem(value):
                default = f"the default is {known[detector][name].value:g}"
                raise UsageError(f"{file}: thresholds.{detector}.{name}: {problem} ({default})")
            yield (detector, name), float(value)


def _table(file: Path, key: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(
            f"{file}: {key}: {_shown(value)} is no table: write [{key}] above its keys"
        )
    return value


def _known(file: Path, key: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse the first key that is not known."""
    names = list(known)
    for name in given:
        if name not in names:
            hint = nearest(name, names)[2:] or f"known are {', '.join(names)}"
            raise UsageError(f"{file}: {f'{key}.{name}' if key else name}: unknown: {hint}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
