"""Where a lake may be, who may read it there, and what is no lake."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from numbered_jobs import dump
from strategies import job_name
from test_ingest import JOB, event, lines
from test_laws import analytical, workplace

from pipeline import open_lake
from pipeline.contract import LAKE_VERSION
from pipeline.errors import LakeError
from pipeline.lake.lake import Lake

ROOT = Path(__file__).parents[1]


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
