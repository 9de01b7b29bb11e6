"""`tunelog archive` brings all an account holds, and goes on after anything."""

from __future__ import annotations

import hashlib
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from keeping import A, B, C, account, assert_equal, faults, held, lines, run, small
from server import FAULTS, HANG_SECONDS, KEY, NOW, an_event, newest_first, serving

import pipeline.archive.store as store_module
from pipeline.archive.run import Progress, Run
from pipeline.archive.store import Store


@pytest.mark.parametrize("azure", [False, True])
def test_everything_is_brought_once(tmp_path: Path, azure: bool) -> None:
    """Jobs, events, checkpoints and files of both dialects are kept, and proven complete."""
    with serving(small(azure=azure)) as api:
        report = run(api, tmp_path / "a")
    assert not report.failed and report.progress.events == 18
    assert_equal(tmp_path / "a", api)
    base = "/openai/" if azure else "/v1/"
    urls = [line["url"] for line in lines(tmp_path / "a") if "url" in line]
    assert urls and all(base in url for url in urls)


def test_a_second_run_asks_for_what_is_new_only(tmp_path: Path) -> None:
    """Of jobs that ended nothing is asked again; of one that runs, its newest page and no more."""
    with serving(small(cap=100)) as api:
        api.events[B] = [an_event(B, n, NOW - 90_000 + 30 * n) for n in range(350)]
        run(api, tmp_path / "a")
        api.asked.clear()
        api.events[B] += [an_event(B, n, NOW - 70_000 + 30 * n) for n in range(350, 360)]
        report = run(api, tmp_path / "a")
    assert report.progress.events == 10 and report.unchanged == 2
    asked = sorted(path.split("?")[0].removeprefix("/v1/fine_tuning/jobs") for path in api.asked)
    assert asked == ["", f"/{B}/checkpoints", f"/{B}/events"]
    assert_equal(tmp_path / "a", api)


def test_events_that_come_between_two_pages_are_not_lost(tmp_path: Path) -> None:
    """Pages move while they are fetched, within one second too; the next run has what came."""
    with serving(small()) as api:
        number = iter(range(100, 1000))

        def arrive(path: str) -> None:
            if "/events" in path:
                api.events[B] += [an_event(B, next(number), NOW - 4_790) for _ in range(2)]

        api.before = arrive
        run(api, tmp_path / "a")
        run(api, tmp_path / "a")
        api.before = lambda path: None
        run(api, tmp_path / "a")
    assert len(api.events[B]) > 20
    assert_equal(tmp_path / "a", api)


def test_an_event_that_slips_in_below_others_is_brought_at_once(tmp_path: Path) -> None:
    """Within the last minute of what is known, the next run looks below the youngest, too."""
    with serving(small()) as api:
        api.events[B] = [an_event(B, n, NOW - 5_000 + 10 * n) for n in range(30)]
        run(api, tmp_path / "a")
        api.events[B] += [an_event(B, 90, NOW - 4_750), an_event(B, 91, NOW - 4_700)]
        api.asked.clear()
        run(api, tmp_path / "a")
        assert sum(f"{B}/events" in path for path in api.asked) < 5  # of eleven pages
    assert_equal(tmp_path / "a", api)


def test_an_event_that_takes_its_place_below_others_is_there_when_the_job_has_ended(
    tmp_path: Path,
) -> None:
    """The whole list is taken once more after the end, so late events with early times are in."""
    with serving(small()) as api:
        run(api, tmp_path / "a")
        api.events[B].append(an_event(B, 77, NOW - 4_999))
        api.events[B].append(an_event(B, 78, NOW - 100_000))
        api.finish(B)
        run(api, tmp_path / "a")
        assert_equal(tmp_path / "a", api)
        api.asked.clear()
        run(api, tmp_path / "a")
        assert [path for path in api.asked if B in path] == []


def test_a_job_that_has_just_ended_is_looked_at_again(tmp_path: Path) -> None:
    """Events that come some minutes after the end, as Azure's, are brought by the next run."""
    with serving(small()) as api:
        api.finish(B, ended=NOW - 60)
        run(api, tmp_path / "a")
        api.events[B].append(an_event(B, 99, NOW - 10))
        run(api, tmp_path / "a")
    assert_equal(tmp_path / "a", api)


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_that_pass_are_tried_again(tmp_path: Path, fault: str) -> None:
    """Whatever goes wrong with every second request, one run brings all."""
    with serving(small()) as api:
        api.faults.extend([fault, None] * 200)
        report = run(api, tmp_path / "a")
    assert not report.failed
    assert_equal(tmp_path / "a", api)


