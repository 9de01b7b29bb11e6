"""The lake as a store: commits, crashes, concurrent writers, snapshots, compaction."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from dumps import before_commit
from strategies import START, job_name
from test_ingest import JOB, LONG, event, lines
from test_laws import analytical, differences, sound, workplace
from threads import at_once

from pipeline import open_lake
from pipeline.contract import LAKE_VERSION
from pipeline.errors import LakeError, UsageError
from pipeline.lake import compact, growth
from pipeline.lake.commit import Commit
from pipeline.lake.holder import Holder
from pipeline.lake.lake import Lake
from pipeline.lake.ledger import Ledger
from pipeline.lake.store import Store

ROOT = Path(__file__).parents[1]


def dump(folder: Path, number: int, count: int = 5) -> Path:
    """A file with the events of a job of its own."""
    rows = [event(n, id=f"ftevent-{number:012}{n:012}") for n in range(1, count + 1)]
    path = folder / "dumps" / f"{job_name(number)}.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text(lines(*rows))
    return path


def garbage(lake: Path) -> set[Path]:
    """Segments on disk that no row of the ledger names."""
    with sqlite3.connect(lake / "ledger.db") as db:
        named = {name for (name,) in db.execute("select name from segments")}
    folders = [lake / kind for kind in ("events", "rejects", "variants")]
    return {path for folder in folders for path in folder.iterdir() if path.name not in named}


SEEN = ["events", "loss_curves", "jobs", "error_timeline"]
"""Views that are compared."""

INGEST = """
import sys, time
from pipeline import open_lake
with open_lake(sys.argv[1]) as lake:
    while time.time() < float(sys.argv[2]):
        time.sleep(0.0005)
    for path in sys.argv[3:]:
        report = lake.ingest([path])
        print(report.sources[0].status, report.sources[0].events)
