"""Files of a lake that take the place of others: what is equal stays, what is damaged is told."""

from __future__ import annotations

import json
import os
import random
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from dumps import A, B, C, an_event
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples
from threads import at_once

from pipeline import open_lake
from pipeline.errors import LakeError, TunelogError
from pipeline.lake.ledger import Ledger
from pipeline.lake.store import Store

JOBS, FILES = (A, B, C), tuple(f"file-{letter * 24}" for letter in "abc")
RESULTS = "step,train_loss,train_accuracy\n"


def lines(path: Path, *records: Any) -> str:
    """Write records as JSON lines; the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return str(path)


def results(path: Path, last: int, cut: int = 0) -> str:
    """Write a result file; the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = RESULTS + "".join(f"{n},{1.5 / n:.5f},0.5\n" for n in range(1, last + 1))
    path.write_text(text[: len(text) - cut])
    return str(path)


def test_result_rows_that_come_to_lie_where_they_lay(tmp_path: Path) -> None:
    """A copy under another job is assigned back: its rows are those of the first, which stay."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([results(tmp_path / A / "results.csv", 3)])
        lake.ingest([results(tmp_path / "again.csv", 3)], job_id=B)
        lake.assign("again.csv", A, force=True)
        assert lake.sql("select job_id, count(*) from companions group by all").rows() == [(A, 3)]
        assert lake.verify().findings == []


def test_variants_that_come_to_lie_where_they_lay(tmp_path: Path) -> None:
    """Of two jobs with one event of two contents each, the variant left is that of the first."""
    with open_lake(tmp_path / "lake") as lake:
        for number, (job, loss) in enumerate([(A, 1.0), (A, 2.0), (B, 1.0), (B, 2.0)]):
            event = an_event(1, data={"step": 1, "train_loss": loss})
            path = tmp_path / f"{number}.jsonl"
            path.write_text("\n" * number + f"{json.dumps(event)}\n")
            lake.ingest([path], job_id=job)
        assert lake.assign("2.jsonl", A, force=True) == 1, "its content, a variant there as here"
        assert lake.view("variants")["job_id"].to_list() == [A]
        assert lake.assign("3.jsonl", A, force=True) == 1
        assert lake.view("variants")["job_id"].to_list() == [A]
        assert lake.verify().findings == []


def test_a_result_file_that_lies_twice_in_a_dump(tmp_path: Path) -> None:
    """By its folder's name, and by the job object that names it: it is one source."""
    results(tmp_path / "dump" / A / "results.csv", 3)
    results(tmp_path / "dump" / f"{FILES[0]}.csv", 3)
    lines(
        tmp_path / "dump" / "job.jsonl",
        {"object": "fine_tuning.job", "id": A, "status": "succeeded", "result_files": [FILES[0]]},
    )
    with open_lake(tmp_path / "lake") as lake:
        report = lake.ingest([tmp_path / "dump"])
        assert sorted(source.status for source in report.sources) == ["known", "new", "new"]
        assert lake.sql("select count(*) from companions where kind = 'result'").item() == 3
        assert lake.verify().findings == []


