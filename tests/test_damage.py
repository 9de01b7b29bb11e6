"""A lake whose files were lost or damaged: every command names the file, and no other is blamed."""

from __future__ import annotations

import errno
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from dumps import A, an_event

from pipeline import open_lake
from pipeline.cli import run
from pipeline.errors import ExitCode, LakeError
from pipeline.idle import Idle
from pipeline.lake import compact, engine

COMMANDS = (
    ["summary"],
    ["check"],
    ["check", "--job", A],
    ["report", "--format", "markdown"],
    ["curve", A],
    ["timeline", A],
    ["export"],
    ["show", "events"],
    ["compact"],
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of two segments."""
    folder = tmp_path_factory.mktemp("damage")
    with open_lake(folder / "lake") as lake:
        for part in (range(1, 200), range(200, 400)):
            dump = folder / f"{A}-{part[0]}.jsonl"
            dump.write_text("".join(json.dumps(an_event(n)) + "\n" for n in part))
            lake.ingest([dump], job_id=A)
    return folder / "lake"


def lose(file: Path) -> None:
    """Delete a file."""
    file.unlink()


def problem(harm: Callable[[Path], None], lake: Path) -> str:
    """What is told of a file that was harmed so, and to do."""
    see = f"see `tunelog verify --lake {lake}`"
    if harm is flip:
        return f"is damaged: {see}"
    return f"is missing: repeat the command if `tunelog compact` ran meanwhile, else {see}"


def flip(file: Path) -> None:
    """Turn bits in all that a file holds between its first and last bytes."""
    content = bytearray(file.read_bytes())
    for at in range(4, len(content) - 8, 5):
        content[at] ^= 0x5A
    file.chmod(0o640)
    file.write_bytes(content)


@pytest.mark.parametrize("harm", [lose, flip])
def test_every_command_names_the_file(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    sound: Path,
    harm: Callable[[Path], None],
) -> None:
    """One line with the lake, the file and what to do; exit code 3."""
    place = tmp_path / "lake"
    shutil.copytree(sound, place)
    file = sorted((place / "events").iterdir())[0]
    harm(file)
    for command in COMMANDS:
        assert run([*command, "--lake", str(place)]) == ExitCode.ENVIRONMENT, command
        told = capsys.readouterr().err
        assert told == f"{place}: events/{file.name} {problem(harm, place)}\n", command


@pytest.mark.parametrize("harm", [lose, flip])
def test_a_replay_names_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], harm: Callable[[Path], None]
) -> None:
    """Rejects are read without an engine; what their reader reports is told alike."""
    (tmp_path / "dump.jsonl").write_text(json.dumps(an_event(1)) + "\n{oops\n")
    place = tmp_path / "lake"
    with open_lake(place) as lake:
        lake.ingest([tmp_path / "dump.jsonl"], job_id=A)
    (file,) = (place / "rejects").iterdir()
    harm(file)
    assert run(["rejects", "--replay", "--lake", str(place)]) == ExitCode.ENVIRONMENT
    assert capsys.readouterr().err == f"{place}: rejects/{file.name} {problem(harm, place)}\n"


def test_readers_of_what_was_compacted_are_told_so(tmp_path: Path, sound: Path) -> None:
    """Who reads files that a compaction deletes is sent to the command, not to the disk."""
    shutil.copytree(sound, tmp_path / "lake")
    with open_lake(tmp_path / "lake") as lake:
        con = lake.connect(["events"])
        lake.compact(keep_hours=0)
        says = r"events/\w+\.parquet.*: `tunelog compact` deleted it meanwhile: repeat the command"
        with pytest.raises(LakeError, match=says), lake.telling_damage():
            con.sql("from events").fetchall()
        assert not lake.verify().findings


def test_too_little_memory_is_no_bug(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    sound: Path,
) -> None:
    """An engine that may hold too little ends with one line that says what to do."""
    shutil.copytree(sound, tmp_path / "lake")
    monkeypatch.setattr(engine, "MEMORY_LIMIT", "1MB")
    monkeypatch.setattr(engine, "_ENGINES", Idle(engine._started))
    assert run(["compact", "--lake", str(tmp_path / "lake")]) == ExitCode.ENVIRONMENT
    told = capsys.readouterr().err
    assert told.startswith("tunelog: out of memory: close other programs") and "\n" not in told[:-1]


def test_too_little_memory_to_merge_loses_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the merge after an ingest runs out of memory, the line says what it did not lose."""

    def merge(*_: object) -> None:
        raise duckdb.OutOfMemoryException("failed to allocate")

    monkeypatch.setattr(compact, "compact_if_worth", merge)
    dump, lake = tmp_path / "dump.jsonl", tmp_path / "lake"
    dump.write_text(json.dumps(an_event(0)))
    assert run(["ingest", str(dump), "--lake", str(lake)]) == ExitCode.ENVIRONMENT
    told = capsys.readouterr().err
    assert told.startswith(f"{lake}: out of memory as segments were merged")
    assert "(all that was read is in the lake)" in told and "\n" not in told[:-1]
    with open_lake(lake, create=False) as found:
        assert found.sql("select count(*) from events").row(0) == (1,)


def test_a_mistake_over_whole_files_stays_one(sound: Path) -> None:
    """What the engine reports while all files are whole passes as it is: it is a mistake."""
    with open_lake(sound) as lake, pytest.raises(duckdb.CatalogException), lake.telling_damage():
        lake.connect([]).sql("from no_such_view")


def test_what_the_engine_tells_as_json_is_told_in_words(sound: Path) -> None:
    """A failure of the disk that the engine reports as JSON is one line of text."""
    told = {"exception_type": "IO", "exception_message": "Could not write: No space left.", "x": 1}
    with open_lake(sound) as lake, pytest.raises(LakeError) as found, lake.telling_damage():
        raise duckdb.IOException(json.dumps(told) + "\nmore")
    advice = "see that the disk is sound and has room, then repeat the command"
    assert str(found.value) == f"{sound}: Could not write: No space left: {advice}"


def test_a_damaged_ledger_is_no_bug(tmp_path: Path, sound: Path) -> None:
    """What SQLite reports while a command reads is told of the ledger."""
    shutil.copytree(sound, tmp_path / "lake")
    with open_lake(tmp_path / "lake") as lake:
        lake._store.ledger._db.execute("drop table segment_jobs")
        says = r"ledger\.db: no such table: segment_jobs: it is damaged: bring it back from a copy"
        with pytest.raises(LakeError, match=says), lake.telling_damage():
            lake.whole_job_id(A)
        (finding,) = lake.verify().findings
        assert (finding.rule, finding.problem) == (
            "ledger_is_whole", "no such table: segment_jobs",
        )  # fmt: skip


@pytest.mark.parametrize("table", ["stream", "source"])
def test_a_replay_over_a_ledger_that_lacks_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], table: str
) -> None:
    """A reject whose source or stream is lost is told of the ledger, in one line."""
    lake = tmp_path / "lake"
    (tmp_path / "dump.jsonl").write_text("{oops\n")
    assert run(["ingest", str(tmp_path / "dump.jsonl"), "--lake", str(lake)]) == ExitCode.DATA
    with sqlite3.connect(lake / "ledger.db") as db:
        ((lost,),) = db.execute(f"select {table}_id from {table}s").fetchall()
        db.execute(f"delete from {table}s")
    db.close()
    capsys.readouterr()
    assert run(["rejects", "--replay", "--lake", str(lake)]) == ExitCode.ENVIRONMENT
    told = capsys.readouterr().err
    assert told == (
        f"{lake}/ledger.db: lacks {table} {lost}, of which a reject is:"
        f" see `tunelog verify --lake {lake}`\n"
    )


