"""Verdicts: whether jobs keep the rules of the view `verdicts`, by thresholds a user may set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import DataError
from pipeline.settings import RULES, Settings
from pipeline.sqlfiles import sql_text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from pipeline.lake.lake import Lake


@dataclass(frozen=True, slots=True)
class Checked:
    """The verdicts, and what they come to.

    Attributes:
        rows: the view `verdicts` with one column more, `fails`: tripped, and a rule to fail on.
        jobs: how many jobs were judged.
        found: the rows of it that tripped.
        odd: in how many jobs any rule tripped.
        tripped: rule -> jobs in which it tripped, rules in the order of `settings.RULES`.
        failing: jobs with a verdict that fails.
    """

    rows: pa.Table
    found: pa.Table
    jobs: int
    odd: int
    tripped: dict[str, int]
    failing: int


def set_thresholds(con: DuckDBPyConnection, settings: Settings) -> None:
    """Let the detectors of a connection speak from the values that a user set."""
    if settings.thresholds:
        con.execute(sql_text("verdicts/thresholds"))
        rows = [[*name, value] for name, value in settings.thresholds.items()]
        con.executemany("insert into given_thresholds values ($1, $2, $3)", rows)
        if window := settings.thresholds.get(("loss_spikes", "window")):
            con.execute(f"create or replace macro loss_spikes_window() as {window:.0f}")


def check(
    lake: Lake, settings: Settings | None = None, *, job_id: str | Sequence[str] | None = None
) -> Checked:
    """Judge the jobs of a lake.

    Args:
        lake: the lake.
        settings: rules to fail on, and thresholds; the defaults where None.
        job_id: only this job, or these, by ids or beginnings; all where there is none.

    Raises:
        UsageError: there is no such job.
        DataError: there is none at all: what was not judged has not passed.
    """
    settings = settings or Settings()
    jobs = {job_id} if isinstance(job_id, str) else set(job_id or ())
    with lake.connect(["verdicts"], jobs=jobs or None) as con:
        set_thresholds(con, settings)
        if not jobs:
            con.execute(sql_text("verdicts/whole"))
        con.execute(sql_text("verdicts/held"))
        asked = {"rules": list(RULES), "fail_on": list(settings.fail_on)}
        rows = con.sql(sql_text("verdicts/told"), params=asked).to_arrow_table()
    if not rows.num_rows:
        what = "no jobs in it: nothing was checked: ingest their events first"
        raise DataError(f"{lake.path}: {what}")
    found = rows.filter(pc.equal(rows["verdict"], "tripped"))
    tripped = Counter(found["rule"].to_pylist())
    return Checked(
        rows=rows,
        found=found,
        jobs=pc.count_distinct(rows["job_id"]).as_py(),
        odd=pc.count_distinct(found["job_id"]).as_py(),
        tripped={rule: tripped[rule] for rule in RULES if tripped[rule]},
        failing=pc.count_distinct(rows.filter(rows["fails"])["job_id"]).as_py(),
    )