def test_a_server_that_says_when_is_asked_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After 429 the client waits as long as Retry-After says."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    with serving(small()) as api:
        api.again = "37"
        api.faults.extend([None, "429", None])
        assert not run(api, tmp_path / "a").failed
    assert slept == [37]
    assert_equal(tmp_path / "a", api)


def test_a_server_that_does_not_answer_is_asked_again(tmp_path: Path) -> None:
    """Patience ends with --timeout; what was asked for comes with another try."""
    with serving(small()) as api:
        api.faults.extend([None, "hang", "hang"])
        began = time.monotonic()
        assert not run(api, tmp_path / "a", timeout=HANG_SECONDS / 2).failed
        assert time.monotonic() - began > HANG_SECONDS / 2
    assert len(api.asked) > len(set(api.asked))
    assert_equal(tmp_path / "a", api)


def test_no_more_requests_at_once_than_allowed(tmp_path: Path) -> None:
    """Jobs are fetched side by side, with as many requests under way as --concurrency says."""
    with serving(small(cap=100)) as api:
        api.latency = 0.03
        answer = api.answer

        def awaited(target: str, headers: Any) -> tuple[int, bytes]:
            until = time.monotonic() + 60
            while "/events" in target and api.busiest < 3 and time.monotonic() < until:
                time.sleep(0.001)
            return answer(target, headers)

        api.answer = awaited  # type: ignore[method-assign]
        for number in range(5):
            api.add(f"ftjob-{number:024}", [an_event(A, 500 + number, NOW - 80_000)])
        run(api, tmp_path / "a", concurrency=3)
    assert api.busiest == 3


def test_the_last_that_is_told_is_the_whole(tmp_path: Path) -> None:
    """Where the list of jobs ends after all that are wanted of it were fetched, too."""
    states, fetched = [], threading.Event()

    def told(now: Progress) -> None:
        states.append((now.done, now.listed, now.whole))
        if now.done == 2:
            fetched.set()

    with serving(small(cap=2)) as api, account(api) as found, Store(tmp_path / "a") as store:
        api.jobs[0]["created_at"] -= 1_000
        answer = api.answer

        def late(target: str, headers: Any) -> tuple[int, bytes]:
            if "/jobs?" in target and "after" in target:
                fetched.wait(60)
            return answer(target, headers)

        api.answer = late  # type: ignore[method-assign]
        Run(store, found, told=told).archive(since=NOW - 90_000)
    assert states[-1] == (2, 2, True)


def test_what_still_fails_is_told_and_the_rest_is_there(tmp_path: Path) -> None:
    """A job whose events cannot be had is listed; verify says so; the next run mends it."""
    with serving(small()) as api:
        route = api._route

        def refuse(path: list[str], query: dict[str, str]) -> tuple[int, bytes]:
            return (
                (500, b"{}")
                if path[2:] == [A, "events"] and "after" in query
                else route(path, query)
            )

        api._route = refuse  # type: ignore[method-assign]
        report = run(api, tmp_path / "a", retries=1)
        assert [o.job.id for o in report.outcomes if o.problems] == [A]
        assert "status 500" in "".join(p for o in report.outcomes for p in o.problems)
        assert {(f.rule, f.place) for f in faults(tmp_path / "a")} == {("events_are_complete", A)}
        api._route = route  # type: ignore[method-assign]
        api.asked.clear()
        run(api, tmp_path / "a")
        assert sum(f"{A}/events" in path for path in api.asked) == 3  # not the first page again
    assert_equal(tmp_path / "a", api)


@pytest.mark.parametrize("ended", [False, True])
def test_what_an_interrupted_run_kept_is_not_counted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: bool
) -> None:
    """A walk that is gone on with is known at once, however slow the disk; one that is begun anew,
    since the job has ended, brings events that are held already."""
    write = store_module._write

    def slow(*item: Any) -> None:
        time.sleep(0.05)
        write(*item)

    monkeypatch.setattr(store_module, "_write", slow)
    with serving(small()) as api:
        api.events[B] = [an_event(B, n, NOW - 90_000 + 30 * n) for n in range(60)]
        route, left = api._route, iter(range(14))

        def broken(path: list[str], query: dict[str, str]) -> tuple[int, bytes]:
            fails = path[2:] == [B, "events"] and next(left, None) is None
            return (500, b"{}") if fails else route(path, query)

        api._route = broken  # type: ignore[method-assign]
        assert run(api, tmp_path / "a", retries=0).failed
        api._route = route  # type: ignore[method-assign]
        if ended:  # and the walk that is begun anew is broken off, too
            api.finish(B)
            api._route, left = broken, iter(range(5))  # type: ignore[method-assign]
            assert not run(api, tmp_path / "a", retries=0).progress.events
            api._route = route  # type: ignore[method-assign]
        api.asked.clear()
        assert run(api, tmp_path / "a").progress.events == 60 - 14 * 3
        pages = sum(f"{B}/events" in path for path in api.asked)
        assert pages == (20 - 5 if ended else 6 + 2)
    assert_equal(tmp_path / "a", api)


