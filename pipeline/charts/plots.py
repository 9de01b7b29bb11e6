"""Altair's plots of curves: lines and points, and marks with a legend of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline.charts import style
from pipeline.charts.read import SERIES, quantity
from pipeline.charts.style import alt
from pipeline.errors import UsageError
from pipeline.thinning import thinned

SEEN = 60
"""Points of a curve up to which each is drawn; those of others are felt by the pointer only."""

_TOLD = {"curve": "", "shown": "", "value": "Q", "odd": "N", "model_id": "N"}
"""What a mark knows beside its place, and the type by which its tooltip shows it."""


@dataclass(frozen=True)
class Look:
    """How plots are drawn.

    Attributes:
        x_title: title of the x axis.
        width: of a plot [pixel].
        height: of a plot [pixel].
        points: most finite points of a curve.
        log: logarithmic y axes.
        smoothed: whether the points as they were measured are drawn too, faint.
    """

    x_title: str
    width: int
    height: int
    points: int
    log: bool
    smoothed: bool


def plots(points: pl.DataFrame, marks: pl.DataFrame, data: style.Data, look: Look) -> list[Any]:
    """A plot for each quantity, all with the same steps.

    Args:
        points: those of `Curves`, with `curve` (what has a colour), `look` (what has a dash and a
            shape) and `x`.
        marks: those of `Curves`, with `curve` (whose colour it has, NULL for none) and `x`.
        data: where the plots' rows go.
        look: how to draw them.

    Raises:
        UsageError: more curves than a chart can hold.
    """
    count = points.select(SERIES).n_unique()
    if 8 * count > style.MOST_ROWS:
        raise UsageError(f"{count:,} curves: more than a chart can hold: ask for fewer metrics")
    best = marks.filter(kind="best").select("job_id", "metric", "step", is_best=True)
    points = points.join(best, on=["job_id", "metric", "step"], how="left", maintain_order="left")
    each = style.points_each(count, look.points)
    few = thinned(points, each, values="shown", keep=pl.col("is_best"), within=SERIES)
    odd = pl.col("shown").is_finite().not_()
    few = few.with_columns(
        pl.when(_fits(column, look)).then(column).alias(column) for column in ("value", "shown")
    ).with_columns(
        odd=few.select(pl.when(odd).then(pl.col("shown").cast(pl.String))).to_series(),
        quantity=pl.Series(map(quantity, few["metric"]), dtype=pl.String),
        series=pl.format("{} {} {}", "job_id", "metric", pl.col("attempt").fill_null(0)),
    )
    groups = few.partition_by("quantity", maintain_order=True)
    return [_plot(group, marks, data, look, f"zoom_{n}") for n, group in enumerate(groups)]


def _fits(column: str, look: Look) -> pl.Expr:
    """Whether a value has a place on the y axis."""
    finite = pl.col(column).is_finite()
    return finite & (pl.col(column) > 0) if look.log else finite


def _plot(
    points: pl.DataFrame, marks: pl.DataFrame, data: style.Data, look: Look, zoom: str
) -> Any:
    what = points["quantity"][0]
    title = what + (" [token]" if what == "tokens" else "")
    if look.log:
        scale, axis = alt.Scale(type="log", nice=False, padding=6), alt.Undefined
    else:
        scale, axis = alt.Scale(zero=False, padding=6), alt.Axis(format=style.NUMBERS)
    x = alt.X("x:Q", title=look.x_title, scale=alt.Scale(nice=False, padding=8))
    y = alt.Y("shown:Q", title=title, scale=scale, axis=axis)
    curves, looks = (list(dict.fromkeys(points[column])) for column in ("curve", "look"))
    # One field, one legend: what differs by metric only has its colour, dash and shape in one.
    field = "curve" if curves == looks else "look"
    colour = _channel(alt.Color, "curve", curves, style.COLOURS, look.width)
    dash = _channel(alt.StrokeDash, field, looks, style.DASHES, look.width)
    shape = _channel(alt.Shape, field, looks, style.SHAPES, look.width)
    tooltip = ["job_id:N", "metric:N", "step:Q", alt.Tooltip("value:Q", format=".6g")]
    tooltip += [alt.Tooltip("shown:Q", title="smoothed", format=".6g")] * look.smoothed
    columns = ("job_id", "metric", "step", "x", "value", "shown", "curve", "look", "series")
    few = [name for name in looks if points.filter(look=name).height <= SEEN]
    seen = alt.FieldOneOfPredicate("look", few)
    felt = alt.FieldOneOfPredicate("look", [name for name in looks if name not in few])
    base = alt.Chart(data.add(points.select(columns))).encode(x, y, color=colour)
    lines = base.encode(strokeDash=dash, detail="series:N")
    dots = base.encode(shape=shape, tooltip=tooltip)
    layers = [
        lines.mark_line(strokeWidth=1.8),
        dots.transform_filter(seen).mark_point(filled=True, size=36, opacity=1),
        dots.transform_filter(felt).mark_point(filled=True, size=60, opacity=0),
    ]
    if look.smoothed:
        raw = lines.mark_line(strokeWidth=1, opacity=0.3)
        layers.append(raw.encode(alt.Y("value:Q", title=title, scale=scale, axis=axis)))
    zoomed = alt.selection_interval(bind="scales", name=zoom)
    both = [alt.layer(*layers).add_params(zoomed)]
    tint = _channel(alt.Color, "curve", curves, style.COLOURS, 0)
    both += _marks(points, marks, data, x, y, tint, look)
    chart = alt.layer(*both).resolve_scale(**style.APART)
    return chart.properties(width=look.width, height=look.height)


def _channel(
    kind: Any, field: str, domain: Sequence[str], values: Sequence[Any], width: int
) -> Any:
    spread = alt.Scale(domain=list(domain), range=style.cycled(values, len(domain)))
    room = 6 * max(map(len, domain)) + 40
    legend = alt.Legend(columns=max(1, width // room), labelLimit=width) if width else None
    return kind(f"{field}:N", title=None, scale=spread, legend=legend)


def _marks(
    points: pl.DataFrame,
    marks: pl.DataFrame,
    data: style.Data,
    x: Any,
    y: Any,
    colour: Any,
    look: Look,
) -> list[Any]:
    """Best steps on their curve, checkpoints and restarts below, what is not finite above."""
    keys = ["job_id", "metric", "step"]
    inside = pl.col("x").is_between(points["x"].min(), points["x"].max())
    here = marks.filter(inside).join(points.select("job_id").unique(), on="job_id")
    shown = points.filter(pl.col("shown").is_not_null()).select(*keys, "shown")
    odd = points.filter(pl.col("odd").is_not_null()).with_columns(kind=pl.lit("odd"))
    parts = [
        (here.filter(kind="best").join(shown, on=keys), y, 130),
        (here.filter(pl.col("kind") != "best"), alt.value(look.height - 6), 80),
        (odd, alt.value(6), 50),
    ]
    kinds = [kind for kind in style.MARKS if any(kind in part["kind"] for part, *_ in parts)]
    names, shapes = ([table[kind] for kind in kinds] for table in (style.MARKS, style.MARK_SHAPES))
    legend = alt.Legend(symbolFillColor="#333", symbolStrokeColor="#333")
    scale = alt.Scale(domain=names, range=shapes)
    shape = alt.Shape("mark:N", title=None, scale=scale, legend=legend)
    layers = []
    for part, place, size in parts:
        if part.height:
            told = [c for c in _TOLD if c in part.columns and part[c].null_count() < part.height]
            rows = part.select(*keys, "x", *told, mark=pl.col("kind").replace(style.MARKS))
            tint = colour if "curve" in told else alt.value("#333")
            chart = alt.Chart(data.add(rows)).mark_point(filled=True, size=size, opacity=1)
            tooltip = ["mark:N", "job_id:N", "step:Q"]
            tooltip += [f"{name}:{kind}" for name, kind in _TOLD.items() if kind and name in told]
            layers.append(chart.encode(x=x, y=place, shape=shape, color=tint, tooltip=tooltip))
    return [alt.layer(*layers)] if layers else []
