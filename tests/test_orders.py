"""Orders that people and files count on: of exports, compacted segments, rejects read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import pytest
from test_ingest import JOB, event, lines

from pipeline import open_lake
from pipeline.lake import originals
from pipeline.lake.originals import Originals

OTHER = JOB[:-1] + "0"


def test_an_export_has_the_order_of_events(tmp_path: Path) -> None:
    """Within a second, stages of a job come before steps and ends, steps as they are counted."""
    told = [
        event(1, message="The job has successfully completed", data=None, type="message"),
        event(2, message="Fine-tuning job started", data=None, type="message"),
        *(event(n, data={"step": n, "train_loss": 1.0}) for n in (7, 10, 5, 9, 6, 8)),
        event(20, message=f"Created fine-tuning job: {JOB}", data=None, type="message"),
    ]
    dump = tmp_path / "dump.json"
    dump.write_text(json.dumps([row | {"created_at": 1_700_000_000} for row in told]))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest(dump, job_id=JOB)
        wanted = lake.view("events")["event_id"].to_list()
        exported = [json.loads(line) for line in lake.export_events()]
    assert [row["id"] for row in exported if "message" in row] == wanted
    assert wanted[0] == told[-1]["id"] and wanted[-1] == told[0]["id"]


def test_a_compacted_file_is_sorted_by_job_and_time(tmp_path: Path) -> None:
    """Whatever came first, each job lies together, and in the order in which it happened."""
    with open_lake(tmp_path / "lake") as lake:
        for number in (3, 2, 1):
            for job in (OTHER, JOB):
                dump = tmp_path / f"{number}-{job}.jsonl"
                dump.write_text(lines(*(event(10 * number + n) for n in (5, 3, 4))))
                lake.ingest(dump, job_id=job)
        assert lake.compact() > 0
        (file,) = lake._store.live("events")
    query = f"select job_id, epoch(created_at)::bigint, step from read_parquet('{file}')"
    with duckdb.connect() as con:
        rows = con.execute(query).fetchall()
    assert len(rows) == 18 and rows == sorted(rows)
    assert {row[0] for row in rows} == {JOB, OTHER}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are opened to read records again."""
    found: list[Path] = []
    kept = originals.open_regular

    def noted(path: Path) -> BinaryIO:
        found.append(path)
        return kept(path)

    monkeypatch.setattr(originals, "open_regular", noted)
    return found


def _large(tmp_path: Path, *numbers: int) -> Path:
    """A dump of events of which only a beginning is kept."""
    dump = tmp_path / "dump.jsonl"
    dump.write_text(lines(*(event(n, message=f"{n}" * 70_000) for n in numbers)))
    return dump


def test_records_are_read_again_in_any_order(tmp_path: Path, opened: list[Path]) -> None:
    """A record that lies before the one that was asked for last is found all the same."""
    dump = _large(tmp_path, 1, 2, 3)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest(dump, job_id=JOB, max_record_bytes=1_000)
        rejects: list[dict[str, Any]] = lake.sql("from lake_rejects order by position").to_dicts()
        with Originals(lake._store, 1_000_000) as originals:
            found = [originals.whole(reject) for reject in reversed(rejects)]
    assert [json.loads(raw or b"null")["message"][0] for raw in found] == ["3", "2", "1"]
    assert len(opened) == 3


def test_a_replay_opens_a_file_once(tmp_path: Path, opened: list[Path]) -> None:
    """Rejects that came to lie in another order are read in that of their file."""
    dump = _large(tmp_path, 1, 2)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest(dump, job_id=JOB, max_record_bytes=1_000)
        dump.write_text(dump.read_text() + lines(event(3, message="3" * 70_000)))
        lake.ingest(dump, job_id=JOB, max_record_bytes=1_000)
        (later, first) = sorted(lake._store.live("rejects"), key=lambda file: file.stat().st_size)
        files = {kind: lake._store.live(kind) for kind in ("rejects",)}
        assert {later, first} == set(files["rejects"])
        lake._store.live = lambda kind: (  # type: ignore[method-assign]
            [later, first] if kind == "rejects" else files.get(kind, [])
        )
        assert lake.replay_rejects(max_record_bytes=1_000_000).passed == 3
    assert len(opened) == 1