"""


def ingest_in_processes(lake: Path, works: list[list[Path]]) -> list[list[str]]:
    """Ingest files from several processes at once; what each printed."""
    begin = str(time.time() + 1.5)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", INGEST, str(lake), begin, *map(str, paths)],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )
        for paths in works
    ]  # fmt: skip
    answers = [process.communicate(timeout=60)[0].splitlines() for process in running]
    assert [process.returncode for process in running] == [0] * len(running)
    return answers


def test_two_processes_with_different_files(tmp_path: Path) -> None:
    """Two processes that ingest at once both get all their events in, commit by commit."""
    works = [[dump(tmp_path, n) for n in range(low, low + 5)] for low in (0, 5)]
    answers = ingest_in_processes(tmp_path / "lake", works)
    assert answers == [["new 5"] * 5] * 2
    with open_lake(tmp_path / "lake") as lake:
        sound(lake)
        assert len(lake.view("events")) == 50
        assert lake.view("jobs")["job_id"].to_list() == [job_name(n) for n in range(10)]
        assert lake.sql("select count(*) as n from lake_commits")["n"][0] == 10


def test_two_processes_with_the_same_files(tmp_path: Path) -> None:
    """Of two processes that ingest the same files at once, each file is new to one only."""
    paths = [dump(tmp_path, n) for n in range(4)]
    answers = ingest_in_processes(tmp_path / "lake", [paths, paths])
    for one, two in zip(*answers, strict=True):
        assert {one, two} <= {"new 5", "known 0"} and one != two
    with open_lake(tmp_path / "lake") as lake:
        sound(lake)
        assert len(lake.view("events")) == 20


def test_the_same_content_committed_meanwhile(tmp_path: Path) -> None:
    """A file that another process commits between reading and committing is known, not doubled."""
    good, other = dump(tmp_path, 1), dump(tmp_path, 2)
    with open_lake(tmp_path / "lake") as lake, open_lake(tmp_path / "lake") as rival:
        before_commit(lake, lambda: rival.ingest([good]))
        report = lake.ingest([good, other])
        assert [(s.status, s.events) for s in report.sources] == [("known", 0), ("new", 5)]
        sound(lake)
        assert len(lake.view("events")) == 10


@pytest.mark.parametrize("further", [False, True])
def test_growth_committed_meanwhile(tmp_path: Path, further: bool) -> None:
    """Growth that another process commits first is known; another growth of it is told."""
    path = tmp_path / f"{JOB}.jsonl"
    path.write_text(lines(*LONG[:3]))
    with open_lake(tmp_path / "lake") as lake, open_lake(tmp_path / "lake") as rival:
        lake.ingest([path])
        path.write_text(lines(*LONG[:5]))

        def rivalled() -> None:
            path.write_text(lines(*LONG[: 5 + further]))
            rival.ingest([path])

        before_commit(lake, rivalled)
        if further:
            with pytest.raises(LakeError, match="read on in it meanwhile: ingest it again"):
                lake.ingest([path])
        else:
            assert lake.ingest([path]).sources[0].status == "known"
        sound(lake)
        assert len(lake.view("events")) == (6 if further else 5)
        assert lake.ingest([path]).sources[0].status == "known"


def test_a_second_writer_waits_and_says_so(tmp_path: Path) -> None:
    """An ingest that finds the lake held tells once by whom, waits, and then commits."""
    path = dump(tmp_path, 1)
    with open_lake(tmp_path / "lake") as lake, open_lake(tmp_path / "lake") as rival:
        held, told = threading.Event(), []

        def hold() -> None:
            with rival._store.ledger.writing(task="compact"):
                held.set()
                done.wait(10)

        done = threading.Event()
        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(10)

        def waiting(holder: str) -> None:
            told.append(holder)
            done.set()

        assert lake.ingest([path], waiting=waiting).sources[0].events == 5
        thread.join()
        assert len(told) == 1 and told[0].startswith(f"process {os.getpid()} (compact, since ")


def test_a_writer_on_another_machine_is_believed(tmp_path: Path) -> None:
    """Whether it lives cannot be seen from here: its note stands, and tells the machine."""
    note = {"pid": 4194305, "host": "far-away", "task": "ingest", "since": "2025-01-01"}
    file = tmp_path / "writer"
    file.write_text(json.dumps(note))
    told = "process 4194305 on far-away (ingest, since 2025-01-01)"
    assert Holder(file).described() == told
    file.write_text(json.dumps(note | {"host": socket.gethostname()}))
    assert Holder(file).described() is None, "above the greatest number that Linux gives"


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


def test_a_folder_that_names_a_column(tmp_path: Path) -> None:
    """A lake below a folder that other tools take for a partition tells its own columns."""
    dump = tmp_path / "dump.jsonl"
    dump.write_text(lines(*(event(n) for n in range(9))))
    told = []
    for place in ("plain", "step=7", "job_id=x", "level=5", "year=2025"):
        with open_lake(tmp_path / place / "lake") as lake:
            lake.ingest(dump, job_id=JOB)
            with duckdb.connect() as con:
                con.execute((lake.path / "open.sql").read_text(encoding="utf-8"))
                there = con.execute("select * from loss_curves order by step").fetchall()
            told.append(
                (analytical(lake, ["events", "loss_curves"]), there, list(lake.export_events()))
            )
            assert not lake.verify().findings
    assert told[1:] == told[:1] * 4


@pytest.mark.parametrize("name", ["a*", "a?", "a[1]", "a\nb", "a\x1b", "a\udcff"])
def test_a_path_that_is_a_pattern_or_no_text(tmp_path: Path, name: str) -> None:
    """A folder whose files the engine could not name is refused before anything is made in it."""
    with pytest.raises(LakeError, match=r"the path of a lake cannot hold '.{1,6}', for the engine"):
        open_lake(tmp_path / name / "lake")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["events", "tmp/mine", "rejects/a/b"])
def test_a_lake_does_not_lie_among_the_files_of_another(tmp_path: Path, place: str) -> None:
    """Of which one knows nothing; anywhere else in its folder it may lie."""
    given = dump(tmp_path, 1)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([given])
    held = sorted(tmp_path.rglob("*"))
    said = r"lies among the files of the lake .*/lake: name that"
    with open_lake(tmp_path / "lake" / place) as lake, pytest.raises(LakeError, match=said):
        lake.ingest([given])
    assert sorted(tmp_path.rglob("*")) == held
    with open_lake(tmp_path / "lake" / "mine") as lake:
        assert lake.ingest([given]).sources[0].events


def test_a_lake_is_not_made_around_the_files_of_another(tmp_path: Path) -> None:
    """A lake in a folder that is called like a part of one stays what it is."""
    given = dump(tmp_path, 1)
    with open_lake(tmp_path / "events") as lake:
        lake.ingest([given])
    held = sorted(tmp_path.rglob("*"))
    with open_lake(tmp_path) as lake, pytest.raises(LakeError, match=r"/events is a lake itself"):
        lake.ingest([given])
    assert sorted(tmp_path.rglob("*")) == held


@pytest.mark.parametrize("left", [None, b""], ids=["missing", "empty"])
def test_a_lost_ledger_is_told(tmp_path: Path, left: bytes | None) -> None:
    """Where segments lie but their ledger does not, nothing is made anew that would forget them."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([dump(tmp_path, 1)])
    for file in (tmp_path / "lake").glob("ledger.db*"):
        file.unlink()
    if left is not None:
        (tmp_path / "lake" / "ledger.db").write_bytes(left)
    for create in (True, False):
        with pytest.raises(
            LakeError, match=r"ledger\.db: the ledger is lost, its events lie beside"
        ):
            open_lake(tmp_path / "lake", create=create)
    assert len(list((tmp_path / "lake" / "events").iterdir())) == 1


