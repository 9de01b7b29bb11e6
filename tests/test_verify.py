"""Every kind of damage to a lake is told by its rule, its place, and what to do."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
from small_jobs import OTHER
from test_ingest import JOB, event, lines
from verified import verified

from pipeline import open_lake, views
from pipeline.errors import LakeError
from pipeline.lake import verify as verification
from pipeline.lake.ledger import Ledger
from pipeline.lake.verify import Verification


def rules(found: Verification) -> set[str]:
    """The rules that are broken."""
    return {finding.rule for finding in found.findings}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with events, rejects and a variant, and a copy of it beside it."""
    folder = tmp_path_factory.mktemp("verify")
    one, two = folder / "one.jsonl", folder / "two.jsonl"
    one.write_text(lines(*(event(n) for n in range(1, 9))) + "{oops\n")
    two.write_text(lines(event(1, message="another content"), event(9)))
    with open_lake(folder / "lake") as lake:
        lake.ingest([one], job_id=JOB)
        lake.ingest([two], job_id=OTHER)
        lake.ingest([two], job_id=JOB)
        assert all(len(lake.view(name)) for name in ("rejects", "variants"))
        assert lake.verify().findings == []
    with sqlite3.connect(folder / "lake" / "ledger.db") as db:
        db.execute("pragma journal_mode = delete")  # all of it in the one file
    shutil.copytree(folder / "lake", folder / "copy")
    return folder


@pytest.fixture
def path(pristine: Path) -> Path:
    """The lake as it was, in its place."""
    shutil.rmtree(pristine / "lake")
    shutil.copytree(pristine / "copy", pristine / "lake")
    return pristine / "lake"


def live(path: Path, kind: str) -> Path:
    """A live segment of a lake."""
    with sqlite3.connect(path / "ledger.db") as db:
        query = "select name from segments where kind = ? and removed_at is null"
        query += " order by row_count desc"
        (name,) = db.execute(query, (kind,)).fetchone()
    return path / (kind if kind in ("events", "rejects", "variants") else "ledger") / name


def change(file: Path, damage: Callable[[bytearray], object]) -> None:
    """Write a file anew with its bytes changed."""
    content = bytearray(file.read_bytes())
    damage(content)
    file.unlink()
    file.write_bytes(content)


