"""What `tunelog curve` prints: a head, a plot for each quantity, and below it what it shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from string import ascii_letters
from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
from rich.cells import cell_len, set_cell_size

from pipeline.charts.read import best_words, quantity, state_words
from pipeline.cli.plot import COLOURS, Plot, Series, draw
from pipeline.figures import odd_name, significant
from pipeline.inert import inert
from pipeline.thinning import thinned

if TYPE_CHECKING:
    from pipeline.charts.read import Curves

_SYMBOLS = {"train": "", "valid": "o", "full": "+"}
_GLYPHS = {"best": ("◆", "*"), "checkpoint": ("▲", "^"), "odd": ("!", "!"), "line": ("⠒⠒", "..")}
LEAST = 8
"""Rows a plot has at least, with its axis."""


class _Row(NamedTuple):
    """A row of a legend; its symbol has the colour of that number, 0 for none."""

    colour: int
    symbol: str
    name: str
    text: str


@dataclass(frozen=True)
class _Curve:
    """One curve of a plot: its points in order, and how it looks."""

    job: str
    metric: str
    attempt: int | None
    points: pl.DataFrame
    symbol: str
    colour: int


def picture(
    found: Curves,
    *,
    width: int,
    height: int,
    smoothing: float = 0.0,
    log: bool = False,
    colour: bool = False,
    ascii: bool = False,
    least: int = LEAST,
) -> Iterator[str]:
    """The picture as lines.

    Args:
        found: What to draw; at least one point.
        width: Of the picture [column].
        height: Of the picture, where all fits in it [row].
        smoothing: With which the points were smoothed, for the head.
        log: Logarithmic y axes; points at or below 0 are left out, and counted.
        colour: With escapes for colours.
        ascii: Without characters beyond ASCII.
        least: Rows that a plot has in any case [row].
    """
    glyphs = {name: pair[ascii] for name, pair in _GLYPHS.items()}
    dot = " - " if ascii else " · "
    head = list(_head(found, smoothing, log, dot))
    panels = list(_panels(found))
    legends = [_legend(panel, found, log, glyphs) for panel in panels]
    written = [list(_written(legend, width, colour, ascii, whole=True)) for legend in legends]
    heads = [part for line in head for part in wrap(line, width, break_long_words=False)]
    if len(heads) + sum(map(len, written)) > height - LEAST * len(panels):
        written = [list(_written(legend, width, colour, ascii, whole=False)) for legend in legends]
        heads = head
    rows = (height - len(heads) - sum(map(len, written))) // len(panels)
    for line in heads:
        yield _fit(line, width, ascii)
    for panel, legend in zip(panels, written, strict=True):
        plot = _plot(panel, found, log, glyphs, width)
        if plot is not None:
            yield from draw(plot, width, max(rows, least), colour=colour, ascii=ascii)
        yield from legend


def _written(
    legend: Sequence[_Row], width: int, colour: bool, ascii: bool, *, whole: bool
) -> Iterator[str]:
    """A legend as lines: whole, or what is too long for a line is cut."""
    room = max(cell_len(row.name) for row in legend)
    for row in legend:
        symbol = f"{row.symbol:<2}"
        if colour and row.colour:
            symbol = f"\x1b[38;5;{row.colour}m{symbol}\x1b[0m"
        text = f" {set_cell_size(row.name, room)}  {row.text}"
        if not whole or cell_len(text) <= width - 2:
            yield symbol + _fit(text, width - 2, ascii)
            continue
        first, *more = wrap(f"{row.name}  {row.text}", width - 3, break_long_words=False)
        yield f"{symbol} {_fit(first, width - 3, ascii)}"
        for line in more:
            yield _fit(f"   {line}", width, ascii)


def _fit(line: str, width: int, ascii: bool) -> str:
    """A line of text that takes no more than the width; in ASCII all else is spelled out."""
    if ascii:
        line = line.encode("ascii", "backslashreplace").decode()
    if cell_len(line) <= width:
        return line
    end = "..." if ascii else "…"
    return set_cell_size(line, width - len(end)).rstrip() + end


def _head(found: Curves, smoothing: float, log: bool, dot: str) -> Iterator[str]:
    how = [f"smoothed {smoothing:g}"] * bool(smoothing) + ["log scale"] * log
    for job in found.jobs.iter_rows(named=True):
        yield dot.join([inert(job["job_id"]), *state_words(job), *how])


def _panels(found: Curves) -> Iterator[list[_Curve]]:
    """The curves, those of one quantity together; of several jobs, one colour for each."""
    parts: dict[str, list[pl.DataFrame]] = {}
    for part in found.points.partition_by("job_id", "attempt", "metric", maintain_order=True):
        parts.setdefault(quantity(part["metric"][0]), []).append(part)
    jobs = list(dict.fromkeys(found.points["job_id"]))
    alone = len(jobs) == 1 and found.points["attempt"].n_unique() == 1
    letters, colours = cycle(ascii_letters), cycle(COLOURS)
    for panel in parts.values():
        curves = []
        for part in panel:
            job, attempt, metric = part.row(0)[:3]
            symbol = _SYMBOLS.get(metric.partition("_")[0]) if alone else None
            symbol = next(letters) if symbol is None else symbol
            colour = next(colours) if alone else COLOURS[jobs.index(job) % len(COLOURS)]
            curves.append(_Curve(job, metric, attempt, part, symbol, colour))
        yield curves


def _drawable(curve: _Curve, log: bool) -> pl.Series:
    shown = curve.points["shown"]
    return shown.is_finite() & (shown > 0) if log else shown.is_finite()


def _plot(
    panel: Sequence[_Curve], found: Curves, log: bool, glyphs: dict[str, str], width: int
) -> Plot | None:
    series, points, below, above = [], [], [], []
    for curve in panel:
        best = found.marks.filter(job_id=curve.job, kind="best", metric=curve.metric)
        keep = best["step"].to_list()
        few = thinned(curve.points, 4 * width, values="shown", keep=keep)
        there = _drawable(curve, log)
        if there.any():
            fit = few["shown"].is_finite() & ((few["shown"] > 0) | (not log))
            ys = np.where(fit, few["shown"], np.nan)
            series.append(
                Series(few["step"].cast(pl.Float64).to_numpy(), ys, curve.symbol, curve.colour)
            )
        odd = few.filter(~pl.col("shown").is_finite())["step"]
        above += [(step, glyphs["odd"], curve.colour) for step in odd]
        here = curve.points.filter(there & curve.points["step"].is_in(keep))
        points += [
            (s, y, glyphs["best"], curve.colour)
            for s, y in here.select("step", "shown").iter_rows()
        ]
    first, last = (f([f(c.points["step"]) for c in panel]) for f in (min, max))
    for job, number in dict.fromkeys((c.job, c.colour) for c in panel):
        steps = [step for step in found.of(job, "checkpoint") if first <= step <= last]
        below += [(step, glyphs["checkpoint"], number) for step in steps]
    return Plot(series, points, below, above, log) if series else None


def _legend(
    panel: Sequence[_Curve], found: Curves, log: bool, glyphs: dict[str, str]
) -> list[_Row]:
    """The rows below a plot."""
    rows = []
    for curve in panel:
        name = _name(curve, found)
        rows.append(_Row(curve.colour, curve.symbol or glyphs["line"], name, _figures(curve)))
    for curve in panel:
        name, shown = _name(curve, found), curve.points["shown"]
        odd = curve.points.filter(~shown.is_finite())
        if odd.height:
            kinds = ", ".join(sorted(set(map(odd_name, odd["shown"]))))
            where = f"{kinds} at {_steps(odd['step'].to_list())}"
            rows.append(_Row(curve.colour, glyphs["odd"], name, where))
        if log and (lost := int((shown <= 0).sum())):
            rows.append(_Row(0, "", name, f"{lost:,} at or below 0, so not on a log scale"))
    for job in dict.fromkeys(curve.job for curve in panel):
        whose = [_short(job, found)] if found.jobs.height > 1 else []
        metrics = [curve.metric for curve in panel if curve.job == job]
        best = found.marks.filter(job_id=job, kind="best")
        for row in best.filter(best["metric"].is_in(metrics)).iter_rows(named=True):
            rows.append(_Row(0, glyphs["best"], " ".join([*whose, "best"]), best_words(row)))
        if steps := found.of(job, "checkpoint"):
            name = " ".join([*whose, "checkpoints"])
            rows.append(_Row(0, glyphs["checkpoint"], name, _steps(steps)))
        if steps := found.of(job, "restart"):
            rows.append(_Row(0, "", " ".join([*whose, "restarts"]), _steps(steps)))
    return rows


def _figures(curve: _Curve) -> str:
    finite = curve.points.filter(pl.col("value").is_finite())
    if finite.is_empty():
        return "no finite value"
    values, steps = finite["value"], finite["step"]
    last = f"last {significant(values[-1])} at {steps[-1]:,}"
    high = quantity(curve.metric) in ("reward", "accuracy")
    place = (values.arg_max() if high else values.arg_min()) or 0
    extreme = f"{'highest' if high else 'lowest'} {significant(values[place])} at {steps[place]:,}"
    return f"{last}, {extreme}"


def _name(curve: _Curve, found: Curves) -> str:
    parts = [_short(curve.job, found)] if found.jobs.height > 1 else []
    parts += [inert(curve.metric)] + [f"attempt {curve.attempt}"] * (curve.attempt is not None)
    return " ".join(parts)


def _short(job: str, found: Curves) -> str:
    """As much of a job's id as tells it from the others drawn, and not less than 10 characters."""
    others = [other for other in found.jobs["job_id"] if other != job]
    length = next(
        (n for n in range(10, len(job)) if not any(o[:n] == job[:n] for o in others)), None
    )
    return inert(job[:length])


def _steps(steps: Sequence[int]) -> str:
    """Steps as text, neighbours in a run told by its ends: ``steps 5, 7-9``; of many, a count."""
    if len(steps) > 12:
        return f"{len(steps):,} steps, {steps[0]:,} to {steps[-1]:,}"
    return f"step{'s' * (len(steps) > 1)} {', '.join(f'{step:,}' for step in steps)}"
