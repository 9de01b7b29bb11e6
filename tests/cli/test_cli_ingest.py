"""What `ingest` and `assign` tell of each source, and how they end."""

from __future__ import annotations

import json
from pathlib import Path

from running import SAMPLES, Run
from small_jobs import JOB, OTHER, dump, events

from pipeline.errors import ExitCode


def test_ingest_tells_every_source(tunelog: Run) -> None:
    """`ingest --format json` lists every source, and its counts add up to its records."""
    told = json.loads(tunelog("ingest", str(SAMPLES), "--format", "json").stdout)
    assert len(told) == sum(path.is_file() for path in SAMPLES.rglob("*"))
    for source in told:
        kinds = sum(source["ignored"].values()) + sum(source["rejects"].values())
        assert source["records"] == (
            source["events"]
            + source["duplicates"]
            + kinds
            + source["blank"]
            + sum(source["companions"].values())
        ), source
    again = json.loads(tunelog("ingest", str(SAMPLES), "--format", "json").stdout)
    assert {source["status"] for source in again} == {"known"}
    rows = tunelog("ingest", str(SAMPLES / "polled")).stdout.splitlines()[-8:]
    assert all(row.rstrip().endswith("0") for row in rows), "of known files no job is told"


def test_ingest_tells_a_person(tunelog: Run, tmp_path: Path) -> None:
    """The summary of `ingest` tells new events, duplicates, jobs and sources."""
    dump(tmp_path / "a.jsonl", events(JOB), events(JOB)[1:3], events(OTHER))
    text = tunelog("ingest", "a.jsonl").stdout
    assert "1 source (1 new), 16 records" in text
    assert "14 new events in 2 jobs" in text
    assert "2 duplicates" in text
    assert "a.jsonl" in text


def test_many_sources_are_folded(tunelog: Run, tmp_path: Path) -> None:
    """Of many sources the summary lists only those worth a look; json lists them all."""
    for i in range(60):
        dump(tmp_path / "d" / f"{i:02}.jsonl", events(f"ftjob-{i:024d}", steps=1))
    (tmp_path / "d" / "39.jsonl").open("a").write("{broken\n")
    lines = tunelog("ingest", "d", code=ExitCode.DATA).stdout.splitlines()
    assert len(lines) < 15
    assert any("39.jsonl" in line for line in lines)
    assert "59 sources without rejects: --format json lists all" in lines[-1]
    assert (
        len(json.loads(tunelog("ingest", "d", "--format", "json", code=ExitCode.DATA).stdout)) == 60
    )


def test_rejects_decide_the_exit_code(tunelog: Run, tmp_path: Path) -> None:
    """More rejects than allowed end with 1; the events are in the lake and the rejects kept."""
    path = dump(tmp_path / "a.jsonl", events(JOB))
    with Path(path).open("a") as file:
        file.write('{"id": \n')
    done = tunelog("ingest", "a.jsonl", code=ExitCode.DATA)
    assert "1 reject, with 0 allowed" in done.stderr
    assert json.loads(
        tunelog("sql", "select count(*) as n from events", "--format", "json").stdout
    )[0] == {"n": 7}
    kept = json.loads(tunelog("rejects", "--format", "json").stdout)
    assert [row["raw"] for row in kept] == ['{"id": ']
    assert tunelog("rejects", "--reason", "too_large").stdout.count("\n") == 2
    replayed = json.loads(tunelog("rejects", "--replay", "--format", "json").stdout)
    assert replayed == [{"tried": 1, "passed": 0, "still": 1}]
    tunelog("ingest", "a.jsonl", "--lake", "other", "--allow-rejects", "1")


def test_standard_input(tunelog: Run) -> None:
    """`ingest -` reads standard input."""
    lines = "".join(json.dumps(event) + "\n" for event in events(JOB))
    assert "7 new events in 1 job" in tunelog("ingest", "-", stdin=lines).stdout


def test_nothing_to_read(tunelog: Run, tmp_path: Path) -> None:
    """A path that is not there ends in an error that names it."""
    done = tunelog("ingest", "nowhere.jsonl", code=ExitCode.USAGE)
    assert "nowhere.jsonl" in done.stderr


def test_assign(tunelog: Run, tmp_path: Path) -> None:
    """`assign` gives the events of a source their job and tells how many."""
    dump(tmp_path / "a.jsonl", events(JOB)[1:])
    told = tunelog("ingest", "a.jsonl", "--lake", "lake").stderr
    assert "of 1 stream nothing tells the job" in told
    assert "then `tunelog assign SOURCE JOB --lake lake`" in told
    done = tunelog("assign", "a.jsonl", OTHER)
    assert not tunelog("ingest", "a.jsonl").stderr
    assert (done.stdout, "6 events moved" in done.stderr) == ("", True)
    jobs = json.loads(tunelog("show", "jobs", "--format", "json").stdout)
    assert [job["job_id"] for job in jobs] == [OTHER]


def test_a_beginning_is_told_where_it_is_a_new_name(tunelog: Run, tmp_path: Path) -> None:
    """`assign` takes a job's id as it is, and says so where a beginning would do for others."""
    dump(tmp_path / "a.jsonl", events(JOB))
    dump(tmp_path / "b.jsonl", events(OTHER)[1:])
    tunelog("ingest", "a.jsonl", "b.jsonl")
    told = f"ftjob-abc: is a job of its own: of {JOB}, which begins so, write the whole id"
    assert told in tunelog("assign", "b.jsonl", "ftjob-abc").stderr
    for job in ("ftjob-abc", JOB, OTHER):
        assert "own" not in tunelog("assign", "b.jsonl", job, "--force").stderr
