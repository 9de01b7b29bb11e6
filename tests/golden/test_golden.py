"""Golden cases: a folder each, input files through real ingest, the rows of its view compared."""

from __future__ import annotations

import csv
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline import open_lake
from pipeline.views import catalogue

HERE = Path(__file__).parent
CASES = sorted(path.parent for path in HERE.glob("*/*/expect.csv"))
VIEWS = {view.name: view for view in catalogue() if view.layer == "marts"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_golden(case: Path, tmp_path: Path) -> None:
    """The view gives exactly the rows of expect.csv, in its order, in the columns named there."""
    with (case / "expect.csv").open(newline="", encoding="utf-8") as file:
        columns, *wanted = list(csv.reader(file))
    inputs = sorted(str(path) for path in case.iterdir() if path.name != "expect.csv")
    view = VIEWS[case.parent.name]
    listed, order = (", ".join(f'"{n}"' for n in names) for names in (columns, view.order))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest(inputs)
        query = f"select {listed} from {view.name} order by {order}"
        found = lake.connect().sql(query).to_arrow_table().to_pylist()
    assert [[text(row[name]) for name in columns] for row in found] == [
        [number(cell) for cell in row] for row in wanted
    ]


def test_every_view_has_a_golden_case() -> None:
    """No view of the marts is without a golden case."""
    assert {case.parent.name for case in CASES} == VIEWS.keys()


def text(value: Any) -> str:
    """A value as expect.csv writes it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, bool):
        return str(value).lower()
    return number(str(value))


def number(cell: str) -> str:
    """A cell with its number, if it is one, in one spelling."""
    try:
        value = float(cell)
    except ValueError:
        return cell
    return repr(int(value)) if math.isfinite(value) and value == int(value) else repr(value)
