"""An archive's files into a lake: at the end, and of a large one while the rest is fetched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cli.ingest import progress_bar
from pipeline.cli.options import waiting_note
from pipeline.cli.terminal import note
from pipeline.errors import ExitCode

if TYPE_CHECKING:
    from pipeline.lake.lake import Lake
    from pipeline.lake.reports import IngestReport

AT_ONCE = 2_000
"""Files that are worth a process of their own."""

_NO_DUMP = "about-"
"""Beginning of the names of files that hold nothing for a lake: file objects."""


class Feeder:
    """Ingests what an archive holds already, in processes beside the one that fetches.

    A process that meets anything unusual is as if it had not been: `finish` ingests its files
    again, which adds nothing twice, and tells.
    """

    def __init__(self, lake_dir: str, files: Callable[[], list[Path]]) -> None:
        """Feed a lake.

        Args:
            lake_dir: its folder.
            files: the files that are durable, to which more are added at the end only.
        """
        from pipeline.archive.redaction import SECRET_VARIABLES

        self._lake_dir, self._files = lake_dir, files
        self._fed: set[Path] = set()
        self._events = self._seen = 0
        self._environment = {k: v for k, v in os.environ.items() if k not in SECRET_VARIABLES}
        self._environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        self._process: subprocess.Popen[bytes] | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._feed, daemon=True)

    def __enter__(self) -> Feeder:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._over.set()
        if kind is not None and self._process is not None:
            self._process.terminate()  # the lake takes no harm
        self._thread.join()

    def _feed(self) -> None:
        while not self._over.wait(0.5):
            files = self._files()[self._seen :]
            if len(files) < AT_ONCE:
                continue
            self._seen += len(files)
            wanted = [file for file in files if not file.name.startswith(_NO_DUMP)]
            events = self._ingest(wanted)
            if events is None:
                return
            self._events += events
            self._fed.update(wanted)

    def _ingest(self, files: list[Path]) -> int | None:
        command = [sys.executable, "-m", "pipeline.cli", "ingest", "--format", "json"]
        command += ["--lake", self._lake_dir, "--", *map(str, files)]
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        with subprocess.Popen(
            command, env=self._environment, stdin=nothing, stdout=pipe, stderr=nothing
        ) as self._process:
            told, _ = self._process.communicate()
        if self._process.returncode:
            return None
        return sum(source["events"] for source in json.loads(told))

    def finish(self) -> ExitCode:
        """Ingest what is left, and tell what it comes to; safe to repeat."""
        from pipeline import open_lake

        left = [file for file in self._files() if file not in self._fed]
        with open_lake(self._lake_dir) as lake, progress_bar() as progress:
            waiting = waiting_note(self._lake_dir)
            found = ingested(lake, left, progress=progress, waiting=waiting)
        events = self._events + sum(source.events for source in found.sources)
        see = f"see `tunelog summary --lake {self._lake_dir}`"
        note(f"{self._lake_dir}: {events:,} new events; {see}")
        return ingest_verdict(found, self._lake_dir)


def ingested(lake: Lake, files: list[Path], **how: Any) -> IngestReport:
    """Ingest an archive's files into an open lake."""
    return lake.ingest([file for file in files if not file.name.startswith(_NO_DUMP)], **how)


def ingest_verdict(found: IngestReport, lake_dir: str) -> ExitCode:
    """Tell what of an archive's files was not taken in."""
    if not found.refused and not found.reject_count:
        return ExitCode.OK
    bad = found.refused[0].problem if found.refused else f"{found.reject_count:,} rejects"
    note(f"{lake_dir}: not all of it was taken in: {bad}: see `tunelog rejects --lake {lake_dir}`")
    return ExitCode.DATA
