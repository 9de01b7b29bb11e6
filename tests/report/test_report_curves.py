"""The curves of a page: which points are kept, and how numbers are held."""

from __future__ import annotations

import math
from pathlib import Path

import polars as pl
import pytest
from dumps import an_event
from hypothesis import example, given
from hypothesis import strategies as st
from report_lakes import ingested, said

from pipeline.figures import or_name, significant
from pipeline.report import curves, details
from pipeline.report.gather import facts, reads


def test_a_long_curve_keeps_what_matters_and_its_exact_smoothing(tmp_path: Path) -> None:
    """A thinned curve has its spikes and marked steps, smoothed as the view smooths all points."""
    steps = range(1, 3001)
    values = {n: 2 / n**0.2 + 0.05 * math.sin(n * n) + 9 * (n == 1234) for n in steps}
    events = [an_event(n, data={"step": n, "train_loss": v}) for n, v in values.items()]
    events += [said(4000 + n, f"Checkpoint created at step {n}") for n in range(770, 780)]
    views = [*reads(), "loss_curves_smoothed"]
    with ingested(tmp_path, ("ftjob-long", events)) as lake, lake.connect(views) as con:
        told = facts(con)
        ((detail, _),) = details.details(told, details.all_findings(told))
        smooth = {
            stop: dict(
                con.execute(
                    "select step, smoothed from loss_curves_smoothed(smoothing := $1)", [stop]
                ).fetchall()
            )
            for stop in curves.STOPS
        }
    curve = detail["curves"]["train_loss"]
    assert curve["of"] == 3000
    assert 1000 < len(curve["x"]) < 2100
    assert {1, 1234, 3000, *range(770, 780)} <= set(curve["x"])
    assert detail["spikes"][0][0] == 1234
    for stop in curves.STOPS:
        exact = [smooth[stop][step] for step in curve["x"]]
        assert curve["s"][str(stop)] == pytest.approx(exact, rel=5e-5)


def test_curves_share_what_a_page_may_hold() -> None:
    """The more and the longer the curves, the fewer points of each, down to a floor."""
    limits = [curves.points_per_curve(pl.Series([10_000] * n)) for n in (1, 100, 400, 1000, 9999)]
    assert limits == sorted(limits, reverse=True)
    assert limits[0] == 2000 and limits[-1] == 60
    assert curves.points_per_curve(pl.Series([90] * 5000)) == 2000


@pytest.mark.parametrize(
    "steps", [[], [3], [1, 2], [10, 20, 30], [1, 10, 20], [10, 20, 30, 45, 55]]
)
def test_steps_are_packed_without_loss(steps: list[int]) -> None:
    """Evenly spaced steps are told by begin, distance and number; others as they are."""
    packed = curves.steps(steps)
    if isinstance(packed, dict):
        packed = [packed["from"] + i * packed["by"] for i in range(packed["n"])]
    assert packed == steps


def test_odd_values_of_tables_are_named_as_the_page_reads_them() -> None:
    """JavaScript's Number takes them for what they are."""
    values = map(or_name, (1.5, float("inf"), float("-inf"), float("nan")))
    assert list(values) == [1.5, "Infinity", "-Infinity", "NaN"]


def test_numbers_that_json_lacks_are_named() -> None:
    """NaN and infinities go by their names, other numbers by five significant digits."""
    some = pl.Series([math.nan, math.inf, -math.inf, None, 2.0, 1.23456789, 1.5e-7])
    expected = ["NaN", "Infinity", "-Infinity", None, 2, 1.2346, 1.5e-7]
    assert curves.numbers(some) == expected


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(1.4184704)
@example(123456.7)
@example(578.2499999)
def test_a_number_is_shown_as_the_views_show_it(value: float) -> None:
    """What the page rounds once more comes to the four digits that every table shows."""
    (held,) = curves.numbers(pl.Series([value]))
    assert isinstance(held, float | int)
    assert significant(held) == significant(value)
