"""What a report tells, asked of the views: frames by name, their times as whole seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.checks import set_thresholds
from pipeline.errors import UsageError
from pipeline.measured import NEWEST_FIRST
from pipeline.settings import RULES, Settings
from pipeline.sqlfiles import sql_text
from pipeline.views import focus, named

if TYPE_CHECKING:
    import duckdb
    import polars as pl

DETAILED = 1_000
"""Jobs that get a page of their own, the newest first; the others are listed."""

MESSAGES = 40_000
"""Messages in a report, shared by its jobs, but at least 40 and at most 400 of a job."""

MESSAGE_LENGTH = 1_000
"""Of a longer message a report tells its beginning [character]."""

NAME_LENGTH = 100
"""The same of a longer suffix: the API takes 64 [character]."""

_OF_JOBS = "list_contains(getvariable('report_jobs'), job_id)"

_VIEWS = {
    "attempts": "job_id, attempt",
    "best_steps": "job_id",
    "checkpoint_advice": "job_id",
    "checkpoints": "job_id, step, told_at, event_id",
    "data_quality": "job_id, problem, subject",
    "divergences": "job_id, first_step, metric, kind",
    "job_phases": "job_id, started_at, phase_rank",
    "leaderboard": "job_id",
    "loss_spikes": "job_id, first_step",
    "overfitting": "job_id",
    "stalls": "job_id, after_step_at",
    "throughput": "job_id",
    "verdicts": "job_id, list_position(getvariable('report_rules'), rule)",
}
"""Views that a job's page shows as they are, and the order of their rows."""

_FILES = ("blocked", "points", "earlier", "messages", "reward_gaps")
"""Questions that take more than a line, files of sql/report."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a report tells.

    Attributes:
        jobs: rows of the view `jobs`, the newest first.
        detailed: those of them that get a page.
        frames: by name, a row per thing told of a job in `detailed`; each has a job_id.
        kinds: rows of `error_timeline`, the gravest and commonest first.
        failures: why jobs failed, a row for those that failed alike.
        sources: one row, the sums of the view `sources`; where jobs were chosen, of theirs.
        fail_on: rules whose tripping is grave.
    """

    jobs: pl.DataFrame
    detailed: list[str]
    frames: dict[str, pl.DataFrame]
    kinds: pl.DataFrame
    failures: pl.DataFrame
    sources: pl.DataFrame
    fail_on: tuple[str, ...]


def reads() -> set[str]:
    """The views that `facts` asks."""
    texts = [sql_text(f"report/{name}") for name in (*_FILES, "kinds", "failures", "sources")]
    return named(" ".join([*texts, *_VIEWS, "jobs", "thresholds"])) or set()


def facts(
    con: duckdb.DuckDBPyConnection,
    jobs: Sequence[str] | None = None,
    settings: Settings | None = None,
) -> Facts:
    """Ask the views.

    Args:
        con: a connection that has them, of all jobs, as `Lake.connect` gives, for no other use:
            what they answered is held in it, and in the end they tell of the page's jobs alone.
        jobs: ids of the jobs to tell of; all where none is given.
        settings: which rules are grave, and the detectors' thresholds; the defaults where None.

    Raises:
        UsageError: the lake has no job of that id.
    """
    settings, jobs = settings or Settings(), list(jobs or ()) or None
    set_thresholds(con, settings)
    frames = {}
    if jobs:
        _set(con, "report_jobs", jobs)
        frames["leaderboard"] = _view(con, "leaderboard")  # ranks them among all jobs
        con.execute(focus(jobs))
    con.execute(sql_text("report/hold_jobs"))
    listed = _rows(con, f"from jobs order by {NEWEST_FIRST}")
    for job in set(jobs or ()) - set(listed["job_id"]):
        raise UsageError(f"--job {job}: no job of that name: see `tunelog show jobs`")
    detailed = listed["job_id"].to_list()[:DETAILED]
    _set(con, "report_jobs", detailed)
    _set(con, "report_rules", list(RULES))
    _set(con, "report_messages", max(40, min(400, MESSAGES // max(1, len(detailed)))))
    _set(con, "report_message_length", MESSAGE_LENGTH)
    _set(con, "report_is_whole", jobs is None)
    kinds, failures = (_rows(con, sql_text(f"report/{name}")) for name in ("kinds", "failures"))
    if jobs is None:
        frames["leaderboard"] = _view(con, "leaderboard")
        if len(listed) > len(detailed):
            con.execute(focus(detailed))
    con.execute(sql_text("report/hold_curves"))
    frames |= {view: _view(con, view) for view in _VIEWS if view not in frames}
    frames |= {name: _rows(con, sql_text(f"report/{name}")) for name in _FILES}
    return Facts(
        jobs=listed,
        detailed=detailed,
        frames=frames,
        kinds=kinds,
        failures=failures,
        sources=_rows(con, sql_text("report/sources")),
        fail_on=settings.fail_on,
    )


def _set(con: duckdb.DuckDBPyConnection, name: str, value: object) -> None:
    con.execute(f"set variable {name} = $1", [value])


def _view(con: duckdb.DuckDBPyConnection, view: str) -> pl.DataFrame:
    return _rows(con, f"from {view} where {_OF_JOBS} order by {_VIEWS[view]}")


def _rows(con: duckdb.DuckDBPyConnection, query: str) -> pl.DataFrame:
    from polars import selectors

    return con.sql(query).pl().with_columns(selectors.datetime().dt.epoch("s"))