class Crash(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("place", ["publish", "snapshots", "commit"])
def test_a_crash_before_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A crash between publishing segments and committing them leaves the lake as it was."""
    first, second = dump(tmp_path, 1), dump(tmp_path, 2)
    broken = tmp_path / "dumps" / "broken.jsonl"
    broken.write_text(second.read_text() + "{oops}\n")
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([first])
        before, script = analytical(lake, SEEN), (lake.path / "open.sql").read_text()

        def crash(*_: object, **__: object) -> None:
            raise Crash

        with monkeypatch.context() as patch:
            if place == "publish":
                add = Commit.add

                def add_and_crash(self: Commit, staged: Any) -> None:
                    add(self, staged)
                    if staged is not None and staged.kind == "rejects":
                        raise Crash

                patch.setattr(Commit, "add", add_and_crash)
            else:
                owner, name = (
                    (Commit, "_snapshot") if place == "snapshots" else (Ledger, "put_streams")
                )
                patch.setattr(owner, name, crash)
            with pytest.raises(Crash):
                lake.ingest([broken])
    assert garbage(tmp_path / "lake")
    with open_lake(tmp_path / "lake") as lake:
        sound(lake)
        assert not differences(analytical(lake, SEEN), before)
        assert (lake.path / "open.sql").read_text() == script
        (source,) = lake.ingest([broken]).sources
        assert (source.status, source.events) == ("new", 5)
        sound(lake)
        assert len(lake.view("events")) == 10
        # The same second writes the same reject segment again, which is then none to collect.
        (lake.path / "events" / f"{'0' * 32}.parquet").write_bytes(b"never named")
        lake._store.collect_garbage()
        left = garbage(lake.path)
        assert left
        for path in left:
            os.utime(path, (START, START))
        assert lake._store.collect_garbage() == len(left)
        sound(lake)
        assert len(lake.view("events")) == 10 and not garbage(lake.path)
    assert not list((tmp_path / "lake" / "tmp").iterdir())


def test_a_killed_process(tmp_path: Path) -> None:
    """A process killed while it holds the write lock holds nobody up and leaves no half commit."""
    paths = [dump(tmp_path, n) for n in (1, 2)]
    code = (
        "import os, sys\n"
        "from pipeline import open_lake\n"
        "from pipeline.lake.commit import Commit\n"
        "Commit.finish = lambda self: os.kill(os.getpid(), 9)\n"
        "open_lake(sys.argv[1]).ingest([sys.argv[2]])\n"
    )
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest(paths[:1])
        command = [sys.executable, "-c", code, str(lake.path), str(paths[1])]
        assert subprocess.run(command, cwd=ROOT, check=False).returncode == -9
        assert len(lake.view("events")) == 5
        assert lake.ingest(paths).sources[1].events == 5
        sound(lake)


@pytest.mark.parametrize("limit", ["max_record_bytes", "max_expansion"])
def test_a_limit_below_one_is_refused(tmp_path: Path, limit: str) -> None:
    """All records would be too large, and no lake is made for that."""
    with open_lake(tmp_path / "lake") as lake:
        with pytest.raises(UsageError, match=rf"^{limit}=-1: give 1 or more$"):
            lake.ingest(tmp_path, **{limit: -1})
        with pytest.raises(UsageError, match=r"^max_record_bytes=0: give 1 or more$"):
            lake.replay_rejects(max_record_bytes=0)
    assert not (tmp_path / "lake").exists()


def test_a_newer_lake_is_refused(tmp_path: Path) -> None:
    """A lake of a newer version is refused in one line that says what to do, and not touched."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([dump(tmp_path, 1)])
    with sqlite3.connect(tmp_path / "lake" / "ledger.db") as db:
        db.execute("update meta set value = ? where key = 'lake_version'", (LAKE_VERSION + 1,))
    with pytest.raises(LakeError, match=r"^[^\n]*newer tunelog[^\n]*: upgrade tunelog$"):
        open_lake(tmp_path / "lake")


def test_no_lake_here(tmp_path: Path) -> None:
    """Opening without making finds no lake, and makes nothing."""
    with pytest.raises(LakeError, match="no lake here"):
        open_lake(tmp_path / "lake", create=False)
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("/proc/tunelog", "No such file or directory: no folder can be made there: name another"),
        ("x" * 300, "File name too long: name a shorter one"),
        ("file", "File exists: it is no folder: name one"),
    ],
)
def test_a_lake_that_cannot_be_there(tmp_path: Path, name: str, says: str) -> None:
    """Where no lake can be made the reason is told in one line, with what to do."""
    (tmp_path / "file").touch()
    with pytest.raises(LakeError, match=rf"^[^\n]+: {says} for the lake$"):
        open_lake(tmp_path / name).make()


