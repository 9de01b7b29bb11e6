"""What is to be read: paths, folders, globs and stdin to sources."""

from __future__ import annotations

import glob
import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from pipeline.contract import LAKE_FOLDERS
from pipeline.errors import DataError, UsageError
from pipeline.exact import JOB_ID

_ODD_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_OF_A_LAKE = {"ledger.db", "ledger.db-wal", "ledger.db-shm", "open.sql", *LAKE_FOLDERS}
_UPWARD = 3
"""How many folders of the absolute path may tell a job beyond the path as given."""
_ARCHIVED = re.compile(
    r"(?:(?:events|checkpoints)-(?:\d{8}T\d{6}Z|undated|empty)|job|(?:result|about)-.+)"
    r"-[0-9a-f]{12}\.(?:json|csv)\.zst"
)
"""What `tunelog archive` calls a body that is of one job, in a folder that is called as the job."""
_CUT_OFF = 150
"""Its folders' names are no longer than this [character]."""


@dataclass
class Source:
    """One thing to be read.

    Attributes:
        path: as shown to people; ``-`` for stdin.
        file: where it lies; None for stdin.
        job_hint: of an archive's file the job it was asked of; of others the job id in the file's
            name, else in the nearest folder's name that has one.
        problem: why it cannot be read, if it cannot: one line for people.
    """

    path: str
    file: str | Path | None
    job_hint: str | None = None
    problem: str | None = None

    @property
    def is_archived(self) -> bool:
        """It is a response that `tunelog archive` kept."""
        return self.file is not None and bool(_archive_folder(*os.path.split(self.path)))


def shown(path: str) -> str:
    """A path as text, whatever bytes it has."""
    return path.encode("utf-8", "backslashreplace").decode()


def discover(paths: Sequence[str]) -> Iterator[Source]:
    """Find all sources below some paths, each file once.

    Folders are walked in the order of their names; hidden entries, links to folders in them, and
    the files of a lake are passed over. A glob counts as one only where nothing has that very name.

    Args:
        paths: files, folders, globs, ``-`` for stdin.

    Raises:
        UsageError: nothing is there, or a folder holds no file. Told before anything is read.
    """
    finder = _Finder()
    for path in paths:
        finder.add(path)
    return iter(finder.sources)


class _Finder:
    def __init__(self) -> None:
        self.sources: list[Source] = []
        self._seen: set[tuple[int, int] | str] = set()
        self._hints: dict[str, str | None] = {}
        self._lakes = 0

    def add(self, path: str) -> None:
        if path == "-":
            if self._new("-"):
                self.sources.append(Source("-", None))
        elif path and os.path.lexists(path):
            self._add_existing(path)
        else:
            matches = sorted(_matches(path)) if glob.has_magic(path) else []
            if not matches:
                what = "nothing matches the pattern" if glob.has_magic(path) else "no such path"
                raise UsageError(f"{path or repr(path)}: {what}: check the spelling")
            found = sum([self._add_existing(match, lenient=True) for match in matches])
            if not found:
                raise UsageError(f"{path}: the folders it matches hold no files: name others")

    def _add_existing(self, path: str, *, lenient: bool = False) -> int:
        """Add a file or what a folder holds; how many files that were, known ones included."""
        if not Path(path).is_dir():
            self._add_file(path)
            return 1
        found = self._walk(path)
        if not found and not lenient:
            what = "no files but those of a lake" if self._lakes else "no files"
            raise UsageError(f"{path}: the folder holds {what}: name another")
        return found

    def _walk(self, folder: str) -> int:
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
            device = Path(folder).stat().st_dev
        except OSError as error:
            self._refuse(folder, f"the folder cannot be read ({error.strerror}): mend that")
            return 1
        if _is_lake(entries):  # `tunelog ingest .` comes by its own
            self._lakes += 1
            entries = [e for e in entries if e.name not in _OF_A_LAKE]
        found = 0
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_file(follow_symlinks=False):
                self._add_regular(entry.path, (device, entry.inode()))
            elif entry.is_dir(follow_symlinks=False):
                found += self._walk(entry.path)
                continue
            elif _leads_to_folder(entry):
                continue
            else:
                self._add_file(entry.path)
            found += 1
        return found

    def _add_file(self, path: str) -> None:
        try:
            status = Path(path).stat()
        except OSError as error:
            self._refuse(path, f"cannot be read ({error.strerror}): mend or remove it")
            return
        identity = (status.st_dev, status.st_ino)
        if stat.S_ISREG(status.st_mode):
            self._add_regular(path, identity)
        elif self._new(identity):
            kind = _ODD_KINDS.get(stat.S_IFMT(status.st_mode), "no regular file")
            self._refuse(path, f"is {kind}: pipe its content in and name - instead")

    def _add_regular(self, path: str, identity: tuple[int, int]) -> None:
        if self._new(identity):
            self.sources.append(Source(path, path, self._hint(path)))

    def _refuse(self, path: str, problem: str) -> None:
        told = str(DataError(f"{shown(path)}: {problem}"))
        self.sources.append(Source(path, Path(path), problem=told))

    def _new(self, identity: tuple[int, int] | str) -> bool:
        if identity in self._seen:
            return False
        self._seen.add(identity)
        return True

    def _hint(self, path: str) -> str | None:
        folder, name = os.path.split(path)
        if job := _archived(folder, name):
            return job
        jobs = set(JOB_ID.findall(name)) if "ft" in name else None
        if jobs:
            return jobs.pop() if len(jobs) == 1 else None
        if folder not in self._hints:
            self._hints[folder] = _folder_hint(folder)
        return self._hints[folder]


