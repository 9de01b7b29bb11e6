"""Altair's charts of one job's curves, and of several jobs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import polars as pl

from pipeline.charts import style
from pipeline.charts.plots import Look, plots
from pipeline.charts.read import Curves, best_words, curves, state_words, whole_job_id
from pipeline.charts.style import alt
from pipeline.errors import UsageError
from pipeline.figures import count

if TYPE_CHECKING:
    import altair
    import duckdb


def curve_chart(
    con: duckdb.DuckDBPyConnection,
    job: str,
    *,
    metrics: Sequence[str],
    smoothing: float,
    log: bool,
    attempts: bool,
    points: int,
    width: int,
    height: int,
) -> altair.VConcatChart:
    """One job's curves, over a connection that has the views; all else as of `Drawn.curve`."""
    found = curves(
        con, [whole_job_id(con, job)], metrics=metrics, smoothing=smoothing, attempts=attempts
    )
    row = found.jobs.row(0, named=True)
    if found.points.is_empty():
        raise UsageError(f"{row['job_id']}: {row['status']}, and {_nothing(metrics)}")
    told = state_words(row)
    for best in found.marks.filter(kind="best").iter_rows(named=True):
        told.append(f"best {best_words(best)}")
    told += _unseen(found, log=log)
    by_attempt = pl.format("{} attempt {}", "metric", "attempt")  # NULL where it knows none
    label = pl.coalesce(by_attempt, "metric")
    points_drawn = style.inert_rows(found.points.with_columns(curve=label, look=label, x="step"))
    marks = style.inert_rows(found.marks).with_columns(curve=None, x="step")
    look = Look("step", width, height, points, log=log, smoothed=bool(smoothing > 0))
    title = alt.TitleParams(style.inert(row["job_id"]), subtitle=style.inert(" · ".join(told)))
    data = style.Data()
    return style.stacked(plots(points_drawn, marks, data, look), data, title)


def compare_chart(
    con: duckdb.DuckDBPyConnection,
    jobs: Sequence[str],
    *,
    metrics: Sequence[str],
    by: Literal["step", "share"],
    smoothing: float,
    log: bool,
    points: int,
    width: int,
    height: int,
) -> altair.VConcatChart:
    """Several jobs' curves, over a connection that has the views; else as of `Drawn.compare`."""
    if by not in ("step", "share"):
        raise UsageError(f"by={by!r}: give 'step' or 'share'")
    if not jobs or not all(isinstance(job, str) for job in jobs):
        raise UsageError(f"{jobs!r}: no ids of jobs: write compare('ftjob-a', 'ftjob-b')")
    ids = list(dict.fromkeys(whole_job_id(con, job) for job in jobs))
    found = curves(con, ids, metrics=metrics, smoothing=smoothing)
    if found.points.is_empty():
        raise UsageError(f"{', '.join(ids)}: {_nothing(metrics)}")
    ends = found.jobs.select("job_id", end=pl.max_horizontal("last_step", "total_steps"))
    x = pl.col("step") if by == "step" else pl.col("step") / pl.col("end")
    points_drawn, marks = (
        style.inert_rows(
            rows.join(ends, on="job_id", maintain_order="left").with_columns(curve="job_id", x=x)
        )
        for rows in (found.points.with_columns(look="metric"), found.marks)
    )
    words = "step" if by == "step" else "share of the training"
    look = Look(words, width, height, points, log=log, smoothed=bool(smoothing > 0))
    told = [
        f"{best['job_id']}: best {best_words(best)}"
        for best in found.marks.filter(kind="best").iter_rows(named=True)
    ]
    drawn = set(found.points["job_id"])
    told += [f"{job}: {_nothing(metrics)}" for job in ids if job not in drawn]
    told += _unseen(found, log=log)
    title = alt.TitleParams(
        f"{count(len(drawn), 'job')} by {words}", subtitle=[style.inert(line) for line in told]
    )
    data = style.Data()
    return style.stacked(plots(points_drawn, marks, data, look), data, title)


def _nothing(metrics: Sequence[str]) -> str:
    return f"no metrics {'of what was asked for' if list(metrics) else 'to draw'}"


def _unseen(found: Curves, *, log: bool) -> list[str]:
    """How many values a logarithmic axis has no place for, in words."""
    below = found.points.filter(pl.col("value") <= 0).height if log else 0
    return [f"{count(below, 'value')} at or below 0 left out"] if below else []
