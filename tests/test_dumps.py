"""A job is silent, and its end is due, against the dump it is in: other dumps do not matter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dumps import A, B, an_event

from pipeline import open_lake
from pipeline.lake.lake import Lake

HOUR = 3600


def training(job: str, steps: int, begin: int) -> list[dict[str, Any]]:
    """A running job: its creation, and a step every 10 s from some time on."""
    created = an_event(0, id=f"ftevent-{job[-1]}c", message=f"Created fine-tuning job: {job}")
    created |= {"created_at": begin, "data": {}, "type": "message"}
    return [
        created,
        *(
            an_event(n, id=f"ftevent-{job[-1]}{n}", created_at=begin + 10 * n)
            | {"data": {"step": n, "total_steps": 200, "train_loss": 0.5}}
            for n in range(1, steps + 1)
        ),
    ]


def written(path: Path, *jobs: list[dict[str, Any]]) -> Path:
    """A dump of JSON lines."""
    path.write_text("".join(json.dumps(event) + "\n" for job in jobs for event in job))
    return path


def silent(lake: Lake) -> list[str]:
    """The jobs that are silent."""
    return lake.sql("select job_id from stalls where kind = 'silent'")["job_id"].to_list()


START = 1_700_000_000
EARLY, LATE = training(A, 40, START), training(B, 40, START + 2 * HOUR)


def test_silent_within_one_dump(tmp_path: Path) -> None:
    """Two hours without a step while another job of the same dump goes on."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([written(tmp_path / "both.jsonl", EARLY, LATE)])
        assert silent(lake) == [A]


def test_one_command_reads_one_dump(tmp_path: Path) -> None:
    """Files that are read together are of one moment."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([written(tmp_path / "a.jsonl", EARLY), written(tmp_path / "b.jsonl", LATE)])
        assert silent(lake) == [A]


def test_a_later_dump_of_another_job_says_nothing(tmp_path: Path) -> None:
    """Until the job is in a later dump itself, with nothing new to tell."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([written(tmp_path / "a.jsonl", EARLY)])
        left = lake.sql("select seconds_left from throughput").item()
        lake.ingest([written(tmp_path / "b.jsonl", LATE)])
        assert silent(lake) == []
        query = f"select seconds_left from throughput where job_id = '{A}'"
        assert lake.sql(query).item() == left == 1_600
        lake.compact()
        assert silent(lake) == []
        lake.ingest([written(tmp_path / "again.jsonl", EARLY, LATE)])
        assert silent(lake) == [A]
        assert lake.verify().findings == []


def test_a_time_stamp_out_of_place_stays_in_its_dump(tmp_path: Path) -> None:
    """An event dated far ahead hides no silence of other dumps."""
    odd = training(B, 1, 4_102_444_800)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([written(tmp_path / "both.jsonl", EARLY, LATE)])
        lake.ingest([written(tmp_path / "odd.jsonl", odd)])
        assert silent(lake) == [A]