@pytest.mark.parametrize("ask", [
    lambda lake: lake.view("jobs"),
    lambda lake: lake.sql("select * from jobs"),
    lambda lake: lake.connect(),
    lambda lake: lake.snapshot(),
    lambda lake: lake.whole_job_id("ftjob-a"),
    lambda lake: lake.export_events(),
    lambda lake: lake.verify(),
    lambda lake: lake.compact(),
    lambda lake: lake.replay_rejects(),
    lambda lake: lake.assign("a.jsonl", JOB),
    lambda lake: lake.curve(JOB),
])  # fmt: skip
def test_a_mistyped_lake_answers_nothing(tmp_path: Path, ask: Callable[[Lake], object]) -> None:
    """Where nothing made a lake, whatever asks or mends says so, and makes no folder."""
    said = r"typo: no lake here: ingest first, or check the path$"
    with open_lake(tmp_path / "typo") as lake, pytest.raises(LakeError, match=said):
        ask(lake)
    assert not (tmp_path / "typo").exists()


def test_a_lake_made_meanwhile_answers(tmp_path: Path) -> None:
    """A lake that another process makes after it was opened is there for who asks."""
    with open_lake(tmp_path / "lake") as lake, open_lake(tmp_path / "lake") as rival:
        rival.ingest([dump(tmp_path, 1)])
        assert len(lake.view("events")) == 5


def test_a_lake_without_commits_is_whole(tmp_path: Path) -> None:
    """A lake into which nothing was committed yet answers emptily, from any engine, too."""
    with open_lake(tmp_path / "lake") as lake:
        lake.make()
        assert len(lake.view("jobs")) == 0
        with duckdb.connect() as con:
            con.execute((lake.path / "open.sql").read_text(encoding="utf-8"))
            assert con.execute("select count(*) from jobs").fetchall() == [(0,)]


READ_ONLY = """
import os, sys
from pipeline import open_lake
from pipeline.errors import LakeError

def ask(path, dump):
    with open_lake(path) as lake:
        print(len(lake.view("events")), len(lake.view("sources")))
        try:
            print(lake.ingest([dump]).sources[0].status)
        except LakeError as error:
            print(error)

ask(sys.argv[1], sys.argv[3])  # as root, so that all modules are at hand
if os.geteuid() == 0:
    os.setuid(65534)
ask(sys.argv[2], sys.argv[3])
"""


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that any user may enter."""
    with workplace() as folder:
        folder.chmod(0o755)
        yield folder


def test_a_read_only_lake_is_readable(reachable: Path) -> None:
    """A lake that may not be written answers all the same, and refuses an ingest in one line."""
    path, more = dump(reachable, 1), dump(reachable, 2)
    for name in ("writable", "sealed"):
        with open_lake(reachable / name) as lake:
            lake.ingest([path])
    (reachable / "sealed" / "variants").rmdir()  # as copies lack what was empty
    for folder, _, files in os.walk(reachable / "sealed"):
        for name in files:
            (Path(folder) / name).chmod(0o444)
        Path(folder).chmod(0o555)
    command = [sys.executable, "-c", READ_ONLY]
    command += [str(reachable / "writable"), str(reachable / "sealed"), str(more)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    for folder, _, _ in os.walk(reachable / "sealed"):
        Path(folder).chmod(0o755)
    assert done.returncode == 0, done.stderr
    *_, status, counts, refusal = done.stdout.splitlines()
    assert (status, counts) == ("new", "5 1")
    assert str(reachable / "sealed") in refusal


def test_who_may_only_read_sees_later_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lake that is read without locks shows, after `refresh`, what others have committed."""

    def commit(number: int) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(os, "access", access)
            with open_lake(tmp_path / "lake") as lake:
                lake.ingest(dump(tmp_path, number))
                lake.compact(keep_hours=0 if number == 3 else 24)

    access = os.access
    commit(1)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with open_lake(tmp_path / "lake") as reader:
        assert len(reader.view("events")) == 5
        for number in (2, 3):
            commit(number)
            if number == 3:
                with pytest.raises(LakeError, match=r"call refresh\(\)$"):
                    reader.view("events")
            reader.refresh()
            assert (len(reader.view("events")), len(reader.view("jobs"))) == (5 * number, number)


