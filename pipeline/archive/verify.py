"""Is an archive complete, and as it was fetched? By its manifest, and every byte in it."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.archive import manifest, pages
from pipeline.archive.chains import LISTS, Histories, Line, Walk, bring_back
from pipeline.archive.keeping import other_file, other_job
from pipeline.archive.layout import is_body, stranger, unnamed
from pipeline.errors import UsageError
from pipeline.telling import Finding, Progress
from pipeline.zstd import zstd

AGAIN = "run `tunelog archive` again"


@dataclass(slots=True)
class Proof:
    """What was found.

    Attributes:
        faults: all that is wrong.
        jobs: jobs the server listed.
        open: those of them that had not ended, or only just.
        events: different events of all jobs.
        files: files read.
        gone: lists and files that the server said it does not have.
        vanished: jobs that the server had no more before all of them was fetched.
        strangers: files below `raw/` that no archive made.
        whole: all jobs of the account were listed, and not only some that were asked for.
        hosts: servers that told of its jobs.
    """

    faults: list[Finding] = field(default_factory=list)
    jobs: int = 0
    open: int = 0
    events: int = 0
    files: int = 0
    gone: int = 0
    vanished: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    whole: bool = False
    hosts: set[str] = field(default_factory=set)


def verify(folder: Path, progress: Progress | None = None) -> Proof:
    """Prove an archive complete, or say what is missing. Changes nothing.

    Args:
        folder: the archive.
        progress: told the bytes read and to read.

    Raises:
        UsageError: there is no archive.
    """
    if not (folder / manifest.NAME).is_file() or stranger(folder):
        raise UsageError(
            f"{folder}: no archive here: make one with `tunelog archive --out {folder}`"
        )
    return _Verifier(folder, progress or (lambda done, total: None)).proof()


class _Verifier:
    def __init__(self, folder: Path, progress: Progress) -> None:
        self._folder, self._progress = folder, progress
        self._found = Proof()
        self._histories = Histories()
        self._lines: dict[str, list[Line]] = {}
        """Lines that name each file still held to be there."""
        self._listings: list[Line] = []
        self._owed: dict[str, Any] = {}
        self._pages: dict[str, tuple[list[str], bool] | None] = {}
        """Ids and has_more of each list page; None of one that is damaged."""
        self._told_sizes: dict[str, int | None] = {}
        self._sizes: dict[str, frozenset[int]] = {}
        """What file objects say of the length of contents, and what these may be said to have."""

    def proof(self) -> Proof:
        self._read_manifest()
        self._read_files()
        self._check_listing()
        for job, owed in self._owed.items():
            self._check_job(job, owed)
        self._found.jobs = len(self._owed)
        return self._found

    def _fault(self, rule: str, place: str, problem: str, advice: str = AGAIN) -> None:
        self._found.faults.append(Finding(rule, place, problem, advice))

    # -- the manifest and the bytes ---------------------------------------------------------------

    def _read_manifest(self) -> None:
        reader = manifest.Manifest(self._folder / manifest.NAME)
        mended: set[int] = set()
        listing: list[Line] = []
        for number, line in reader.lines():
            self._histories.add(line, number)
            if line["kind"] == "mend":
                mended.update(line["breaks"])
                for name in line["lost"]:
                    self._lines.pop(name, None)
            if "path" in line:
                self._lines.setdefault(line["path"], []).append(line)
            if "listed" in line:
                listing.append(line)
        doubtful = {id(line) for line in reader.breaks.values()}
        for line in listing:
            if id(line) not in doubtful:
                self._owed.update(line["listed"])
                self._found.hosts.add(_host(line))
                self._listings += [line] * (line["kind"] == "jobs")
        for number in reader.breaks:
            if number not in mended:
                problem = "does not follow the line before it: one was lost or changed"
                self._fault("manifest_is_whole", f"{manifest.NAME}:{number}", problem)
        if reader.torn:
            place = f"{manifest.NAME}:end"
            self._fault("manifest_is_whole", place, "the last line was not written to its end")

    def _read_files(self) -> None:
        done, total = 0, sum(lines[0]["stored"] for lines in self._lines.values())
        for name, lines in self._lines.items():
            if len({(line["bytes"], line["sha256"], line["stored"]) for line in lines}) > 1:
                self._fault("manifest_is_whole", name, "manifest lines differ", self._advice(name))
            body = self._body(name, lines[0])
            if body is None:
                self._pages[name] = None
            else:
                for line in lines:
                    self._check_line(name, line, body)
            self._found.files += 1
            done += lines[0]["stored"]
            self._progress(done, total)
        for file in unnamed(self._folder, dict.fromkeys(self._lines, 0)):
            place = file.relative_to(self._folder).as_posix()
            if is_body(place):
                problem = "no line of the manifest names it"
                advice = f"{AGAIN}; if it stays, it is no body of the archive: move it elsewhere"
                self._fault("files_are_named", place, problem, advice)
            else:
                self._found.strangers.append(place)

    def _body(self, name: str, line: Line) -> bytes | None:
        file = self._folder / name
        try:
            body = zstd.decompress(file.read_bytes())
        except FileNotFoundError:
            self._fault("bytes_are_as_fetched", name, "the file is gone")
            return None
        except (zstd.ZstdError, EOFError) as error:
            problem = f"it is damaged: {error}"
        else:
            if len(body) == line["bytes"] and hashlib.sha256(body).hexdigest() == line["sha256"]:
                return body
            problem = "its content is not what the manifest's hash says"
        self._fault("bytes_are_as_fetched", name, problem, self._advice(name))
        return None

    def _advice(self, name: str) -> str:
        return f"put back a good copy, or remove {name} and {AGAIN}"

    def _check_line(self, name: str, line: Line, body: bytes) -> None:
        """The manifest must say of a page what the page says."""
        if line["kind"] == "content" and "removed" not in line:
            self._sizes[name] = pages.sizes(body)
        elif line["kind"] == "file":
            with suppress(pages.Malformed):
                about = pages.parsed(body)
                self._told_sizes[name] = pages.told_size(about)
                if other := other_file(about, line["file"]):
                    parts = self._histories.job(line["job"]).files.get(line["file"], {})
                    both = " and ".join(parts.values())
                    problem = f"it is about another file, {other}"
                    self._fault("pages_are_as_told", name, problem, self._advice(both or name))
        if line["kind"] not in (*LISTS, "jobs"):
            return
        try:
            page = pages.page(pages.parsed(body))
        except pages.Malformed as error:
            untold: str | None = str(error)
        else:
            self._pages[name] = (page.ids, page.has_more)
            untold = _untold(page, line)
        if untold:
            self._fault("pages_are_as_told", name, untold, self._advice(name))
            self._pages[name] = None

    # -- completeness -----------------------------------------------------------------------------

    def _check_listing(self) -> None:
        """Since the last whole list of a host's jobs, none of it may have been broken off; and
        there is one, be it of chosen jobs, or a job that was asked for by its id."""
        walks: dict[int, tuple[str, Walk]] = {}
        listed: dict[int, set[str]] = {}
        for line in self._listings:
            number = line["walk"]
            walks.setdefault(number, (_host(line), Walk(number, False, 0)))[1].add(line)
            listed.setdefault(number, set()).update(line["listed"])
        broken: dict[str, bool] = {}
        whole: set[str] = set()
        ends: set[str | None] = set()
        for number, (host, walk) in walks.items():
            found = [self._pages.get(path) for path in walk.paths]
            walk.broken = walk.broken or not all(found)
            bad = walk.doubted(ends) or walk.broken
            shown = {job for page in found if page for job in page[0]}
            if walk.complete and not bad and shown <= listed[number]:  # no job was passed over
                whole.add(host)
                broken[host] = False
            broken[host] = broken.get(host, False) or bad or not walk.ended
        self._found.whole = bool(whole) and whole >= self._found.hosts
        if any(broken.values()):
            advice = f"{AGAIN}, without --since or --job"
            self._fault("jobs_are_listed", "jobs", "a list of jobs has a gap or no end", advice)
        if not (walks or self._owed):
            self._fault("jobs_are_listed", "jobs", "the manifest holds no list of jobs, and no job")

    def _check_job(self, job: str, owed: dict[str, Any]) -> None:
        history = self._histories.job(job)
        self._found.gone += len(history.gone)
        self._found.open += not owed["settled"]
        faults = self._found.faults
        before = len(faults)
        advice = f"{AGAIN}; if it lists the job no more, with --job {job}"
        for what in LISTS:
            sound, ids = self._sound(history.walks[what])
            if what == "events":
                self._found.events += len(ids)
            if history.lacks(what) and not history.walks[what]:
                continue
            rule = f"{what}_are_complete"
            if not history.walks[what]:
                self._fault(rule, job, f"no {what} were fetched", advice)
            elif not sound:
                problem = "the pages have a gap, or do not reach the oldest"
                if cursor := history.walks[what][-1].hollow:
                    problem = f"the page after {cursor} is empty, though more was to follow"
                self._fault(rule, job, problem, advice)
            elif history.believed_gone(what):
                continue
            elif any(walk.final and walk.complete for walk in sound):
                continue  # whatever a clock says that is behind
            elif owed["settled"]:
                self._fault(rule, job, "the job has ended since they were fetched", advice)
            elif sound[-1].line < history.listed:
                self._fault(rule, job, "the job was listed since they were fetched", advice)
        for file in owed["files"]:
            if not history.lacks(file) and not history.holds(file):
                self._fault("result_files_are_there", job, f"{file} is missing", advice)
        lost = history.lost
        if history.is_vanished and (len(faults) > before or lost):
            del faults[before:]
            self._found.vanished += [job] * (not lost)
        if lost:
            problem = f"lost, and not fetched again: {', '.join(lost)}"
            advice = bring_back(job, vanished=history.is_vanished)
            self._fault("what_was_lost_is_back", job, problem, advice)
        for file in owed["files"]:
            self._check_size(**history.files.get(file, {}))

    def _check_size(self, file: str = "", content: str = "") -> None:
        """A content is as long as its file object says."""
        told, found = self._told_sizes.get(file), self._sizes.get(content)
        if told and found and told not in found:
            problem = f"{max(found)} bytes, but its file object says {told}"
            self._fault("result_files_are_whole", content, problem, self._advice(content))

    def _sound(self, walks: list[Walk]) -> tuple[list[Walk], set[str]]:
        """Walks without a gap, judged by the pages themselves, and all ids on them."""
        sound: list[Walk] = []
        ids: set[str] = set()
        empty: set[str | None] = set()
        for walk in walks:
            found = [self._pages.get(path) for path in walk.paths]
            walk.broken = walk.broken or not all(found)
            if walk.doubted(empty) or walk.broken:
                continue
            last = found[-1]
            assert last is not None
            ends = not last[1] or (walk.joined and last[0] and last[0][-1] in ids)
            if ends and walk.ended:
                sound.append(walk)
                ids.update(name for page in found if page for name in page[0])
        return sound, ids


def _untold(page: pages.Page, line: Line) -> str | None:
    """How a page is another one than a line of the manifest says; None where it is that."""
    if line["kind"] in LISTS and (other := other_job(page.items, line["job"])):
        return f"it is of another job, {other}"
    first = page.ids[0] if page.ids else None
    said = (line["count"], line["first"], line["last"], line["has_more"])
    if said != (len(page.ids), first, page.last, page.has_more):
        return "the manifest says otherwise"
    return None


def _host(line: Line) -> str:
    """Whom a list of jobs, or a job, was asked of."""
    url = line.get("url")
    with suppress(ValueError):
        return urlsplit(url).netloc if isinstance(url, str) else ""
    return ""
