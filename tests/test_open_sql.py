"""`open.sql`: the views in a DuckDB that knows nothing of tunelog."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from engine import fetched

from pipeline import open_lake
from pipeline.views import View, catalogue

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
BROKEN = Path(__file__).parents[1] / "data" / "broken"
MARTS = [view for view in catalogue() if view.layer == "marts"]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with a quote and a space in its path, in which no view is empty."""
    path = tmp_path_factory.mktemp("any duckdb's lakes") / "lake"
    nameless = tmp_path_factory.mktemp("dumps") / "nameless.jsonl"
    nameless.write_text(
        '{"object": "fine_tuning.job.event", "id": "ftevent-nameless", "created_at": 1700000000, '
        '"level": "info", "message": "Fine-tuning job started"}\n'
    )
    troubled = nameless.with_name("troubled.jsonl")
    troubled.write_text("".join(json.dumps(event) + "\n" for event in troubles()))
    with open_lake(path) as lake:
        lake.ingest([SAMPLES, BROKEN, nameless, troubled])
    return path


def troubles() -> Iterator[dict[str, Any]]:
    """A job that stalls, whose loss leaps, and then is no number."""
    message = "Created fine-tuning job: ftjob-TroubledTroubledTroubled"
    for step in range(50):
        yield {
            "object": "fine_tuning.job.event",
            "id": f"ftevent-troubled{step}",
            "created_at": 1700000000 + 5 * step + (9000 if step > 40 else 0),
            "level": "info",
            "message": f"Step {step}" if step else message,
            "data": {"step": step, "train_loss": {30: 9.0, 45: math.inf}.get(step, 1.0)}
            if step
            else {},
        }


@pytest.fixture(scope="module")
def in_shell(lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of one Parquet file a view, written by DuckDB's shell after open.sql."""
    beside = Path(sys.executable).with_name("duckdb")
    shell = str(beside) if beside.exists() else shutil.which("duckdb")
    assert shell, "duckdb-cli is a development dependency"
    folder = tmp_path_factory.mktemp("shell")
    copies = [f"copy ({query(view)}) to '{folder / view.name}.parquet';" for view in MARTS]
    ran = subprocess.run(
        [shell, "-init", str(lake / "open.sql"), "-bail"],
        input="\n".join(copies),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    return folder


def query(view: View) -> str:
    """All rows of a view in their order."""
    return f"from {view.name} order by {', '.join(view.order)}"


@pytest.fixture(scope="module")
def in_package(lake: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of DuckDB's package after open.sql."""
    with duckdb.connect() as con:
        con.execute((lake / "open.sql").read_text(encoding="utf-8"))
        yield con


@pytest.mark.parametrize("view", MARTS, ids=lambda view: view.name)
def test_shell_and_package_agree(
    view: View, in_shell: Path, in_package: duckdb.DuckDBPyConnection
) -> None:
    """Each view gives the same rows in DuckDB's shell and in its package."""
    package = fetched(in_package, query(view))
    shell = pq.read_table(in_shell / f"{view.name}.parquet")
    assert len(package), "an empty view would prove nothing"
    assert shell.column_names == package.column_names
    assert told(shell.cast(package.schema)) == told(package)


def test_the_lake_makes_the_same_views(lake: Path, in_package: duckdb.DuckDBPyConnection) -> None:
    """A connection that the lake gives has the views of open.sql, word for word."""
    listed = "select view_name, sql from duckdb_views() where not internal order by all"
    with open_lake(lake, create=False) as opened, opened.connect() as con:
        assert con.execute(listed).fetchall() == in_package.execute(listed).fetchall()


def told(rows: pa.Table) -> str:
    """Rows as text, so that NaN equals NaN: numbers to 12 digits, sums may run in any order."""
    return str([{name: rounded(value) for name, value in row.items()} for row in rows.to_pylist()])


def rounded(value: Any) -> Any:
    """A number to 12 digits, anything else as it is."""
    return f"{value:.12g}" if isinstance(value, float) else value


@pytest.mark.parametrize("own", ["default_order = 'desc'", "integer_division = true"])
def test_a_persons_own_settings_change_no_view(
    lake: Path, in_package: duckdb.DuckDBPyConnection, own: str
) -> None:
    """What a person set before the views are made does not turn about what stands in them."""
    with duckdb.connect() as con:
        con.execute(f"set {own}")
        con.execute((lake / "open.sql").read_text(encoding="utf-8"))
        for name in ("attempts", "best_steps", "error_timeline"):
            rows = [repr(sorted(map(repr, c.execute(f"from {name}").fetchall()))) for c in
                    (con, in_package)]  # fmt: skip
            assert rows[0] == rows[1], name


def test_lake_that_grew(tmp_path: Path) -> None:
    """After another ingest, open.sql reads what the lake holds then, and leaves its past alone."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([SAMPLES / "openai-cancelled.jsonl"])
        before = duckdb.connect()
        before.execute((lake.path / "open.sql").read_text(encoding="utf-8"))
        lake.ingest([SAMPLES / "openai-failed.jsonl"])
        lake.compact()
        after = duckdb.connect()
        after.execute((lake.path / "open.sql").read_text(encoding="utf-8"))
    count = "select count(*) from jobs"
    assert before.execute(count).fetchall() == [(1,)]
    assert after.execute(count).fetchall() == [(6,)]
