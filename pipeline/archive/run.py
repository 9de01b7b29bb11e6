"""A run of `tunelog archive`: list the jobs, fetch side by side what each lacks."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass, field
from typing import Any

from pipeline.archive.account import Account, Answer, Asked, Failure
from pipeline.archive.chains import LISTS, Walk, bring_back
from pipeline.archive.fetching import LIMIT, Fetcher, Outcome, hollow, listed
from pipeline.archive.keeping import keep, page_line
from pipeline.archive.layout import safe
from pipeline.archive.outage import Bounded, Hopeless
from pipeline.archive.pages import JobFacts, facts
from pipeline.archive.store import Store

_JOBS = "/fine_tuning/jobs"
WRONG_ID = "check the id, and that the key is of the account that has it"
"""What to do about a job that the server does not know."""

_GRACE_SECONDS = 2.0
"""How long a run that is stopped waits for requests under way."""


@dataclass(slots=True)
class Progress:
    """How far a run is; told after each page.

    Attributes:
        listed: jobs listed so far.
        done: jobs that are up to date.
        events: new events.
        whole: all jobs are listed.
    """

    listed: int = 0
    done: int = 0
    events: int = 0
    whole: bool = False


@dataclass(slots=True)
class Report:
    """What a run brought.

    Attributes:
        progress: its counts.
        outcomes: of the jobs that were asked for, in the order they ended.
        unchanged: jobs of which nothing was asked: all is there.
        problems: what failed that is no job's.
        mended: files that were found to be lost.
        stopped: why the rest was not asked for, and what to do.
    """

    progress: Progress
    outcomes: list[Outcome] = field(default_factory=list)
    unchanged: int = 0
    problems: list[str] = field(default_factory=list)
    mended: int = 0
    stopped: str | None = None

    @property
    def failed(self) -> bool:
        """Something is missing that another run may bring."""
        return bool(self.problems or self.stopped) or any(
            outcome.problems for outcome in self.outcomes
        )


class Run:
    """Brings an archive up to what the account holds now."""

    def __init__(
        self,
        store: Store,
        account: Account,
        *,
        told: Callable[[Progress], None] = lambda progress: None,
        again: bool = False,
    ) -> None:
        """Prepare a run.

        Args:
            store: the archive.
            account: whom to ask.
            told: called as it goes on, from any thread, one at a time.
            again: ask once more for what was gone from the server.
        """
        if again:
            store.histories.doubt()
        self._store, self._account, self._concurrency = store, Bounded(account), account.concurrency
        self._told = told
        self._stopping = threading.Event()
        self._fetcher = Fetcher(self._account, store, self._stopping.is_set)
        self._mutex = threading.Lock()
        self.report = Report(Progress(), mended=store.mended)

    def archive(self, jobs: Sequence[str] = (), since: float | None = None) -> Report:
        """Archive the jobs named, or all created since a time, or all.

        Args:
            jobs: job ids.
            since: least time of creation [s since 1970].

        Raises:
            Failure: not even the first jobs could be listed.
            OSError: the archive cannot be written.
        """
        found = self._named(jobs) if jobs else self._listed(since)
        # Twice the threads: while some work on an answer, all the account allows are asking.
        pool = ThreadPoolExecutor(2 * self._concurrency)
        running: list[Future[Outcome]] = []
        try:
            for job in found:
                self._store.histories.job(job.id).listed_again()
                self.report.progress.listed += 1
                if self._up_to_date(job):
                    self.report.unchanged += 1
                    self._count(done=1)
                else:
                    running.append(pool.submit(self._fetch, job))
            self.report.progress.whole = True
            self._count()
            for future in as_completed(running):
                self.report.outcomes.append(future.result())
        except Hopeless as why:
            self._stopping.set()
            pool.shutdown(wait=False, cancel_futures=True)
            wait([future for future in running if not future.cancelled()], _GRACE_SECONDS)
            ended = (future for future in running if future.done() and not future.cancelled())
            self.report.outcomes = [it.result() for it in ended if it.exception() is None]
            self.report.stopped = str(why)
        except BaseException:
            self._stopping.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        else:
            pool.shutdown()
        self._store.flush()
        self.report.problems += self._lost()
        return self.report

    def _lost(self) -> Iterator[str]:
        """What the archive lost, and this run did not bring again."""
        for job, history in self._store.histories.jobs.items():
            if history.status is not None and (lost := history.lost):
                told = f"{job}: lost from the archive, and not fetched again: {', '.join(lost)}"
                yield f"{told}: {bring_back(job, vanished=history.is_vanished)}"

    def _fetch(self, job: JobFacts) -> Outcome:
        outcome = self._fetcher.fetch(job, lambda events: self._count(events=events))
        self._count(done=1)
        return outcome

    def _up_to_date(self, job: JobFacts) -> bool:
        history = self._store.histories.job(job.id)
        lists = job.settled and all(history.closed(what) for what in LISTS)
        return lists and all(history.holds(file) for file in job.files)

    def _count(self, *, done: int = 0, events: int = 0) -> None:
        with self._mutex:
            progress = self.report.progress
            progress.done += done
            progress.events += events
            self._told(progress)  # one after the other: the last told is the latest

    # -- which jobs -----------------------------------------------------------------------------

    def _named(self, jobs: Sequence[str]) -> Iterator[JobFacts]:
        wanted = list(dict.fromkeys(map(self._account.shown, jobs)))
        refused: list[Failure] = []
        for job in wanted:
            try:
                yield job_facts(self._store, self._account, job)[0]
            except Failure as failure:
                refused += [failure] if failure.refused else []
                known = self._store.histories.jobs.get(job)
                if failure.missing and known and known.status is not None:
                    outcome = Outcome(JobFacts(job, known.status, math.inf, False, ()))
                    self._fetcher.vanished(outcome, failure)
                    self.report.outcomes.append(outcome)
                    continue
                told = f"{failure}: {WRONG_ID}" if failure.missing else failure.told
                self.report.problems.append(f"{job}: {told}")
        if len(refused) == len(wanted):  # of one refusal among several, the others tell more
            raise refused[0]

    def _listed(self, since: float | None) -> Iterator[JobFacts]:
        begun = False
        try:
            for jobs in listed_jobs(self._store, self._account, since=since):
                begun = True
                yield from jobs
        except Failure as failure:
            if not begun:
                raise
            self.report.problems.append(f"list of jobs: {failure}")


def listed_jobs(
    store: Store,
    account: Asked,
    *,
    since: float | None = None,
    wanted: Callable[[JobFacts], bool] = lambda job: True,
) -> Iterator[list[JobFacts]]:
    """List the account's jobs, newest first, keeping each page.

    Args:
        store: the archive.
        account: whom to ask.
        since: least time of creation [s since 1970].
        wanted: which jobs are to be archived.

    Yields:
        The wanted jobs of a page, each once.

    Raises:
        Failure: a request failed.
    """
    walk = Walk(store.next_walk(), False, 0)
    seen: set[str] = set()
    while not walk.ended:
        answer = listed(account, _JOBS, walk.cursor)
        assert answer.page is not None
        if answer.page.has_more and answer.page.last in seen:
            raise Failure(f"{_JOBS}: the page after {walk.cursor} brings nothing new")
        found = [facts(item, answer.now) for item in answer.page.items]
        young = [job for job in found if since is None or job.created >= since]
        new = [job for job in young if job.id not in seen and wanted(job)]
        early = answer.page.has_more and len(young) < len(found)  # all further ones are older
        walk.add(_keep_list(store, answer, walk, new, early))
        seen.update(answer.page.ids)
        yield new
    if walk.hollow is not None and walk.hollow not in store.histories.ends:
        store.histories.ends.add(walk.hollow)
        raise Failure(hollow(_JOBS, walk.hollow))


def newest_jobs(
    store: Store, account: Asked, told: dict[str, bytes], wanted: Callable[[JobFacts], bool]
) -> tuple[list[JobFacts], bool]:
    """The wanted of the account's newest jobs, and whether the answer is another than the last.

    Args:
        store: the archive; an answer that says the same again is not kept.
        account: whom to ask.
        told: the last answer, and those of `job_facts`.
        wanted: which jobs are to be archived.

    Raises:
        Failure: the request failed.
    """
    answer = account.get(_JOBS, limit=LIMIT)
    assert answer.page is not None
    found = [job for item in answer.page.items if wanted(job := facts(item, answer.now))]
    changed = told.get(_JOBS) != answer.body
    if changed:
        walk = Walk(store.next_walk(), False, 0)
        _keep_list(store, answer, walk, found, answer.page.has_more)
        told[_JOBS] = answer.body
    return found, changed


def _keep_list(
    store: Store, answer: Answer, walk: Walk, jobs: list[JobFacts], early: bool
) -> dict[str, Any]:
    assert answer.page is not None
    line = page_line("jobs", walk, answer.page, joined=early)
    line["listed"] = {job.id: _owed(job) for job in jobs}
    return keep(store, answer, line, "jobs/jobs", ".json")


def job_facts(
    store: Store, account: Asked, job: str, told: dict[str, bytes] | None = None
) -> tuple[JobFacts, bool]:
    """One job, and whether the answer is another than the last.

    Args:
        store: the archive; an answer that says the same again is not kept.
        account: whom to ask.
        job: its id.
        told: the last answers, None where each is to be kept.

    Raises:
        Failure: there is no such job, or the request failed.
    """
    path = f"{_JOBS}/{safe(job)}"
    answer = account.get(path)
    value = answer.value or {}
    if value.get("id") != job:
        raise Failure(f"{path}: the answer is not this job")
    found = facts(value, answer.now)
    changed = told is None or told.get(job) != answer.body
    if changed:
        line = {"kind": "job", "job": job, "listed": {job: _owed(found)}}
        keep(store, answer, line, f"{safe(job)}/job", ".json")
    if told is not None:
        told[job] = answer.body
    return found, changed


def _owed(job: JobFacts) -> dict[str, object]:
    """What the archive must hold of a job, by what the server said of it."""
    return {"status": job.status, "settled": job.settled, "files": list(job.files)}
