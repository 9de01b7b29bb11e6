"""What there is to draw of jobs: their points by metric, and the steps worth a mark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from pipeline.contract import METRICS
from pipeline.errors import UsageError
from pipeline.sqlfiles import sql_text

if TYPE_CHECKING:
    import duckdb
    import polars as pl

LOSSES = ("train_loss", "valid_loss", "full_valid_loss")
REWARDS = ("train_mean_reward", "valid_mean_reward", "full_valid_mean_reward")

_CURVE = "from loss_curves where job_id = $1 order by step"
_ATTEMPTS = "from loss_curve_attempts where job_id = $1 order by attempt, step"
_LOGGED = "select step from timeline where job_id = $1 and list_contains($2, kind)"
_JOB = "select job_id, status, last_step, total_steps from jobs where job_id = $1"

VIEWS = (
    "attempts",
    "best_steps",
    "checkpoints",
    "jobs",
    "loss_curve_attempts",
    "loss_curves",
    "metrics",
    "stg_validations",
)
"""The views that `curves` reads."""
_FAR = 2**63 - 1
"""The last step that the engine knows."""
SERIES = ("job_id", "attempt", "metric")
"""What tells the curves of `Curves.points` apart."""


@dataclass(frozen=True)
class Curves:
    """What there is to draw.

    Attributes:
        jobs: job_id, status, last_step, total_steps; a row per job, in the order asked for.
        points: job_id, attempt, metric, step, value, shown; a row per number, curve after curve,
            each by step. attempt is NULL on the curve of `loss_curves`, which joins them, and has
            what checkpoint objects tell of validation, too. shown is the value, smoothed if that
            is asked for.
        marks: job_id, kind (best, checkpoint, restart), step, metric, value, is_smoothed,
            model_id; a row per step worth a mark. metric, value and is_smoothed are those of
            `best_steps`.
    """

    jobs: pl.DataFrame
    points: pl.DataFrame
    marks: pl.DataFrame

    def of(self, job: str, kind: str) -> list[int]:
        """The steps of a job that have a mark of a kind, each once, in order."""
        return sorted(set(self.marks.filter(job_id=job, kind=kind)["step"]))

    def within(self, first: int, last: int) -> Curves:
        """What of it lies between two steps, both included."""
        points, marks = (
            frame.filter(frame["step"].is_between(first, last))
            for frame in (self.points, self.marks)
        )
        return Curves(self.jobs, points, marks)


def curves(
    con: duckdb.DuckDBPyConnection,
    jobs: Sequence[str],
    *,
    metrics: Sequence[str] = (),
    smoothing: float = 0.0,
    attempts: bool = False,
) -> Curves:
    """The curves of jobs.

    Args:
        con: a connection that has the views.
        jobs: whole job ids.
        metrics: names of metrics, or patterns of names with ``*``, ``?`` and ``[...]``; losses and
            rewards where none is given.
        smoothing: weight of the past, from 0 (none) to less than 1, as in `loss_curves_smoothed`;
            a metric with less than a third of the points of the job's densest stays as it is.
        attempts: each attempt as a curve of its own, those included that a restart threw away.

    Raises:
        UsageError: a job that is not in the lake, a name that no metric of these jobs has, or a
            smoothing out of range.
    """
    import polars as pl

    if not 0 <= smoothing < 1:
        raise UsageError(f"smoothing {smoothing!r}: give 0 to less than 1")
    known = [con.sql(_JOB, params=[job]).pl() for job in jobs]
    for job, row in zip(jobs, known, strict=True):
        if row.is_empty():
            raise UsageError(f"{job}: no such job: `tunelog show jobs` lists them")
    metrics = [metrics] if isinstance(metrics, str) else list(metrics)
    parts = [_points(con, job, metrics, attempts) for job in jobs]
    if metrics and (lost := _unmatched(metrics, parts)):
        raise UsageError(f"{lost}: no metric of that name: `tunelog show metric_keys` lists them")
    points = pl.concat(parts) if parts else _no_points()
    finite = pl.when(pl.col("value").is_finite()).then("value")
    weighed = finite.ewm_mean(alpha=1 - smoothing, adjust=True, ignore_nulls=True, min_samples=1)
    # an average of a few evaluations lags behind all of them, as in `compare`
    size = pl.len().over(SERIES)
    dense = 3 * size >= size.max().over("job_id", "attempt")
    fits = pl.col("value").is_finite() & dense
    smooth = pl.when(fits).then(weighed.over(SERIES)).otherwise("value")
    points = points.with_columns(shown=smooth if smoothing and points.height else pl.col("value"))
    marks = pl.concat([_no_marks(), *(_marks(con, job) for job in jobs)])
    return Curves(pl.concat(known) if known else pl.DataFrame(), points, marks)


def whole_job_id(con: duckdb.DuckDBPyConnection, job: str) -> str:
    """The id of the one job that begins so, by its events or by what is told beside them.

    Args:
        con: a connection to a lake, with or without views.
        job: the id, or its beginning.

    Raises:
        UsageError: no job of the lake begins so, or several do.
    """
    if not isinstance(job, str) or not job:  # '': of a variable that is not set; all begin so
        raise UsageError(f"{job!r}: no id of a job: `tunelog show jobs` lists them")
    query = sql_text("lake/jobs_that_begin_so")
    half = any("\ud800" <= letter <= "\udfff" for letter in job)  # of a character: in no id
    found = [] if half else [name for (name,) in con.execute(query, [job]).fetchall()]
    if not found:
        raise UsageError(f"{job}: no job of that name or beginning: see `tunelog show jobs`")
    if len(found) > 1 and job not in found:
        few = " and ".join(sorted(found)[:2])
        raise UsageError(f"{job}: {len(found):,} jobs begin so, as {few}: write more of it")
    return job if job in found else str(found[0])


def state_words(job: Mapping[str, Any]) -> list[str]:
    """What a row of `Curves.jobs` says of how far the job came."""
    if job["last_step"] is None:
        return [job["status"]]
    of = f" of {job['total_steps']:,}" if job["total_steps"] is not None else ""
    return [job["status"], f"step {job['last_step']:,}{of}"]


def best_words(mark: Mapping[str, Any]) -> str:
    """What a row of `Curves.marks` says of a best step."""
    how = " (running median)" if mark["is_smoothed"] else ""
    return f"{mark['metric']}{how} {mark['value']:.4g} at step {mark['step']:,}"


def steps_near(around: int, window: int) -> list[int]:
    """The first and the last step near one, as the engine takes them: small, and not numpy's."""
    around, window = int(around), int(window)
    return [max(-_FAR, min(step, _FAR)) for step in (around - window, around + window)]


