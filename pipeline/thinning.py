"""Fewer points of a curve for the eye, none of those it would miss.

One way for the terminal, for charts in notebooks and for the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import ArrayLike, NDArray

_ROW = "__row"


def thinned(
    frame: pl.DataFrame,
    points: int,
    *,
    values: str = "value",
    keep: Iterable[int] | pl.Expr = (),
    within: Sequence[str] = (),
) -> pl.DataFrame:
    """The rows of curves that are worth drawing, unchanged and in the order they had.

    A row stays if `kept` or `keep` keeps it. So at most 2 * `points` rows stay of each curve,
    finite and non-finite, beside those of `keep`.

    Args:
        frame: a row per step, ordered by that within each curve; a value that is NULL is no point.
        points: most finite values, and most non-finite ones, that stay of one curve; at least 4.
        values: the column of values.
        keep: what stays whatever its value, as best steps and checkpoints do: steps, or a
            condition on the rows.
        within: columns that name a curve where there are several, as job_id and metric do.
    """
    import polars as pl

    if within:
        rows = frame.with_row_index(_ROW)
        curves = rows.partition_by(within, maintain_order=True)
        parts = [thinned(curve, points, values=values, keep=keep) for curve in curves]
        return pl.concat([rows.clear(), *parts]).sort(_ROW).drop(_ROW)
    wanted = keep if isinstance(keep, pl.Expr) else pl.col("step").is_in(list(keep))
    stays = frame.select(wanted.fill_null(False)).to_series().to_numpy().copy()
    present = np.flatnonzero(frame[values].is_not_null().to_numpy())
    numbers = frame[values].drop_nulls().cast(pl.Float64).to_numpy()
    stays[present[kept(numbers, points)]] = True
    return frame.filter(pl.Series(stays, dtype=pl.Boolean))


def kept(values: ArrayLike, points: int) -> NDArray[np.intp]:
    """Which points of one curve stay, as indices in order.

    The first and the last, the lowest and the highest of each stretch of equally many finite
    points (the earliest among equals, so the curve's own extremes are among them), and all that
    are NaN or infinite. If more than `points` are that, only the first and the last of each
    stretch of those stay: a curve that is NaN from a step on would not get shorter else.

    Args:
        values: the curve's values in the order of their steps, shape (n,).
        points: most finite points, and most non-finite ones, that stay; at least 4.

    Raises:
        ValueError: fewer than 4 points are asked for.

    Source: the minima and maxima of M4 (Jugel et al., M4: A Visualization-Oriented Time Series
    Data Aggregation, PVLDB 7 (2014)), over stretches of points instead of pixel columns, so that
    a reader can zoom in.
    """
    if points < 4:
        raise ValueError(f"{points} points cannot hold a curve's ends and extremes: ask for 4")
    curve = np.asarray(values, dtype=np.float64)
    finite = np.flatnonzero(np.isfinite(curve))
    odd = np.flatnonzero(~np.isfinite(curve))
    stays = []
    if len(finite) <= points:
        stays += [finite]
    else:
        stretches, starts = _stretches(curve[finite], (points - 2) // 2)
        # What pads the last stretch repeats its last point, and of equals the first is chosen.
        stays += [finite[starts + stretches.argmin(axis=1)]]
        stays += [finite[starts + stretches.argmax(axis=1)]]
        stays += [finite[[0, -1]]]
    if len(odd) <= points:
        stays += [odd]
    else:
        stretches, starts = _stretches(odd, points // 2)
        stays += [stretches[:, 0], stretches[:, -1]]
    return np.unique(np.concatenate(stays))


def _stretches(values: NDArray[Any], most: int) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Values cut into at most so many rows of equal length, and the index each begins at."""
    length = -(-len(values) // most)
    rows = -(-len(values) // length)
    padded = np.pad(values, (0, rows * length - len(values)), mode="edge")
    return padded.reshape(rows, length), np.arange(rows) * length
