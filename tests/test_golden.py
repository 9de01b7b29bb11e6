"""Golden cases: a folder each, input files through real ingest, the rows of its view compared."""

from __future__ import annotations

import csv
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import oracle_companions
import pytest
from engine import asked
from oracle_lake import DETECTORS, MARTS, WITH_COMPANIONS, comparable, rows
from oracle_reader import read

from pipeline import open_lake
from pipeline.lake.rules import rules
from pipeline.views import catalogue

HERE = Path(__file__).parent / "golden"
CASES = sorted(path.parent for path in HERE.glob("*/*/expect.csv"))
SAMPLES = HERE.parents[1] / "data" / "samples"
CORPUS = HERE.parents[2] / "shared" / "corpus"
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
        found = rows(asked(lake), query)
    assert [[text(row[name]) for name in columns] for row in found] == [
        [number(cell) for cell in row] for row in wanted
    ]


@pytest.mark.parametrize("folder", [SAMPLES, CORPUS], ids=lambda folder: folder.name)
def test_dumps_equal_the_oracle(folder: Path, tmp_path: Path) -> None:
    """Real dumps and samples give, through ingest, the rows that plain Python reads from them."""
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    paths = [path for path in sorted(folder.rglob("*.json*")) if readable(path)]
    events = [event for event in read(paths) if not event.job_id.startswith("unattributed-")]
    assert events
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([str(path) for path in paths])
        con = asked(lake)
        broken = {check.name: con.execute(check.query).fetchall() for check in rules()}
        assert not any(broken.values()), broken
        beside = oracle_companions.read(paths)
        oracles = MARTS | DETECTORS | WITH_COMPANIONS
        # these look beyond the events of one job, and the oracle does not read all of them
        for view in oracles.keys() - {
            "metric_keys",
            "error_timeline",
            "error_bursts",
            "compare",
            "throughput",
            "leaderboard",
            "unattributed_events",
            "stalls",
            "verdicts",
        }:
            query = f"from {view} where not starts_with(job_id, 'unattributed-')"
            # which of several copies is kept decides its place in the dump
            about = [beside] if view in WITH_COMPANIONS else []
            wanted = [row | {"ordinal": None} for row in oracles[view](events, *about)]
            found = [row | {"ordinal": None} for row in rows(con, query)]
            left, right = comparable(found, wanted)
            assert left == right, view


def readable(path: Path) -> bool:
    """Whether a file is one the oracle reads: plain, and of events that have ids."""
    if path.suffix not in (".json", ".jsonl") or path.name.startswith("hf_"):
        return False
    return "fine-tune-event" not in path.read_text(encoding="utf-8")


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
