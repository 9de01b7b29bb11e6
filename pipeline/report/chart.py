"""The chart of the page as Vega-Lite, made by Altair once; the page gives it each job's data.

Colours are CSS variables of the page, so that light, dark and print need no other chart.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

import altair as alt

SERIES = {
    "a": ("var(--series-a)", [1, 0], "circle"),
    "b": ("var(--series-b)", [7, 3], "square"),
    "c": ("var(--series-c)", [2, 3], "diamond"),
}
"""Colour, dash and shape of the first, second and third curve of a chart."""

_STAR = "M0,-1L0.25,-0.35L1,-0.3L0.4,0.15L0.6,0.85L0,0.45L-0.6,0.85L-0.4,0.15L-1,-0.3L-0.25,-0.35Z"

MARKS = {
    "best": ("var(--ink)", _STAR),
    "checkpoint": ("var(--paper)", "triangle-up"),
    "advised": ("var(--accent)", "triangle-up"),
    "spike": ("var(--bad)", "triangle-down"),
}
"""Filling and shape of what is marked on a curve."""

_AT_THE_END = "scale('x', datum.x) > width - 90"
"""A name beside its band would leave the plot there [pixel]."""

_LABEL_DY = "datum.kind !== 'advised' ? -13 : scale('y', datum.y) > height - 26 ? -27 : 20"
"""The step to use is named below its mark, as the best one, often the same, is named above: but
not among the words of the axis [pixel]."""

_LABEL_ALIGN = "scale('x', datum.x) < 26 ? 'left' : 'center'"
"""The name of a mark at the first step would lie on the numbers of the axis [pixel]."""

DATA = ("frame", "bands", "earlier", "raw", "lines", "points", "marks", "pick")
"""Names of the data sets that the page fills."""


@cache
def charts() -> dict[str, Any]:
    """The chart with a linear and with a logarithmic axis of values."""
    return {"linear": _curve("linear"), "log": _curve("log")}


def _curve(scale: Literal["linear", "log"]) -> dict[str, Any]:
    names = list(SERIES)
    colours, dashes, shapes = zip(*SERIES.values(), strict=True)
    x = alt.X(
        "x:Q",
        title="step",
        scale=alt.Scale(zero=False, nice=False, padding=8),
        axis=alt.Axis(tickMinStep=1, tickCount=alt.ExprRef("max(2, width / 90)"), format=",d"),
    )
    # equal values make an axis of one tick, whose digits Vega would round away
    axis = alt.Axis(format=".9~g") if scale == "linear" else alt.Undefined
    y = alt.Y("y:Q", title=None, scale=_values(scale), axis=axis)
    colour = alt.Color("s:N", legend=None, scale=alt.Scale(domain=names, range=list(colours)))
    dash = alt.StrokeDash("s:N", legend=None, scale=alt.Scale(domain=names, range=list(dashes)))
    shape = alt.Shape("s:N", legend=None, scale=alt.Scale(domain=names, range=list(shapes)))
    bands = alt.Chart(alt.NamedData("bands")).encode(x=x)
    frame = alt.Chart(alt.NamedData("frame")).mark_rule(opacity=0).encode(x=x)
    edge = bands.mark_rule(stroke="var(--warn)", strokeDash=[2, 2])
    layers = [
        frame,  # the first and last step, also of curves that are not shown
        bands.mark_rect(fill="var(--warn)", opacity=0.13).encode(x2="x2:Q"),
        edge.encode(x2="x2:Q", y=alt.value(0)),
        edge,  # all there is to see of a single step, as a restart is
        bands.mark_text(
            align=alt.ExprRef(f"{_AT_THE_END} ? 'right' : 'left'"),
            baseline="top",
            dx=alt.ExprRef(f"{_AT_THE_END} ? -4 : 4"),
            dy=alt.ExprRef("4 + 13 * datum.row"),
            fill="var(--warn-ink)",
        ).encode(y=alt.value(0), text="text:N"),
        _line("earlier", x, y, colour, detail="d:N", strokeDash=[3, 3], opacity=0.45),
        _line("raw", x, y, colour, strokeWidth=1, opacity=0.3),
        _line("lines", x, y, colour, strokeWidth=1.8).encode(strokeDash=dash),
        alt.Chart(alt.NamedData("points"))
        .mark_point(filled=True, size=30, opacity=1)
        .encode(x=x, y=y, color=colour, shape=shape),
        alt.Chart(alt.NamedData("pick")).mark_rule(stroke="var(--ink)", strokeWidth=1).encode(x=x),
        *_marks(x, y),
    ]
    chart = alt.layer(*layers).resolve_scale(shape="independent")
    chart = chart.properties(width="container", height=320)
    spec: dict[str, Any] = chart.configure(**_LOOKS).to_dict()
    spec["datasets"] = {name: [] for name in DATA}
    return spec


def _values(scale: Literal["linear", "log"]) -> alt.Scale:
    if scale == "log":  # nice would be whole powers of ten, of which a curve takes a small part
        return alt.Scale(type="log", nice=False, padding=8)
    return alt.Scale(zero=False, nice=True)


def _line(data: str, x: alt.X, y: alt.Y, colour: alt.Color, detail: str = "", **looks: Any) -> Any:
    chart = alt.Chart(alt.NamedData(data)).mark_line(strokeJoin="round", **looks)
    chart = chart.encode(x=x, y=y, color=colour)
    return chart.encode(detail=detail) if detail else chart


def _marks(x: alt.X, y: alt.Y) -> list[Any]:
    kinds = list(MARKS)
    fills, shapes = zip(*MARKS.values(), strict=True)
    base = alt.Chart(alt.NamedData("marks"))
    shape = alt.Shape("kind:N", legend=None, scale=alt.Scale(domain=kinds, range=list(shapes)))
    fill = alt.Fill("kind:N", legend=None, scale=alt.Scale(domain=kinds, range=list(fills)))
    points = base.mark_point(size=90, stroke="var(--ink)", strokeWidth=1.2, opacity=1)
    words = base.mark_text(
        align=alt.ExprRef(_LABEL_ALIGN),
        dy=alt.ExprRef(_LABEL_DY),
        fontWeight=600,
        fill="var(--ink)",
    )
    return [
        points.encode(x=x, y=y, shape=shape, fill=fill),
        words.encode(x=x, y=y, text="text:N"),
    ]


_AXIS: dict[str, Any] = {
    "domainColor": "var(--rule)",
    "gridColor": "var(--rule)",
    "gridOpacity": 0.6,
    "labelColor": "var(--muted)",
    "labelPadding": 6,
    "tickColor": "var(--rule)",
    "titleColor": "var(--muted)",
    "titleFontWeight": "normal",
}

_LOOKS: dict[str, Any] = {
    "autosize": alt.AutoSizeParams(type="fit-x", contains="padding"),
    "background": "transparent",
    "padding": {"left": 0, "right": 12, "top": 6, "bottom": 8},
    "font": "system-ui, sans-serif",
    "axis": alt.AxisConfig(**_AXIS),
    "axisX": alt.AxisConfig(grid=False),
    "axisY": alt.AxisConfig(domain=False, ticks=False),
    "view": alt.ViewConfig(stroke=None),
}
