"""Servers that contradict themselves, full disks, an interrupt: told, and gone on from."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forked import started
from keeping import A, B, C, assert_equal, faults, lines, run, small
from server import KEY, NOW, Api, an_event, serving

from pipeline.archive.verify import verify
from pipeline.errors import ExitCode

Route = Callable[[list[str], dict[str, str]], tuple[int, bytes]]


def twisted(api: Api, twist: Callable[[Route, list[str], dict[str, str]], Any]) -> None:
    """Let a server answer otherwise."""
    route = api._route
    api._route = lambda path, query: twist(route, path, query)  # type: ignore[method-assign]


def problems(api: Api, out: Path) -> list[str]:
    """What one run with little patience cannot have."""
    return [problem for o in run(api, out, retries=1).outcomes for problem in o.problems]


def test_a_cursor_that_the_server_forgot_is_no_end(tmp_path: Path) -> None:
    """Where an interrupted walk cannot go on, it begins anew in the same run."""
    with serving(small()) as api:
        route = api._route
        twisted(
            api, lambda r, p, q: (500, b"") if p[3:] == ["events"] and "after" in q else r(p, q)
        )
        assert problems(api, tmp_path / "a")
        api._route = route  # type: ignore[method-assign]
        api.events[A] = [{**event, "id": f"{event['id']}x"} for event in api.events[A]]
        assert not run(api, tmp_path / "a").failed
    assert faults(tmp_path / "a") == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"object":"list","data":[],"has_more":true}', "empty page that says has_more"),
        (b'{"object":"list","data":[{"id":"a","created_at":1}],"has_more":true}', "no way on"),
        (b'{"object":"list","data":[{"created_at":1}],"has_more":false}', "has no id"),
        (b'{"object":"list","data":{},"has_more":false}', "without data or has_more"),
        (b"[1]", "list instead of an object"),
        (b"[" * 100_000, "no JSON"),
    ],
)
def test_a_page_that_leads_nowhere_is_a_problem(tmp_path: Path, body: bytes, says: str) -> None:
    """No page is believed that has no way on; the run ends, tells it, and has the rest."""
    with serving(small()) as api:
        route = api._route
        twisted(api, lambda r, p, q: (200, body) if p[2:] == [A, "events"] else r(p, q))
        (problem,) = problems(api, tmp_path / "a")
        assert says in problem
        assert {fault.place for fault in faults(tmp_path / "a")} == {A}
        api._route = route  # type: ignore[method-assign]
        if says != "no way on":  # that page was kept: its event is none of the truth
            run(api, tmp_path / "a")
            assert_equal(tmp_path / "a", api)


def test_events_that_were_deleted_are_noted(tmp_path: Path) -> None:
    """A job that ended long ago, and of whose events two runs were told that there are none, is
    complete, with the server's word for it."""
    with serving(small()) as api:
        twisted(api, lambda r, p, q: (404, b"{}") if p[2:] == [A, "events"] else r(p, q))
        assert run(api, tmp_path / "a").failed
        assert {fault.place for fault in faults(tmp_path / "a")} == {A}
        assert not run(api, tmp_path / "a").failed
        assert run(api, tmp_path / "a").unchanged == 2
    gone = [line for line in lines(tmp_path / "a") if line["kind"] == "gone"]
    told = [(line["job"], line["what"], line["status"]) for line in gone]
    assert told == [(A, "events", 404)] * 2
    assert faults(tmp_path / "a") == []


@pytest.mark.parametrize("last", ["events", "checkpoints"])
@pytest.mark.parametrize("ended", [False, True])
def test_a_job_that_is_deleted_meanwhile_is_noted(tmp_path: Path, last: str, ended: bool) -> None:
    """Listed, and gone when its events are asked for: what is there is the end, and is told."""
    with serving(small()) as api:
        run(api, tmp_path / "a")
        api.events[B].append(an_event(B, 60, NOW - 60))
        if ended:
            api.finish(B)
        jobs = api.jobs[:]

        def delete(path: str) -> None:
            if f"{B}/{last}" in path:
                api.jobs[:] = [job for job in jobs if job["id"] != B]
                api.events[last], api.checkpoints[last] = api.events.pop(B, []), []
                api.checkpoints.pop(B, None)

        api.before = delete
        report = run(api, tmp_path / "a")
        assert not report.failed
        assert [o.gone[-1] for o in report.outcomes if o.job.id == B] == ["job"]
        assert faults(tmp_path / "a") == [] and verify(tmp_path / "a").vanished == [B]
        assert not run(api, tmp_path / "a").failed
        assert faults(tmp_path / "a") == []
        api.before = lambda path: None
        api.jobs[:], api.events[B], api.checkpoints[B] = jobs, api.events.pop(last), []
        api.checkpoints.pop(last)
        run(api, tmp_path / "a")
        assert_equal(tmp_path / "a", api)
        assert verify(tmp_path / "a").vanished == []


