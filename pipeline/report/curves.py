"""Curves as the page holds them: few enough points, exact smoothing, none of what matters lost.

A curve that is short enough is in the page whole, and the page smooths it itself, by any amount. Of
a longer one the page has the points that `pipeline.thinning` keeps; those are smoothed here, on all
points and for a few amounts, because smoothing what is left of a thinned curve would be wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import polars as pl

from pipeline.figures import odd_name
from pipeline.thinning import thinned

STOPS = (0.6, 0.9, 0.97)
"""Amounts of smoothing that a thinned curve has, beside none."""

NUMBERS = 700_000
"""Numbers that the curves of a report may take together, some 6 bytes each."""

SPARK = 32
"""Points of a curve in the list of jobs."""

_LIMITS = (2000, 1000, 500, 250, 120, 60)

_DIGITS = 5


def points_per_curve(counts: pl.Series) -> int:
    """How many points a curve may keep, so that all curves together stay within `NUMBERS`.

    Args:
        counts: points of each curve.
    """
    for limit in _LIMITS:
        long = counts > limit
        if int(counts.filter(~long).sum()) + int(long.sum()) * limit * (3 + len(STOPS)) <= NUMBERS:
            return limit
    return _LIMITS[-1]


def curves(points: pl.DataFrame, marked: pl.DataFrame) -> dict[str, dict[str, dict[str, Any]]]:
    """The curves of each job, by metric.

    Each is ``{"x": steps, "y": values}``, and where it was thinned also ``"of"``, how many points
    it has in the lake, and ``"s"``, for each of `STOPS` the smoothed values at the kept steps.

    Args:
        points: job_id, metric, step, value, ordered by these.
        marked: job_id and step of the points that stay whatever their values.
    """
    counts = points.group_by("job_id", "metric", maintain_order=True).len("of")
    limit = points_per_curve(counts["of"])
    points = points.join(counts, on=["job_id", "metric"], how="left", maintain_order="left")
    found: dict[str, dict[str, dict[str, Any]]] = {}
    short = points.filter(pl.col("of") <= limit)
    for (job, metric), curve in short.partition_by(
        "job_id", "metric", as_dict=True, maintain_order=True
    ).items():
        found.setdefault(job, {})[metric] = _columns(curve)
    long = _smoothed(points.filter(pl.col("of") > limit))
    stays = marked.select("job_id", "step", keep=True).unique()
    long = long.join(stays, on=["job_id", "step"], how="left", maintain_order="left")
    for (job, metric), curve in long.partition_by(
        "job_id", "metric", as_dict=True, maintain_order=True
    ).items():
        few = thinned(curve, limit, keep=pl.col("keep"))
        smooth = {str(stop): numbers(few[str(stop)]) for stop in STOPS}
        found.setdefault(job, {})[metric] = {**_columns(few), "of": curve.height, "s": smooth}
    return found


def _smoothed(points: pl.DataFrame) -> pl.DataFrame:
    """The curves with a column for each of `STOPS`, equal to the view `loss_curves_smoothed`."""
    finite = pl.when(pl.col("value").is_finite()).then(pl.col("value"))
    return points.with_columns(
        finite.ewm_mean(alpha=1 - stop, adjust=True, ignore_nulls=True)
        .over("job_id", "metric")
        .alias(str(stop))
        for stop in STOPS
    )


def _columns(curve: pl.DataFrame) -> dict[str, Any]:
    return {"x": steps(curve["step"].to_list()), "y": numbers(curve["value"])}


def steps(values: list[int]) -> list[int] | dict[str, int]:
    """Steps as a list, or as ``{"from", "by", "n"}`` where they are evenly spaced."""
    if len(values) > 2:
        by = values[1] - values[0]
        if all(after - before == by for before, after in pairwise(values)):
            return {"from": values[0], "by": by, "n": len(values)}
    return values


def numbers(values: pl.Series) -> list[float | int | str | None]:
    """Numbers to 5 significant digits, or as many as the 4 that are shown hang on.

    Those that JSON does not have are told by their names.
    """
    exact = values.cast(pl.Float64)
    rounded = exact.round_sig_figs(_DIGITS).to_list()
    return [
        _short(_held(value, short) if short is not None and math.isfinite(short) else short)
        for value, short in zip(exact.to_list(), rounded, strict=True)
    ]


def _held(value: float, short: float) -> float:
    """A number of 5 digits that comes to the same 4 as the number itself, when it is rounded."""
    if 1e4 <= abs(value) < 1e15:
        return float(round(value))  # whole digits are shown, all of them
    if f"{short:.4e}".partition("e")[0][-1] != "5":
        return short
    more = float(f"{value:.6e}")
    return more if more != short else value


def _short(value: float | None) -> float | int | str | None:
    if value is None:
        return None
    if not math.isfinite(value):
        return odd_name(value)
    return int(value) if value == int(value) else value


def earlier(points: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """What restarts threw away: for each job a list of ``{"attempt", "metric", "x", "y"}``.

    Args:
        points: job_id, attempt, metric, step, value, ordered by these.
    """
    limit = _LIMITS[1]
    found: dict[str, list[dict[str, Any]]] = {}
    keys = ("job_id", "attempt", "metric")
    for (job, attempt, metric), curve in points.partition_by(
        *keys, as_dict=True, maintain_order=True
    ).items():
        few = thinned(curve, limit) if curve.height > limit else curve
        found.setdefault(job, []).append({"attempt": attempt, "metric": metric, **_columns(few)})
    return found


def spark(values: Iterable[Any]) -> list[int]:
    """A curve as a small picture shows it: at most `SPARK` heights from 0 to 99."""
    finite = [v for v in values if isinstance(v, float | int)]
    if len(finite) < 2:
        return []
    few = min(len(finite), SPARK)
    chosen = [finite[i * (len(finite) - 1) // (few - 1)] for i in range(few)]
    most = max(map(abs, chosen)) or 1
    shares = [v / most for v in chosen]  # of the largest numbers no difference can be told
    low, high = min(shares), max(shares)
    return [round(99 * (v - low) / (high - low)) if high > low else 50 for v in shares]