def nearest_steps(
    con: duckdb.DuckDBPyConnection, job_id: str, around: int, kinds: Sequence[str]
) -> str:
    """The steps on either side of one at which something of these kinds was logged, in words."""
    logged = con.execute(_LOGGED, [job_id, list(kinds)]).fetchall()
    steps = [step for (step,) in logged if step is not None]
    before = max((step for step in steps if step < around), default=None)
    after = min((step for step in steps if step > around), default=None)
    found = [f"{step:,}" for step in (before, after) if step is not None]
    return f"the nearest at {' and '.join(found)}" if found else "none stands at a step"


def quantity(metric: str) -> str:
    """What a metric measures: metrics of one quantity share an axis."""
    name = metric.rpartition("/")[2]
    for word in ("loss", "reward", "accuracy", "tokens", "error"):
        if word in name:
            return word
    return metric


def _matches(name: str, metrics: Iterable[str]) -> bool:
    return any(name == wanted or fnmatchcase(name, wanted) for wanted in metrics)


def _unmatched(metrics: Sequence[str], parts: Iterable[pl.DataFrame]) -> str | None:
    """The first name asked for that matches nothing; names of the API's metrics always do."""
    found = set(METRICS).union(*(part["metric"].unique() for part in parts))
    return next((m for m in metrics if not any(_matches(name, [m]) for name in found)), None)


def _points(
    con: duckdb.DuckDBPyConnection, job: str, metrics: Sequence[str], attempts: bool
) -> pl.DataFrame:
    """The points of one job, without smoothing."""
    import polars as pl

    known = [m for m in METRICS if (_matches(m, metrics) if metrics else m in LOSSES + REWARDS)]
    wide = con.sql(_ATTEMPTS if attempts else _CURVE, params=[job]).pl()
    if not attempts:
        wide = wide.with_columns(attempt=pl.lit(None, pl.Int64))
    index = ["job_id", "attempt", "step"]
    long = wide.unpivot(on=known, index=index, variable_name="metric").drop_nulls("value")
    parts = [_no_points(), long.select(*SERIES, "step", "value")]
    if not attempts:
        told = con.sql(sql_text("charts/validation_points"), params=[job]).pl()
        told = told.filter(pl.col("metric").is_in(known))
        parts.append(told.join(long, on=["metric", "step"], how="anti"))
    if [m for m in metrics if m not in METRICS]:
        others = con.sql(sql_text("charts/other_metrics"), params=[job]).pl()
        names = [name for name in others["metric"].unique() if _matches(name, metrics)]
        others = others.filter(pl.col("metric").is_in(names))
        parts.append(others.select(*SERIES, "step", "value"))
    order = list(dict.fromkeys([*known, *pl.concat(parts)["metric"]]))
    rank = pl.col("metric").replace_strict(order, range(len(order)), return_dtype=pl.Int64)
    rows = pl.concat(parts)
    return rows.sort("attempt", rank, "step", maintain_order=True) if rows.height else rows


def _marks(con: duckdb.DuckDBPyConnection, job: str) -> pl.DataFrame:
    import polars as pl

    rows: list[dict[str, Any]] = []
    for kind in ("best", "checkpoint", "restart"):
        found = con.sql(sql_text(f"charts/{kind}_steps"), params=[job]).pl().to_dicts()
        rows += [{"job_id": job, "kind": kind, **row} for row in found]
    return pl.DataFrame(rows, _no_marks().schema)


def _no_points() -> pl.DataFrame:
    import polars as pl

    text, whole, real = pl.String, pl.Int64, pl.Float64
    return pl.DataFrame(
        schema={"job_id": text, "attempt": whole, "metric": text, "step": whole, "value": real}
    )


def _no_marks() -> pl.DataFrame:
    import polars as pl

    text, whole, real = pl.String, pl.Int64, pl.Float64
    return pl.DataFrame(
        schema={
            "job_id": text, "kind": text, "step": whole, "metric": text, "value": real,
            "is_smoothed": pl.Boolean, "model_id": text,
        }
    )  # fmt: skip