def _is_lake(entries: Sequence[os.DirEntry[str]]) -> bool:
    folders = {entry.name for entry in entries if entry.is_dir(follow_symlinks=False)}
    return folders >= {"events", "rejects", "variants", "ledger"} and any(
        entry.name == "ledger.db" and entry.is_file() for entry in entries
    )


def _archive_folder(folder: str, name: str) -> Path | None:
    """The folder of a file of an archive, as a whole path; None of other files."""
    place = Path(folder).absolute() if _ARCHIVED.fullmatch(name) else None
    return place if place and place.parent.name == "raw" else None


def _archived(folder: str, name: str) -> str | None:
    """The job of a file of an archive, whatever form its id has."""
    if not (place := _archive_folder(folder, name)):
        return None
    if len(place.name) < _CUT_OFF:
        return unquote(place.name)
    path = json.dumps(f"raw/{place.name}/{name}").encode()
    with suppress(OSError, ValueError), (place.parents[1] / "manifest.jsonl").open("rb") as lines:
        for line in lines:
            if path in line and (job := json.loads(line).get("job")):
                return str(job)
    return None


def _leads_to_folder(link: os.DirEntry[str]) -> bool:
    try:
        return link.is_dir()
    except OSError:  # a loop of links
        return False


def _matches(pattern: str) -> Iterator[str]:
    """What a glob matches. `**` follows no link: links can make a folder its own ancestor."""
    parts = pattern.split("/")
    if "**" not in parts:
        yield from glob.glob(pattern)
        return
    at = parts.index("**")
    above, rest = "/".join([*parts[:at], ""]), "/".join(parts[at + 1 :])
    for top in glob.glob(above) if glob.has_magic(above) else [above]:
        if not rest:  # a folder stands for all it holds
            yield top or os.curdir
            continue
        for folder, inner, _ in os.walk(top or os.curdir):
            inner[:] = [name for name in inner if not name.startswith(".")]
            inside = f"{folder.rstrip('/')}/"
            inside = inside if top else inside.removeprefix("./")
            yield from _matches(glob.escape(inside) + rest)


def _folder_hint(folder: str) -> str | None:
    """The job that the nearest folder with a job id in its name tells, if it is one job."""
    given = Path(folder).parts
    whole = Path(folder).absolute().parts
    for name in reversed(whole[-max(len(given), _UPWARD) :]):
        jobs = set(JOB_ID.findall(name))
        if jobs:
            return jobs.pop() if len(jobs) == 1 else None
    return None
