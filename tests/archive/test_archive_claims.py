"""What looks complete and is not: no word of a server, and no lost file, makes it so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import server
from keeping import A, B, C, account, assert_equal, faults, lines, run, small
from server import NOW, Api, Item, an_event, serving

from pipeline.archive.store import Store
from pipeline.archive.verify import verify
from pipeline.archive.watch import Watcher


def unlisted(api: Api, out: Path) -> None:
    """A run whose list of jobs breaks off after its first page."""
    route, api.cap = api._route, 1
    api._route = lambda p, q: (  # type: ignore[method-assign]
        (500, b"") if p[-1] == "jobs" and "after" in q else route(p, q)
    )
    assert run(api, out, retries=0).failed
    api._route, api.cap = route, 100  # type: ignore[method-assign]
    assert "jobs_are_listed" in {fault.rule for fault in faults(out)}


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("by", ["since", "watch"])
def test_a_list_that_was_sifted_is_not_that_of_all_jobs(
    tmp_path: Path, by: str, broken: bool
) -> None:
    """A list read to its end, of which only some jobs were taken, says nothing of the others."""
    out = tmp_path / "a"
    with serving(small(cap=100)) as api:
        api.jobs[0]["created_at"] -= 500_000
        if broken:
            unlisted(api, out)
        if by == "since":
            run(api, out, since=NOW - 90_000)
        else:
            with account(api) as found, Store(out) as store:
                list(Watcher(store, found).round())
        proof = verify(out)
        assert not proof.whole
        assert [fault.rule for fault in proof.faults] == ["jobs_are_listed"] * broken
        assert all("without --since" in fault.advice for fault in proof.faults)
        run(api, out)
        assert_equal(out, api)
        assert verify(out).whole


def test_the_list_of_another_account_says_nothing_of_the_first(tmp_path: Path) -> None:
    """Two servers in one folder are told, and each needs a whole list of its own."""
    out, other = tmp_path / "a", Api()
    other.add("ftjob-other", [an_event("ftjob-other", 0, NOW - 90_000)])
    with serving(small(cap=100)) as api, serving(other):
        unlisted(api, out)
        assert len(verify(out).hosts) == 1
        run(other, out)
        assert [fault.rule for fault in faults(out)] == ["jobs_are_listed"]
        run(api, out)
        proof = verify(out)
    assert proof.whole and proof.faults == [] and len(proof.hosts) == 2


def emptied(api: Api, times: int, wanted: Callable[[list[str]], bool]) -> None:
    """Let a server answer the next cursors with an empty page, so many times."""
    route, left = api._route, iter(range(times))
    empty = b'{"object":"list","data":[],"has_more":false}'
    api._route = lambda p, q: (  # type: ignore[method-assign]
        (200, empty) if "after" in q and wanted(p) and next(left, -1) >= 0 else route(p, q)
    )


@pytest.mark.parametrize("times", [1, 2])
def test_an_empty_page_to_an_old_cursor_is_no_end(tmp_path: Path, times: int) -> None:
    """Where an interrupted walk is told that nothing follows, it is asked again, or begun anew."""
    with serving(small()) as api:
        route = api._route
        api._route = (
            lambda p, q: (  # type: ignore[method-assign]
                (500, b"") if p[2:] == [A, "events"] and "after" in q else route(p, q)
            )
        )
        assert run(api, tmp_path / "a", retries=0).failed
        api._route = route  # type: ignore[method-assign]
        emptied(api, times, lambda path: path[2:] == [A, "events"])
        assert not run(api, tmp_path / "a").failed
        assert_equal(tmp_path / "a", api)


@pytest.mark.parametrize("path", [[A, "events"], [B, "events"], [A, "checkpoints"], []])
def test_an_empty_page_after_more_proves_nothing(tmp_path: Path, path: list[str]) -> None:
    """Where more was said to follow, an empty page is told as a fault; the next run mends it."""
    with serving(small(cap=2)) as api:
        emptied(api, 2, lambda asked: asked[2:] == path)
        report = run(api, tmp_path / "a")
        problems = report.problems + [text for o in report.outcomes for text in o.problems]
        assert [" is empty, though more was to follow" in text for text in problems] == [True]
        assert [fault.place for fault in faults(tmp_path / "a")] == [*path[:1], "jobs"][:1]
        assert not run(api, tmp_path / "a").failed
        assert_equal(tmp_path / "a", api)


def test_a_server_that_always_ends_on_an_empty_page_is_believed(tmp_path: Path) -> None:
    """Where a full last page has `has_more` each time, the second walk that ends there counts."""
    with serving(small(cap=2)) as api:
        page = api._page

        def filled(items: list[Item], query: dict[str, str]) -> tuple[int, bytes]:
            status, body = page(items, query)
            if status == 200 and len(json.loads(body)["data"]) == api.cap:
                body = body.replace(b'"has_more": false', b'"has_more": true')
            return status, body

        api._page = filled  # type: ignore[method-assign]
        assert run(api, tmp_path / "a").failed
        assert faults(tmp_path / "a")
        assert not run(api, tmp_path / "a").failed
        assert_equal(tmp_path / "a", api)
        asked = len(api.asked)
        run(api, tmp_path / "a")
        assert_equal(tmp_path / "a", api)
        assert not any(A in path for path in api.asked[asked:])


@pytest.mark.parametrize("kind", ["events", "checkpoints", "file", "content", "jobs"])
def test_what_was_lost_of_a_job_that_is_gone_stays_a_fault(tmp_path: Path, kind: str) -> None:
    """No run calls that complete which it cannot fetch again; while the server has it, one does."""
    out = tmp_path / "a"
    with serving(small()) as api:
        run(api, out)
        mine = (line for line in lines(out) if line["kind"] == kind and line.get("job", A) == A)
        path = next(mine)["path"]
        (out / path).unlink()
        jobs, events, points = api.jobs, api.events, api.checkpoints
        api.jobs = [job for job in jobs if job["id"] != A]
        api.events, api.checkpoints = {B: events[B], C: []}, {B: [], C: []}
        for asked in ((), (A,), ()):
            report = run(api, out, jobs=asked)
            assert report.failed and any(A in problem for problem in report.problems)
            assert {fault.place for fault in faults(out) if A in fault.place} == {A}
        assert any("copy of the archive" in problem for problem in report.problems)
        (fault,) = faults(out)
        assert fault.rule == "what_was_lost_is_back" and "copy of the archive" in fault.advice
        assert verify(out).vanished == []
        api.jobs, api.events, api.checkpoints = jobs, events, points
        assert not run(api, out).failed
        assert_equal(out, api)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_what_was_lost_of_a_job_that_runs_is_fetched_again(tmp_path: Path, number: int) -> None:
    """Whichever of its walks lost a page, one run brings it, and those that stood on it."""
    out = tmp_path / "a"
    with serving(small()) as api:
        for start in (10, 20, 30):
            run(api, out)
            api.events[B] += [
                an_event(B, start + n, NOW - 5_000 + 30 * (start + n)) for n in (0, 9)
            ]
        walks: dict[int, str] = {}
        for line in lines(out):
            if line["kind"] == "events" and line["job"] == B:
                walks.setdefault(line["walk"], line["path"])
        (out / list(walks.values())[number]).unlink()
        assert not run(api, out).failed
        assert_equal(out, api)


def test_a_result_file_that_was_lost_and_is_gone_stays_a_fault(tmp_path: Path) -> None:
    """What two runs are told to be gone was had once: it is lost, not gone."""
    out = tmp_path / "a"
    with serving(small()) as api:
        run(api, out)
        (line,) = (n for n in lines(out) if n["kind"] == "content" and n["file"] == "file-aaa")
        (out / line["path"]).unlink()
        kept = api.files.pop("file-aaa")
        for _ in range(3):
            assert run(api, out).failed
            assert "what_was_lost_is_back" in {fault.rule for fault in faults(out)}
        api.files["file-aaa"] = kept
        assert not run(api, out, again=True).failed
        assert_equal(out, api)


def test_a_clock_that_is_behind_opens_no_job_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that was closed stays so when another server's clock says that it just ended."""
    out = tmp_path / "a"
    with serving(small()) as api:
        run(api, out)
        monkeypatch.setattr(server, "NOW", NOW - 85_000 + 600)  # 600 s after the end of A and C
        run(api, out)
        assert_equal(out, api)


