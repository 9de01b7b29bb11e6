"""Writers that meet, and writers that die: no commit is lost, none is half."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from dumps import before_commit
from numbered_jobs import SEEN, dump
from strategies import START, job_name
from test_ingest import JOB, LONG, lines
from test_laws import analytical, differences, sound
from threads import at_once

from pipeline import open_lake
from pipeline.errors import LakeError
from pipeline.lake.commit import Commit
from pipeline.lake.holder import Holder
from pipeline.lake.lake import Lake
from pipeline.lake.ledger import Ledger

ROOT = Path(__file__).parents[1]


def garbage(lake: Path) -> set[Path]:
    """Segments on disk that no row of the ledger names."""
    with sqlite3.connect(lake / "ledger.db") as db:
        named = {name for (name,) in db.execute("select name from segments")}
    folders = [lake / kind for kind in ("events", "rejects", "variants")]
    return {path for folder in folders for path in folder.iterdir() if path.name not in named}


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


def test_threads_that_write_take_turns(tmp_path: Path) -> None:
    """Each commit is made, none is seen by halves, and open.sql shows the last."""

    def write(lake: Lake, path: Path) -> None:
        lake.ingest(path)
        files = lake.connect(["sources"]).execute("select count(*) from sources")
        assert files.fetchall() >= [(1,)] and lake.verify().findings == []

    with open_lake(tmp_path / "lake") as lake:
        at_once(*(partial(write, lake, dump(tmp_path, number)) for number in range(1, 9)))
        assert len(lake.view("sources")) == 8 and lake.verify().findings == []