def flip(content: bytearray) -> None:
    """Turn over one bit in the middle."""
    content[len(content) // 2] ^= 1


def cut_off(content: bytearray) -> None:
    """Lose the end."""
    del content[-9:]


def other(word: bytes, instead: bytes) -> Callable[[bytearray], object]:
    """Have another word in its place."""

    def damage(content: bytearray) -> None:
        assert word in content
        content[:] = content.replace(word, instead)

    return damage


def in_ledger(statement: str) -> Callable[[Path], None]:
    """A fault: the ledger says something else."""

    def damage(path: Path) -> None:
        with sqlite3.connect(path / "ledger.db") as db:
            assert db.execute(statement).rowcount

    return damage


def segment(path: Path, rows: pa.Table, jobs: int) -> None:
    """Add a segment of events to a lake, and to its ledger."""
    part = path / "tmp" / "part"
    pq.write_table(rows, part)
    name = f"{xxhash.xxh3_128_hexdigest(part.read_bytes())}.parquet"
    size = part.stat().st_size
    part.replace(path / "events" / name)
    with sqlite3.connect(path / "ledger.db") as db:
        row = (name, "events", len(rows), size, 1, None, None)
        db.execute("insert into segments values (?, ?, ?, ?, ?, ?, ?)", row)
        (job,) = rows["job_id"].unique().to_pylist()
        db.execute("insert into segment_jobs values (?, ?, ?)", (job, name, jobs))


def twice(path: Path) -> None:
    """A fault: one event is there again, in a segment that the ledger names."""
    segment(path, pq.read_table(live(path, "events"))[:1], 1)


def shorten(path: Path) -> None:
    """A fault: a live file is missing in open.sql."""
    script = path / "open.sql"
    name = live(path, "rejects").name
    script.write_text(script.read_text().replace(name, f"{'0' * 32}.parquet"))


def overwrite_pages(path: Path) -> None:
    """A fault: a page of the ledger holds noise."""
    with sqlite3.connect(path / "ledger.db") as db:
        query = "select rootpage from sqlite_master where name = 'sources_path'"
        end = db.execute(query).fetchone()[0] * db.execute("pragma page_size").fetchone()[0]
    change(
        path / "ledger.db", lambda content: content.__setitem__(slice(end - 200, end), b"?" * 200)
    )


DAMAGES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    **{
        f"a bit turned in {kind}": (
            lambda path, kind=kind: change(live(path, kind), flip),
            "segments_are_whole",
            "its content was changed",
        )
        for kind in ("events", "rejects", "variants", "sources", "commits")
    },
    "segment deleted": (
        lambda path: live(path, "events").unlink(),
        "segments_are_whole",
        "it is not there",
    ),
    "segment cut off": (
        lambda path: change(live(path, "events"), cut_off),
        "segments_are_whole",
        "bytes, and the ledger says",
    ),
    "empty file deleted": (
        lambda path: (path / "ledger" / "no-events.parquet").unlink(),
        "segments_are_whole",
        "is not there",
    ),
    "name in an empty file changed": (
        lambda path: change(path / "ledger" / "no-rejects.parquet", other(b"reason", b"reawon")),
        "segments_are_whole",
        "is not there, or not a Parquet file of its table",
    ),
    "views changed": (
        lambda path: change(path / "open.sql", other(b"arg_min(", b"arg_max(")),
        "open_sql_is_current",
        "its content was changed",
    ),
    "file added": (
        lambda path: (path / "events" / "stray.parquet").write_bytes(b"stray"),
        "files_are_named",
        "the ledger does not name it",
    ),
    "copy under another name": (
        lambda path: shutil.copy(live(path, "events"), path / "rejects" / f"{'0' * 32}.parquet"),
        "files_are_named",
        "the ledger does not name it",
    ),
    "segment rows": (
        in_ledger("update segments set row_count = row_count + 1 where kind = 'events'"),
        "segments_have_their_rows",
        "and the ledger says",
    ),
    "rows of a job": (
        in_ledger("update segment_jobs set row_count = row_count + 1"),
        "segments_have_their_jobs",
        "A segment holds the jobs",
    ),
    "job forgotten": (
        in_ledger("delete from segment_jobs"),
        "segments_have_their_jobs",
        "A segment holds the jobs",
    ),
    "source counts": (
        in_ledger("update sources set duplicates = duplicates + 1"),
        "snapshots_are_the_ledger",
        "The sources that views show",
    ),
    "stream in the ledger": (
        in_ledger("update streams set job_id = 'ftjob-elsewhere'"),
        "snapshots_are_the_ledger",
        "The streams that views show",
    ),
    "commit in the ledger": (
        in_ledger("delete from commits where commit_id = 2"),
        "ledger_is_whole",
        "is not there",
    ),
    "content without source": (
        in_ledger("update contents set source_id = 'gone'"),
        "ledger_is_whole",
        "counts as known",
    ),
    "source without content": (
        in_ledger("delete from contents"),
        "ledger_is_whole",
        "does not count as known",
    ),
    "event twice": (twice, "events_are_unique", "An event is in the lake once"),
    "event twice, counted": (twice, "sources_count_their_events", "counts as many events"),
    "open.sql": (shorten, "open_sql_is_current", "does not name"),
    "ledger pages": (overwrite_pages, "ledger_is_whole", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_each_damage_is_found(name: str, path: Path) -> None:
    """Each way of damaging a lake is told by its rule, where it lies, and with what to do."""
    damage, rule, problem = DAMAGES[name]
    damage(path)
    found = [finding for finding in verified(path).findings if finding.rule == rule]
    assert found and any(problem in finding.problem for finding in found), found
    assert all(finding.place and finding.advice for finding in found)


def test_the_damaged_file_is_named(path: Path) -> None:
    """A damaged file is named below the lake, and the rules about its rows wait."""
    file = live(path, "events")
    change(file, flip)
    found = verified(path)
    assert [finding.place for finding in found.findings] == [f"events/{file.name}"]
    assert found.skipped


def test_many_rows_are_told_by_their_number(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a rule that many rows break some are listed, and of the others their number."""
    monkeypatch.setattr(verification, "LISTED", 3)
    rows = pq.read_table(live(path, "events"))
    segment(path, rows, len(rows))
    found = [f for f in verified(path).findings if f.rule == "events_are_unique"]
    assert len(found) == 4
    assert found[-1].place == f"and {len(rows) - 3} more"


def test_verify_changes_nothing(path: Path) -> None:
    """Looking at a lake, sound or damaged, leaves every file of it as it was."""
    (path / "events" / "stray.parquet").write_bytes(b"stray")

    def content() -> dict[Path, bytes]:
        files = [file for file in path.rglob("*") if file.is_file()]
        return {file: file.read_bytes() for file in files if "ledger.db-" not in file.name}

    verified(path)  # opening it once puts the ledger back into WAL mode
    before = content()
    assert rules(verified(path)) == {"files_are_named"}
    assert content() == before
    assert not list((path / "tmp").iterdir())


def test_leftovers_of_a_crash_are_no_finding(path: Path) -> None:
    """What an interrupted commit had published is told, and does not make the lake unsound."""
    content = live(path, "events").read_bytes() + b"of another commit"
    left = path / "events" / f"{xxhash.xxh3_128_hexdigest(content)}.parquet"
    left.write_bytes(content)
    found = verified(path)
    assert found.findings == [] and found.leftovers == [left]


def test_a_commit_under_way_is_no_stray(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that another command commits while one looks is a file of the lake."""
    file, unnamed = path / "events" / "published.parquet", verification._Verifier._unnamed
    file.write_bytes(b"")

    def late(self: Any) -> list[Path]:
        found = unnamed(self)
        row = (file.name, "events", 0, 0, 1, "2020-01-01T00:00:00+00:00", None)
        with sqlite3.connect(path / "ledger.db") as db:
            db.execute("insert into segments values (?, ?, ?, ?, ?, ?, ?)", row)
        monkeypatch.setattr(verification._Verifier, "_unnamed", unnamed)
        return found

    monkeypatch.setattr(verification._Verifier, "_unnamed", late)
    assert verified(path).findings == []


def test_a_lake_that_was_moved(path: Path) -> None:
    """In a lake that was moved only open.sql is wrong, and compaction mends it."""
    moved = path.with_name("moved")
    shutil.rmtree(moved, ignore_errors=True)
    path.rename(moved)
    try:
        (finding,) = verified(moved).findings
        assert finding.rule == "open_sql_is_current"
        assert finding.problem == f"names the files where the lake lay once, in {path}"
        assert "tunelog compact" in finding.advice
        with open_lake(moved) as lake:
            note = (moved / "open.sql").read_text().partition("was moved ")[2].partition("anew.")[0]
            assert "`tunelog compact`" in note and "ingest" not in note  # of what is known: nothing
            lake.compact()
            assert lake.verify().findings == []
    finally:
        shutil.copytree(moved, path)


def test_a_lake_made_through_a_link(path: Path) -> None:
    """An open.sql that names the files through a link, as older versions wrote, is sound."""
    link = path.with_name("it's a link")
    link.symlink_to(path)
    try:
        with open_lake(path) as lake:
            script, known = lake._store.script, lake._store.files()
            files = {t: [f.replace(str(path), str(link)) for f in fs] for t, fs in known.items()}
            content = f"{views.script(files)}\n".encode()
            end = f"-- whole, as of commit {lake._store.ledger.version()}, its hash "
            script.write_bytes(content + f"{end}{xxhash.xxh3_64_hexdigest(content)}\n".encode())
            assert lake.verify().findings == []
    finally:
        link.unlink()
    (finding,) = verified(path).findings
    assert finding.problem == f"names the files where the lake lay once, in {link}"


def test_a_ledger_that_cannot_be_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger that the disk does not give is an error of the environment, not a finding."""

    def broken(self: Ledger) -> Iterator[str]:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    monkeypatch.setattr(Ledger, "faults", broken)
    with pytest.raises(LakeError, match=r"ledger\.db: disk I/O error"):
        verified(path)