def test_a_job_that_is_listed_no_more_can_be_closed(tmp_path: Path) -> None:
    """A run that only listed a job, which is deleted then: verify says how to close it."""
    with serving(small()) as api:
        twisted(api, lambda r, p, q: (500, b"") if p[2:3] == [B] and p[3:] else r(p, q))
        assert problems(api, tmp_path / "a")
        jobs, api.jobs = api.jobs, [job for job in api.jobs if job["id"] != B]
        run(api, tmp_path / "a")
        assert f"--job {B}" in "".join(fault.advice for fault in faults(tmp_path / "a"))
        report = run(api, tmp_path / "a", jobs=[B, "ftjob-unknown"])
        assert [o.gone for o in report.outcomes] == [["job"]] and len(report.problems) == 1
        assert faults(tmp_path / "a") == [] and verify(tmp_path / "a").vanished == [B]
        api.jobs = jobs
        assert problems(api, tmp_path / "a")  # listed again: it is owed again
        assert {fault.place for fault in faults(tmp_path / "a")} == {B}


def test_what_was_gone_is_asked_for_again_on_demand(tmp_path: Path) -> None:
    """Files and lists that two runs were denied come with --again; what is still gone stays so."""
    with serving(small()) as api:
        route = api._route
        denied = ("checkpoints", "file-aaa", "file-b64")
        twisted(api, lambda r, p, q: (404, b"{}") if p[-1] in denied else r(p, q))
        for _ in range(3):
            assert not run(api, tmp_path / "a").failed
        assert verify(tmp_path / "a").gone == 5
        assert not run(api, tmp_path / "a", again=True).failed
        assert verify(tmp_path / "a").gone == 5
        api._route = route  # type: ignore[method-assign]
        assert run(api, tmp_path / "a").unchanged == 2
        assert not run(api, tmp_path / "a", again=True).failed
        assert_equal(tmp_path / "a", api)
        assert verify(tmp_path / "a").gone == 0


