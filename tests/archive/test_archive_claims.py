"""What looks complete and is not: no word of a server, and no lost file, makes it so."""

from __future__ import annotations

from pathlib import Path

import pytest
from keeping import account, assert_equal, faults, run, small
from server import NOW, Api, an_event, serving

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