def test_the_same_answer_after_a_failure_is_noted(tmp_path: Path) -> None:
    """Where a round brought news of a job, and not its events, the next one says it has them."""
    out = tmp_path / "a"
    with serving(small(cap=100)) as api, account(api, retries=0) as found:
        with Store(out) as store:
            watcher = Watcher(store, found)
            list(watcher.round())
            api.jobs[1]["estimated_finish"] = NOW + 500
            route = api._route
            api._route = (
                lambda p, q: (  # type: ignore[method-assign]
                    (500, b"") if p[3:] == ["events"] else route(p, q)
                )
            )
            assert [bool(news.problems) for news in watcher.round()] == [True]
            api._route = route  # type: ignore[method-assign]
            list(watcher.round())
            count = len(lines(out))
            list(watcher.round())
            assert len(lines(out)) == count  # again a round without news
        assert faults(out) == []


def swapped(api: Api, times: int) -> None:
    """Let a server answer so many questions with what it holds of others."""
    route, left = api._route, iter(range(times))

    def other(path: list[str], query: dict[str, str]) -> tuple[int, bytes]:
        hit = path[2:] == [A, "checkpoints"] or path[:2] == ["files", "file-aaa"]
        if not hit or next(left, -1) < 0:
            return route(path, query)
        status, body = route(["file-b64" if part == "file-aaa" else part for part in path], query)
        return status, body.replace(A.encode(), C.encode())

    api._route = other  # type: ignore[method-assign]


def test_an_answer_about_another_is_none(tmp_path: Path) -> None:
    """Checkpoints of another job, another file's object: asked for again, then that job's fault."""
    for times in (1, 99):
        out = tmp_path / str(times)
        with serving(small()) as api:
            route = api._route
            swapped(api, times)
            report = run(api, out)
            told = {o.job.id: " ".join(o.problems) for o in report.outcomes if o.problems}
            if times > 1:
                assert told.keys() == {A}
                assert f"another job, {C}" in told[A] and "another file, file-b64" in told[A]
                assert {fault.place for fault in faults(out)} == {A}
                api._route = route  # type: ignore[method-assign]
                run(api, out)
            assert_equal(out, api)


def test_an_answer_about_another_that_was_kept_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Archives that took such answers are told so; what the advice says mends them."""
    out = tmp_path / "a"
    with serving(small(cap=100)) as api:
        route = api._route
        swapped(api, 99)
        with monkeypatch.context() as trusting:
            for name in ("other_job", "other_file"):
                trusting.setattr(f"pipeline.archive.fetching.{name}", lambda *told: None)
            assert not run(api, out).failed
        api._route = route  # type: ignore[method-assign]
        found = [fault for fault in faults(out) if fault.rule == "pages_are_as_told"]
        assert [fault.problem.partition(", ")[2] for fault in found] == [C, "file-b64"]
        for name in [word for fault in found for word in fault.advice.split() if "raw/" in word]:
            (out / name).unlink()
        run(api, out)
        assert_equal(out, api)
