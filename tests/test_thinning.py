"""Thinned curves: few points, and none missing that an eye would look for."""

from __future__ import annotations

import math
import time

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.thinning import kept, thinned

NUMBERS = st.floats(-3, 3) | st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 1e300])
SHORT = st.lists(st.none() | NUMBERS, max_size=30)


@st.composite
def curves(draw: st.DrawFn, gaps: bool = True) -> list[float | None]:
    """A curve: short and hostile, or long, drawn by its seed, with as many odd values as drawn."""
    if draw(st.booleans()):
        return [value for value in draw(SHORT) if gaps or value is not None]
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    length = draw(st.integers(30, 500))
    values: list[float | None] = random.normal(size=length).round(draw(st.integers(0, 6))).tolist()
    for odd in [math.nan, math.inf, -math.inf, 1e300] + [None] * gaps:
        for n in random.integers(0, length, draw(st.sampled_from([0, 1, 10, length]))):
            values[n] = odd
    return values


def extremes(values: dict[int, float]) -> set[int]:
    """The first step of the lowest and of the highest finite value, and the first and last step."""
    finite = {step: value for step, value in values.items() if math.isfinite(value)}
    found = {min(values), max(values)} if values else set()
    if finite:
        found |= {
            min(finite, key=lambda s: (finite[s], s)),
            min(finite, key=lambda s: (-finite[s], s)),
        }
    return found


@settings(max_examples=150)
@given(curve=curves(), points=st.integers(4, 60), data=st.data())
def test_what_an_eye_looks_for_stays(
    curve: list[float | None], points: int, data: st.DataObject
) -> None:
    """Of a curve its ends, extremes and odd values stay, and every step that is asked for;
    the rest is bounded, unchanged and in order."""
    steps = [3 * n for n in range(len(curve))]
    schema = {"step": pl.Int64, "value": pl.Float64}
    frame = pl.DataFrame({"step": steps, "value": curve}, schema=schema)
    keep = data.draw(st.sets(st.sampled_from(steps), max_size=5)) if steps else set()
    few = thinned(frame, points, keep=keep)
    left = set(few["step"])
    assert keep <= left
    values = dict(frame.drop_nulls().iter_rows())
    odd = {step for step, value in values.items() if not math.isfinite(value)}
    assert extremes(values) <= left
    assert len(odd) > points or odd <= left
    assert few.height <= len(keep) + points + min(points, len(odd))
    assert few["step"].is_sorted()
    assert few.equals(frame.join(few.select("step"), on="step", how="semi"), null_equal=True)


@settings(max_examples=100)
@given(curve=curves(gaps=False), points=st.integers(4, 60))
def test_a_stretch_keeps_its_spikes(curve: list[float], points: int) -> None:
    """No point that is dropped is above or below all that stay within a stretch of its length."""
    left = set(kept(curve, points).tolist())
    finite = [n for n, value in enumerate(curve) if math.isfinite(value)]
    reach = 2 * (len(finite) // max((points - 2) // 2, 1) + 1)
    for place, n in enumerate(finite):
        near = [curve[m] for m in finite[max(place - reach, 0) : place + reach] if m in left]
        assert min(near) <= curve[n] <= max(near)


def test_odd_values_without_end_are_bounded() -> None:
    """A curve that is NaN or infinite from a step on keeps where that begins and ends."""
    for odd in (math.nan, math.inf):
        left = kept([1.0] * 50_000 + [odd] * 50_000, 100)
        assert len(left) <= 200
        assert {0, 49_999, 50_000, 99_999} <= set(left.tolist())


def test_groups_are_curves_of_their_own() -> None:
    """In a long frame each job's each metric is thinned by itself, and rows keep their order."""
    frame = pl.DataFrame(
        {
            "job": ["b", "a"] * 500,
            "step": [n // 2 for n in range(1000)],
            "value": [float(n % 2) * 10 + math.sin(n) for n in range(1000)],
        }
    )
    wanted = (pl.col("job") == "a") & (pl.col("step") == 77)
    few = thinned(frame, 20, keep=wanted, within=["job"])
    for job in "ab":
        alone = frame.filter(job=job)
        keep = [77] if job == "a" else []
        assert few.filter(job=job).equals(thinned(alone, 20, keep=keep))
    assert few.height <= 41
    assert few.equals(frame.join(few, on=["job", "step"], how="semi", maintain_order="left"))
    assert thinned(frame.clear(), 20, within=["job"]).equals(frame.clear())


def test_a_short_curve_stays_whole_and_too_few_points_are_refused() -> None:
    """What fits is not touched; fewer points than ends and extremes are no curve."""
    assert kept([3.0, 1.0, 2.0, 4.0], 4).tolist() == [0, 1, 2, 3]
    assert kept([], 4).tolist() == []
    with pytest.raises(ValueError, match="ask for 4"):
        kept([1.0], 3)


def test_long_curves_are_quick() -> None:
    """100,000 steps take well under a quarter of a second of the processor."""
    steps = np.arange(100_000)
    noise = np.random.default_rng(1).normal(size=100_000)
    frame = pl.DataFrame({"step": steps, "value": noise})
    begin = time.process_time()
    few = thinned(frame, 1000, keep=range(0, 100_000, 10_000))
    assert time.process_time() - begin < 0.25
    assert few.height <= 1010
