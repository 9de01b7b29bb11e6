"""Follow jobs that run: their new events, each once, whatever happens in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.archive import pages
from pipeline.archive.account import Account
from pipeline.archive.fetching import Fetcher
from pipeline.archive.pages import FINAL_STATES, JobFacts
from pipeline.archive.run import job_facts, listed_jobs, newest_jobs
from pipeline.archive.store import Store

SHOWN_AT_FIRST = 10
"""Events of a job that are shown when it is first looked at; earlier ones are only kept."""


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
        self._store, self._account, self._named = store, account, tuple(dict.fromkeys(jobs))
        self._fetcher = Fetcher(account, store, remember=True)
        self._followed: dict[str, JobFacts] = {}
        self._told: dict[str, bytes] = {}
        self._read: dict[str, set[str]] = {}
        self._rounds = self._ingested = 0

    @property
    def running(self) -> list[str]:
        """Jobs followed that have not ended."""
        return [job for job, facts in self._followed.items() if facts.status not in FINAL_STATES]

    @property
    def outcomes(self) -> dict[str, str]:
        """Status of each job followed."""
        return {job: facts.status for job, facts in self._followed.items()}

    def round(self) -> Iterator[News]:
        """Ask once for every job that has not ended, durable before it is given out.

        Raises:
            Failure: the jobs cannot be told, or none of the requests would fare better.
        """
        for job, changed in self._found():
            self._followed[job.id] = job
            outcome = self._fetcher.fetch(job, quiet=not changed)
            self._store.flush()
            events, earlier = self._unseen(job.id)
            yield News(job, events, earlier, outcome.problems)
        self._rounds += 1

    def shown(self, news: News) -> None:
        """Remember that events were shown; durable when it returns."""
        if news.events:
            ids = [event["id"] for event in news.events]
            self._store.histories.job(news.job.id).shown.update(ids)
            self._store.keep({"kind": "shown", "job": news.job.id, "events": ids})
            self._store.flush()

    def new_files(self) -> list[Path]:
        """Files kept since this was last asked; all of the archive at first."""
        files = self._store.files[self._ingested :]
        self._ingested += len(files)
        return files

    def _found(self) -> Iterator[tuple[JobFacts, bool]]:
        """The jobs to ask for, and whether the answer about each is a new one."""
        named: Sequence[str] = self._named if self._rounds == 0 else self.running
        listed: set[str] = set()
        for job, changed in () if self._named else self._listed():
            listed.add(job.id)
            yield job, changed
        for name in named:
            if name not in listed:
                yield job_facts(self._store, self._account, name, self._told)

    def _listed(self) -> Iterator[tuple[JobFacts, bool]]:
        """All jobs in the first round, the newest in the others."""
        if self._rounds:
            jobs, changed = newest_jobs(self._store, self._account, self._told, self._wanted)
            yield from ((job, changed) for job in jobs)
        else:
            for jobs in listed_jobs(self._store, self._account, wanted=self._wanted):
                yield from ((job, True) for job in jobs)

    def _wanted(self, job: JobFacts) -> bool:
        return self._runs(job.id) or job.status not in FINAL_STATES

    def _runs(self, job: str) -> bool:
        facts = self._followed.get(job)
        return facts is not None and facts.status not in FINAL_STATES

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
        new.sort(key=lambda item: item["created_at"])
        if self._rounds or history.shown or len(new) <= SHOWN_AT_FIRST:
            return new, 0
        earlier = [item["id"] for item in new[:-SHOWN_AT_FIRST]]
        history.shown.update(earlier)
        self._store.keep({"kind": "shown", "job": job, "events": earlier})
        return new[-SHOWN_AT_FIRST:], len(earlier)
