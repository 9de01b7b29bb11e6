"""One view of a lake, for one job and over the whole lake, in an open connection: JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from statistics import median

import duckdb

from pipeline import open_lake
from pipeline.views import OF_ALL, catalogue

JOBS = 7
MEMORY = "1600MB"
"""Of the engine, as `tunelog sql --memory 2GB` sets it: the process takes some more."""

_SOME = "select job_id from lake_events group by job_id order by hash(job_id) limit ?"


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(path: str, name: str) -> dict[str, float | None]:
    """Ask a view for some jobs, one by one, then for all its rows, none of them kept.

    Returns:
        Median of one job (``job`` [ms], ``job_cpu`` [ms]; None where the view knows no jobs), and
        the whole lake (``lake`` [s], ``lake_cpu`` [s], of all threads; ``lake`` None where it
        needs more memory than `MEMORY`).
    """
    view = next(view for view in catalogue() if view.name == name)
    walls, cpus = [], []
    with open_lake(path, create=False) as lake, lake.connect() as con:
        con.execute(f"set memory_limit = '{MEMORY}'")
        if name not in OF_ALL and "job_id" in {column.name for column in view.columns}:
            for (job,) in con.execute(_SOME, [JOBS]).fetchall():
                began, used = time.perf_counter(), _cpu()
                con.execute(f"from {name} where job_id = ?", [job]).fetchall()
                walls.append(1000 * (time.perf_counter() - began))
                cpus.append(1000 * (_cpu() - used))
        began, used = time.perf_counter(), _cpu()
        # all columns of all rows are made, and none leaves the engine
        try:
            con.execute(f"select bit_xor(hash(whole)) from {name} as whole").fetchall()
            seconds: float | None = time.perf_counter() - began
        except duckdb.OutOfMemoryException:
            seconds = None
        return {
            "job": median(walls) if walls else None,
            "job_cpu": median(cpus) if cpus else None,
            "lake": seconds,
            "lake_cpu": _cpu() - used,
        }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2])))
