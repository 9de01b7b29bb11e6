"""Which jobs `--job` and JOB take: one answer, whichever command is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dumps import A, B, C, a_job, an_event

from pipeline import open_lake
from pipeline.cli import run
from pipeline.errors import ExitCode

OUTCOME = {"object": "event", "id": "evt_1", "type": "fine_tuning.job.failed", "data": {"id": B}}
ASKED = (
    ["show", "jobs", "--format", "json", "--job"],
    ["export", "jobs", "--job"],
    ["export", "--job"],
    ["check", "--all", "--format", "json", "--fail-on", "none", "--job"],
    ["report", "--format", "markdown", "--job"],
    ["timeline"],
    ["curve"],
)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake that knows job A by an object, B by a webhook, C by an event."""
    folder = tmp_path_factory.mktemp("jobs")
    for name, record in {"a": a_job(A), "b": OUTCOME, C: an_event()}.items():
        (folder / f"{name}.jsonl").write_text(json.dumps(record) + "\n")
    with open_lake(folder / "lake") as lake:
        lake.ingest([folder])
        assert lake.view("jobs")["job_id"].to_list() == [A, B, C]
    return folder / "lake"


@pytest.mark.parametrize("command", ASKED, ids=" ".join)
def test_every_command_takes_the_jobs_that_are_listed(
    lake: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """A job is known by its object or a webhook as by its events, by id and by its beginning."""
    again = command[-1:] if command[-1] == "--job" else []
    jobs = [[A, *again, B[:10]]] if command[0] != "timeline" else [[A], [B[:10]]]
    for named in jobs:
        assert run([*command, *named, "--lake", str(lake)]) == ExitCode.OK
        told = capsys.readouterr()
        assert command[0] == "timeline" or all(job in told.out + told.err for job in (A, B[:10]))


@pytest.mark.parametrize("command", ASKED, ids=" ".join)
@pytest.mark.parametrize("job", ["ftjob-UNKNOWNUNKNOWNUNKNOWN1234", f"ftjob-{'f' * 32}", "x"])
def test_every_command_refuses_others_alike(
    lake: Path, capsys: pytest.CaptureFixture[str], command: list[str], job: str
) -> None:
    """An id that no job has, long or short, is the same error of all commands."""
    assert run([*command, job, "--lake", str(lake)]) == ExitCode.USAGE
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == f"{job}: no job of that name or beginning: see `tunelog show jobs`\n"


def test_an_id_that_begins_another_is_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a job whose id begins another's, the whole id asks for that job alone."""
    for job in ("run-1", "run-10"):
        (tmp_path / f"{job}.jsonl").write_text(json.dumps(a_job(job)) + "\n")
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([tmp_path])
    asked = ["show", "jobs", "--columns", "job_id", "--format", "csv", "--lake", str(lake.path)]
    assert run([*asked, "--job", "run-1"]) == ExitCode.OK
    assert capsys.readouterr().out == "job_id\nrun-1\n"