def test_what_the_server_has_not_is_no_failure(tmp_path: Path) -> None:
    """A result file that was deleted is noted with the server's answer, and asked for twice."""
    with serving(small()) as api:
        del api.files["file-aaa"]
        for asked in (True, True, False):
            api.asked.clear()
            report = run(api, tmp_path / "a")
            assert not report.failed
            assert [o.gone for o in report.outcomes if o.gone] == [["file-aaa"]] * asked
            assert any("file-aaa" in path for path in api.asked) == asked
    gone = [line["what"] for line in lines(tmp_path / "a") if line["kind"] == "gone"]
    assert gone == ["file-aaa"] * 2
    assert faults(tmp_path / "a") == []


def test_only_the_jobs_wanted(tmp_path: Path) -> None:
    """--job takes the named jobs, --since those created since, and both are complete as such."""
    with serving(small(cap=1)) as api:
        run(api, tmp_path / "named", jobs=[A, "ftjob-unknown"])
        assert held(tmp_path / "named", "events").keys() == {A}
        assert faults(tmp_path / "named") == []
        api.jobs[0]["created_at"] -= 1_000
        report = run(api, tmp_path / "since", since=NOW - 90_000)
        assert report.progress.listed == 2
        assert held(tmp_path / "since", "events").keys() == {B, C}
        assert faults(tmp_path / "since") == []


def test_bodies_are_kept_byte_for_byte_in_private_files(tmp_path: Path) -> None:
    """The body of a page is the server's; nobody else can read files and folders."""
    with serving(small(cap=100)) as api:
        run(api, tmp_path / "a")
        _, body = api._page(newest_first(api.events[A]), {"limit": "100"})
    (line,) = (x for x in lines(tmp_path / "a") if x["kind"] == "events" and x["job"] == A)
    with Store(tmp_path / "a") as store:
        assert store.read(line["path"]) == body
    assert (line["bytes"], line["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert line["url"] == f"{api.url}/fine_tuning/jobs/{A}/events?limit=100"
    assert line["status"] == 200 and line["request_id"].startswith("req_")
    assert datetime.fromisoformat(line["time"]).utcoffset() == timedelta(0)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "a").rglob("*")}
    assert modes == {0o600, 0o700} and (tmp_path / "a").stat().st_mode & 0o777 == 0o700


def test_no_secret_is_kept(tmp_path: Path) -> None:
    """The key, wherever a server sends it back, and a tracker's key in a job object are removed."""
    with serving(small()) as api:
        api.jobs[0]["integrations"] = [{"type": "wandb", "wandb": {"api_key": "wb-secret-123"}}]
        api.events[A].append(an_event(A, 50, NOW, message=f"key {KEY}"))
        run(api, tmp_path / "a")
    with Store(tmp_path / "a") as store:
        kept = b"".join(
            store.read(line["path"]) for line in lines(tmp_path / "a") if "path" in line
        )
    assert KEY.encode() not in kept and b"wb-secret-123" not in kept
    assert KEY not in (tmp_path / "a" / "manifest.jsonl").read_text()
    assert sum(line.get("removed", 0) for line in lines(tmp_path / "a")) == 2
    assert faults(tmp_path / "a") == []


def test_a_wrong_key_ends_the_run_at_once(tmp_path: Path) -> None:
    """No retry, no second request, and the message does not hold the key."""
    from pipeline.archive.account import Failure

    with serving(small()) as api, account(api) as found:
        found._client.api_key = "sk-wrong-key-value"
        found.redactor._secrets.append("sk-wrong-key-value")
        with pytest.raises(Failure, match="status 401") as caught:
            found.get("/fine_tuning/jobs")
        assert caught.value.refused and "sk-wrong" not in str(caught.value)
        assert caught.value.__cause__ is None and caught.value.__suppress_context__
    assert len(api.asked) == 1
