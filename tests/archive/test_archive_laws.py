"""Whatever server, network and kills do: the archive equals the server's truth, exactly once."""

from __future__ import annotations

import os
import random
import tempfile
import time
from pathlib import Path

import server
from forked import started
from hypothesis import given, settings
from hypothesis import strategies as st
from keeping import assert_equal, run
from server import FAULTS, KEY, NOW, Api, an_event, serving

JOBS = [f"ftjob-{letter * 24}" for letter in "DEFGH"]

# Of the faults that pass.
schedules = st.lists(st.sampled_from((None, None, *FAULTS)), max_size=60)


@st.composite
def accounts(draw: st.DrawFn) -> Api:
    """Jobs of all states, whose events share seconds, and arrive while pages are fetched."""
    api = Api(azure=draw(st.booleans()), cap=draw(st.integers(1, 4)))
    for job in JOBS[: draw(st.integers(0, 4))]:
        steps = draw(st.lists(st.integers(0, 2), max_size=9))
        at, events = NOW - 95_000, []
        for number, step in enumerate(steps):
            at += step
            events.append(an_event(job, number, at))
        status = draw(st.sampled_from(("succeeded", "failed", "cancelled", "running", "queued")))
        files = {f"file-{job[-3:]}{n}": b"step\n%d\n" % n for n in range(draw(st.integers(0, 2)))}
        api.add(job, events, status=status, files=files, checkpoints=draw(st.integers(0, 5)))
    running = [item["id"] for item in api.jobs if item["status"] == "running"]
    api.faults.extend(draw(schedules))
    arrivals = iter(draw(st.lists(st.integers(0, 3), max_size=25)))
    clock = iter(draw(st.lists(st.integers(0, 1), min_size=100, max_size=100)))
    at = NOW - 90_000

    def arrive(path: str) -> None:
        """Events arrive between any two requests, some in the second of the one before."""
        nonlocal at
        for _ in range(next(arrivals, 0) if running else 0):
            at += next(clock, 1)
            job = running[len(api.asked) % len(running)]
            api.events[job].append(an_event(job, 100 + len(api.events[job]), at))

    api.before = arrive
    return api


@settings(max_examples=25)
@given(accounts(), st.integers(1, 3), st.integers(1, 6))
def test_the_archive_equals_the_truth(api: Api, runs: int, concurrency: int) -> None:
    """Any faults, any arrivals, some runs with little patience, then a quiet one: all, once."""
    with tempfile.TemporaryDirectory() as folder, serving(api):
        out = Path(folder) / "a"
        for _ in range(runs):
            try:
                run(api, out, retries=1, concurrency=concurrency)
            except Exception as error:
                assert type(error).__name__ == "Failure"
        api.faults.clear()
        api.before = lambda path: None
        assert not run(api, out).failed
        assert_equal(out, api)


def test_killed_at_any_moment_it_goes_on(tmp_path: Path) -> None:
    """SIGKILL at random moments, again and again: then one run to the end, and all is there."""
    api = Api(cap=5)
    for number, job in enumerate(JOBS):
        events = [an_event(job, n, NOW - 95_000 + n // 3) for n in range(60)]
        status = "running" if number == 0 else "succeeded"
        api.add(job, events, status=status, checkpoints=7, files={f"file-{number}": b"a\n1\n"})
    draws = random.Random(7)
    out = tmp_path / "a"
    with serving(api):
        api.latency = 0.01
        env = {**os.environ, "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": api.url}
        command = ["archive", "--out", str(out), "--concurrency", "3"]
        progress = []
        for _ in range(3):
            asked = len(api.asked)
            stop_at = asked + draws.randint(3, 25)
            process = started(command, tmp_path, env, tmp_path / "out")
            while process.is_alive() and len(api.asked) < stop_at:
                time.sleep(0.005)
            process.kill()
            process.join()
            progress.append(len(api.asked) - asked)
            api.events[JOBS[0]].append(an_event(JOBS[0], 900 + len(progress), NOW - 94_900))
        assert all(progress)
        assert not run(api, out, concurrency=3).failed
    pages = [path for path in api.asked if JOBS[1] in path and "/events" in path]
    assert len(pages) < 5 * 12  # what was durable was not asked for again
    assert_equal(out, api)


def test_the_server_is_as_strict_as_the_api() -> None:
    """The imitation refuses a wrong key, a call without version, an unknown cursor."""
    api = Api(azure=True)
    api.add(JOBS[0])
    page = f"/openai/fine_tuning/jobs/{JOBS[0]}/events"
    assert api.answer(page, {"api-key": "x", "authorization": None})[0] == 401
    assert api.answer(page, {"api-key": server.KEY})[0] == 400
    assert api.answer(f"{page}?api-version=1&after=none", {"api-key": server.KEY})[0] == 404
