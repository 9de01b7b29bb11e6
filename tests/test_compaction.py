"""Many small ingests: few files, little work for each, and readers that go on."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_ingest import JOB, event

from pipeline import normalise, open_lake
from pipeline.cli import run
from pipeline.idle import Idle
from pipeline.lake import compact, engine, merge, segments, store
from pipeline.lake.lake import Lake

FEW = 6
_TAKES = """
import sys
from pipeline import open_lake
with open_lake(sys.argv[1]) as lake:
    lake.ingest(sys.argv[2], job_id=sys.argv[3])
print(*(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
"""Tells what memory an ingest took at most [KiB]."""


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a few files are many."""
    monkeypatch.setattr(compact, "MOST_SEGMENTS", FEW)


def a_page(folder: Path, number: int) -> Path:
    """A page of a poll: three events, of which the one before brought the first; or a reject."""
    path = folder / f"page-{number}.json"
    data = [event(n) for n in range(2 * number, 2 * number + 3)]
    if number % 3 == 0:
        data.append({"object": "fine_tuning.job.event", "id": f"broken-{number}"})
    path.write_text(json.dumps({"object": "list", "data": data, "has_more": True}))
    return path


def live(lake: Lake) -> dict[str, int]:
    """How many files each table has."""
    return {kind: len(files) for kind, files in lake._store.files().items()}


def snapshot_rows(lake: Lake, table: str) -> int:
    """Rows that were ever written to snapshots of a table."""
    with sqlite3.connect(lake.path / "ledger.db") as db:
        query = "select sum(row_count) from segments where kind = ?"
        return int(db.execute(query, (table,)).fetchone()[0])


@pytest.mark.usefixtures("few")
def test_many_small_ingests(tmp_path: Path) -> None:
    """A poll of many pages leaves few files of each table, while connections old and new answer."""
    pages, failed, asked = 15, [], 0
    done = threading.Event()

    def read() -> None:
        nonlocal asked
        try:
            with open_lake(tmp_path / "lake", create=False) as lake:
                first = lake.connect()
                ((before,),) = first.sql("select count(*) from events").fetchall()
                while not (done.is_set() and asked > 1):
                    assert first.sql("select count(*) from events").fetchall() == [(before,)]
                    assert first.sql("from sources").fetchall()
                    lake.refresh()
                    (n, ids) = lake.sql(
                        "select count(*), count(distinct event_id) from events"
                    ).row(0)
                    assert n == ids and n >= before
                    asked += 1
        except BaseException as error:
            failed.append(error)

    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([a_page(tmp_path, 0)], job_id=JOB)
        reader = threading.Thread(target=read)
        reader.start()
        try:
            for number in range(1, pages):
                lake.ingest([a_page(tmp_path, number)], job_id=JOB)
                assert max(live(lake).values()) <= FEW + 1
        finally:
            done.set()
            reader.join()
        assert not failed and asked > 1
        assert len(lake.view("events")) == 2 * pages + 1
        assert len(lake.view("rejects")) == pages / 3
        assert len(lake.view("sources")) == pages
        assert lake.verify().findings == []


@pytest.mark.usefixtures("few")
def test_snapshots_grow_with_what_is_new(tmp_path: Path) -> None:
    """A commit writes the rows it brought, and now and then all; not all each time."""
    with open_lake(tmp_path / "lake") as lake:
        for number in range(16):
            lake.ingest([a_page(tmp_path, number + 1)], job_id=f"ftjob-{number:024}")
        whole = sum(range(16)) / 2
        assert snapshot_rows(lake, "sources") < whole
        assert snapshot_rows(lake, "streams") < whole
        assert lake.verify().findings == []


def test_rows_that_change_are_written_anew(tmp_path: Path) -> None:
    """Where a commit changes the rows of earlier ones, views show them as they are now."""
    one, two = tmp_path / "one.jsonl", tmp_path / "two.json"
    one.write_text(json.dumps(event(1)) + "\n")
    two.write_text(json.dumps([event(1, message="better", data={"step": 1, "more": [1, 2, 3]})]))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([one])
        assert lake.view("sources")["jobs"].to_list() == [1]
        lake.assign(str(one), JOB)
        assert live(lake)["streams"] == 1 and live(lake)["sources"] == 1
        lake.ingest([two], job_id=JOB)
        assert live(lake)["sources"] == 1, "the better copy took the first source's event"
        assert sorted(lake.view("sources")["events"]) == [0, 1]
        one.write_text(one.read_text() + json.dumps(event(2)) + "\n")
        lake.ingest([one])
        assert lake.view("sources")["records"].sum() == 3
        assert lake.verify().findings == []


def test_keep_nothing(tmp_path: Path) -> None:
    """`compact --keep 0` leaves on disk what is live, and what another command is writing."""
    path = tmp_path / "lake"
    with open_lake(path) as lake:
        for number in range(3):
            lake.ingest([a_page(tmp_path, number)], job_id=JOB)
    (path / "tmp" / "busy").mkdir()
    assert run(["compact", "--lake", str(path)]) == 0
    assert len(list((path / "events").iterdir())) == 4
    assert run(["compact", "--lake", str(path), "--keep", "0"]) == 0
    assert [len(list((path / kind).iterdir())) for kind in ("events", "rejects")] == [1, 1]
    assert len([p for p in (path / "ledger").iterdir() if "no-" not in p.name]) == 3
    assert (path / "tmp" / "busy").exists()
    with open_lake(path) as lake:
        assert lake.verify().findings == []
        assert len(lake.view("events")) == 7


def test_queries_are_of_one_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`tunelog sql` answers from the files of one commit, whatever is committed as it looks."""
    with open_lake(tmp_path / "lake") as lake:
        for number in range(2):
            lake.ingest([a_page(tmp_path, number)])
        look, busy = store.Store.files, [False]

        def files(self: store.Store) -> dict[str, list[str]]:
            found = look(self)
            if not busy[0]:  # each look is followed by a commit that replaces what was seen
                busy[0] = True
                lake.ingest([a_page(tmp_path, 2 + len(list(tmp_path.glob("page-*"))))])
                lake.compact()
                busy[0] = False
            return found

        monkeypatch.setattr(store.Store, "files", files)
        assert run(["sql", "select count(*) as n from events", "--lake", str(lake.path)]) == 0
    assert "5" in capfd.readouterr().out


def test_what_is_merged_is_one_row_group(tmp_path: Path) -> None:
    """Rows of many small files are read at once afterwards, and rewritten so by the next merge."""
    with open_lake(tmp_path / "lake") as lake:
        for number in range(0, 3 * (compact.MOST_TINY + 1), 3):
            lake.ingest([a_page(tmp_path, number)], job_id=JOB)
        groups = {
            kind: [pq.read_metadata(file).num_row_groups for file in files]
            for kind, files in lake._store.files().items()
            if kind != "spoken"
        }
    assert len(groups["rejects"]) < 4 and groups["rejects"] and groups["sources"]
    assert {number for numbers in groups.values() for number in numbers} <= {0, 1}, groups


def test_row_groups_of_wide_rows_hold_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the payloads of events are, what is merged is written some megabytes at once."""
    monkeypatch.setattr(segments, "_GROUP_BYTES", 1 << 20, raising=False)
    with open_lake(tmp_path / "lake") as lake:
        for first in (0, 5_000):
            dump = tmp_path / f"{first}.jsonl"
            rows = (event(n, note="x" * 500) for n in range(first, first + 5_000))
            dump.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
            lake.ingest([dump], job_id=JOB)
        lake.compact()
        (file,) = lake._store.live("events")
    assert pq.read_metadata(file).num_row_groups > 1


def test_wide_rows_are_held_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches that wait to be written together are some megabytes, however wide their rows are."""
    monkeypatch.setattr(segments, "_GROUP_BYTES", 1 << 20)
    wide = pa.table({"data": ["x" * 1_000] * 10_000}).to_batches(max_chunksize=100)
    held = list(segments.row_groups(wide))
    assert sum(map(len, held)) == 10_000
    assert max(table.nbytes for table in held) < 2 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process took")
def test_long_records_are_read_a_few_at_a_time(tmp_path: Path) -> None:
    """Records of 150 KB each take an ingest little more memory than short ones."""
    dump, letters = tmp_path / "dump.jsonl", os.urandom(100_000).hex()
    with dump.open("w") as file:
        for n in range(1_500):
            message = f"Warning: {letters[n : n + 150_000]}"
            file.write(f"{json.dumps(event(n, type='message', data=None, message=message))}\n")
    told = subprocess.run(
        [sys.executable, "-c", _TAKES, str(tmp_path / "lake"), str(dump), JOB],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert int(told.split()[-1]) < 700_000


def test_engines_on_large_machines_use_few_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many processors there are, the memory of an engine suffices for its threads."""
    start = duckdb.connect

    def on_many(config: dict[str, str] | None = None) -> duckdb.DuckDBPyConnection:
        return start(config=(config or {}) | {"threads": "16"})

    monkeypatch.setattr(duckdb, "connect", on_many)
    reading, changing = normalise._Engine(), engine._started()
    for con in (reading.con, changing):
        assert con.execute("select current_setting('threads')").fetchall() == [(4,)]
    reading.close()
    changing.close()


def test_bytes_of_events_need_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of more bytes than an engine may hold are merged, sorted, each as it was."""
    with open_lake(tmp_path / "lake") as lake:
        for first in range(3):  # each file has events before and after those of others
            dump = tmp_path / f"{first}.jsonl"
            rows = (event(n, note=os.urandom(25_000).hex()) for n in range(first, 900, 3))
            dump.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
            lake.ingest([dump], job_id=JOB)
        before = sorted(lake.export_events())
        monkeypatch.setattr(engine, "MEMORY_LIMIT", "30MB")
        monkeypatch.setattr(engine, "_ENGINES", Idle(engine._started))
        monkeypatch.setattr(segments, "_GROUP_BYTES", 4 << 20)
        monkeypatch.setattr(merge, "_MANY_BYTES", 8 << 20)
        assert lake.compact() >= 3
        monkeypatch.undo()
        (file,) = lake._store.live("events")
        ids = pq.read_table(file, columns=["event_id"])["event_id"].to_pylist()
        assert ids == [event(n)["id"] for n in range(900)]
        assert sorted(lake.export_events()) == before
        assert not lake.verify().findings


def test_bytes_of_overlaps_need_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of more bytes than an engine may hold come again, and are duplicates."""
    rows = [json.dumps(event(n, note=os.urandom(25_000).hex())) for n in range(2_000)]
    first, again = tmp_path / "first.jsonl", tmp_path / "again.jsonl"
    first.write_text("\n".join(rows))
    again.write_text("\n\n".join(rows))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([first], job_id=JOB)
        monkeypatch.setattr(engine, "MEMORY_LIMIT", "300MB")
        monkeypatch.setattr(engine, "_ENGINES", Idle(engine._started))
        (report,) = lake.ingest([again], job_id=JOB).sources
        assert (report.events, report.duplicates) == (0, 2_000)
        monkeypatch.undo()
        assert not lake.verify().findings


def test_bytes_of_variants_need_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of more bytes than an engine may hold come again with others, and both are kept."""
    monkeypatch.setattr(engine, "MEMORY_LIMIT", "75MB")
    monkeypatch.setattr(engine, "_ENGINES", Idle(engine._started))
    monkeypatch.setattr(segments, "_GROUP_BYTES", 1 << 20)
    rows = [json.dumps(event(n % 1_000, note=os.urandom(25_000).hex())) for n in range(2_000)]
    told = tmp_path / "told.jsonl"
    told.write_text("\n".join([json.dumps(event(9_999)), *rows]))
    with open_lake(tmp_path / "lake") as lake:
        (report,) = lake.ingest([told], job_id=JOB).sources
        assert (report.events, report.duplicates) == (1_001, 1_000)
        con = lake.connect(["variants"])
        assert con.execute("select count(distinct event) from variants").fetchone() == (1_000,)
        (file,) = lake._store.live("variants")
        group = pq.read_metadata(file).row_group(0)
        assert group.total_byte_size < 2 << 20


def test_bytes_of_rejects_need_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rejects of more bytes than an engine may hold are merged, replayed, and left out."""
    monkeypatch.setattr(engine, "MEMORY_LIMIT", "30MB")
    monkeypatch.setattr(engine, "_ENGINES", Idle(engine._started))
    broken = [f'{{"oops": "{os.urandom(1 << 19).hex()}",}}' for _ in range(40)]
    dump, other = tmp_path / "dump.jsonl", tmp_path / "other.jsonl"
    with open_lake(tmp_path / "lake") as lake:
        dump.write_text("\n".join([json.dumps(event(1)), *broken[:20], json.dumps(event(2))[:-9]]))
        other.write_text("\n".join([json.dumps(event(3)), *broken[20:]]))
        lake.ingest([dump, other], job_id=JOB)
        dump.write_text(dump.read_text() + json.dumps(event(2))[-9:] + "\n")
        lake.ingest([dump], job_id=JOB)
        other.write_text(f"{json.dumps(event(4))}\n{{oops}}\n")
        lake.ingest([other], job_id=JOB)
        assert lake.compact() >= 2
        report = lake.replay_rejects()
        assert (report.tried, report.still) == (41, 41)
        monkeypatch.undo()
        assert not lake.verify().findings
