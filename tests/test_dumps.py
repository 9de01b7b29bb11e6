"""A job is silent, and its end is due, against the dump it is in: other dumps do not matter."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from dumps import A, B, C, an_event, before_commit

from pipeline import open_lake
from pipeline.contract import LAKE_VERSION
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
    query = "select job_id from stalls where kind = 'silent' order by job_id"
    return lake.sql(query)["job_id"].to_list()


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


# -- files that were known, and are passed over ---------------------------------------------------


def seen(lake: Lake) -> list[int | None]:
    """By which commit each source was seen, but for the one that brought it."""
    query = "select seen_commit_id from lake_sources order by commit_id, path"
    return lake.sql(query)["seen_commit_id"].to_list()


def folder_of(path: Path, **files: list[dict[str, Any]]) -> Path:
    """A folder with a dump for each job, written into what it holds already."""
    path.mkdir(exist_ok=True)
    for name, job in files.items():
        written(path / f"{name}.jsonl", job)
    return path


def test_a_file_that_is_passed_over_was_seen(tmp_path: Path) -> None:
    """What polls find of a job that hangs is what one command finds, in plain DuckDB too."""
    with open_lake(tmp_path / "lake") as lake, open_lake(tmp_path / "once") as once:
        lake.ingest([folder_of(tmp_path / "dumps", a=EARLY, b=LATE[:2])])
        assert silent(lake) == [A]
        for end in (20, None):
            dumps = folder_of(tmp_path / "dumps", b=LATE[:end])
            statuses = [source.status for source in lake.ingest([dumps]).sources]
            assert statuses == ["known", "grown"]
        once.ingest([dumps])
        for view in ("stalls", "throughput"):
            assert lake.view(view).equals(once.view(view))
        assert lake.view("stalls")["until"].to_list() == [at(LATE[-1])]
        assert seen(lake) == [3, None]
        assert lake.verify().findings == []
        lake.compact(keep_hours=0)
        assert silent(lake) == [A]
        with duckdb.connect() as con:
            con.execute(lake.snapshot(only=["stg_dumps"])[0])
            assert con.sql("select job_id, ended_at from stg_dumps order by job_id").fetchall() == [
                (job, at(LATE[-1])) for job in (A, B)
            ]


def at(event: dict[str, Any]) -> datetime:
    """When an event happened."""
    return datetime.fromtimestamp(event["created_at"], UTC)


def test_nothing_new_is_no_dump(tmp_path: Path) -> None:
    """Files that are all known commit nothing, and are of no moment."""
    with open_lake(tmp_path / "lake") as lake:
        for name, job in (("a", EARLY), ("b", LATE)):
            lake.ingest([folder_of(tmp_path / name, **{name: job})])
        lake.ingest([tmp_path / "a", tmp_path / "b"])
        assert silent(lake) == []
        assert seen(lake) == [None, None]
        assert len(lake.view("history")) == 2


def test_a_copy_was_seen_as_its_original(tmp_path: Path) -> None:
    """The content counts, wherever it lies; one file twice in a command is seen by it once."""
    a = written(tmp_path / "a.jsonl", EARLY)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([a, written(tmp_path / "twin.jsonl", EARLY)])
        assert seen(lake) == [None]
        lake.ingest([written(tmp_path / "copy.jsonl", EARLY), folder_of(tmp_path / "b", b=LATE)])
        assert silent(lake) == [A]
        assert seen(lake) == [2, None]


def test_a_dump_that_ends_before_moves_nothing(tmp_path: Path) -> None:
    """What is read late and happened long ago makes no job less silent, and writes nothing anew."""
    past, between, later = (
        training(f"ftjob-{letter * 24}", 3, START + hours * HOUR)
        for letter, hours in (("C", -1), ("D", 5), ("E", 9))
    )
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([folder_of(tmp_path / "dumps", a=EARLY, b=LATE)])
        parts = lake._store.live("sources")
        lake.ingest([folder_of(tmp_path / "dumps", c=past)])
        assert (silent(lake), seen(lake)) == ([A], [None] * 3)
        assert parts == lake._store.live("sources")[:1]
        lake.ingest([folder_of(tmp_path / "e", e=later), tmp_path / "dumps" / "b.jsonl"])
        assert silent(lake) == [A, B]
        lake.ingest([folder_of(tmp_path / "dumps", d=between)])
        assert (silent(lake), seen(lake)) == ([A, B], [4, 3, 4, None, None])


def test_a_file_that_grew_is_of_the_dump_it_grew_in(tmp_path: Path) -> None:
    """Whatever saw its earlier self: it goes on. A copy of that self is not it any more."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([folder_of(tmp_path / "dumps", a=EARLY)])
        lake.ingest([folder_of(tmp_path / "dumps", b=LATE)])
        assert silent(lake) == [A]
        longer = training(A, 41, START)
        lake.ingest([folder_of(tmp_path / "dumps", a=longer) / "a.jsonl"])
        assert (silent(lake), seen(lake)) == ([], [None, None])
        assert lake.verify().findings == []
        old = written(tmp_path / "old.jsonl", EARLY)
        statuses = lake.ingest([old, folder_of(tmp_path / "c", c=LATE[:30])]).sources
        assert [source.status for source in statuses] == ["known", "new"]
        assert (silent(lake), seen(lake)) == ([], [None] * 3)


