"""Follow jobs that run: their new events, each once, whatever happens in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.archive import pages
from pipeline.archive.account import Account, Failure
from pipeline.archive.fetching import Fetcher
from pipeline.archive.pages import FINAL_STATES, JobFacts
from pipeline.archive.run import job_facts, listed_jobs, newest_jobs
from pipeline.archive.store import Store

SHOWN_AT_FIRST = 10
"""Events of a job that are shown when it is first looked at; earlier ones are only kept."""

_REFUSED_ROUNDS = 3
"""So many rounds in a row that are refused say that the key is not taken any more."""

_PATIENCE = 5
"""Rounds in which what is lacking of a job that has ended is asked for."""


@dataclass(frozen=True, slots=True)
class News:
    """What a round brought of one job.

    Attributes:
        job: its facts.
        events: not yet shown, oldest first.
        earlier: events that are in the archive and will not be shown.
        problems: what failed and is tried again in the next round.
    """

    job: JobFacts
    events: list[dict[str, Any]]
    earlier: int
    problems: list[str]


class Watcher:
    """Goes round the jobs it follows, keeping what they say in an archive.

    What was shown is a line of the manifest, so a watch that is started again goes on there.
    """

    def __init__(self, store: Store, account: Account, jobs: Sequence[str] = ()) -> None:
        """Follow the jobs named, or all that run when the first round begins and later.

        Args:
            store: the archive.
            account: whom to ask.
            jobs: job ids.
        """
        self._store, self._account = store, account
        self._named = tuple(dict.fromkeys(map(account.shown, jobs)))
        self._fetcher = Fetcher(account, store, remember=True)
        self._followed: dict[str, JobFacts] = {}
        self._listed_before: set[str] = set()
        """Jobs on the lists of earlier rounds: another one began since the first."""
        self._met: set[str] = set()
        self._told: dict[str, bytes] = {}
        self._read: dict[str, set[str]] = {}
        self.problems: list[str] = []
        """What failed in the last round that is of no job yet looked at."""
        self._lost: dict[str, Failure] = {}
        self._lacking: Counter[str] = Counter()
        self._before = {
            job for job, history in store.histories.jobs.items()
            if history.status is not None and history.status not in FINAL_STATES
        }  # fmt: skip
        self._rounds = self._refused = self._ingested = 0

    @property
    def running(self) -> list[str]:
        """Jobs that have not ended, or of which something could not be had yet."""
        told = {*self._followed, *self._lost}
        unseen = [job for job in self._named if job not in told]
        return unseen + [job for job in self._followed if self._runs(job)]

    @property
    def over(self) -> bool:
        """All was looked at, and there is nothing left to follow."""
        return self._rounds > 0 and not self.running

    @property
    def outcomes(self) -> dict[str, str]:
        """Status of each job followed; of those that the server does not know, its words."""
        told = {job: facts.status for job, facts in self._followed.items()}
        return told | {job: str(failure) for job, failure in self._lost.items()}

    @property
    def unknown(self) -> set[str]:
        """Jobs that the server does not know, or not any more."""
        return set(self._lost)

    @property
    def lacking(self) -> list[str]:
        """Jobs that ended, and of which something could not be had."""
        return [job for job, times in self._lacking.items() if times]

    @property
    def shut_out(self) -> bool:
        """The key is not taken: the first round was refused, or several in a row were."""
        return self._refused >= (_REFUSED_ROUNDS if self._rounds else 1)

    def round(self) -> Iterator[News]:
        """Ask once for every job that has not ended, durable before it is given out.

        What fails of one job is asked for again in the next rounds, of one that has ended
        in a few.

        Raises:
            Failure: the jobs cannot be told, or the key may not ask for them.
        """
        self.problems = []
        try:
            for job, changed in self._found():
                self._followed[job.id] = job
                outcome = self._fetcher.fetch(job, quiet=not changed)
                lacks = job.status in FINAL_STATES and outcome.problems
                self._lacking[job.id] = self._lacking[job.id] + 1 if lacks else 0
                self._store.flush()
                events, earlier = self._unseen(job.id)
                yield News(job, events, earlier, outcome.problems)
        except Failure as failure:
            self._refused += failure.refused
            raise
        self._rounds += 1
        self._refused = 0

    def shown(self, news: News) -> None:
        """Remember that events were shown; durable when it returns."""
        if news.events:
            ids = [event["id"] for event in news.events]
            self._store.histories.job(news.job.id).shown.update(ids)
            self._store.keep({"kind": "shown", "job": news.job.id, "events": ids})
            self._store.flush()

    def tripped(self, job: str) -> set[str]:
        """The rules that were told to trip in a job, by this watch or an earlier one."""
        return self._store.histories.job(job).tripped

    def judged(self, job: str, rules: Iterable[str]) -> None:
        """Remember which rules were told to trip; durable when it returns."""
        if (found := set(rules)) != self.tripped(job):
            self._store.histories.job(job).tripped = found
            self._store.keep({"kind": "judged", "job": job, "rules": sorted(found)})
            self._store.flush()

    def new_files(self) -> list[Path]:
        """Files kept since this was last asked, durable; all of the archive at first."""
        self._store.flush()
        files = self._store.files[self._ingested :]
        self._ingested += len(files)
        return files

    def _found(self) -> Iterator[tuple[JobFacts, bool]]:
        """The jobs to ask for, and whether the answer about each is a new one."""
        named: Sequence[str] = self._named if self._rounds == 0 else self.running
        listed: set[str] = set()
        refused: Failure | None = None
        for job, changed in () if self._named else self._listed():
            listed.add(job.id)
            yield job, changed
        for name in named:
            if name in listed:
                continue
            try:
                yield job_facts(self._store, self._account, name, self._told)
            except Failure as failure:
                if failure.refused:
                    if self._rounds == 0:
                        raise
                    refused = failure
                    continue
                if failure.absent:
                    self._followed.pop(name, None)
                    self._lost[name] = failure
                    continue
                self.problems.append(f"{name}: {failure}")
                if self._rounds == 0 and not self.outcomes and name == named[-1]:
                    raise
        if refused:
            raise refused

    def _listed(self) -> Iterator[tuple[JobFacts, bool]]:
        """All jobs in the first round, the newest in the others.

        Where not one of the newest was there before, more may have begun than a page holds: all.
        """
        self._met = set()
        jobs: list[JobFacts] = []
        changed = True
        if self._rounds:
            jobs, changed = newest_jobs(self._store, self._account, self._told, self._wanted)
        if self._met & self._listed_before:
            yield from ((job, changed) for job in jobs)
        else:
            for jobs in listed_jobs(self._store, self._account, wanted=self._wanted):
                yield from ((job, True) for job in jobs)
        self._listed_before |= self._met

    def _wanted(self, job: JobFacts) -> bool:
        self._met.add(job.id)
        if self._rounds == 0 and job.id in self._before:  # it ended while nobody watched
            return True
        if self._rounds and job.id not in self._listed_before:  # even if it has ended again
            return True
        return self._runs(job.id) or job.status not in FINAL_STATES

    def _runs(self, job: str) -> bool:
        facts = self._followed.get(job)
        if facts is None:
            return False
        return facts.status not in FINAL_STATES or 0 < self._lacking[job] < _PATIENCE

    def _unseen(self, job: str) -> tuple[list[dict[str, Any]], int]:
        """Events of the archive that were not shown, oldest first, as the server orders them."""
        history = self._store.histories.job(job)
        read = self._read.setdefault(job, set())
        found: dict[str, dict[str, Any]] = {}
        for walk in reversed(history.sound("events")):
            for path in walk.paths:
                if path not in read:
                    read.add(path)
                    for item in pages.page(pages.parsed(self._store.read(path))).items:
                        found.setdefault(item["id"], item)
        new = [item for name, item in found.items() if name not in history.shown]
        new.reverse()
        new.sort(key=lambda item: pages.moment(item) or 0)
        if self._rounds or history.shown or len(new) <= SHOWN_AT_FIRST:
            return new, 0
        earlier = [item["id"] for item in new[:-SHOWN_AT_FIRST]]
        history.shown.update(earlier)
        self._store.keep({"kind": "shown", "job": job, "events": earlier})
        return new[-SHOWN_AT_FIRST:], len(earlier)
