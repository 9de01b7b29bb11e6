"""One job: its events, checkpoints and result files, page after page into the store."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pipeline.archive import pages
from pipeline.archive.account import Answer, Asked, Failure
from pipeline.archive.chains import LISTS, Walk
from pipeline.archive.keeping import keep, now, other_file, other_job, page_line, place_of
from pipeline.archive.layout import safe
from pipeline.archive.pages import JobFacts
from pipeline.archive.store import Store

LIMIT = 100
"""Items a page: what the API is known to give at most."""

OVERLAP_SECONDS = 60
"""An event may take its place in the list so long after younger ones."""


@dataclass(slots=True)
class Outcome:
    """What one run brought of a job.

    Attributes:
        job: its facts.
        pages: list pages fetched.
        events: events on them that the archive did not hold.
        checkpoints: items on the pages of checkpoints.
        files: result files fetched.
        gone: what the server says it does not have: lists, ids of result files, the job itself.
        problems: what failed.
    """

    job: JobFacts
    pages: int = 0
    events: int = 0
    checkpoints: int = 0
    files: int = 0
    gone: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def listed(account: Asked, url: str, cursor: str | None, job: str = "") -> Answer:
    """The page of a list after an item; asked for twice where it is empty, though it was promised,
    or of another job.

    Raises:
        Failure: the request failed, or both answers are of another job.
    """
    for last in (False, True):
        answer = account.get(url, limit=LIMIT, after=cursor)
        assert answer.page is not None
        other = other_job(answer.page.items, job) if job else None
        if other and last:
            raise Failure(f"{url}: the answer is of another job, {other}")
        if not other and (cursor is None or answer.page.items):
            break
    return answer


def hollow(url: str, cursor: str | None) -> str:
    """What is told of an end that is none until it is told again."""
    return f"{url}: the page after {cursor} is empty, though more was to follow: run it again"


class Fetcher:
    """Fetches what jobs' histories lack; one thread a job."""

    def __init__(
        self,
        account: Asked,
        store: Store,
        stop: Callable[[], bool] = lambda: False,
        *,
        remember: bool = False,
    ) -> None:
        """Use an account and a store.

        Args:
            account: whom to ask.
            store: where to keep the answers.
            stop: asked before each request; True ends the job where it is.
            remember: keep the ids of a job's items in memory, for jobs fetched again and again.
        """
        self.account, self.store, self.stop, self.remember = account, store, stop, remember
        self.remembered: dict[tuple[str, str], tuple[set[str], dict[str, float]]] = {}
        self.told_gone: set[tuple[str, str]] = set()
        self.news: set[tuple[str, str]] = set()
        """Lists not fetched since the server last said something new of their job."""

    def fetch(
        self,
        job: JobFacts,
        told: Callable[[int], None] = lambda events: None,
        *,
        quiet: bool = False,
    ) -> Outcome:
        """Bring a job's history up to now.

        Args:
            job: as just listed.
            told: called with the new events of each page.
            quiet: leave no trace of an answer that is the last one again, since nothing is new of
                the job.
        """
        return _Visit(self, job, told).made(quiet=quiet)

    def vanished(self, outcome: Outcome, failure: Failure) -> None:
        """Note that the server has a job no more: what is there of it is all there will be."""
        outcome.gone.append("job")
        history = self.store.histories.job(outcome.job.id)
        history.vanished = history.listed + 1
        line = {"kind": "vanished", "job": outcome.job.id, "time": now()}
        self.store.keep({**line, "status": failure.status, "request_id": failure.request_id})