def test_a_lake_that_is_made_anew(tmp_path: Path) -> None:
    """Where a lake was deleted and made anew, who held it works on the new one from then on."""
    first, second = dump(tmp_path, 1), dump(tmp_path, 2)
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest(first)
        assert len(lake.view("events")) == 5
        shutil.rmtree(tmp_path / "lake")
        with pytest.raises(LakeError, match="no lake here"):
            lake.view("events")
        with open_lake(tmp_path / "lake") as other:
            other.ingest(second)
        lake.refresh()
        assert lake.view("jobs")["job_id"].to_list() == [job_name(2)]
        assert lake.ingest(first).sources[0].status == "new"
    with open_lake(tmp_path / "lake") as lake:
        assert len(lake.view("events")) == 10


def test_the_same_file_again(tmp_path: Path) -> None:
    """The same content is skipped under any path, and read again under another job."""
    path = tmp_path / "dump.jsonl"
    path.write_text(lines(*LONG[1:4]))
    copy = tmp_path / "copy.jsonl"
    copy.write_text(path.read_text())
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([path])
        segments = sorted((lake.path / "events").iterdir())
        assert [s.status for s in lake.ingest([path, copy]).sources] == ["known", "known"]
        assert sorted((lake.path / "events").iterdir()) == segments
        assert lake.ingest([copy], job_id=JOB).sources[0].status == "new"
        assert lake.view("events")["job_id"].unique().to_list() == [JOB]


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


def test_connections_are_snapshots(tmp_path: Path) -> None:
    """A connection shows the lake of its moment, whatever is committed, mended or compacted."""
    with open_lake(tmp_path / "lake") as lake, open_lake(tmp_path / "lake") as rival:
        lake.ingest([dump(tmp_path, 1)])
        con = lake.connect()
        assert len(lake.view("events")) == 5
        rival.ingest([dump(tmp_path, 2)])
        rival.assign(str(dump(tmp_path, 1)), job_name(3), force=True)
        rival.compact()
        asked = "select job_id, count(*) as n from events group by all order by all"
        assert con.sql(asked).fetchall() == [(job_name(1), 5)]
        assert lake.sql(asked).rows() == [(job_name(1), 5)]
        engine = lake._con
        lake.refresh()
        assert lake.sql(asked).rows() == [(job_name(2), 5), (job_name(3), 5)]
        assert lake._con is not engine  # which keeps what it read of each file, gone or not


_BARS = """
from pathlib import Path
from pipeline import open_lake
from pipeline.lake import settle
from pipeline.normalise import engine
with engine(print) as read, settle.engine(Path()) as settled, open_lake("lake") as lake:
    for con in (read, settled, lake.connect()):
        print(*con.execute("select current_setting('enable_progress_bar')").fetchone())
"""


