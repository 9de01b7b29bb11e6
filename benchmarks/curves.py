"""One job's loss curve out of a lake, in an open connection: milliseconds, as JSON."""

from __future__ import annotations

import json
import sys
import time
from statistics import median

from pipeline import open_lake

JOBS = 25
_SOME = "select job_id from jobs where steps > 0 order by hash(job_id) limit ?"


def main(path: str) -> dict[str, float]:
    """Ask for the curves of some jobs, one by one; median and greatest [ms]."""
    times, points = [], 0
    with open_lake(path, create=False) as lake, lake.connect() as con:
        jobs = [job for (job,) in con.execute(_SOME, [JOBS]).fetchall()]
        for job in jobs:
            began = time.perf_counter()
            rows = con.execute("from loss_curves where job_id = ? order by step", [job]).fetchall()
            times.append(1000 * (time.perf_counter() - began))
            points += len(rows)
        segments = len(lake.snapshot([])[1])
    if not points:
        raise SystemExit(f"{path}: no curve in it: nothing was measured")
    return {"median": median(times), "greatest": max(times), "files": segments}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
