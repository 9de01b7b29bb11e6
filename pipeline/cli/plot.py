"""Curves drawn with characters, by plotext. Knows numbers and symbols; no text of an event."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.extras import extra

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLOURS = (33, 208, 35, 170, 37, 160, 136, 99)
"""Numbers of the 256-colour palette that can be read on light and on dark ground."""

_X_NAME = "step"
_BOX = str.maketrans("│─┌┐└┘┤├┬┴┼", "|-+++++++++")


@dataclass(frozen=True)
class Series:
    """One curve.

    Attributes:
        x: steps, increasing, shape (n,).
        y: values, NaN where the curve has a gap, shape (n,).
        symbol: one character that tells it from others; none for a bare line.
        colour: of `COLOURS`.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    symbol: str
    colour: int


@dataclass(frozen=True)
class Plot:
    """A picture of curves over one pair of axes.

    Attributes:
        series: what to draw; at least one finite point among them.
        points: single points with their symbol and colour, drawn over the curves.
        below: places on the x axis with their symbol and colour.
        above: the same at the upper edge.
        log: whether the y axis is logarithmic; all values are greater than 0 then.
    """

    series: Sequence[Series]
    points: Sequence[tuple[float, float, str, int]] = ()
    below: Sequence[tuple[float, str, int]] = ()
    above: Sequence[tuple[float, str, int]] = ()
    log: bool = False

    @property
    def x_range(self) -> tuple[float, float]:
        """The least and the greatest step."""
        xs = np.concatenate([s.x for s in self.series] + [[x for x, *_ in self.below]])
        return float(xs.min()), float(xs.max())

    @property
    def y_range(self) -> tuple[float, float]:
        """Where the y axis begins and ends."""
        ys = np.concatenate([s.y for s in self.series] + [[y for _, y, *_ in self.points]])
        ys = ys[np.isfinite(ys)]
        low, high = float(ys.min()), float(ys.max())
        # A loss that fell to a quarter and less is read against nothing.
        return (0.0 if not self.log and 0 < low < high / 4 else low), high


