"""Where going on is hopeless a run ends soon, says why, keeps what it has, and goes on later."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import server
from keeping import assert_equal, faults, lines
from keeping import run as fetched
from server import KEY, NOW, Api, an_event, serving

from pipeline.archive.account import Failure
from pipeline.archive.outage import IN_A_ROW, Bounded, Hopeless
from pipeline.cli import run
from pipeline.errors import ExitCode

Answered = Callable[[int, list[str]], int | None]
"""Number of a request and what it asks for -> status of its refusal."""


CSV = b"step,train_loss\n1,0.5\n"


def many(jobs: int = 40) -> Api:
    """An account of jobs with an event, a checkpoint and a result file each."""
    api = Api()
    for n in range(jobs):
        job = f"ftjob-{n:024}"
        api.add(job, [an_event(job, 0, NOW - 90_000)], checkpoints=1, files={f"file-{n:06}": CSV})
    return api


def refusing(api: Api, refused: Answered) -> None:
    """Let a server refuse requests; 0 drops the connection."""
    answer, numbers = api.answer, count()

    def otherwise(target: str, headers: Any) -> tuple[int, bytes]:
        with api.lock:
            path = target.partition("?")[0].removeprefix("/v1/").split("/")
            status = refused(next(numbers), path)
        if status == 0:
            raise ConnectionError
        return (status, b'{"error": {"message": "no"}}') if status else answer(target, headers)

    api.answer = otherwise  # type: ignore[method-assign]


def archive(api: Api, *args: str) -> int:
    """One call of the command, which tries nothing again."""
    with mock.patch.dict(os.environ, OPENAI_API_KEY=KEY, OPENAI_BASE_URL=api.url):
        return run(["archive", "--out", "a", "--retries", "0", *args])


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder."""
    monkeypatch.chdir(tmp_path)


def then_all(api: Api) -> None:
    """A later run, when the server is well again, has the rest."""
    del api.answer  # type: ignore[misc]
    kept = len(lines(Path("a")))
    assert not fetched(api, Path("a")).failed
    assert len(lines(Path("a"))) > kept
    assert_equal(Path("a"), api)


@pytest.mark.parametrize(("status", "all_of_it"), [(401, False), (403, True)])
def test_a_key_that_ends_meanwhile_ends_the_run(
    capsys: pytest.CaptureFixture[str], status: int, all_of_it: bool
) -> None:
    """Soon, or where it may ask for nothing any more: one line says to check the key.

    Each of the four threads may take an earlier answer late, which lets two more refusals pass,
    and be on its way when the run ends.
    """
    with serving(many(60)) as api:
        refusing(api, lambda n, path: status if n > 30 else None)
        assert archive(api, "--lake", "l", "--concurrency", "2") == ExitCode.DATA
        told = capsys.readouterr()
        stopped, lake = told.err.splitlines()
        assert stopped.startswith("a: stopped: ") and f"status {status}" in stopped
        assert "check that OPENAI_API_KEY" in stopped and "run the same command again" in stopped
        assert re.match(r"l: \d+ new events", lake)
        assert len(api.asked) < (120 if all_of_it else 31 + 4 * 2 + 3 + 4)
        then_all(api)


def test_one_refusal_ends_nothing() -> None:
    """A 401 that comes once, or that answers come between, is a failure of what was asked.

    Two threads: one may take a refusal late, and so beside one of the other, but not beside two.
    """
    with serving(many()) as api:
        refusing(api, lambda n, path: 401 if n % 10 == 5 and path[-1] == "events" else None)
        report = fetched(api, Path("a"), retries=0, concurrency=1)
        assert not report.stopped and len(report.outcomes) == 40
        then_all(api)


def test_a_sound_refusal_shows_that_the_key_is_taken() -> None:
    """What the server does not have it says to those whom it knows: counting begins anew."""
    account = mock.Mock()
    account.get.side_effect = [Failure("no", status) for status in (401, 401, 404, 401, 401, 401)]
    asked = Bounded(account)
    for _ in range(5):
        with pytest.raises(Failure):
            asked.get("/fine_tuning/jobs")
    with pytest.raises(Hopeless, match=r"^3 requests in a row failed"):
        asked.get("/fine_tuning/jobs")


@pytest.mark.parametrize("which", [0, 1, 2])
def test_one_refusal_of_a_named_job_ends_nothing(which: int) -> None:
    """A 401 for one of the jobs named fails that one, whether it comes first or later."""
    named = [f"ftjob-{n:024}" for n in range(3)]
    with serving(many(3)) as api:
        refusing(api, lambda n, path: 401 if path[1:] == ["jobs", named[which]] else None)
        report = fetched(api, Path("a"), jobs=named, retries=0, concurrency=2)
        assert not report.stopped and len(report.outcomes) == 2
        (problem,) = report.problems
        assert named[which] in problem and "status 401" in problem
        del api.answer  # type: ignore[misc]
        assert not fetched(api, Path("a"), jobs=named).failed


