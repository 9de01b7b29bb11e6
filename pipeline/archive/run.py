"""A run of `tunelog archive`: list the jobs, fetch side by side what each lacks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.archive.account import Account, Failure
from pipeline.archive.chains import LISTS, Walk
from pipeline.archive.fetching import LIMIT, Fetcher, Outcome, keep, page_line
from pipeline.archive.pages import JobFacts, facts
from pipeline.archive.store import Store, safe


@dataclass(slots=True)
class Progress:
    """How far a run is; told after each page.

    Attributes:
        listed: jobs listed so far.
        done: jobs that are up to date.
        events: new events.
        requests: answered requests.
        whole: all jobs are listed.
    """

    listed: int = 0
    done: int = 0
    events: int = 0
    requests: int = 0
    whole: bool = False


@dataclass(slots=True)
class Report:
    """What a run brought.

    Attributes:
        progress: its counts.
        outcomes: of the jobs that were asked for, in the order they ended.
        unchanged: jobs of which nothing was asked: all is there.
        problems: what failed that is no job's.
        files: files of all bodies in the archive.
        mended: files that were lost and have been asked for again.
    """

    progress: Progress
    outcomes: list[Outcome] = field(default_factory=list)
    unchanged: int = 0
    problems: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    mended: int = 0

    @property
    def failed(self) -> bool:
        """Something is missing that another run may bring."""
        return bool(self.problems) or any(outcome.problems for outcome in self.outcomes)


class Run:
    """Brings an archive up to what the account holds now."""

    def __init__(
        self,
        store: Store,
        account: Account,
        *,
        concurrency: int = 8,
        told: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        """Prepare a run.

        Args:
            store: the archive.
            account: whom to ask.
            concurrency: jobs side by side.
            told: called as it goes on, from any thread.
        """
        self._store, self._account, self._concurrency = store, account, concurrency
        self._told = told
        self._stopping = threading.Event()
        self._fetcher = Fetcher(account, store, self._stopping.is_set)
        self._mutex = threading.Lock()
        self.report = Report(Progress(), mended=store.mended)

    def archive(self, jobs: Sequence[str] = (), since: float | None = None) -> Report:
        """Archive the jobs named, or all created since a time, or all.

        Args:
            jobs: job ids.
            since: least time of creation [s since 1970].

        Raises:
            Failure: of a kind that no other request would escape, as a wrong key.
            OSError: the archive cannot be written.
        """
        found = self._named(jobs) if jobs else self._listed(since)
        pool = ThreadPoolExecutor(self._concurrency)
        running: list[Future[Outcome]] = []
        try:
            for job in found:
                self.report.progress.listed += 1
                if self._up_to_date(job):
                    self.report.unchanged += 1
                    self._count(done=1)
                else:
                    running.append(pool.submit(self._fetch, job))
            self.report.progress.whole = True
            for future in as_completed(running):
                self.report.outcomes.append(future.result())
        except BaseException:
            self._stopping.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()
        self._store.flush()
        self.report.files = self._store.files
        return self.report

    def _fetch(self, job: JobFacts) -> Outcome:
        outcome = self._fetcher.fetch(job, lambda events: self._count(events=events, requests=1))
        self._count(done=1)
        return outcome

    def _up_to_date(self, job: JobFacts) -> bool:
        history = self._store.histories.job(job.id)
        lists = job.settled and all(history.closed(what) for what in LISTS)
        return lists and all(history.holds(file) for file in job.files)

    def _count(self, *, done: int = 0, events: int = 0, requests: int = 0) -> None:
        with self._mutex:
            progress = self.report.progress
            progress.done += done
            progress.events += events
            progress.requests += requests
        self._told(progress)

    # -- which jobs -----------------------------------------------------------------------------

    def _named(self, jobs: Sequence[str]) -> Iterator[JobFacts]:
        for job in dict.fromkeys(jobs):
            try:
                yield job_facts(self._store, self._account, job)
            except Failure as failure:
                if failure.fatal:
                    raise
                self.report.problems.append(f"{job}: {failure}")

    def _listed(self, since: float | None) -> Iterator[JobFacts]:
        walk = Walk(self._store.next_walk(), False, 0)
        seen: set[str] = set()
        try:
            while not walk.ended:
                answer = self._account.get("/fine_tuning/jobs", limit=LIMIT, after=walk.cursor)
                page = answer.page
                assert page is not None
                if page.has_more and page.last in seen:
                    raise Failure(f"jobs: the page after {walk.cursor} brings nothing new")
                found = [facts(item, answer.now) for item in page.items]
                wanted = [job for job in found if since is None or job.created >= since]
                early = page.has_more and len(wanted) < len(found)  # all further ones are older
                new = {job.id: job for job in wanted if job.id not in seen}
                line = page_line("jobs", walk, page, joined=early)
                line |= {"since": since, "listed": {name: _owed(job) for name, job in new.items()}}
                walk.add(keep(self._store, self._account, answer, line, "jobs/jobs", ".json"))
                seen.update(page.ids)
                yield from new.values()
        except Failure as failure:
            if failure.fatal or not walk.paths:
                raise
            self.report.problems.append(f"list of jobs: {failure}")


def job_facts(store: Store, account: Account, job: str) -> JobFacts:
    """Ask for one job, and keep the answer.

    Raises:
        Failure: there is no such job, or the request failed.
    """
    path = f"/fine_tuning/jobs/{safe(job)}"
    answer = account.get(path)
    value = answer.value or {}
    if value.get("id") != job or type(value.get("created_at")) not in (int, float):
        raise Failure(f"{path}: the answer is not this job")
    found = facts(value, answer.now)
    line = {"kind": "job", "job": job, "listed": {job: _owed(found)}}
    keep(store, account, answer, line, f"{safe(job)}/job", ".json")
    return found


def _owed(job: JobFacts) -> dict[str, object]:
    """What the archive must hold of a job, by what the server said of it."""
    return {"status": job.status, "settled": job.settled, "files": list(job.files)}