def draw(plot: Plot, width: int, height: int, *, colour: bool, ascii: bool) -> list[str]:
    """A plot as lines of at most `width` characters, `height` of them.

    Args:
        plot: what to draw.
        width: of the picture with its axis [column]; at least 20.
        height: of the picture with its axis [row]; at least 5.
        colour: with the escapes that colour it.
        ascii: without any character beyond ASCII, at half the resolution and less.

    Raises:
        LakeError: plotext is not installed.
    """
    plotext = extra("plotext", "tunelog curve")
    plotext.terminal.limit(False, False)
    figure = plotext.figure
    figure.clear.all()
    figure.plot_size(width, height).theme("colorless").canvas("default").legend(False)
    y_ticks = ticks(*plot.y_range, max(height // 3, 2), log=plot.log)
    labels = [tick_label(tick, y_ticks, log=plot.log) for tick in y_ticks]
    columns = width - max(map(len, labels)) - 2
    x_ticks = [t for t in ticks(*plot.x_range, max(columns // 12, 2)) if t == int(t)]
    x_labels = [f"{int(tick):,}" for tick in x_ticks]
    figure.ruler("x").lim(0, 1).ticks(_placed(x_ticks, plot.x_range).tolist(), x_labels)
    places = _placed(y_ticks, plot.y_range, plot.log).tolist()
    figure.ruler("y").lim(0, 1).ticks(places, labels)

    def put(xs: Any, ys: Any, symbol: str, number: int, lines: bool = False) -> Any:
        marker = plotext.marker(symbol).fill(plotext.pixel(number))
        signal = figure.signal(list(map(float, xs)), list(map(float, ys)), marker=marker)
        signal.lines(lines)
        return signal

    for series in plot.series:
        xs = _placed(series.x, plot.x_range)
        ys = _placed(series.y, plot.y_range, plot.log)
        there = np.isfinite(ys)
        gaps = np.flatnonzero(np.diff(np.flatnonzero(there)) > 1) + 1
        xs, ys = xs[there], ys[there]
        line = put(xs, ys, "." if ascii else "braille", series.colour, lines=True)
        for gap in gaps:
            line.line(int(gap), False)
        figure.draw(line)
    for series in plot.series:
        xs = _placed(series.x, plot.x_range)
        ys = _placed(series.y, plot.y_range, plot.log)
        chosen = _marked(xs, ys, columns, bool(series.symbol))
        symbol = series.symbol or ("." if ascii else "•")
        figure.draw(put(xs[chosen], ys[chosen], symbol, series.colour))
    for edge, height_there in ((plot.below, 0.0), (plot.above, 1.0)):
        for x, symbol, number in edge:
            figure.draw(put(_placed([x], plot.x_range), [height_there], symbol, number))
    for x, y, symbol, number in plot.points:
        place = _placed([y], plot.y_range, plot.log)
        figure.draw(put(_placed([x], plot.x_range), place, symbol, number))
    text = figure.build().string(colorless=not colour)
    figure.clear.all()
    lines = [line.translate(_BOX) if ascii else line for line in text.split("\n") if line]
    axis = plotext.uncolorize(lines[-1])
    if not axis[-len(_X_NAME) - 1 :].strip():
        lines[-1] = axis[: -len(_X_NAME)] + _X_NAME
    return [line.rstrip() for line in lines]


def _marked(xs: NDArray[Any], ys: NDArray[Any], columns: int, often: bool) -> NDArray[np.intp]:
    """Which points of a curve get its symbol: lone ones, and if often, some every few columns."""
    there = np.isfinite(ys)
    padded = np.concatenate([[False], there, [False]])
    chosen = there & ~padded[:-2] & ~padded[2:]
    if often:
        apart = 4 / max(columns, 1)
        last = -math.inf
        for n in np.flatnonzero(there):
            if xs[n] >= last + apart:
                chosen[n], last = True, xs[n]
    return np.flatnonzero(chosen)


def _placed(values: Any, limits: tuple[float, float], log: bool = False) -> NDArray[np.float64]:
    """Values as shares of the way between the limits; 0.5 where these are one.

    Halved first, for the distance between the greatest numbers is none.
    """
    low, high = (np.log(limits) if log else np.array(limits)) / 2
    numbers = np.asarray(values, dtype=np.float64)
    numbers = (np.log(numbers) if log else numbers) / 2
    return (numbers - low) / (high - low) if high > low else numbers * 0 + 0.5


def ticks(low: float, high: float, most: int, *, log: bool = False) -> list[float]:
    """Round numbers from low to high: 1, 2 or 5 times a power of ten apart, about `most` of them.

    On a logarithmic axis these are powers of ten, or 1, 2 and 5 times such.
    """
    if low == high:
        return [low]
    if log:
        powers = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
        if len(powers) > 1:
            return [10.0**power for power in powers[:: -(-len(powers) // most)]]
        found = (
            [f * 10.0**power for power in (powers[0] - 1, *powers) for f in (1, 2, 5)]
            if powers
            else []
        )
        found = [tick for tick in found if low <= tick <= high]
        if len(found) > 1:
            return found
    rough = (high / 2 - low / 2) / most * 2
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 0.0
    if power == 0 or not math.isfinite(power):
        return [low, high]
    step = next(f * power for f in (1, 2, 5, 10) if f * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [n * step for n in range(first, last + 1)] if last > first else [low, high]


def tick_label(tick: float, ticks: Sequence[float], *, log: bool = False) -> str:
    """A tick as text, with as many digits as tell it from its neighbours."""
    if log or len(ticks) == 1:
        return f"{tick:.4g}"
    size = max(map(abs, ticks))
    apart = min((abs(b - a) for a, b in pairwise(ticks)), default=size)
    if size >= 1e6 or (size and size < 1e-3):
        digits = max(0, math.ceil(math.log10(size / apart) - 1e-9)) if apart else 3
        return "0" if tick == 0 else f"{tick:.{min(digits, 3)}e}"
    digits = max(0, -math.floor(math.log10(apart) + 1e-9)) if apart else 3
    return f"{tick:.{min(digits, 9)}f}"