def test_no_engine_draws_a_bar(tmp_path: Path) -> None:
    """A long query of `python -c` or a notebook writes nothing into what is printed."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([dump(tmp_path, 1)])
    command = [sys.executable, "-c", _BARS]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == 3 * ["False"]


def test_the_script_shows_the_latest(tmp_path: Path) -> None:
    """open.sql makes the views of the latest commit in any DuckDB."""
    with open_lake(tmp_path / "lake") as lake:
        for number in range(2):
            lake.ingest([dump(tmp_path, number)])
            with duckdb.connect() as con:
                con.execute((lake.path / "open.sql").read_text())
                found = con.execute("select count(*) from events").fetchone()
            assert found == (5 * (number + 1),)


def test_asking(tmp_path: Path) -> None:
    """`sql` takes parameters, `view` gives the order of the grain, a wrong name is told."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([dump(tmp_path, 2), dump(tmp_path, 1)])
        asked = lake.sql("select count(*) as n from events where job_id = $job", job=job_name(1))
        assert asked["n"].to_list() == [5]
        assert lake.view("jobs")["job_id"].to_list() == [job_name(1), job_name(2)]
        with pytest.raises(UsageError, match=r"^nothing: no such view: see `tunelog views`$"):
            lake.view("nothing")
        with pytest.raises(UsageError, match=r"no such view, did you mean 'loss_curves'\?: see"):
            lake.view("loss_curve")
        others = (
            "set threads = 1",
            "drop view jobs",
            "select 1; select 2",
            "create table t (n int)",
        )
        for text in ("", "-- nothing", *others):
            with pytest.raises(UsageError, match="no query"):
                lake.sql(text)
        assert len(lake.sql("pivot (select type, 1 as n from events) on type using sum(n)")) == 1
        assert len(lake.view("jobs")) == 2


def test_a_parameter_may_have_any_name(tmp_path: Path) -> None:
    """Also those that the method itself has for its own."""
    with open_lake(tmp_path / "lake") as lake:
        lake.make()
        assert lake.sql("select $query + $self as n", query=1, self=2).item() == 3


def test_threads_take_turns(tmp_path: Path) -> None:
    """Several threads ask one lake, each question is answered, and none by another's rows."""

    def ask(lake: Lake, number: int) -> None:
        for _ in range(8):
            told = lake.sql("select $n as n, count(*) as events from events", n=number)
            assert told.row(0) == (number, 10)
            assert len(lake.view(("jobs", "events", "sources", "errors")[number])) != 1
            assert lake.whole_job_id(job_name(1)) == job_name(1)
            lake.refresh()

    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([dump(tmp_path, 1), dump(tmp_path, 2)])
        at_once(*(partial(ask, lake, number) for number in range(4)))


def test_a_snapshot_whose_files_are_gone_says_so(tmp_path: Path) -> None:
    """Of a lake that was compacted long after it was read: one line, and `refresh` mends it."""
    with open_lake(tmp_path / "lake") as lake, open_lake(tmp_path / "lake") as other:
        lake.ingest(dump(tmp_path, 1))
        lake.ingest(dump(tmp_path, 2))
        assert len(lake.view("jobs")) == 2
        other.compact(keep_hours=0)
        for ask in (lambda: lake.view("jobs"), lambda: lake.sql("from jobs")):
            with pytest.raises(LakeError, match=r"compacted since it was read: call refresh\(\)$"):
                ask()
        lake.refresh()
        assert len(lake.view("jobs")) == 2
        (segment,) = (tmp_path / "lake" / "events").iterdir()
        segment.unlink()  # which no refresh brings back
        with pytest.raises(duckdb.IOException):
            lake.view("jobs")


def test_threads_that_write_take_turns(tmp_path: Path) -> None:
    """Each commit is made, none is seen by halves, and open.sql shows the last."""

    def write(lake: Lake, path: Path) -> None:
        lake.ingest(path)
        files = lake.connect(["sources"]).execute("select count(*) from sources")
        assert files.fetchall() >= [(1,)] and lake.verify().findings == []

    with open_lake(tmp_path / "lake") as lake:
        at_once(*(partial(write, lake, dump(tmp_path, number)) for number in range(1, 9)))
        assert len(lake.view("sources")) == 8 and lake.verify().findings == []


@pytest.mark.parametrize("use", [
    lambda lake: lake.view("jobs"),
    lambda lake: lake.sql("select 1"),
    lambda lake: lake.connect(),
    lambda lake: lake.snapshot(),
    lambda lake: lake.refresh(),
    lambda lake: lake.telling_damage(),
    lambda lake: lake.whole_job_id("ftjob-a"),
    lambda lake: lake.export_events(),
    lambda lake: lake.verify(),
    lambda lake: lake.make(),
    lambda lake: lake.ingest("nowhere"),
    lambda lake: lake.assign("a.jsonl", JOB),
    lambda lake: lake.replay_rejects(),
    lambda lake: lake.compact(),
    lambda lake: lake.curve(JOB),
    lambda lake: lake.compare(JOB),
    lambda lake: lake.timeline(JOB),
    lambda lake: lake.__enter__(),
])  # fmt: skip
@pytest.mark.parametrize("made", [True, False])
def test_a_closed_lake_says_so(tmp_path: Path, made: bool, use: Callable[[Lake], object]) -> None:
    """Whatever is asked or changed after the end is refused in one way, and makes nothing."""
    lake = open_lake(tmp_path / "lake")
    if made:
        lake.make()
    lake.close()
    lake.close()
    with pytest.raises(UsageError, match=r"^the lake is closed: open it again$"):
        use(lake)
    assert (tmp_path / "lake").exists() == made