def test_other_commands_read_no_dump(tmp_path: Path) -> None:
    """Neither do assign, replay and compact see a file, nor does assign part a job from its own."""
    nameless, path = EARLY[1:], tmp_path / "dumps" / "a.jsonl"
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([folder_of(tmp_path / "dumps", a=nameless)])
        lake.ingest([written(tmp_path / "b.jsonl", LATE)])
        lake.assign(str(path), A)
        lake.replay_rejects()
        lake.compact()
        (tmp_path / "out.jsonl").write_text("".join(f"{e}\n" for e in lake.export_events(B)))
        assert (silent(lake), seen(lake)) == ([], [None, None])
        lake.ingest([path, tmp_path / "out.jsonl"])  # an export that is read is a dump
        assert silent(lake) == [A]
        lake.assign(str(path), C, force=True)
        assert silent(lake) == [C]


def test_seen_while_others_commit(tmp_path: Path) -> None:
    """What another process commits meanwhile was seen; what it reads on in was not."""
    jobs = {"a": EARLY, "b": LATE, "c": training(C, 40, START + 4 * HOUR)}
    a, b, c = (written(tmp_path / f"{name}.jsonl", job) for name, job in jobs.items())
    with open_lake(tmp_path / "lake") as lake, open_lake(tmp_path / "lake") as rival:

        def meanwhile(work: Callable[[], object], *paths: Path) -> list[str]:
            """The statuses of an ingest between whose reading and commit a rival works."""
            before_commit(lake, work)
            return [source.status for source in lake.ingest(list(paths)).sources]

        assert meanwhile(lambda: rival.ingest([a]), a, b) == ["known", "new"]
        assert (silent(lake), seen(lake)) == ([A], [2, None])

        def read_on() -> None:
            rival.ingest([written(a, training(A, 41, START))])

        assert meanwhile(read_on, a, c) == ["known", "new"]
        assert (silent(lake), seen(lake)) == ([], [None] * 3)
        assert lake.verify().findings == []


