"""Which lake and which files a command takes, and what it refuses before it changes anything."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
from running import Run
from small_jobs import JOB, OTHER, dump, events

from pipeline import open_lake
from pipeline.errors import ExitCode


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["inget"], "did you mean 'ingest'?"),
        (["frobnicate"], "no command 'frobnicate'"),
        (["leaderboard"], "it is a view: `tunelog show leaderboard`"),
        (["--lake", "x", "summary"], "a command's options stand behind it"),
        (["ingest", "x", "--lake"], "see `tunelog ingest --help`"),
        (["show"], "Missing argument 'VIEW'"),
        (["show", "job"], "no such view, did you mean 'jobs'?"),
        (["show", "jobs", "--columns", "job_id,dialct"], "did you mean 'dialect'?"),
        (["show", "jobs", "--format", "xml"], "'xml' is not one of"),
        (["show", "jobs", "--limit", "-1"], "-1"),
        (["ingest"], "Missing argument 'PATH...'"),
        (["ingest", "x", "--max-record-bytes", "many"], "'many' is no size"),
        (["sql", "select 1", "-f", __file__], "leave one out"),
        (["rejects", "--reason", "cutoff"], "did you mean 'cut_off'?"),
        (["rejects", "--max-record-bytes", "1GB"], "--max-record-bytes without --replay"),
        (["rejects", "--replay", "--limit", "3"], "leave --reason and --limit out"),
        (["export", "jobs", "-o", "x.table"], "'table' is not one of"),
        (["compact", "--keep", "nan"], "nan is no number to count with"),
        (["compact", "--keep", "1e300"], "1e+300 is not in the range"),
        (["sql", "select 1", "--timeout", "inf"], "inf is not in the range"),
    ],
)
def test_usage_errors(tunelog: Run, args: list[str], says: str) -> None:
    """A call that is wrong ends with 2 and one line that says what to write instead."""
    done = tunelog(*args, code=ExitCode.USAGE)
    assert done.stdout == ""
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "args",
    [
        ["summary"],
        ["show", "jobs"],
        ["sql", "select 1"],
        ["export"],
        ["rejects"],
        ["rejects", "--replay"],
        ["assign", "a.jsonl", JOB],
    ],
)
def test_reading_makes_no_lake(tunelog: Run, tmp_path: Path, args: list[str]) -> None:
    """A command that reads names the folder that is no lake, and makes none."""
    done = tunelog(*args, "--lake", "nowhere", code=ExitCode.USAGE)
    assert done.stderr.startswith("nowhere: no lake here")
    assert "tunelog ingest" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            "my lake/events",
            "my lake/events: no lake here: give the one around it, --lake 'my lake'",
        ),
        ("my lake/ledger.db", "give the one around it, --lake 'my lake'"),
        ("a.jsonl", "a.jsonl: a file: give the folder of a lake with --lake"),
    ],
)
def test_what_is_in_a_lake_or_a_file_is_none(
    tunelog: Run, tmp_path: Path, given: str, says: str
) -> None:
    """Who names a part of a lake, or a dump, is told what to name."""
    dump(tmp_path / "a.jsonl", events(JOB, steps=1))
    tunelog("ingest", "a.jsonl", "--lake", "my lake")
    assert says in tunelog("show", "jobs", "--lake", given, code=ExitCode.USAGE).stderr


@pytest.mark.parametrize(
    "args", [["nowhere"], ["empty"], ["no*where"], ["empty/a.jsonl", "--job-id", "ftjob a"]]
)
def test_a_refused_ingest_makes_no_lake(tunelog: Run, tmp_path: Path, args: list[str]) -> None:
    """What can be refused before anything is read leaves no lake that would answer emptily."""
    (tmp_path / "empty").mkdir()
    if len(args) > 1:
        (tmp_path / args[0]).write_text("{}")
    tunelog("ingest", *args, "--lake", "n", code=ExitCode.USAGE)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
    assert tunelog("summary", "--lake", "n", code=ExitCode.USAGE).stdout == ""


def test_an_ingest_that_fails_leaves_a_whole_lake(tunelog: Run, tmp_path: Path) -> None:
    """A lake that was made for a dump which contradicts --job-id can be opened by any engine."""
    text = "".join(json.dumps(event) + "\n" for event in events(JOB))
    (tmp_path / "a.jsonl").write_text(text)
    tunelog("ingest", "a.jsonl", "--job-id", OTHER, "--lake", "n", code=ExitCode.USAGE)
    with duckdb.connect() as con:
        con.execute((tmp_path / "n" / "open.sql").read_text())
        assert con.execute("select count(*) from events").fetchall() == [(0,)]


def test_the_lake_is_found(tunelog: Run, tmp_path: Path) -> None:
    """The lake is --lake, else $TUNELOG_LAKE, else ./lake."""
    dump(tmp_path / "a.jsonl", events(JOB))
    tunelog("ingest", "a.jsonl", TUNELOG_LAKE="one")
    tunelog("ingest", "a.jsonl", "--lake", "two", TUNELOG_LAKE="one")
    tunelog("ingest", "a.jsonl")
    assert {path.name for path in tmp_path.iterdir()} == {"a.jsonl", "one", "two", "lake"}


def test_python_finds_the_same_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a name `open_lake` opens the command's: $TUNELOG_LAKE, else ./lake."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUNELOG_LAKE", raising=False)
    for told, lake in ((None, "lake"), ("", "lake"), ("one", "one")):
        if told is not None:
            monkeypatch.setenv("TUNELOG_LAKE", told)
        with open_lake() as found:
            assert found.path == tmp_path / lake