def test_a_file_that_cannot_be_moved_tells_where_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a folder of the lake cannot be written, that is named, not the unfinished file."""

    def refused(self: Path, target: Path) -> Path:
        raise PermissionError(errno.EACCES, "Permission denied", str(self), None, str(target))

    (tmp_path / "dump.jsonl").write_text(json.dumps(an_event(0)))
    with open_lake(tmp_path / "lake") as lake:
        lake.make()
        monkeypatch.setattr(Path, "replace", refused)
        monkeypatch.setattr(Path, "rename", refused)
        with pytest.raises(LakeError, match=r"/lake/events/\w+\.parquet: Permission denied"):
            lake.ingest(tmp_path / "dump.jsonl")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("update meta set value = 'x'", "ledger.db: damaged (no lake version)"),
        ("update meta set value = '-5'", "ledger.db: damaged (no lake version)"),
        (
            "update meta set value = cast(x'ff' as text)",
            "is this a tunelog lake, readable and whole",
        ),
        ("update commits set committed_at = 'x'", "damaged (committed_at is 'x', no time)"),
        ("update commits set committed_at = '9999-12-31T23:59:59-23:00'", "-23:00', no time)"),
        ("update sources set ingested_at = 'x'", "damaged (ingested_at is 'x', no time)"),
        ("update or ignore commits set commit_id = commit_id - 9", ""),
    ],
)
def test_a_ledger_of_other_values(
    tmp_path: Path, sound: Path, capsys: pytest.CaptureFixture[str], change: str, says: str
) -> None:
    """Values that no tunelog wrote are told in one line or as findings; nothing waits for ever."""
    shutil.copytree(sound, tmp_path / "lake")
    with sqlite3.connect(tmp_path / "lake" / "ledger.db") as db:
        db.execute(change)
    db.close()
    code = run(["verify", "--lake", str(tmp_path / "lake")])
    told = capsys.readouterr()
    assert code == (ExitCode.ENVIRONMENT if says else ExitCode.DATA), told.err
    assert says in told.err and "Traceback" not in told.err
    assert says or "finding" in told.err


FULL = (
    "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0));"
    " import sys; from pipeline import open_lake; from pipeline.cli import main;"
    " open_lake(sys.argv[-1]).view('jobs'); main(sys.argv[1:])"
)


def test_a_full_disk_keeps_nobody_from_reading(sound: Path, tmp_path: Path) -> None:
    """Where no file can grow, a lake is read as ever, by commands and from Python, and what would
    change it says why not."""

    def full(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", FULL, *args, "--lake", str(sound)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    for args in (["sql", "select count(*) from events"], ["show", "jobs"], ["summary"], ["verify"]):
        done = full(*args)
        assert done.returncode == 0, done.stderr
    dump = tmp_path / "new.jsonl"
    dump.write_text(json.dumps(an_event(500)) + "\n")
    for args in (["ingest", str(dump)], ["compact"]):
        done = full(*args)
        assert done.returncode == ExitCode.ENVIRONMENT
        assert "see that the disk is sound and has room" in done.stderr
