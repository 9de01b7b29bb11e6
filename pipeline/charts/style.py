"""How charts look: one palette, one set of shapes and dashes, and the limits of a picture."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pipeline.inert import inert as spelled

if TYPE_CHECKING:
    import polars as pl

alt: Any = import_module("altair")
"""Altair: who asks for a chart (`drawn.py`) sees to it that it is there."""

COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#a6761d",
    "#000000", "#882255", "#332288", "#117733", "#999933", "#44aa99", "#aa4499", "#661100",
)  # fmt: skip
"""Okabe and Ito's palette, which people with any colour vision tell apart, and two more; for more
than eight jobs black and Tol's muted colours."""

DASHES = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2], [10, 4], [4, 1], [1, 3], [12, 2])
SHAPES = (
    "circle",
    "square",
    "diamond",
    "cross",
    "triangle-up",
    "triangle-right",
    "triangle-down",
    "triangle-left",
)

MARKS = {"best": "best step", "checkpoint": "checkpoint", "restart": "restart", "odd": "not finite"}
MARK_SHAPES = {"best": "diamond", "checkpoint": "triangle-up", "restart": "triangle-left",
               "odd": "cross"}  # fmt: skip

APART: dict[str, Any] = dict.fromkeys(("color", "shape", "strokeDash"), "independent")
"""How layers with legends of their own are put together."""

CONFIG: dict[str, Any] = {
    "title": {"anchor": "start", "subtitleColor": "#666", "fontSize": 14, "offset": 8},
    "axis": {"gridOpacity": 0.4, "titleFontWeight": "normal"},
    "legend": {"orient": "bottom", "symbolSize": 80},
    "view": {"strokeOpacity": 0.3},
}
"""Quiet axes, titles on the left, legends below."""

NUMBERS = ",.9~g"
"""How axes write values: of one tick, as equal values have, Vega would round the digits away."""

_MARKUP = re.compile(r"<(?=[/!?A-Za-z])")

MOST_ROWS = 4_500
"""Rows of data in a chart; Altair refuses more than 5,000."""


def cycled(values: Sequence[Any], count: int) -> list[Any]:
    """The first so many of the values, from the beginning again where they end."""
    return [values[n % len(values)] for n in range(count)]


def points_each(curves: int, points: int) -> int:
    """Points that each of so many curves may keep, for all to fit into a chart."""
    return max(4, min(points, MOST_ROWS // max(2 * curves, 1)))


def inert(text: str) -> str:
    """Text of an event that stays text on the page that Altair writes.

    Altair puts a chart's JSON into a script as it is, so that ``</script>`` in a message would end
    it, and what follows would run. A word joiner, which nobody sees, comes after the ``<``. What
    no picture can hold, or what turns text about, is spelled out.
    """
    return _MARKUP.sub("<\u2060", spelled(text.replace("\n", " ")))


def inert_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows whose texts are inert."""
    import polars as pl

    changed = []
    for column in rows.select(pl.col(pl.String)):
        told = {text: inert(text) for text in column.unique().drop_nulls()}
        odd = {text: new for text, new in told.items() if new != text}
        changed += [pl.col(column.name).replace(odd)] if odd else []
    return rows.with_columns(changed)


class Data:
    """The rows of a chart, each set once and under a name of its own.

    Altair copies what a chart holds each time charts are put together; names cost nothing.
    """

    def __init__(self) -> None:
        """No rows yet."""
        self.sets: dict[str, list[dict[str, Any]]] = {}

    def add(self, rows: pl.DataFrame) -> Any:
        """Keep rows; what a chart names them by."""
        name = f"rows_{len(self.sets)}"
        self.sets[name] = rows.to_dicts()
        return alt.NamedData(name)


def stacked(plots: Sequence[Any], data: Data, title: Any) -> Any:
    """Plots one below the other, on one x axis, with the look that all charts have."""
    resolve = alt.Resolve(scale={"x": "shared", **APART})
    chart = alt.VConcatChart(vconcat=list(plots), title=title, resolve=resolve, config=CONFIG)
    chart.datasets = data.sets
    return chart
