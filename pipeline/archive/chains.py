"""What the manifest's lines say of each job: walks of pages, and files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

Line = dict[str, Any]

LISTS = ("events", "checkpoints")

_OBJECT = "job object"

_BELIEVED = 2
"""Runs in which a server has to say that it does not have something; then it is asked no more."""


@dataclass(slots=True)
class Walk:
    """Pages of one list, each asked for after the last item of the one before, newest first.

    Attributes:
        number: unique in the archive.
        final: it began when the job had long ended, so nothing can have come after it.
        paths: files of its pages.
        cursor: id that the next page follows.
        complete: it reached the page that says there are no more.
        joined: it stopped where an earlier walk had been.
        hollow: id that the last page follows, if that one is empty: more was said to be there.
        broken: its lines do not follow one another, or a file is lost.
        line: number of the manifest line of its first page.
    """

    number: int
    final: bool
    line: int
    paths: list[str] = field(default_factory=list)
    cursor: str | None = None
    complete: bool = False
    joined: bool = False
    hollow: str | None = None
    broken: bool = False

    @property
    def ended(self) -> bool:
        """Nothing is left to be asked for."""
        return self.complete or self.joined

    def add(self, line: Line) -> None:
        """Take in the line of a page."""
        if self.ended or line["page"] != len(self.paths) or line["after"] != self.cursor:
            self.broken = True
        self.paths.append(line["path"])
        self.cursor = line["last"]
        self.complete = not line["has_more"]
        self.joined = bool(line.get("joined"))
        self.hollow = None if line["count"] else line["after"]

    def doubted(self, ends: set[str | None]) -> bool:
        """It ends on an empty page after one that has more, and no walk before it ended there.

        A server that never says `has_more: false` on a full page does so each time; one that had
        lost its place does once.

        Args:
            ends: where walks before it ended so; its own is added.
        """
        known = self.hollow in ends
        if not self.broken:
            ends.add(self.hollow)
        return self.hollow is not None and not known


@dataclass(slots=True)
class History:
    """What is known of one job.

    Attributes:
        listed: number of the latest line that lists it.
        vanished: number of the latest line that says that the server has it no more.
        status: what the server then said it was, None where it was never listed.
        body: path of the body that lists it.
        walks: of its events and of its checkpoints, oldest first.
        files: paths of the `file` object and the `content` of each result file.
        gone: what the server says it does not have, lists or file ids, and in how many runs it said
            so; not what it has given since.
        shown: ids of events that `tunelog watch` has printed.
        tripped: rules that it has told to trip, as far as it did not take that back.
        mislaid: what lost bodies held, lists, file ids or its object, with the last walk of a list
            that lost one.
    """

    listed: int = 0
    vanished: int = 0
    status: str | None = None
    body: str | None = None
    walks: dict[str, list[Walk]] = field(default_factory=lambda: {name: [] for name in LISTS})
    files: dict[str, dict[str, str]] = field(default_factory=dict)
    gone: Counter[str] = field(default_factory=Counter)
    shown: set[str] = field(default_factory=set)
    tripped: set[str] = field(default_factory=set)
    mislaid: dict[str, int] = field(default_factory=dict)

    def sound(self, what: str) -> list[Walk]:
        """Walks that, with those before them, reach from their newest item to the oldest."""
        found: list[Walk] = []
        ends: set[str | None] = set()
        for walk in self.walks[what]:
            whole = not walk.doubted(ends) and walk.complete
            if not walk.broken and (whole or (walk.joined and found)):
                found.append(walk)
        return found

    def closed(self, what: str) -> bool:
        """The whole list was taken in one walk after the job had ended, or does not exist."""
        if self.believed_gone(what):
            return True
        return any(walk.final and walk.complete for walk in self.sound(what))

    def believed_gone(self, what: str) -> bool:
        """The server said often enough that it does not have it."""
        return self.gone[what] >= _BELIEVED

    @property
    def is_vanished(self) -> bool:
        """The server has the job no more, and did not list it since it said so."""
        return self.vanished > self.listed

    @property
    def lost(self) -> list[str]:
        """What the archive held once and does not hold again."""
        found = []
        for what, number in self.mislaid.items():
            if what in LISTS:
                held = any(walk.number > number for walk in self.sound(what))
            else:
                held = len(self.files.get(what, ())) == 2
            if not held:
                found.append(what)
        return found

    def lose(self, paths: set[str]) -> None:
        """Take in that bodies are lost."""
        for what, walks in self.walks.items():
            loose = False  # later walks may stand on what is lost
            for walk in walks:
                if not paths.isdisjoint(walk.paths) or (loose and walk.joined):
                    walk.broken = loose = True
                    self.mislaid[what] = walk.number
                elif walk.complete:
                    loose = False
        for file, parts in self.files.items():
            left = {kind: path for kind, path in parts.items() if path not in paths}
            if len(left) < len(parts):
                self.files[file] = left
                self.mislaid[file] = 0
        if self.body in paths:
            self.mislaid[_OBJECT] = 0

    def listed_again(self) -> None:
        """Take in that its object is held."""
        self.mislaid.pop(_OBJECT, None)

    def lacks(self, what: str) -> bool:
        """The server does not have it: believed at once, but of events, which every job has."""
        return self.gone[what] >= (_BELIEVED if what == "events" else 1)

    def holds(self, file: str) -> bool:
        """A result file is kept, or gone from the server."""
        return self.believed_gone(file) or len(self.files.get(file, ())) == 2

    def unfinished(self, what: str) -> Walk | None:
        """The latest walk, if it was interrupted."""
        walks = self.walks[what]
        walk = walks[-1] if walks else None
        return walk if walk and not walk.ended and not walk.broken and walk.paths else None


def bring_back(job: str, *, vanished: bool) -> str:
    """What to do about something of a job that was lost."""
    if vanished:
        return "the server has the job no more: go on from a copy of the archive that holds it"
    return f"run `tunelog archive` again, if it lists the job no more, with --job {job}"


class Histories:
    """All jobs of an archive, by the lines of its manifest in their order."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.jobs: dict[str, History] = {}
        self.walks = 0
        self.ends: set[str] = set()
        """Ids of jobs after which the list of jobs ended on an empty page, though it had more."""

    def job(self, job: str) -> History:
        """The history of a job, a new one if nothing is known."""
        return self.jobs.setdefault(job, History())

    def add(self, line: Line, number: int) -> None:
        """Take in a line.

        Args:
            line: as `Manifest.lines` gives it.
            number: its number.
        """
        kind = line["kind"]
        self.walks = max(self.walks, line.get("walk", 0))
        if kind in LISTS:
            self._add_page(line, number)
        elif kind in ("file", "content"):
            history = self.job(line["job"])
            history.files.setdefault(line["file"], {})[kind] = line["path"]
            if kind == "content":
                history.gone.pop(line["file"], None)
        elif kind == "gone":
            self.job(line["job"]).gone[line["what"]] += 1
        elif kind == "vanished":
            self.job(line["job"]).vanished = number
        elif kind == "shown":
            self.job(line["job"]).shown.update(line["events"])
        elif kind == "judged":
            self.job(line["job"]).tripped = set(line["rules"])
        elif kind in ("jobs", "job"):
            for job, owed in line["listed"].items():
                history = self.job(job)
                history.listed, history.status, history.body = number, owed["status"], line["path"]
                history.listed_again()
            if kind == "jobs" and not line["count"] and line["after"] is not None:
                self.ends.add(line["after"])
        elif kind == "mend":
            self._lose(set(line["lost"]), line["breaks"])

    def doubt(self) -> None:
        """Believe of nothing that is gone that it still is, until the server says so once more."""
        for job in self.jobs.values():
            job.gone = Counter(dict.fromkeys(job.gone, _BELIEVED - 1))

    def _add_page(self, line: Line, number: int) -> None:
        history = self.job(line["job"])
        history.gone.pop(line["kind"], None)
        walks = history.walks[line["kind"]]
        found = next((w for w in reversed(walks) if w.number == line["walk"]), None)
        if found is None:
            found = Walk(line["walk"], line["final"], number)
            walks.append(found)
        found.add(line)

    def _lose(self, paths: set[str], breaks: list[int]) -> None:
        for job in self.jobs.values():
            job.lose(paths)
            if job.listed + 1 in breaks:  # that line was changed: it may name jobs that never were
                job.listed_again()
