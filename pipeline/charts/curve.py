"""Altair's charts of one job's curves, and of several jobs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import polars as pl

from pipeline.charts import style
from pipeline.charts.plots import Look, plots
from pipeline.charts.read import Curves, best_words, curves, whole_job_id
from pipeline.errors import UsageError
from pipeline.figures import count

if TYPE_CHECKING:
    import altair as alt
    import duckdb


def curve_chart(
    con: duckdb.DuckDBPyConnection,
    job: str,
    *,
    metrics: Sequence[str] = (),
    smoothing: float = 0.0,
    log: bool = False,
    attempts: bool = False,
    points: int = 1_000,
    width: int = 640,
    height: int = 300,
) -> alt.VConcatChart:
    """One job's curves: a plot for each quantity, best step and checkpoints marked.

    Args:
        con: a connection that has the views.
        job: its id, or a beginning that no other id has.
        metrics: names or patterns of metrics; losses and rewards where none is given.
        smoothing: weight of the past, from 0 (none) to less than 1, as in `curves`; the points as
            they were measured stay, faint.
        log: logarithmic y axes; points at or below 0 are left out.
        attempts: each attempt of a job that restarted, by itself.
        points: most finite points of a curve, by `thinned`; fewer where there are many curves.
        width: of a plot [pixel].
        height: of a plot [pixel].

    Raises:
        LakeError: Altair is not installed.
        UsageError: no such job or metric, or nothing of it to draw.
    """
    alt = style.altair("lake.curve")
    found = curves(
        con, [whole_job_id(con, job)], metrics=metrics, smoothing=smoothing, attempts=attempts
    )
    row = found.jobs.row(0, named=True)
    if found.points.is_empty():
        raise UsageError(f"{row['job_id']}: {row['status']}, and {_nothing(metrics)}")
    told = [row["status"]]
    if row["last_step"] is not None:
        of = f" of {row['total_steps']:,}" if row["total_steps"] is not None else ""
        told.append(f"step {row['last_step']:,}{of}")
    for best in found.marks.filter(kind="best").iter_rows(named=True):
        told.append(f"best {best_words(best)}")
    told += _unseen(found, log=log)
    by_attempt = pl.format("{} attempt {}", "metric", "attempt")  # NULL where it knows none
    label = pl.coalesce(by_attempt, "metric")
    points_drawn = style.inert_rows(found.points.with_columns(curve=label, look=label, x="step"))
    marks = style.inert_rows(found.marks).with_columns(curve=None, x="step")
    look = Look("step", width, height, points, log=log, smoothed=smoothing > 0)
    title = alt.TitleParams(style.inert(row["job_id"]), subtitle=style.inert(" · ".join(told)))
    data = style.Data(alt)
    return style.stacked(alt, plots(alt, points_drawn, marks, data, look), data, title)


def compare_chart(
    con: duckdb.DuckDBPyConnection,
    jobs: Sequence[str],
    *,
    metrics: Sequence[str] = (),
    by: Literal["step", "share"] = "step",
    smoothing: float = 0.0,
    log: bool = False,
    points: int = 1_000,
    width: int = 640,
    height: int = 300,
) -> alt.VConcatChart:
    """Several jobs' curves over one another: a colour for each job, a dash for each metric.

    Args:
        con: a connection that has the views.
        jobs: ids, or beginnings that no other id has.
        metrics: as in `curve_chart`.
        by: what they are laid side by side by: the step, or the share of the training that was
            done, from 0 to 1, for jobs of different length.
        smoothing: as in `curve_chart`.
        log: as in `curve_chart`.
        points: as in `curve_chart`.
        width: as in `curve_chart`.
        height: as in `curve_chart`.

    Raises:
        LakeError: Altair is not installed.
        UsageError: no such job or metric, or nothing of them to draw.
    """
    alt = style.altair("lake.compare")
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
    look = Look(words, width, height, points, log=log, smoothed=smoothing > 0)
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
    data = style.Data(alt)
    return style.stacked(alt, plots(alt, points_drawn, marks, data, look), data, title)


def _nothing(metrics: Sequence[str]) -> str:
    return f"no metrics {'of what was asked for' if metrics else 'to draw'}"


def _unseen(found: Curves, *, log: bool) -> list[str]:
    """How many values a logarithmic axis has no place for, in words."""
    below = found.points.filter(pl.col("value") <= 0).height if log else 0
    return [f"{count(below, 'value')} at or below 0 left out"] if below else []
