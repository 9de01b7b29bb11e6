"""Jobs of any id: the archive knows whose each page is, and so does the lake made of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest
from keeping import A, B, held, lines, small
from server import KEY, NOW, Api, an_event, serving

from pipeline import open_lake
from pipeline.cli import run
from pipeline.errors import ExitCode
from pipeline.sources import discover

UUID = "7d9c8a10-4a5e-4c22-9b60-aa12bb34cc56"
IDS = (
    A, "ftjob-" + "0a" * 16, "ft-AF1WoRqd3aJAHsqc9NY7iL8F", UUID, "ftjob-x", "ftjob-AbC_1",
    "ftjob-abcdef_1", "ftjob-abc:def", "jobs", "../é %41", "x" * 300, "x" * 299 + "y",
)  # fmt: skip


def account(ids: tuple[str, ...] = IDS) -> Api:
    """Jobs of two pages of events, a checkpoint and a result file each."""
    api = Api(cap=2)
    for n, job in enumerate(ids):
        events = [an_event(job, i, NOW - 90_000 + i, id=f"e{i}-{n}") for i in range(4)]
        content = f"step,train_loss\n1,0.5\n2,0.{n + 1}\n".encode()
        api.add(job, events, checkpoints=1, files={f"file-of_{n}": content})
    return api


@contextmanager
def asked(api: Api) -> Iterator[None]:
    """The account is the one that the environment names."""
    names = {"OPENAI_API_KEY": KEY}
    with serving(api), mock.patch.dict(os.environ, names, OPENAI_BASE_URL=api.url):
        yield


def told(lake_dir: Path | str) -> dict[str, tuple[int, int]]:
    """Events and rows of result files of each job of a lake."""
    with open_lake(lake_dir) as lake:
        rows = lake.sql("select job_id, count(*) from events group by all").rows()
        points = dict(lake.sql("select job_id, count(*) from result_points group by all").rows())
    return {job: (count, points.get(job, 0)) for job, count in rows}


def test_events_and_files_of_any_id_are_of_their_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By `--lake` and by `ingest`, all at once or page by page; again, nothing is new."""
    monkeypatch.chdir(tmp_path)
    with asked(account()):
        assert run(["archive", "--out", "a", "--lake", "l"]) == ExitCode.OK
        wanted = dict.fromkeys(IDS, (4, 2))
        assert told("l") == wanted
        with open_lake("l") as lake:
            assert lake.sql("select count(*) from jobs where status = 'succeeded'").item() == 12
    capsys.readouterr()
    assert run(["ingest", "a/raw", "--lake", "l", "--format", "csv"]) == ExitCode.OK
    rows = [row.split(",") for row in capsys.readouterr().out.splitlines()[1:]]
    new = [row[0] for row in rows if row[1] != "known"]
    assert all("about-" in path for path in new) and told("l") == wanted
    assert run(["ingest", "a/raw", "--lake", "plain"]) == ExitCode.OK
    assert told("plain") == wanted
    monkeypatch.chdir(tmp_path / "a" / "raw" / UUID)
    lake = str(tmp_path / "alone")
    for page in sorted(Path().glob("*")):
        if not page.name.startswith("about-"):
            assert run(["ingest", page.name, "--lake", lake]) == ExitCode.OK
    assert told(lake) == {UUID: (4, 2)}


def test_the_path_tells_the_job_of_each_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every file of an archive, but of lists of jobs, the hint is the job of its line."""
    monkeypatch.chdir(tmp_path)
    with asked(account()):
        assert run(["archive", "--out", "a"]) == ExitCode.OK
        assert run(["archive", "--out", "a", "--job", UUID]) == ExitCode.OK
    known = {line["path"]: line.get("job") for line in lines(Path("a")) if "path" in line}
    found = {source.path.removeprefix("a/"): source.job_hint for source in discover(["a/raw"])}
    assert found == known and len(set(found.values())) == len(IDS) + 1


def test_other_folders_tell_no_job_by_any_name(tmp_path: Path) -> None:
    """Only where names are an archive's does a folder without a job id in its name tell one."""
    name = "events-20250630T121501Z-0123456789ab.json.zst"
    for place in (f"cooked/{UUID}/{name}", f"raw/{UUID}/events.json.zst", f"raw/{name}",
                  "raw/jobs/jobs-0123456789ab.json.zst"):  # fmt: skip
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(b"")
    assert {source.job_hint for source in discover([str(tmp_path)])} == {None}


def test_a_job_of_any_id_is_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its events come into the lake under it, those of later rounds too."""
    monkeypatch.chdir(tmp_path)
    api = account((UUID,))
    api.jobs[0].update(status="running", finished_at=None)
    rounds = iter(range(9))

    def go_on(path: str) -> None:
        if path.endswith(f"jobs/{UUID}") and next(rounds) == 1:
            api.events[UUID].append(an_event(UUID, 9, NOW - 100))
            api.finish(UUID)

    api.before = go_on
    with asked(api):
        assert run(["watch", "--every", "0.1s", "--job", UUID]) == ExitCode.OK
    assert told("lake") == {UUID: (5, 2)}


HALF = "\ud83d"
ODD: dict[str, Callable[[Api], object]] = {
    "a job's id": lambda api: api.add(f"ftjob-{HALF}x"),
    "a file's id": lambda api: api.jobs[0].update(result_files=[f"file-{HALF}"]),
    "an event's id": lambda api: api.events[A][4].update(id=f"ftevent-{HALF}"),
    "a job's time": lambda api: api.jobs[0].update(created_at=10**400),
    "an event's time": lambda api: api.events[A][4].update(created_at=10**400),
}


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("lake", [[], ["--lake", "l"]])
def test_one_odd_value_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, lake: list[str]
) -> None:
    """Half a character in an id, a number beyond any time: of all else, all is there."""
    monkeypatch.chdir(tmp_path)
    api = small()
    ODD[what](api)
    with asked(api):
        assert run(["archive", "--out", "a", "--retries", "0", *lake]) <= ExitCode.DATA
    assert sorted(held(Path("a"), "events")[B], key=str) == sorted(api.events[B], key=str)
