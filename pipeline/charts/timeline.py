"""Altair's chart of one job's life: its numbers above, its messages below, on one time axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.charts import style
from pipeline.charts.read import LOSSES, REWARDS, nearest_steps, steps_near, whole_job_id
from pipeline.charts.style import alt
from pipeline.errors import UsageError
from pipeline.sqlfiles import sql_text
from pipeline.thinning import thinned

if TYPE_CHECKING:
    import altair
    import duckdb

KINDS = ("error", "warning", "moderation", "checkpoint", "message")
"""The rows of messages, the gravest first; metrics are the curves above them."""

MOST_MESSAGES = 2_000
"""Messages in a chart: of more, errors and warnings first, then the earliest."""

LONGEST = 300
"""Characters of a message in a tooltip."""

_TIME_AS_TEXT = pl.col("created_at").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
"""As Vega reads it."""

_TIME = alt.Tooltip("created_at:T", title="time", format="%Y-%m-%d %H:%M:%S")
"""A line of tooltips."""

_TIMELINE = "from timeline where job_id = $1 order by place"


def timeline_chart(
    con: duckdb.DuckDBPyConnection,
    job: str,
    *,
    around: int | None,
    window: int,
    points: int,
    width: int,
    height: int,
) -> altair.VConcatChart:
    """One job's life, over a connection that has the views; all else as of `Drawn.timeline`."""
    job_id = whole_job_id(con, job)
    near = [] if around is None else steps_near(around, window)
    asked = sql_text("charts/timeline_near") if near else _TIMELINE
    rows = con.sql(asked, params=[job_id, *near]).pl()
    if rows.is_empty():
        if around is None:
            raise UsageError(f"{job_id}: nothing was logged: `tunelog show jobs` lists jobs")
        where = nearest_steps(con, job_id, int(around), (*KINDS, "metrics"))
        raise UsageError(f"{job_id}: nothing within {window:,} of step {around:,}: {where}")
    rows = style.inert_rows(rows).with_columns(pl.col("message").str.slice(0, LONGEST))
    data = style.Data()
    axis = alt.Axis(format=_clock(rows["created_at"]))
    scale = alt.Scale(type="utc", padding=12)
    x = alt.X("created_at:T", title="time [UTC]", scale=scale, axis=axis)
    plots = []
    if metrics := [m for m in LOSSES + REWARDS if rows[m].null_count() < rows.height]:
        numbers = _numbers(rows, metrics, data, x, points)
        plots.append(numbers.properties(width=width, height=height))
    plots.append(_messages(rows, data, x).properties(width=width))
    first = rows["created_at"].dt.strftime("%Y-%m-%d %H:%M:%S").min()
    told = f"{rows.height:,} events from " + str(first) + " UTC on"
    if around is not None:
        told += f", within {window:,} of step {around:,}"
    if rows["synthetic_time"].any():
        told += ", times of steps counted up, not measured"
    return style.stacked(plots, data, alt.TitleParams(style.inert(job_id), subtitle=told))


def _clock(times: pl.Series) -> str:
    """How the axis writes times: as much as their span [s] needs."""
    seconds = times.dt.epoch("s").to_list()
    span = max(seconds) - min(seconds)
    if span >= 60 * 86_400:
        return "%Y-%m-%d"
    if span >= 86_400:
        return "%b %d, %H:%M"
    return "%H:%M" if span >= 600 else "%H:%M:%S"


def _numbers(rows: pl.DataFrame, columns: list[str], data: style.Data, x: Any, points: int) -> Any:
    """The losses or rewards, each with its colour, dash and shape."""
    index = ["place", "created_at", "step", "attempt"]
    long = rows.unpivot(on=columns, index=index, variable_name="metric").drop_nulls("value")
    few = thinned(long, style.points_each(len(columns), points), within=["metric"])
    few = few.with_columns(value=pl.when(pl.col("value").is_finite()).then("value"))
    title = " and ".join(dict.fromkeys("loss" if c in LOSSES else "reward" for c in columns))
    channels = (alt.Color, style.COLOURS), (alt.StrokeDash, style.DASHES), (alt.Shape, style.SHAPES)
    colour, dash, shape = (
        kind(
            "metric:N",
            title=None,
            scale=alt.Scale(domain=columns, range=list(values[: len(columns)])),
        )
        for kind, values in channels
    )
    axis = alt.Axis(format=style.NUMBERS)
    y = alt.Y("value:Q", title=title, scale=alt.Scale(zero=False), axis=axis)
    rows = data.add(few.with_columns(_TIME_AS_TEXT))
    base = alt.Chart(rows).encode(x, y, color=colour)
    tooltip = ["metric:N", "step:Q", alt.Tooltip("value:Q", format=".6g"), _TIME]
    dots = base.mark_point(filled=True, size=24, opacity=1).encode(shape=shape, tooltip=tooltip)
    zoom = alt.selection_interval(bind="scales", encodings=["x"], name="zoom")
    lines = base.mark_line(strokeWidth=1.6).encode(strokeDash=dash, detail="attempt:N")
    return alt.layer(lines, dots).add_params(zoom)


def _messages(rows: pl.DataFrame, data: style.Data, x: Any) -> Any:
    """What was logged beside the numbers, a row for each kind, with its own shape."""
    said = rows.filter(pl.col("kind") != "metrics").select(
        "place", "created_at", "step", "kind", "level", "message"
    )
    rank = pl.col("kind").replace_strict({k: n for n, k in enumerate(KINDS)}, default=len(KINDS))
    said = said.sort(rank, "place").head(MOST_MESSAGES).sort("place")
    kinds = [kind for kind in KINDS if kind in said["kind"]]
    scale = alt.Scale(
        domain=list(KINDS), range=["cross", "triangle-up", "square", "diamond", "circle"]
    )
    colours = alt.Scale(
        domain=list(KINDS), range=["#d55e00", "#e69f00", "#cc79a7", "#333", "#0072b2"]
    )
    return (
        alt.Chart(data.add(said.with_columns(_TIME_AS_TEXT)))
        .mark_point(filled=True, size=90, opacity=0.9)
        .encode(
            x,
            alt.Y("kind:N", title=None, scale=alt.Scale(domain=kinds), axis=alt.Axis(grid=True)),
            shape=alt.Shape("kind:N", legend=None, scale=scale),
            color=alt.Color("kind:N", legend=None, scale=colours),
            tooltip=["kind:N", "message:N", "level:N", "step:Q", _TIME],
        )
        .properties(height=alt.Step(26))
    )
