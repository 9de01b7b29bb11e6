"""The files of a lake: written once, merged, and collected when nobody reads them any more."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from numbered_jobs import SEEN, dump
from strategies import START
from test_ingest import JOB, event, lines
from test_laws import analytical, differences, sound

from pipeline import open_lake
from pipeline.errors import LakeError
from pipeline.lake import compact, growth
from pipeline.lake.store import Store


def test_a_file_that_comes_back_stays_the_same(tmp_path: Path) -> None:
    """A snapshot that is written again as it was is the file it was: readers may be bound to it."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([dump(tmp_path, 1)])
        before = {file: Path(file).stat().st_ino for file in lake.snapshot([])[1]}
        assert lake.compact() == 0
        after = {file: Path(file).stat().st_ino for file in lake.snapshot([])[1]}
        kept = before.keys() & after.keys()
        assert len(kept) >= 3
        assert {file: after[file] for file in kept} == {file: before[file] for file in kept}


def test_a_cut_off_file_under_a_name_gives_way(tmp_path: Path) -> None:
    """What a crash left of a segment, cut off under its name, is not taken for the segment."""
    with open_lake(tmp_path / "one") as lake:
        lake.ingest([dump(tmp_path, 1)])
        (whole,) = (lake.path / "events").iterdir()
    with open_lake(tmp_path / "two") as lake:
        lake.make()
        (lake.path / "events" / whole.name).write_bytes(whole.read_bytes()[:-10])
        lake.ingest([dump(tmp_path, 1)])
        assert [file.name for file in (lake.path / "events").iterdir()] == [whole.name]
        assert lake.verify().findings == []


def test_compaction(tmp_path: Path) -> None:
    """Compaction leaves few files, the same views, and old files for a day to open readers."""
    with open_lake(tmp_path / "lake") as lake:
        for number in range(6):
            path = dump(tmp_path, number)
            path.write_text(path.read_text() + f"{{oops {number}\n")
            lake.ingest([path])
        before, rejects = analytical(lake, SEEN), lake.view("rejects")
        reader = lake.connect()
        wanted = reader.sql("select count(*), sum(step) from events").fetchall()
        assert lake.compact() == 12
        assert not differences(analytical(lake, SEEN), before)
        assert lake.view("rejects").equals(rejects)
        sound(lake)
        assert [len(lake._store.live(kind)) for kind in ("events", "rejects")] == [1, 1]
        assert reader.sql("select count(*), sum(step) from events").fetchall() == wanted
        jobs = pq.read_table(lake._store.live("events")[0])["job_id"].to_pylist()
        assert jobs == sorted(jobs)
        again = lake.ingest([tmp_path / "dumps"])
        assert {source.status for source in again.sources} == {"known"}


def test_compaction_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lake with too many segments compacts itself at the end of an ingest."""
    monkeypatch.setattr(compact, "MOST_SEGMENTS", 4)
    with open_lake(tmp_path / "lake") as lake:
        for number in range(12):
            lake.ingest([dump(tmp_path, number)])
            assert len(lake._store.live("events")) <= 5
        sound(lake)
        assert len(lake.view("events")) == 60


def test_tiny_segments_are_merged_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few tiny segments are merged long before there are many; a larger one stays as it is."""
    monkeypatch.setattr(compact, "MOST_TINY", 4)
    large = tmp_path / "large.jsonl"
    large.write_text("".join(json.dumps(event(n)) + "\n" for n in range(1_000, 4_000)))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([large], job_id=JOB)
        (first,) = lake._store.live("events")
        monkeypatch.setattr(compact, "_TINY_BYTES", first.stat().st_size)
        for number in range(12):
            lake.ingest([dump(tmp_path, number)])
            live = lake._store.live("events")
            assert len(live) <= 5 and first in live
        sound(lake)
        assert len(lake.view("events")) == 3_060


def test_old_files_are_collected_after_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that were replaced, and what was left unfinished, go after a day and not before."""
    with open_lake(tmp_path / "lake") as lake:
        for number in range(3):
            lake.ingest([dump(tmp_path, number)])
        left = lake.path / "tmp" / f"no-events-{'0' * 32}.parquet"
        left.write_text("unfinished")
        lake.compact()
        assert len(list((lake.path / "events").iterdir())) == 4 and left.exists()
        os.utime(left, (START, START))
        with sqlite3.connect(lake.path / "ledger.db") as db:
            db.execute("update segments set removed_at = '2020-01-01T00:00:00+00:00' "
                       "where removed_at is not null")  # fmt: skip
        lake._store.collect_garbage()
        assert len(list((lake.path / "events").iterdir())) == 1 and not left.exists()
        assert len(lake.view("events")) == 15
        sound(lake)


def test_a_merge_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where segments cannot be merged after an ingest, that says what it did not lose."""
    monkeypatch.setattr(compact, "MOST_TINY", 2)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([dump(tmp_path, 1)])
        (lost,) = lake._store.live("events")
        lost.rename(tmp_path / "lost")
        lake.ingest([dump(tmp_path, 2)])
        with pytest.raises(LakeError, match=r"verify.*all that was read is in the lake"):
            lake.ingest([dump(tmp_path, 3)])
        (tmp_path / "lost").rename(lost)
        assert len(lake.view("events")) == 15
        lake.ingest([dump(tmp_path, 4)])
        assert len(lake.view("events")) == 20
        sound(lake)


@pytest.mark.parametrize("folder", ["events", "tmp", "ledger"])
def test_what_a_person_keeps_there_stays(tmp_path: Path, folder: str) -> None:
    """A lake made in a folder that has folders of these names deletes nothing but its own."""
    own = [tmp_path / folder / "dump.jsonl", tmp_path / folder / "20250101-0123abcd" / "a.parquet"]
    for path in own[: 1 + (folder != "tmp")]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lines(event(1)))
        for each in (path, path.parent):
            os.utime(each, (START, START))
    with open_lake(tmp_path) as lake:
        lake.ingest([own[0]], job_id=JOB)
        lake.compact(keep_hours=0)
        assert len(lake.view("events")) == 1
    assert all(path.exists() for path in own[: 1 + (folder != "tmp")])


def test_garbage_that_vanishes(tmp_path: Path) -> None:
    """A file that another process takes away while garbage is looked for stops nothing."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([dump(tmp_path, 1)])
        part = lake.path / "tmp" / f"open-{'0' * 32}.sql"
        part.symlink_to(tmp_path / "gone")  # has no status
        lake._store.collect_garbage()
        sound(lake)


def test_segments_are_read_only(tmp_path: Path) -> None:
    """No live segment may be written by anyone."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([dump(tmp_path, 1)])
        assert all(path.stat().st_mode & 0o222 == 0 for path in lake._store.live("events"))


def test_growth_and_store_are_apart(tmp_path: Path) -> None:
    """A store opened on nothing known sees no growth in a new file."""
    store = Store(tmp_path / "lake", create=True)
    assert store.ledger.sources_at(str(dump(tmp_path, 1))) == []
    assert growth.held_streams(store, []) == {}
    store.ledger.close()
