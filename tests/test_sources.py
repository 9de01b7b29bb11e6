"""What paths mean."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from pipeline import open_lake
from pipeline.errors import UsageError
from pipeline.sources import discover

JOB = "ftjob-AAAAAAAAAAAAAAAAAAAAAAAA"
OTHER = "ftjob-BBBBBBBBBBBBBBBBBBBBBBBB"


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    return path


def _found(*paths: object) -> list[str]:
    return [source.path for source in discover([str(path) for path in paths])]


def test_folders(tmp_path: Path) -> None:
    """A folder gives all its files in the order of their names, hidden ones left out."""
    names = ["b.json", "a/2.json", "a/1.json", "a/.hidden.json", ".git/x.json", "c/d/e.jsonl.gz"]
    for name in names:
        _touch(tmp_path / name)
    expected = ["a/1.json", "a/2.json", "b.json", "c/d/e.jsonl.gz"]
    assert _found(tmp_path) == [str(tmp_path / name) for name in expected]


def test_a_lake_among_the_dumps(tmp_path: Path) -> None:
    """The files of a lake are no dumps: a folder that holds one is read without it."""
    dump = _touch(tmp_path / "x.json")
    open_lake(tmp_path / "lake").ingest([dump])
    assert _found(tmp_path) == [str(dump)]
    with pytest.raises(UsageError, match="the folder holds no files but those of a lake: name"):
        _found(tmp_path / "lake")
    beside = [_touch(tmp_path / "lake" / name) for name in ("dumps/a.json", "y.json")]
    assert _found(tmp_path / "lake") == [str(path) for path in beside]
    like = _touch(tmp_path / "like" / "events" / "a.json")
    (tmp_path / "like" / "ledger.db").mkdir()
    assert _found(tmp_path / "like") == [str(like)]


def test_hidden_file_named(tmp_path: Path) -> None:
    """A hidden file that is named is read."""
    path = _touch(tmp_path / ".dump.json")
    assert _found(path) == [str(path)]


def test_same_file_once(tmp_path: Path) -> None:
    """A file told by several spellings is one source."""
    path = _touch(tmp_path / "a" / "x.json")
    (tmp_path / "link.json").symlink_to(path)
    spellings = [path, tmp_path / "a" / ".." / "a" / "x.json", tmp_path, tmp_path / "link.json"]
    assert _found(*spellings, "-", "-") == [str(path), "-"]


def test_links(tmp_path: Path) -> None:
    """Links to files are followed, links to folders in a folder are not: loops end."""
    path = _touch(tmp_path / "real" / "x.json")
    dumps = tmp_path / "dumps"
    dumps.mkdir()
    (dumps / "x.json").symlink_to(path)
    (dumps / "loop").symlink_to(dumps)
    assert _found(dumps) == [str(dumps / "x.json")]


def test_linked_folder_named(tmp_path: Path) -> None:
    """A link to a folder that is named is walked."""
    _touch(tmp_path / "real" / "x.json")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert _found(tmp_path / "link") == [str(tmp_path / "link" / "x.json")]


def test_globs(tmp_path: Path) -> None:
    """A pattern gives what it matches in order, folders walked."""
    for name in ("b.json", "a.json", "c.txt", "d.json/e.txt"):
        _touch(tmp_path / name)
    expected = ["a.json", "b.json", "d.json/e.txt"]
    assert _found(tmp_path / "*.json") == [str(tmp_path / name) for name in expected]
    expected = ["c.txt", "d.json/e.txt"]
    assert _found(tmp_path / "**" / "*.txt") == [str(tmp_path / name) for name in expected]


def test_glob_characters_in_names(tmp_path: Path) -> None:
    """A path that exists is no pattern, whatever characters it has."""
    _touch(tmp_path / "a.json")
    path = _touch(tmp_path / "[a].json")
    assert _found(path) == [str(path)]


@pytest.mark.parametrize("name", ["absent.json", "", "no*match", "empty", "empt*"])
def test_nothing_there(tmp_path: Path, name: str) -> None:
    """A path, a pattern or a folder without any file is told at once, on one line."""
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    with pytest.raises(UsageError) as error:
        discover([str(tmp_path / name) if name else ""])
    assert "\n" not in str(error.value) and str(error.value).count(": ") >= 2


def test_odd_kinds_stop_nothing(tmp_path: Path) -> None:
    """A FIFO, a socket, a device and a dead link are problems of their own source."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "dead").symlink_to(tmp_path / "absent")
    _touch(tmp_path / "good.json")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "sock"))
        sources = list(discover([str(tmp_path), "/dev/null"]))
    problems = {Path(source.path).name: source.problem for source in sources}
    assert problems.pop("good.json") is None
    words = {"fifo": "FIFO", "sock": "socket", "dead": "No such", "null": "device"}
    for name, word in words.items():
        assert word in str(problems.pop(name))
    assert not problems


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_locked_folder(tmp_path: Path) -> None:
    """A folder that may not be read is a problem, not a crash and not silence."""
    _touch(tmp_path / "locked" / "x.json")
    _touch(tmp_path / "y.json")
    (tmp_path / "locked").chmod(0)
    try:
        sources = list(discover([str(tmp_path)]))
    finally:
        (tmp_path / "locked").chmod(0o700)
    assert [bool(source.problem) for source in sources] == [True, False]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        (f"{JOB}.jsonl", JOB),
        (f"dump_{JOB}.page-001.json.gz", JOB),
        (f"{JOB}/events.jsonl", JOB),
        (f"{OTHER}/{JOB}/pages/1.json", JOB),
        (f"{OTHER}/{JOB}.json", JOB),
        (f"{JOB}-against-{OTHER}.json", None),
        (f"{JOB}-{OTHER}/events.json", None),
        ("ftjob-51727d94ab964acd9e4278f47b13bf3a.json", "ftjob-51727d94ab964acd9e4278f47b13bf3a"),
        ("events.jsonl", None),
    ],
)
def test_job_hint(tmp_path: Path, name: str, hint: str | None) -> None:
    """The name of the file, else of the nearest folder, tells the job if it names one."""
    path = _touch(tmp_path / name)
    (source,) = discover([str(path)])
    assert source.job_hint == hint


def test_job_hint_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job's folder tells the job also when it is the current one."""
    _touch(tmp_path / JOB / "pages" / "1.json")
    monkeypatch.chdir(tmp_path / JOB / "pages")
    assert [source.job_hint for source in discover(["1.json"])] == [JOB]


def test_many_files(tmp_path: Path) -> None:
    """Finding a file costs microseconds: 2,000 files take a fraction of a second."""
    for number in range(2_000):
        (tmp_path / f"{number:05}.json").touch()
    start = time.process_time()  # whatever else the machine does
    assert len(_found(tmp_path)) == 2_000
    assert time.process_time() - start < 1


def test_stdin() -> None:
    """A dash is standard input."""
    (source,) = discover(["-"])
    assert source.file is None and source.path == "-"
