"""`tunelog verify` and `tunelog history`: what they print of a lake, and how they end."""

from __future__ import annotations

import json
from pathlib import Path

from running import Run
from small_jobs import dump, events
from test_ingest import JOB, event, lines

from pipeline.errors import ExitCode
from pipeline.lake.store import place_of


def test_a_lake_by_any_name(tunelog: Run, tmp_path: Path) -> None:
    """By a way around, or through a link, a lake is the same and sound, and open.sql names it."""
    dump(tmp_path / "a.jsonl", events(JOB))
    (tmp_path / "it's sub").mkdir()
    (tmp_path / "link").symlink_to("lake")
    tunelog("ingest", "a.jsonl", "--lake", "it's sub/../lake")
    script = (tmp_path / "lake" / "open.sql").read_text()
    assert "/../" not in script and f"'{tmp_path}/lake/events/" in script
    assert "sound" in tunelog("verify", "--lake", "link").stderr
    (tmp_path / "[1]").mkdir()
    (tmp_path / "odd").symlink_to("[1]")  # whose own name the engine takes for a pattern
    assert place_of(tmp_path / "odd" / "lake") == tmp_path / "odd" / "lake"


def test_the_command(tunelog: Run, tmp_path: Path) -> None:
    """The command ends with 0 on a sound lake, with 1 and a row for each finding on a damaged."""
    dump(tmp_path / "a.jsonl", events(JOB))
    tunelog("ingest", "a.jsonl")
    done = tunelog("verify")
    assert done.stdout == "" and "sound" in done.stderr
    assert tunelog("verify", "--format", "json").stdout == "[]\n"
    stray = tmp_path / "lake" / "events" / "\x1b[31mstray.parquet"
    stray.write_bytes(b"")
    rows = json.loads(tunelog("verify", "--format", "json", code=ExitCode.DATA).stdout)
    assert [(row["rule"], row["place"]) for row in rows] == [
        ("files_are_named", "events/\x1b[31mstray.parquet")
    ]
    assert "\x1b" not in tunelog("verify", code=ExitCode.DATA).stdout
    (tmp_path / "lake" / "ledger.db").write_bytes(b"no database" * 999)
    tunelog("verify", code=ExitCode.ENVIRONMENT)
    tunelog("verify", "--lake", "elsewhere", code=ExitCode.USAGE)


def test_history(tunelog: Run, tmp_path: Path) -> None:
    """Every commit is listed once, oldest first, with what it changed."""
    dump(tmp_path / "a.jsonl", events(JOB))
    tunelog("ingest", "a.jsonl")
    (tmp_path / "b.jsonl").write_text(lines(event(900)) + "{oops\n")
    tunelog("ingest", "b.jsonl", "--job-id", JOB, code=ExitCode.DATA)
    tunelog("compact")
    rows = json.loads(tunelog("history", "--format", "json").stdout)
    some = len(events(JOB))
    assert [
        (r["commit_id"], r["command"], r["sources"], r["events"], r["rejects"]) for r in rows
    ] == [(1, "ingest", 1, some, 0), (2, "ingest", 2, some + 1, 1), (3, "compact", 2, some + 1, 1)]
    assert [(r["sources_change"], r["events_change"], r["rejects_change"]) for r in rows] == [
        (1, some, 0), (1, 1, 1), (0, 0, 0),
    ]  # fmt: skip
    latest = json.loads(tunelog("history", "--limit", "2", "--format", "json").stdout)
    assert latest == rows[1:]
