"""An archive's files into a lake: at the end, and of a large one while the rest is fetched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.ingest import progress_bar
from pipeline.cli.options import waiting_note
from pipeline.cli.terminal import note
from pipeline.errors import ExitCode
from pipeline.figures import count

if TYPE_CHECKING:
    from pipeline.lake.lake import Lake
    from pipeline.lake.reports import IngestReport

AT_ONCE = 500
"""Files of a commit: worth one, and few enough for its memory to stay small."""

_NO_DUMP = "about-"
"""Beginning of the names of files that hold nothing for a lake: file objects."""


def check_apart(out: str | Path, lake_dir: str) -> None:
    """Refuse a lake in an archive's folder before it is made: it would make that no archive's.

    Raises:
        click.UsageError: it is that folder, or lies in it.
    """
    lake = Path(lake_dir).resolve()
    if Path(out).resolve() in (lake, *lake.parents):
        told = f"the lake {lake_dir} would lie in the archive {out}: give each a folder of its own"
        raise click.UsageError(told, click.get_current_context())


@dataclass
class Fed:
    """What became of the files that were ingested.

    Attributes:
        events: new ones.
        rejects: records that are none.
        refused: files that could not be read.
        problem: that of the first of these.
        empty: files without content.
    """

    events: int = 0
    rejects: int = 0
    refused: int = 0
    problem: str | None = None
    empty: int = 0

    @classmethod
    def of(cls, found: IngestReport) -> Fed:
        """What became of files by a report on their ingest."""
        return cls(
            events=sum(source.events for source in found.sources),
            rejects=found.reject_count,
            refused=len(found.refused),
            problem=found.refused[0].problem if found.refused else None,
            empty=sum(source.status == "empty" for source in found.sources),
        )

    def add(self, more: Fed) -> None:
        """Take in what became of more files."""
        for name in ("events", "rejects", "refused", "empty"):
            setattr(self, name, getattr(self, name) + getattr(more, name))
        self.problem = self.problem or more.problem

    def verdict(self, lake_dir: str) -> ExitCode:
        """Tell what was not taken in."""
        if self.empty:
            note(f"{lake_dir}: {count(self.empty, 'result file')} without content passed over")
        if self.refused:
            first = ", the first" if self.refused > 1 else ""
            note(f"{lake_dir}: {count(self.refused, 'file')} refused{first}: {self.problem}")
        if self.rejects:
            see = f"see `tunelog rejects --lake {quote(lake_dir)}`"
            note(f"{lake_dir}: not all of it was taken in: {count(self.rejects, 'reject')}: {see}")
        return ExitCode.DATA if self.refused or self.rejects else ExitCode.OK


class Feeder:
    """Ingests what an archive holds already, in a process beside the one that fetches.

    Should that process end before its time, its last files are ingested again by `finish`, which
    adds nothing twice.
    """

    def __init__(self, lake_dir: str, files: Callable[[], list[Path]]) -> None:
        """Feed a lake.

        Args:
            lake_dir: its folder.
            files: the files that are durable, to which more are added at the end only.
        """
        self._lake_dir, self._files = lake_dir, files
        self._fed, self._taken = Fed(), 0
        self._process: subprocess.Popen[str] | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._feed, daemon=True)

    def __enter__(self) -> Feeder:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._over.set()
        if self._process is not None and kind is not None:
            self._process.terminate()  # the lake takes no harm
        self._thread.join()
        if self._process is not None:
            self._process.communicate()

    def _feed(self) -> None:
        while not self._over.wait(0.1):
            files = self._files()[self._taken :]
            if len(files) >= AT_ONCE and not self._give(files[:AT_ONCE]):
                return

    def _give(self, files: list[Path]) -> bool:
        """Have the next files ingested beside; False if it is not known what became of them."""
        self._process = self._process or self._started()
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(f"{json.dumps(_dumps(files))}\n")
            self._process.stdin.flush()
            told = self._process.stdout.readline()
        except OSError:
            return False
        if not told:
            return False
        self._fed.add(Fed(**json.loads(told)))
        self._taken += len(files)
        return True

    def _started(self) -> subprocess.Popen[str]:
        from pipeline.archive.redaction import HEADERS_VARIABLE, SECRET_VARIABLES

        environment = {k: v for k, v in os.environ.items() if k not in SECRET_VARIABLES}
        environment.pop(HEADERS_VARIABLE, None)
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        command = [sys.executable, "-m", "pipeline.cli.feeding_process", self._lake_dir]
        pipe = subprocess.PIPE
        return subprocess.Popen(  # of a session of its own: Ctrl-C is for this process alone
            command, env=environment, stdin=pipe, stdout=pipe, text=True, start_new_session=True
        )

    def finish(self) -> ExitCode:
        """Ingest what is left, and tell what it comes to."""
        self._over.set()
        self._thread.join()
        files = self._files()
        if self._process is not None:
            while left := files[self._taken :]:
                few = len(left) < 1.5 * AT_ONCE  # not a commit more for a handful
                if not self._give(left if few else left[:AT_ONCE]):
                    break
        if left := files[self._taken :]:
            from pipeline import open_lake

            with open_lake(self._lake_dir) as lake, progress_bar() as progress:
                waiting = waiting_note(self._lake_dir)
                found = ingested(lake, left, progress=progress, waiting=waiting)
            self._fed.add(Fed.of(found))
        see = " or ".join(
            f"`tunelog {it} --lake {quote(self._lake_dir)}`" for it in ("summary", "report")
        )
        note(f"{self._lake_dir}: {self._fed.events:,} new events; see {see}")
        return self._fed.verdict(self._lake_dir)


def _dumps(files: list[Path]) -> list[str]:
    return [str(file) for file in files if not file.name.startswith(_NO_DUMP)]


def ingested(lake: Lake, files: list[Path], **how: Any) -> IngestReport:
    """Ingest an archive's files into an open lake."""
    return lake.ingest(_dumps(files), **how)
