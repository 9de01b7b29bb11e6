"""`tunelog watch` follows running jobs, each event once, through restarts of itself."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any
from unittest import mock

import keeping
import pytest
from forked import started
from keeping import A, B, C, account, assert_equal, faults, lines, small
from server import KEY, NOW, Api, an_event, serving

import pipeline.archive.store as store_module
from pipeline import open_lake
from pipeline.archive.fetching import LIMIT
from pipeline.archive.store import Store
from pipeline.archive.watch import Watcher
from pipeline.cli import run
from pipeline.errors import ExitCode

D = f"ftjob-{'D' * 24}"
WATCH = ["watch", "--every", "0.2s", "--retries", "2"]


def seen(watcher: Watcher) -> list[str]:
    """The events that one round brings, shown."""
    found = []
    for news in watcher.round():
        found += [event["id"] for event in news.events]
        watcher.shown(news)
    return found


def test_each_event_is_shown_once_and_in_order(tmp_path: Path) -> None:
    """More events than a page in one round, in one second, with arrivals between pages."""
    with serving(small(cap=2)) as api, account(api) as found, Store(tmp_path / "a") as store:
        watcher = Watcher(store, found)
        shown = seen(watcher)
        number = iter(range(100, 999))

        def arrive(path: str) -> None:
            if f"{B}/events" in path and "after" in path and len(api.events[B]) < 60:
                api.events[B].append(
                    an_event(B, next(number), NOW - 4_000 + len(api.events[B]) // 9)
                )

        api.before = arrive
        for _ in range(6):
            api.events[B] += [an_event(B, next(number), NOW - 4_000 + len(api.events[B]) // 9)
                              for _ in range(5)]  # fmt: skip
            shown += seen(watcher)
        api.before = lambda path: None
        api.finish(B)
        shown += seen(watcher)
        assert shown == [event["id"] for event in api.events[B]]
        assert watcher.outcomes == {B: "succeeded"} and not watcher.running
        assert seen(watcher) == []


def test_a_round_without_news_leaves_no_trace(tmp_path: Path) -> None:
    """Looking again and again at a job that says nothing new writes nothing."""
    with serving(small(cap=100)) as api, account(api) as found, Store(tmp_path / "a") as store:
        watcher = Watcher(store, found)
        seen(watcher)
        seen(watcher)
        before = len(lines(tmp_path / "a"))
        for _ in range(3):
            assert seen(watcher) == []
        store.flush()
        assert len(lines(tmp_path / "a")) == before


def test_what_ended_while_nobody_watched_is_told(tmp_path: Path) -> None:
    """A watch that is started again looks once more at the jobs that ran when it was stopped."""
    with serving(small()) as api, account(api) as found:
        with Store(tmp_path / "a") as store:
            seen(Watcher(store, found))
        new = [an_event(B, n, NOW - 4_500 + n) for n in range(60, 75)]
        api.events[B] += new
        api.finish(B, "failed")
        with Store(tmp_path / "a") as store:
            watcher = Watcher(store, found)
            assert seen(watcher) == [event["id"] for event in new]
            assert watcher.over and watcher.outcomes == {B: "failed"}
        assert len(keeping.held(tmp_path / "a", "events")[B]) == len(api.events[B])
        with Store(tmp_path / "a") as store:
            assert seen(again := Watcher(store, found)) == [] and not again.outcomes


@pytest.mark.parametrize("more", [0, LIMIT])
def test_a_job_that_begins_and_ends_between_two_rounds_is_told(tmp_path: Path, more: int) -> None:
    """Whatever it came to, also where more began meanwhile than a page lists; older ones not."""
    began = [f"ftjob-{n:024}" for n in range(more)]
    with serving(small(cap=LIMIT)) as api, account(api) as found, Store(tmp_path / "a") as store:
        seen(watcher := Watcher(store, found))
        api.add(D, [an_event(D, 0, NOW - 50)], status="failed", created=NOW - 60)
        for job in began:
            api.add(job, created=NOW - 50)
        assert seen(watcher) == [event["id"] for event in api.events[D]]
        ended = dict.fromkeys(began, "succeeded")
        assert watcher.outcomes == {B: "running", D: "failed", **ended}
        asked = len(api.asked)
        seen(watcher)
        assert not any(D in path for path in api.asked[asked:])
        api.finish(B)
        seen(watcher)
        assert watcher.over and watcher.outcomes[D] == "failed"


def test_a_job_that_fails_once_holds_up_no_other(tmp_path: Path) -> None:
    """Of several named jobs each is followed, whatever is refused of another for once."""
    with serving(small()) as api, account(api, retries=0) as found:
        route, left = api._route, iter(range(2))

        def busy(path: list[str], query: dict[str, str]) -> tuple[int, bytes]:
            hit = path[2:] in ([B], [C]) and next(left, None) is not None
            return (500, b"{}") if hit else route(path, query)

        api._route = busy  # type: ignore[method-assign]
        with Store(tmp_path / "a") as store:
            watcher = Watcher(store, found, [A, B, C, "ftjob-none"])
            seen(watcher)
            assert not watcher.over and len(watcher.problems) == 2
            seen(watcher)
            assert watcher.running == [B] and watcher.unknown == {"ftjob-none"}
            api.finish(B)
            seen(watcher)
            assert watcher.over
            told = {A: "succeeded", B: "succeeded", C: "failed"}
            assert told.items() <= watcher.outcomes.items()
        assert_equal(tmp_path / "a", api)


@pytest.mark.parametrize("jobs", [[], ["--job", B, "--job", A]])
@pytest.mark.parametrize("times", [2, 9])
def test_only_a_key_that_is_refused_again_and_again_ends_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    jobs: list[str],
    times: int,
) -> None:
    """A 401 in a round or two is told, and asked again; three rounds in a row are an end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pipeline.cli.watch._tripped", lambda lake, job, asked: {})
    with serving(small()) as api, mock.patch.dict(os.environ, environment(api)):
        answer, place = api.answer, f"jobs/{B}" if jobs else "jobs"
        rounds = itertools.count()

        def refused(target: str, headers: Any) -> tuple[int, bytes]:
            if not target.partition("?")[0].endswith(place):
                return answer(target, headers)
            if (number := next(rounds)) == times:
                api.finish(B)
            return (401, b"{}") if 1 <= number <= times else answer(target, headers)

        api.answer = refused  # type: ignore[method-assign]
        code = run([*WATCH, *jobs])
    told = capsys.readouterr().err.splitlines()
    assert code == (ExitCode.USAGE if times == 9 else ExitCode.OK)
    assert sum("asked again in" in line for line in told) == min(times, 2)
    assert ("to a valid key" in told[-1]) == (times == 9)