def test_lakes_of_version_3_are_brought_up_to_date(tmp_path: Path) -> None:
    """Of a lake that did not note what was passed over all is as it was; it notes from then on."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([folder_of(tmp_path / "dumps", a=EARLY)])
        made_older(lake)
    with open_lake(tmp_path / "lake") as lake:
        assert lake._store.ledger.lake_version() == LAKE_VERSION
        assert (silent(lake), seen(lake)) == ([], [None])
        assert lake.verify().findings == []
        lake.ingest([folder_of(tmp_path / "dumps", b=LATE)])
        assert (silent(lake), seen(lake)) == ([A], [3, None])
        assert lake.verify().findings == []


def made_older(lake: Lake) -> None:
    """Make a lake what version 3 left behind."""
    store = lake._store
    for file in [*store.live("sources"), store.empty("sources")]:
        older = pq.read_table(file).drop_columns("seen_commit_id")
        file.chmod(0o600)
        pq.write_table(older, file)
    store.ledger._db.execute("alter table sources drop column seen_commit_id")
    store.ledger._db.execute("update meta set value = '3' where key = 'lake_version'")


def test_a_known_file_costs_one_question(tmp_path: Path) -> None:
    """A thousand files that are passed over are noted by one statement, and asked for once each."""
    counts, jobs = [], [training(f"ftjob-{n:024}", 1, START + n) for n in range(14)]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([folder_of(tmp_path / "few", a=jobs[0])])
        files = {f"m{n}": job for n, job in enumerate(jobs[1:12])}
        lake.ingest([folder_of(tmp_path / "many", **files)])
        for folder, job in (("few", jobs[12]), ("many", jobs[13])):
            asked: list[str] = []
            lake._store.ledger._db.set_trace_callback(asked.append)
            lake.ingest([folder_of(tmp_path / folder, new=job)])
            lake._store.ledger._db.set_trace_callback(None)
            counts.append(sum("from contents" in s or "update sources" in s for s in asked))
        assert counts == [2 + 1, 12 + 1]
        assert seen(lake).count(4) == 11


def test_the_last_event_of_a_lake(tmp_path: Path) -> None:
    """As its commits note it, which needs no look at events; else that of its events."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([written(tmp_path / "a", EARLY)])
        lake.ingest([written(tmp_path / "b", LATE)])
        for noted in (True, False):
            with lake.connect() as con:
                if not noted:
                    con.execute("create table commits as from lake_commits")
                    con.execute("update commits set last_event_at = null")
                    con.execute("create or replace view lake_commits as from commits")
                assert con.sql("from stg_last_event").fetchall() == [(at(LATE[-1]),)]
        with lake.connect() as con:
            con.execute("create table none as from lake_events limit 0")
            con.execute("create or replace view lake_events as from none")
            assert con.sql("from stg_last_event").fetchall() == [(at(LATE[-1]),)]


def test_what_brings_events_notes_the_last_of_them(tmp_path: Path) -> None:
    """Rejects that pass, and older commits, of which an upgrade notes it, like any ingest."""
    first, last = training(C, 2, START - 99 * HOUR), training(A, 41, START)
    for way in ("replay", "upgrade"):
        with open_lake(tmp_path / way) as lake:
            if way == "replay":
                lake.ingest([written(tmp_path / "first", first)])
                lake.ingest([written(tmp_path / "last", last)], max_record_bytes=99)
                lake.replay_rejects()
            else:
                lake.ingest([written(tmp_path / "last", last)])
                lake._store.ledger._db.execute("update commits set last_event_at = null")
                made_older(lake)
        with open_lake(tmp_path / way) as lake:
            if way == "upgrade":
                lake.ingest([written(tmp_path / "first", first)])
            assert sorted(lake.sql("select distinct job_id from events")["job_id"]) == [A, C]
            assert lake.sql("from stg_last_event")["created_at"].to_list() == [at(last[-1])]
            with lake.connect(jobs=[C]) as con:
                assert con.sql("from stg_last_event").fetchall() == [(at(last[-1]),)]
            assert lake.verify().findings == []


@pytest.mark.parametrize("fault", [Path.unlink, lambda file: file.write_bytes(b"PAR1")])
def test_an_older_lake_with_a_broken_segment_is_opened(
    tmp_path: Path, fault: Callable[[Path], object]
) -> None:
    """Whatever of it can be read is; `verify` names the segment."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([written(tmp_path / "a", EARLY)])
        (segment,) = lake._store.live("events")
        made_older(lake)
    segment.chmod(0o600)
    fault(segment)
    with open_lake(tmp_path / "lake") as lake:
        assert len(lake.view("sources")) == 1
        assert "segments_are_whole" in {finding.rule for finding in lake.verify().findings}