@pytest.mark.parametrize("later", ["compact", "ingest", "assign"])
def test_a_damaged_file_is_not_written_anew(tmp_path: Path, later: str) -> None:
    """What is damaged but can be read keeps its name, so that it goes on being found out."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([lines(tmp_path / "a.jsonl", *map(an_event, range(1, 9)))], job_id=A)
        lake.ingest([lines(tmp_path / "b.jsonl", *map(an_event, range(1, 9)))], job_id=B)
        (file, _) = lake._store.live("events")
        content = bytearray(file.read_bytes())
        content[content.rindex(b"DuckDB")] ^= 1  # who wrote it, in the footer: it reads as before
        file.chmod(0o600)
        file.write_bytes(content)
        before = lake._store.ledger.live("events")
        lying = sorted((tmp_path / "lake").rglob("*.parquet"))
        job = A if lake._store.ledger.segments_of([A]) == [file.name] else B
        with pytest.raises(LakeError, match="is damaged: see `tunelog verify"):
            if later == "compact":
                lake.compact()
            elif later == "assign":
                lake.assign("a.jsonl" if job == A else "b.jsonl", C, force=True)
            else:
                other = an_event(3, data={"step": 3, "train_loss": 9.5}, level="warn")
                lake.ingest([lines(tmp_path / "c.jsonl", other)], job_id=job)
        assert lake._store.ledger.live("events") == before
        if later == "compact":
            assert sorted((tmp_path / "lake").rglob("*.parquet")) == lying, "nothing is left behind"
        assert [finding.rule for finding in lake.verify().findings] == ["segments_are_whole"]


def test_a_log_that_goes_on_is_one_job(tmp_path: Path) -> None:
    """Though two named jobs hold its events, what comes later joins what came before."""
    created = an_event(0, message=f"Created fine-tuning job: {A}", data={}, type="message")
    steps = [an_event(n) for n in range(1, 9)]
    log = tmp_path / "log.jsonl"
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([lines(tmp_path / "whole.jsonl", created, *steps[:3])])
        lake.ingest([lines(tmp_path / "part.jsonl", *steps[:2])], job_id=B)
        lake.ingest([lines(log, *steps[:5])])
        lake.ingest([lines(log, *steps)])
        jobs = dict(lake.sql("select job_id, events from jobs").rows())
        assert sorted(jobs.values()) == [2, 4, 8]
        assert lake.verify().findings == []
    with open_lake(tmp_path / "at-once") as lake:
        lake.ingest([tmp_path / "part.jsonl"], job_id=B)
        lake.ingest([log, tmp_path / "whole.jsonl"])
        assert dict(lake.sql("select job_id, events from jobs").rows()) == jobs


def test_a_log_goes_on_under_the_job_that_it_has(tmp_path: Path) -> None:
    """It was told by ids that one job had; that another has them since takes nothing apart."""
    steps = [an_event(n) for n in range(1, 9)]
    log = tmp_path / "log.jsonl"
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([lines(tmp_path / "one.jsonl", *steps[:4])], job_id=A)
        lake.ingest([lines(log, *steps[:5])])
        lake.ingest([lines(tmp_path / "all.jsonl", *steps)], job_id=B)
        lake.ingest([lines(log, *steps)])
        assert dict(lake.sql("select job_id, events from jobs").rows()) == {A: 8, B: 8}
        assert lake.verify().findings == []


def test_many_make_one_lake(tmp_path: Path) -> None:
    """Who makes a lake while another does waits for it."""

    def make(path: Path) -> None:
        Ledger(path, create=True).close()

    for number in range(40):
        folder = tmp_path / str(number)
        (folder / "tmp").mkdir(parents=True)
        at_once(*[partial(make, folder / "ledger.db")] * 4)


def test_what_a_living_process_works_with_is_no_garbage(tmp_path: Path) -> None:
    """Though it is some days old; that of a process which is gone is, and what is older."""
    store = Store(tmp_path / "lake", create=True)
    with store.workspace() as mine:
        dead = mine.parent / "4194305-0123abcd"  # above the greatest that Linux gives
        dead.mkdir()
        for folder in (mine, dead):
            os.utime(folder, (time.time() - 3 * 86_400,) * 2)
        store.collect_garbage()
        assert mine.exists() and not dead.exists()
        os.utime(mine, (1e9, 1e9))  # another process may have the number by now
        store.collect_garbage()
        assert not mine.exists()
    store.ledger.close()


def test_files_of_one_name_grow_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two folders' files of one relative name are each read on."""
    with open_lake(tmp_path / "lake") as lake:
        for last in (3, 5, 8):
            for folder, job in (("x", A), ("y", B)):
                created = an_event(0, message=f"Created fine-tuning job: {job}", data={})
                steps = [an_event(n, id=f"ftevent-{folder}{n:023}") for n in range(1, last)]
                lines(tmp_path / folder / "events.jsonl", created, *steps)
                monkeypatch.chdir(tmp_path / folder)
                (source,) = lake.ingest(["events.jsonl"]).sources
                assert source.status == ("new" if last == 3 else "grown")
        assert lake.view("sources").height == 2
        assert lake.verify().findings == []


def drawn(random: random.Random, folder: Path) -> str:
    """Write a dump as it may stand at some time: whole, cut off, or without a name."""
    number = random.randrange(3)
    job, file = JOBS[number], FILES[number]
    created = an_event(0, message=f"Created fine-tuning job: {job}", data={}, type="message")
    told = [created, *(an_event(n, id=f"ftevent-{number}{n:023}") for n in range(1, 9))]
    match random.randrange(7):
        case 0:
            return results(
                folder / job / "results.csv", random.choice([2, 4, 8]), random.choice([0, 3])
            )
        case 1:
            return results(folder / f"{file}.csv", random.choice([2, 4, 8]), random.choice([0, 3]))
        case 2:
            return results(
                folder / f"{random.randrange(2)}" / file / "copy.csv", random.choice([2, 4])
            )
        case 3:
            named = [file] if random.random() < 0.8 else []
            about = {"object": "fine_tuning.job", "id": job, "model": "m", "result_files": named}
            return lines(folder / f"job-{number}.json", about)
        case 4:
            first = random.randrange(1, 6)
            page = {"object": "list", "data": told[first : first + 4][::-1], "has_more": True}
            return lines(folder / f"page-{number}.json", page)
        case 5:
            return lines(
                folder / f"log-{random.randrange(2)}.jsonl", *told[1 : random.choice([3, 6, 9])]
            )
        case _:
            path = lines(folder / f"events-{number}.jsonl", *told[: random.choice([2, 4, 9])])
            text = Path(path).read_text()
            Path(path).write_text(text[: len(text) - random.choice([0, 7])])
            return path


@examples(2)
@given(seed=st.integers(0, 2**32))
def test_whatever_happens_to_a_lake_it_is_whole(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    """Ingests, assignments, replays and compactions in any order leave what keeps every rule."""
    draw = random.Random(seed)
    folder = tmp_path_factory.mktemp("history")
    with open_lake(folder / "lake") as lake:
        lake.make()
        for _ in range(12):
            paths = sorted({drawn(draw, folder) for _ in range(draw.randrange(1, 5))})
            draw.shuffle(paths)
            known = lake.view("sources")["source_id"].to_list()
            try:
                match draw.randrange(10):
                    case 0:
                        lake.compact(keep_hours=draw.choice([0, 24]))
                    case 1:
                        lake.replay_rejects()
                    case 2:
                        lake.ingest(paths, job_id=draw.choice(JOBS), force=draw.random() < 0.5)
                    case 3 | 4 if known:
                        lake.assign(
                            draw.choice(known), draw.choice(JOBS), force=draw.random() < 0.6
                        )
                    case _:
                        lake.ingest(paths)
            except TunelogError:
                pass  # refused, as it may be: nothing of it is in the lake
            assert lake.verify().findings == []