def test_a_key_that_is_refused_for_all_named_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    """One or two named jobs are refused as their list is; of more, three are asked for."""
    with serving(many(9)) as api:
        refusing(api, lambda n, path: 401)
        for number, said in ((1, "status 401"), (2, "status 401"), (9, "a: stopped: 3 requests")):
            api.asked.clear()
            named = [word for n in range(number) for word in ("--job", f"ftjob-{n:024}")]
            wanted = ExitCode.DATA if number == 9 else ExitCode.USAGE
            assert archive(api, *named) == wanted
            assert said in capsys.readouterr().err and len(api.asked) == min(number, 3)


@pytest.mark.parametrize("azure", [False, True])
def test_another_host_that_refuses_ends_nothing(azure: bool) -> None:
    """It was told no key, so what it says is nothing about the key; nor is its outage ours."""
    api, other = Api(azure=azure), Api()
    for job in (f"ftjob-{n:024}" for n in range(2 * IN_A_ROW)):
        api.add(job, [an_event(job, 0, NOW - 90_000)])
    with serving(api), serving(other):
        send, moved = server._Handler._send, f"{other.url}/elsewhere"

        def redirected(handler: Any, status: int, body: bytes, *args: Any, **how: Any) -> None:
            if "/checkpoints" not in handler.path:
                send(handler, status, body, *args, **how)
                return
            handler._done()
            handler.send_response(307)
            handler.send_header("Location", moved)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        with mock.patch.object(server._Handler, "_send", redirected):
            for _ in range(2):
                report = fetched(api, Path("a"), retries=0)
                assert not report.stopped and len(report.outcomes) == 2 * IN_A_ROW
                assert all("status 401" in str(o.problems) for o in report.outcomes)
        assert not fetched(api, Path("a")).failed


@pytest.mark.parametrize("status", [502, 0, 429])
def test_an_outage_ends_the_run(capsys: pytest.CaptureFixture[str], status: int) -> None:
    """Many requests in a row without an answer are enough; the lake has what came before.

    Each of the four threads may take an earlier answer late, which lets `IN_A_ROW` - 1 more pass.
    """
    with serving(many(60)) as api:
        refusing(api, lambda n, path: status if n > 30 else None)
        assert archive(api, "--format", "jsonl", "--concurrency", "2") == ExitCode.DATA
        told = capsys.readouterr()
        (line,) = told.err.splitlines()
        assert f"a: stopped: {IN_A_ROW} requests in a row failed, the last: " in line
        assert line.endswith("run the same command again later; what was fetched is there")
        assert f"{IN_A_ROW} requests in a row" in told.out.splitlines()[-1]
        assert len(api.asked) < 120
        then_all(api)


def test_named_jobs_are_not_all_asked_for_in_an_outage() -> None:
    """Where the server never answers, jobs that are named one by one are given up, too."""
    with serving(many()) as api:
        refusing(api, lambda n, path: 503)
        named = [word for n in range(40) for word in ("--job", f"ftjob-{n:024}")]
        assert archive(api, *named) == ExitCode.DATA
        assert len(api.asked) == IN_A_ROW


def test_failures_here_and_there_end_nothing() -> None:
    """Answers between them say that the server is there: all that can be had is fetched."""
    with serving(many()) as api:
        bad = {f"ftjob-{n:024}" for n in range(0, 40, 2)}
        refusing(api, lambda n, path: 500 if bad & {*path} and path[-1] == "events" else None)
        report = fetched(api, Path("a"), retries=0, concurrency=2)
        assert not report.stopped and {o.job.id for o in report.outcomes if o.problems} == bad
        then_all(api)


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_may_not_read_files_brings_the_rest(status: int) -> None:
    """However many files are refused in a row, in a second run too, which asks for these alone."""
    with serving(many()) as api:
        refusing(api, lambda n, path: status if path[0] == "files" else None)
        for _ in range(2):
            report = fetched(api, Path("a"), retries=0)
            assert not report.stopped and len(report.outcomes) == 40
        assert {fault.rule for fault in faults(Path("a"))} == {"result_files_are_there"}
        then_all(api)


def test_a_log_shows_life(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no terminal shows it, a line now and then says how far it is."""
    monkeypatch.setattr("pipeline.cli.archive.LIFE_SECONDS", 0.05)
    with serving(many(8)) as api:
        api.latency = 0.05
        assert archive(api, "--concurrency", "2") == ExitCode.OK
    told = capsys.readouterr().err.splitlines()
    assert len(told) >= 3
    for line in told:
        assert re.fullmatch(r"archive: \d of \d\+? jobs, \d events, \d+/s, after \d+ s|"
                            r"archive: listing jobs, after \d+ s", line)  # fmt: skip