FORKED = """
import os, sys
from pipeline import open_lake
from pipeline.errors import UsageError

with open_lake(sys.argv[1]) as lake:
    print(len(lake.view("jobs")), flush=True)
    if not os.fork():
        try:
            lake.view("jobs")
        except UsageError as error:
            print(error, flush=True)
        os._exit(0)
    os.wait()
"""


def test_a_lake_stays_in_its_process(tmp_path: Path) -> None:
    """After a fork, as pools of workers make it, a lake refuses what it would wait for forever."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest(dump(tmp_path, 1))
    command = [sys.executable, "-c", FORKED, str(tmp_path / "lake")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    told = "the lake was opened before a fork: spawn workers that open it"
    assert done.stdout.splitlines() == ["1", told]


def test_intervals_are_no_columns_of_frames(tmp_path: Path) -> None:
    """A difference of times, which polars cannot hold, is refused with what to ask for."""
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest(dump(tmp_path, 1))
        took = "max(created_at) - min(created_at)"
        with pytest.raises(
            UsageError, match=r"^took: .*INTERVAL: ask for epoch\(\.\.\.\), seconds$"
        ):
            lake.sql(f"select {took} as took from events")
        assert lake.sql(f"select epoch({took}) as took from events")["took"][0] >= 0
        with pytest.raises(UsageError, match=r"^took: polars has no INTERVAL"):
            lake.sql(f"select [{{'a': {took}}}] as took from events")
        named = lake.sql("""select {'INTERVAL': 1, 'an "INTERVAL"': 'INTERVAL'} as named""")
        assert named["named"][0] == {"INTERVAL": 1, 'an "INTERVAL"': "INTERVAL"}


def test_one_path_is_no_list_of_letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path, a view or a metric may be given as it is, without a list around it."""
    (tmp_path / "inside").mkdir()
    dump(tmp_path, 1)
    monkeypatch.chdir(tmp_path / "inside")
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest("..")
        assert lake.view("jobs")["job_id"].to_list() == [job_name(1)]
        assert lake.connect("jobs").sql("select count(*) from jobs").fetchall() == [(1,)]
        assert lake.curve(job_name(1), metrics="train_loss")


def test_another_programs_database_is_no_ledger(tmp_path: Path) -> None:
    """A file that happens to be called so is left as it is."""
    ledger = tmp_path / "ledger.db"
    with sqlite3.connect(ledger) as db:
        db.execute("create table accounts (name)")
    db.close()
    before = ledger.read_bytes()
    with pytest.raises(LakeError, match=r"ledger\.db: another program's database: name another"):
        open_lake(tmp_path)
    assert ledger.read_bytes() == before


def test_a_ledger_that_is_none(tmp_path: Path) -> None:
    """A ledger that is no database is told in one line."""
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "ledger.db").write_text("no database, whatever its name says" * 99)
    with pytest.raises(LakeError, match=r"^[^\n]*ledger\.db: [^\n]*: is this a tunelog lake"):
        open_lake(tmp_path / "lake")


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


def test_nan_and_quotes_survive_a_commit(tmp_path: Path) -> None:
    """Odd texts in ids, names and payloads go through every rewrite of the lake unharmed."""
    odd = event(1, id='ftevent-it\'s "odd" \u2028', message="'; drop table x; --", level="o'k")
    path = tmp_path / "it's [a] *.jsonl"
    path.write_text(json.dumps(odd) + "\n" + json.dumps(event(2)) + "\n")
    with open_lake(tmp_path / "la'ke") as lake:
        lake.ingest([path])
        lake.assign(str(path), "it's-a-job")
        lake.ingest([dump(tmp_path, 1)])
        lake.compact()
        found = [json.loads(line) for line in lake.export_events("it's-a-job")]
        assert found[1:] == [odd, event(2)]