REFUSALS = {
    "events of a job that runs": (404, [B, "events"], False),
    "the second page": (404, [A, "events"], True),
    "an API version that is not supported": (400, [A, "events"], False),
    "a key that may not read files": (403, ["file-aaa"], False),
    "checkpoints for once": (404, [A, "checkpoints"], False),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_a_refusal_for_once_loses_nothing(tmp_path: Path, what: str) -> None:
    """What the server refuses in one run is told, and brought by the next; the rest is there."""
    status, path, later = REFUSALS[what]
    with serving(small()) as api:

        def refused(route: Any, p: list[str], q: dict[str, str]) -> tuple[int, bytes]:
            hit = p[-len(path) :] == path and ("after" in q or not later)
            return (status, b"{}") if hit else route(p, q)

        plain = api._route
        twisted(api, refused)
        report = run(api, tmp_path / "a")
        (outcome,) = (found for found in report.outcomes if found.problems or found.gone)
        assert outcome.gone == ["checkpoints"] or str(status) in outcome.problems[0]
        others = {A, B, C} - {outcome.job.id}
        assert not others & {fault.place for fault in faults(tmp_path / "a")}
        api._route = plain  # type: ignore[method-assign]
        assert not run(api, tmp_path / "a").failed
        assert_equal(tmp_path / "a", api)


@pytest.mark.parametrize("status", [201, 206])
def test_another_success_is_no_answer(tmp_path: Path, status: int) -> None:
    """Part of a file, or a status that the endpoint does not document, is asked for again."""
    with serving(small()) as api:
        left = iter(range(8))

        def odd(route: Any, p: list[str], q: dict[str, str]) -> tuple[int, bytes]:
            code, body = route(p, q)
            return (status, body[:20]) if next(left, None) is not None else (code, body)

        twisted(api, odd)
        assert not run(api, tmp_path / "a").failed
        assert_equal(tmp_path / "a", api)


@pytest.mark.parametrize("body", [b"<?xml version='1.0'?><Error/>", b'{"error": {"code": "busy"}}'])
def test_an_error_in_place_of_a_file_is_asked_for_again(tmp_path: Path, body: bytes) -> None:
    """A store's error with status 200 is neither a result file nor what is known of one."""
    with serving(small()) as api:
        left = iter(range(3))

        def busy(route: Any, p: list[str], q: dict[str, str]) -> tuple[int, bytes]:
            hit = p[0] == "files" and next(left, None) is not None
            return (200, body) if hit else route(p, q)

        twisted(api, busy)
        assert not run(api, tmp_path / "a").failed
        assert_equal(tmp_path / "a", api)


@pytest.mark.parametrize("file", ["file-aaa", "file-b64"])
def test_a_file_that_was_cut_short_is_asked_for_again(tmp_path: Path, file: str) -> None:
    """A content that is shorter than the file object says is none; what remains short is told."""
    with serving(small()) as api:
        left = iter(range(3))

        def short(route: Any, p: list[str], q: dict[str, str]) -> tuple[int, bytes]:
            code, body = route(p, q)
            cut = p == ["files", file, "content"] and next(left, None) is not None
            return code, body[:-4] if cut else body

        twisted(api, short)
        (problem,) = problems(api, tmp_path / "a")
        assert f"{file}/content: " in problem and "cut off" in problem
        assert {fault.rule for fault in faults(tmp_path / "a")} == {"result_files_are_there"}
        assert not run(api, tmp_path / "a").failed
        assert_equal(tmp_path / "a", api)


def test_a_size_may_be_that_of_what_base64_holds(tmp_path: Path) -> None:
    """`bytes` counts the file or what is sent of it, or says nothing; the second answer counts."""
    with serving(small()) as api:
        about, content = api.files["file-b64"]
        api.files["file-b64"] = {**about, "bytes": len(b64decode(content))}, content
        del api.files["file-aaa"][0]["bytes"]
        api.add("ftjob-x", files={"file-new": b"step\n1\n"}, events=[an_event(A, 90, NOW - 80_000)])
        api.files["file-new"][0]["bytes"] = 3

        def written(route: Any, p: list[str], q: dict[str, str]) -> tuple[int, bytes]:
            found: tuple[int, bytes] = route(p, q)
            if p == ["files", "file-new", "content"]:
                api.files["file-new"][0]["bytes"] = len(found[1])
            return found

        twisted(api, written)
        assert not run(api, tmp_path / "a").failed
        assert_equal(tmp_path / "a", api)


def test_items_without_a_time_are_kept(tmp_path: Path) -> None:
    """A job or an event that does not tell when it was created keeps no other from the archive."""
    with serving(small()) as api:
        api.jobs[0]["created_at"] = None
        api.events[A][4]["created_at"] = "soon"
        api.jobs[2].update(created_at="then", finished_at=None)
        assert not run(api, tmp_path / "a").failed
        assert_equal(tmp_path / "a", api)


def test_a_job_that_does_not_say_when_it_ended_stays_open(tmp_path: Path) -> None:
    """Created days ago, cancelled just now: what still comes is not missed."""
    with serving(small()) as api:
        created = NOW - 2 * 86_400
        api.add("ftjob-late", [an_event("late", n, NOW - 60) for n in range(4)],
                status="cancelled", created=created, finished_at=None)  # fmt: skip
        run(api, tmp_path / "a")
        api.events["ftjob-late"] += [an_event("late", 9, NOW - 30)]
        run(api, tmp_path / "a")
        assert_equal(tmp_path / "a", api)


def test_hostile_ids_stay_below_the_archive(tmp_path: Path) -> None:
    """An id of the server's is never a path of its own choice."""
    with serving(small()) as api:
        api.add("../../up", [an_event(B, 500, NOW - 80_000)], files={"/etc/../x\x1b": b"a\n1\n"})
        run(api, tmp_path / "in" / "a")
        assert_equal(tmp_path / "in" / "a", api)
    assert {path.name for path in tmp_path.iterdir()} == {"in"}
    assert {path.name for path in (tmp_path / "in").iterdir()} == {"a"}


def test_a_full_disk_costs_nothing_that_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the disk is full the run ends with the disk's word; the next one goes on."""
    import pipeline.archive.store as store

    write, left = store._write, iter(range(12))

    def full(*item: Any) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(*item)

    with serving(small()) as api:
        monkeypatch.setattr(store, "_write", full)
        with pytest.raises(OSError, match="No space left") as caught:
            run(api, tmp_path / "a")
        assert caught.value.filename == str(tmp_path / "a")
        monkeypatch.setattr(store, "_write", write)
        run(api, tmp_path / "a")
    assert_equal(tmp_path / "a", api)


def test_an_interrupt_ends_it_soon_and_well(tmp_path: Path) -> None:
    """Ctrl-C ends a run with 130 while requests are under way; the next one goes on."""
    over = threading.Event()

    def hold(path: str) -> None:
        if len(api.asked) >= 4:
            over.wait(60)

    with serving(small()) as api:
        api.before = hold
        env = {**os.environ, "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": api.url}
        process = started(["archive", "--out", "a"], tmp_path, env, tmp_path / "told")
        while len(api.asked) < 4 and process.is_alive():
            time.sleep(0.01)
        assert process.pid
        os.kill(process.pid, signal.SIGINT)
        process.join(30)
        assert process.exitcode == ExitCode.INTERRUPTED
        over.set()
        run(api, tmp_path / "a")
    assert_equal(tmp_path / "a", api)