def test_a_first_round_that_is_refused_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key that is none is told at once, of jobs that are named, too."""
    monkeypatch.chdir(tmp_path)
    with serving(small()) as api, mock.patch.dict(os.environ, environment(api)):
        os.environ["OPENAI_API_KEY"] = "sk-another"
        for jobs in ([], ["--job", B]):
            assert run([*WATCH, *jobs]) == ExitCode.USAGE
            assert "to a valid key" in capsys.readouterr().err
        assert len(api.asked) == 2


def test_the_last_events_are_asked_for_again(tmp_path: Path) -> None:
    """Where the events of a job that just ended are refused, it is followed some rounds more."""
    with (
        serving(small()) as api,
        account(api, retries=0) as found,
        Store(tmp_path / "a") as store,
    ):
        watcher = Watcher(store, found, [B])
        seen(watcher)
        api.events[B].append(an_event(B, 70, NOW - 4_100))
        api.finish(B)
        route, left = api._route, iter(range(2))

        def refused(path: list[str], query: dict[str, str]) -> tuple[int, bytes]:
            hit = path[2:] == [B, "events"] and next(left, None) is not None
            return (404, b"{}") if hit else route(path, query)

        api._route = refused  # type: ignore[method-assign]
        assert seen(watcher) == [] and not watcher.over and watcher.lacking == [B]
        while not watcher.over:
            last = seen(watcher)
        assert last == [api.events[B][-1]["id"]] and not watcher.lacking


def test_only_the_newest_events_of_a_job_that_is_new_to_it_are_shown(tmp_path: Path) -> None:
    """The first look shows ten; a watch that is started again goes on after the last shown."""
    with serving(small()) as api, account(api) as found:
        api.events[B] += [an_event(B, n, NOW - 3_000 + n) for n in range(20, 40)]
        with Store(tmp_path / "a") as store:
            assert seen(Watcher(store, found)) == [e["id"] for e in api.events[B][-10:]]
        api.events[B] += [an_event(B, n, NOW - 2_000 + n) for n in range(60, 80)]
        with Store(tmp_path / "a") as store:
            assert seen(Watcher(store, found)) == [e["id"] for e in api.events[B][-20:]]
        assert faults(tmp_path / "a") == []


def test_it_ends_with_the_job(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The exit code is 1 where the job did not succeed; events and verdicts are told, once."""
    with serving(small()) as api:
        rounds = iter(range(100))

        def go_on(path: str) -> None:
            if path.endswith(f"jobs/{B}") and next(rounds) == 1:
                api.events[B].append(
                    an_event(B, 70, NOW - 100, level="error", message="it\x1bbroke")
                )
                api.finish(B, "cancelled")

        api.before = go_on
        monkeypatch.chdir(tmp_path)
        with mock.patch.dict(os.environ, environment(api)):
            assert run([*WATCH, "--job", B]) == ExitCode.DATA
            told = capsys.readouterr()
            assert run([*WATCH, "--job", B]) == ExitCode.DATA
            again = capsys.readouterr()
    assert not again.out and "error: " not in again.err and f"{B}: cancelled" in again.err
    assert len(told.out.splitlines()) == 9 and "it\\x1bbroke" in told.out
    (verdict,) = (line for line in told.err.splitlines() if line.startswith(f"{B}: error: "))
    assert verdict.endswith(": it\\x1bbroke")
    assert f"{B}: cancelled" in told.err
    with open_lake(tmp_path / "lake") as lake:
        assert lake.sql("select count(*) from events").item() == 9


