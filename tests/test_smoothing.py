"""`loss_curves_smoothed` against polars, and as a macro wherever views are asked."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import duckdb
import oracle_lake
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from pipeline import open_lake, views
from pipeline.contract import TABLES
from pipeline.errors import QueryError
from pipeline.query import stream

SAMPLES = Path(__file__).parents[1] / "data" / "samples"


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The view over the curve of one job, that a test gives as `curve`."""
    with duckdb.connect() as con:
        files = oracle_lake.files(tmp_path_factory.mktemp("lake"))
        views.create(con, files, only=["loss_curves_smoothed"])
        yield con


def smoothed(con: duckdb.DuckDBPyConnection, values: list[float | None], s: float) -> pl.DataFrame:
    """The rows of the macro for one job's training losses, beside those of polars."""
    count = len(values)
    columns = {
        "job_id": pa.array(["a"] * count),
        "event_id": pa.array([str(step) for step in range(count)]),
        "created_at": pa.array(range(count), pa.timestamp("us", "UTC")),
        "step": pa.array(range(count)),
        "train_loss": pa.array(values, pa.float64()),
        "message": pa.array([""] * count),
        "ordinal": pa.array(range(count)),
    }
    schema = TABLES["events"]
    given = [columns.get(name, pa.nulls(count, schema.field(name).type)) for name in schema.names]
    con.register("curve", pa.table(given, schema.names))
    con.execute("create or replace view lake_events as from curve")
    query = f"from loss_curves_smoothed(smoothing := {s!r}) order by step"
    finite = pl.when(pl.col("value").is_finite()).then(pl.col("value"))
    ewm = finite.ewm_mean(alpha=1 - s, adjust=True, ignore_nulls=True, min_samples=1)
    return con.sql(query).pl().with_columns(wanted=pl.when(pl.col("value").is_finite()).then(ewm))


@pytest.mark.parametrize("s", [0.0, 0.1, 0.6, 0.9, 0.99, 0.999, 0.9999])
def test_smoothing_equals_polars_on_long_curves(con: duckdb.DuckDBPyConnection, s: float) -> None:
    """On 100,000 steps with gaps, NaN and infinities, every value is polars' to 1e-9."""
    values = [3 * math.exp(-step / 3e4) + math.sin(step * step) for step in range(100_000)]
    odd: dict[int, float | None] = {5: math.nan, 8: math.inf, 21: None}
    rows = smoothed(con, [odd.get(n % 23, value) for n, value in enumerate(values)], s)
    assert len(rows) == 100_000 - len(range(21, 100_000, 23))
    assert rows["smoothed"].is_null().eq(rows["wanted"].is_null()).all()
    error = (rows["smoothed"] - rows["wanted"]).abs().max()
    assert isinstance(error, float) and error < 1e-9


@examples(15)
@given(
    values=st.lists(st.none() | st.floats(-1e6, 1e6) | st.just(math.nan), min_size=1, max_size=50),
    s=st.floats(0, 0.999) | st.sampled_from([1e-300, 1e-12, 0.5]),
)
def test_smoothing_equals_polars(
    con: duckdb.DuckDBPyConnection, values: list[float | None], s: float
) -> None:
    """Whatever the values and the smoothing, every value is polars' to 1e-9 of the largest."""
    rows = smoothed(con, values, s)
    largest = max((abs(v) for v in values if v is not None and math.isfinite(v)), default=0.0)
    error = (rows["smoothed"] - rows["wanted"]).abs().max() or 0.0
    assert rows["smoothed"].is_null().eq(rows["wanted"].is_null()).all()
    assert isinstance(error, float) and error <= 1e-9 * max(1.0, largest)


@pytest.mark.parametrize("s", ["1", "-0.1", "7"])
def test_smoothing_out_of_range(con: duckdb.DuckDBPyConnection, s: str) -> None:
    """A smoothing that is none is refused in one line that says which there are."""
    smoothed(con, [1.0, 2.0], 0.5)
    with pytest.raises(duckdb.Error, match=rf"smoothing {s}.*: give 0 to less than 1"):
        con.sql(f"from loss_curves_smoothed(smoothing := {s})").fetchall()


def test_macro_is_called_in_ad_hoc_sql(tmp_path: Path) -> None:
    """`tunelog sql` may call the macro with a parameter, and no other table function thereby."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([SAMPLES / "openai-supervised.jsonl"])
        script, files = lake.snapshot(["loss_curves_smoothed"])
    query = "select max(abs(smoothed - value)) from loss_curves_smoothed(smoothing := {})"
    answers = [next(iter(stream(script, files, query.format(s)))) for s in (0, 0.9)]
    none, some = (answer.column(0)[0].as_py() for answer in answers)
    assert none < 1e-9 < 0.01 < some
    with pytest.raises(QueryError, match="table function glob is not allowed"):
        stream(script, files, "from glob('*')")
    for table in (files[0], "lake_events", "duckdb_settings"):  # views use it, nobody else may
        with pytest.raises(QueryError, match="table function smoothed_of is not allowed"):
            stream(script, files, f"from smoothed_of('{table}', 0.5)")