class _Visit:
    """One job's turn: what its history lacks is asked for."""

    def __init__(self, fetcher: Fetcher, job: JobFacts, told: Callable[[int], None]) -> None:
        self._all, self._job, self._told = fetcher, job, told
        self._history = fetcher.store.histories.job(job.id)
        self._outcome = Outcome(job)

    def made(self, *, quiet: bool) -> Outcome:
        """Ask for all of it; what that brought."""
        job, history, news = self._job, self._history, self._all.news
        for what in LISTS:
            if not quiet:
                news.add((job.id, what))
            try:
                if not history.closed(what):
                    self._list(what, quiet=(job.id, what) not in news)
                news.discard((job.id, what))
            except Failure as failure:
                if failure.missing and self._vanished():
                    break
                self._outcome.problems.append(f"{what}: {failure.told}")
        for file in job.files:
            try:
                if not history.holds(file):
                    self._file(file)
            except Failure as failure:
                if failure.absent:
                    self._gone(file, failure)
                else:
                    self._outcome.problems.append(f"result file: {failure.told}")
        return self._outcome

    # -- lists ----------------------------------------------------------------------------------

    def _list(self, what: str, *, quiet: bool) -> None:
        job, history = self._job, self._history
        known = self._known(what)
        walk = history.unfinished(what)
        if walk is not None and walk.final == job.settled:
            try:
                self._walk(what, walk, known)
            except Failure as failure:
                if not failure.forgotten:
                    raise
            if history.closed(what):
                return
            self._all.store.flush()  # what it brought is read now
            known = self._known(what)
        if not self._all.stop():
            sound = history.sound(what)
            again = sound[-1].paths[0] if quiet and sound and not job.settled else None
            new = Walk(self._all.store.next_walk(), job.settled, 0)
            self._walk(what, new, known, again)

    def _known(self, what: str) -> dict[str, float]:
        """Time of each item that sound walks hold, by its id; damaged pages break their walk."""
        remembered, key = self._all.remembered, (self._job.id, what)
        paths, known = remembered.get(key) or (set(), {})
        for walk in self._history.sound(what):
            try:
                for path in walk.paths:
                    if path not in paths:
                        page = self._page(path)
                        known.update((item["id"], pages.moment(item) or 0) for item in page.items)
                        paths.add(path)
            except (ValueError, OSError):
                walk.broken = True
                remembered.pop(key, None)
                return self._known(what)
        if self._all.remember:
            remembered[key] = paths, known
        return known

    def _page(self, path: str) -> pages.Page:
        return pages.page(pages.parsed(self._all.store.read(path)))

    def _walk(
        self, what: str, walk: Walk, known: dict[str, float], again: str | None = None
    ) -> None:
        """Go on with a walk until there is no more, or nothing that is not known.

        The list is newest first, and an event may slip in below younger ones: the walk has joined
        what is known where it stands on a known item that is older, by `OVERLAP_SECONDS`, than the
        youngest known. A final walk joins nothing. A first page that is the file `again` ends it.
        What walks that were broken off had brought is not counted as new.
        """
        job, history, outcome = self._job, self._history, self._outcome
        url = f"/fine_tuning/jobs/{safe(job.id)}/{what}"
        bar = max(known.values(), default=0) - OVERLAP_SECONDS
        used = {walk.cursor}
        seen = set(known)
        sound = history.sound(what)
        for other in (other for other in history.walks[what] if other not in sound):
            with suppress(ValueError, OSError):
                for path in other.paths:
                    seen.update(self._page(path).ids)
        resumed = bool(walk.paths)
        while not walk.ended and not self._all.stop():
            try:
                answer = listed(self._all.account, url, walk.cursor, job.id)
            except Failure as failure:
                if walk.cursor is not None or not failure.absent:
                    raise
                if what == "checkpoints" or job.settled:
                    self._gone(what, failure)
                if history.walks[what] or not history.lacks(what):
                    raise
                return
            page = answer.page
            assert page is not None
            if resumed and not page.items:  # the server may have forgotten where it was
                return
            if page.has_more and page.last in used:
                raise Failure(f"{url}: the page after {page.last} ends with it: no way on")
            used.add(page.last)
            reached = min(page.times, default=bar) < bar
            joined = page.has_more and not walk.final and page.last in known and reached
            place = place_of(job, what, page)
            if again and self._all.store.is_at(again, answer.body, place, ".json"):
                return
            again = None
            line = page_line(what, walk, page, joined=joined)
            kept = self._keep(answer, {**line, "job": job.id}, place, ".json")
            if not walk.paths:
                history.walks[what].append(walk)
            walk.add(kept)
            outcome.pages += 1
            new = [name for name in page.ids if name not in seen]
            seen.update(new)
            if what == "events":
                outcome.events += len(new)
                self._told(len(new))
            else:
                outcome.checkpoints += len(new)
        if walk.complete and walk not in history.sound(what):
            raise Failure(hollow(url, walk.hollow))

    # -- files ----------------------------------------------------------------------------------

    def _file(self, file: str) -> None:
        job = self._job
        had = self._history.files.setdefault(file, {})
        path = f"/files/{safe(file)}"
        line = {"job": job.id, "file": file}
        about = self._about(had)
        for last in (False, True):
            if self._all.stop():
                return
            if about is None:
                answer = self._object(path, file)
                about = answer.value or {}
                place = f"{safe(job.id)}/about-{safe(file)}"
                had["file"] = self._keep(answer, {"kind": "file", **line}, place, ".json")["path"]
            if "content" in had or self._all.stop():
                return
            answer = self._all.account.get(f"{path}/content")
            told = pages.told_size(about)
            if told is None or answer.removed or told in pages.sizes(answer.body):
                place = f"{safe(job.id)}/result-{safe(file)}"
                kept = self._keep(answer, {"kind": "content", **line}, place, ".csv")
                had["content"] = kept["path"]
                self._outcome.files += 1
                return
            if last:
                length = len(answer.body)
                raise Failure(f"{path}/content: {length} bytes twice, but it has {told}: cut off")
            about = None  # it may be that which is wrong

    def _object(self, path: str, file: str) -> Answer:
        """A file object; asked for twice where it is that of another file."""
        answer = self._all.account.get(path)
        if other_file(answer.value or {}, file):
            answer = self._all.account.get(path)
            if other := other_file(answer.value or {}, file):
                raise Failure(f"{path}: the answer is about another file, {other}")
        return answer

    def _about(self, had: dict[str, str]) -> dict[str, Any] | None:
        """The file object that an earlier run kept."""
        try:
            return pages.parsed(self._all.store.read(had["file"]))
        except (KeyError, ValueError, OSError):
            return None

    def _gone(self, what: str, failure: Failure) -> None:
        job, history, told = self._job, self._history, self._all.told_gone
        self._outcome.gone.append(what)
        if (job.id, what) in told or (what in history.gone and not job.settled):
            return
        told.add((job.id, what))
        history.gone[what] += 1
        line = {"kind": "gone", "job": job.id, "what": what, "time": now()}
        self._all.store.keep({**line, "status": failure.status, "request_id": failure.request_id})

    def _vanished(self) -> bool:
        """Whether the server has the job itself no more; it had when it listed it."""
        try:
            self._all.account.get(f"/fine_tuning/jobs/{safe(self._job.id)}")
        except Failure as failure:
            if failure.missing:
                self._all.vanished(self._outcome, failure)
            return failure.missing
        return False

    def _keep(self, answer: Answer, line: dict[str, Any], place: str, suffix: str) -> Any:
        return keep(self._all.store, answer, line, place, suffix)