def test_files_are_there_when_they_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a round without a job to follow kept is written before it is to be ingested."""
    write = store_module._write

    def slow(*item: Any) -> None:
        time.sleep(0.1)
        write(*item)

    monkeypatch.setattr(store_module, "_write", slow)
    with serving(api := small()), account(api) as found, Store(tmp_path / "a") as store:
        api.finish(B)
        watcher = Watcher(store, found)
        assert seen(watcher) == []
        files = watcher.new_files()
        assert files and all(file.is_file() for file in files)


def test_what_is_not_taken_in_ends_it_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job that succeeded, and of whose events one is none: told, and 1; once more, too."""
    monkeypatch.chdir(tmp_path)
    api = small()
    api.events[B].append({**an_event(B, 70, NOW - 100), "level": None})
    api.finish(B)
    with serving(api), mock.patch.dict(os.environ, environment(api)):
        for _ in range(2):
            assert run([*WATCH, "--job", B]) == ExitCode.DATA
            told = capsys.readouterr().err
            assert "1 reject: see `tunelog rejects --lake lake`" in told
            assert f"{B}: succeeded" in told


def test_a_lake_that_cannot_be_used_is_told_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is asked for where the lake is a file, say."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lake").write_text("x")
    with serving(small()) as api, mock.patch.dict(os.environ, environment(api)):
        assert run(WATCH) == ExitCode.ENVIRONMENT
    assert len(capsys.readouterr().err.splitlines()) == 1 and not api.asked


def test_a_damaged_lake_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a verdict cannot be read from the lake, its file is named; it is no bug."""
    monkeypatch.chdir(tmp_path)
    with serving(small()) as api, mock.patch.dict(os.environ, environment(api)):
        assert run(["archive", "--out", "lake.archive", "--lake", "lake"]) == ExitCode.OK
        (segment,) = Path("lake/events").iterdir()
        segment.unlink()
        capsys.readouterr()
        assert run(WATCH) == ExitCode.ENVIRONMENT
    (damage,) = capsys.readouterr().err.splitlines()
    assert f"events/{segment.name} is missing" in damage


def test_the_archive_lies_beside_the_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in it, where the command is given in the lake's folder."""
    (tmp_path / "lake").mkdir()
    monkeypatch.chdir(tmp_path / "lake")
    with serving(small()) as api, mock.patch.dict(os.environ, environment(api)):
        api.finish(B)
        assert run([*WATCH, "--lake", "."]) == ExitCode.OK
    assert {path.name for path in tmp_path.iterdir()} == {"lake", "lake.archive"}
    assert not (tmp_path / "lake" / "..archive").exists()


def test_settings_that_are_wrong_are_told_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is asked for, and nothing made, where `tunelog.toml` is none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tunelog.toml").write_text("[check")
    with serving(small()) as api, mock.patch.dict(os.environ, environment(api)):
        assert run(WATCH) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("tunelog.toml: no TOML: ") and not api.asked
    assert [path.name for path in tmp_path.iterdir()] == ["tunelog.toml"]


def environment(api: Api) -> dict[str, str]:
    """The settings of a process that asks this server."""
    return {**os.environ, "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": api.url}


def test_killed_and_started_again_it_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """SIGKILL at random moments while events stream in: lake and server agree in the end."""
    draws, may_end = random.Random(5), False  # a watch that ended by itself could not be killed
    with serving(small(cap=4)) as api:

        def arrive(path: str) -> None:
            count = len(api.events[B])
            if count > 35:
                if may_end:
                    api.finish(B)
            elif f"{B}/events" in path:
                api.events[B] += [
                    an_event(B, 100 + count + n, NOW - 4_000 + (count + n) // 7)
                    for n in range(draws.randint(0, 5))
                ]

        api.before = arrive
        shown: list[str] = []
        command = [*WATCH, "--job", B, "--format", "jsonl"]
        for last in (False, False, True):
            may_end = last
            out = tmp_path / f"out-{len(shown)}"
            stop_at = len(api.asked) + draws.randint(6, 14)
            process = started(command, tmp_path, environment(api), out, judging=False)
            while not last and process.is_alive() and len(api.asked) < stop_at:
                time.sleep(0.005)
            if not last:
                process.kill()
            process.join()
            assert process.exitcode == (0 if last else -signal.SIGKILL)
            shown += out.read_text().splitlines()
        keeping.run(api, tmp_path / "lake.archive")
    assert_equal(tmp_path / "lake.archive", api)
    with open_lake(tmp_path / "lake") as lake:  # as the last watch left it
        ids = lake.sql("select event_id from events where job_id = $job", job=B)[
            "event_id"
        ].to_list()
    assert sorted(ids) == sorted(event["id"] for event in api.events[B])
    printed = [json.loads(line)["id"] for line in shown]
    in_order = [event["id"] for event in api.events[B]]
    missing = [event for event in in_order if event not in printed]
    assert missing == in_order[: len(missing)] and len(missing) < 20  # those before the first look
    assert len(printed) - len(set(printed)) <= 2 * 20  # what a kill kept from being noted
