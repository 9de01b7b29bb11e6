"""A lake as its users hold it: ingest, mend; asking is in `asking.py`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from pipeline.contract import DEFAULT_MAX_EXPANSION, DEFAULT_MAX_RECORD_BYTES
from pipeline.errors import LakeError, UsageError
from pipeline.lake.asking import Asking
from pipeline.lake.faults import told_of
from pipeline.lake.store import place_of

if TYPE_CHECKING:
    from pipeline.lake.replay import ReplayReport
    from pipeline.lake.reports import IngestReport
    from pipeline.telling import Progress, Waiting


def open_lake(path: str | Path | None = None, *, create: bool = True) -> Lake:
    """Open a lake.

    Args:
        path: its folder; as for the command ``$TUNELOG_LAKE``, else ``lake``, where none is named.
        create: where there is none, let `ingest` make it; nothing is made before that.

    Raises:
        LakeError: there is no lake, or it cannot be used.
    """
    if path is None:
        path = os.environ.get("TUNELOG_LAKE") or "lake"
    with told_of(place_of(path)):
        return Lake(Path(path), create=create)


class Lake(Asking):
    """A folder of Parquet segments and the ledger that says what is in them.

    Use it as a context manager, or close it. A connection it gives out is a snapshot. Threads that
    share it take turns; each has a turn of its own in a lake that it opens for itself.
    """

    def ingest(
        self,
        paths: str | Path | Sequence[str | Path],
        *,
        job_id: str | None = None,
        force: bool = False,
        max_record_bytes: int = DEFAULT_MAX_RECORD_BYTES,
        max_expansion: int = DEFAULT_MAX_EXPANSION,
        progress: Progress | None = None,
        waiting: Waiting | None = None,
    ) -> IngestReport:
        """Read event dumps into the lake, all in one commit.

        Args:
            paths: files, folders, globs, `-` for stdin, or one of these.
            job_id: the job all of it belongs to.
            force: let `job_id` stand against what the dumps say themselves.
            max_record_bytes: longer records become rejects [byte].
            max_expansion: compressed files whose content is more times as long are refused.
            progress: told the bytes done and, where known, to do.
            waiting: told once who holds the lake, if another process does.

        Raises:
            UsageError: no such path, a limit below 1, or `job_id` contradicts a dump.
            LakeError: the lake cannot be written.
        """
        from duckdb import OutOfMemoryException

        from pipeline.lake.compact import compact_if_worth
        from pipeline.lake.ingest import ingest
        from pipeline.lake.naming import check_job_id
        from pipeline.sources import discover

        self._refuse_closed()
        _refuse_below_one(max_record_bytes=max_record_bytes, max_expansion=max_expansion)
        paths = [paths] if isinstance(paths, str | Path) else paths
        if job_id is not None:
            check_job_id(job_id)
        sources = list(discover([str(path) for path in paths]))  # before a lake is made for them
        with self._changing():
            report = ingest(
                self._store, sources, job_id=job_id, force=force,
                max_record_bytes=max_record_bytes, max_expansion=max_expansion,
                progress=progress, waiting=waiting,
            )  # fmt: skip
        try:
            with self._changing():
                compact_if_worth(self._store, waiting)
        except LakeError as error:
            raise LakeError(f"{error} (all that was read is in the lake)") from error
        except (MemoryError, OutOfMemoryException) as error:
            at = f" --lake {quote(str(self._path))}"
            raise LakeError(
                f"{self._path}: out of memory as segments were merged (all that was read is in the"
                f" lake): close other programs, then `tunelog compact{at}`"
            ) from error
        return report

    def assign(
        self,
        source: str | Path,
        job: str,
        *,
        force: bool = False,
        waiting: Waiting | None = None,
    ) -> int:
        """Give the unattributed events of a source to a job; how many events moved.

        Args:
            source: source id or path.
            job: job id.
            force: move events that have a job already, too.
            waiting: told once who holds the lake, if another process does.

        Raises:
            UsageError: no such source, or all of it has another job.
            LakeError: the lake cannot be written.
        """
        from pipeline.lake.assign import assign

        with self._changing():
            return assign(self._found, str(source), job, force=force, waiting=waiting)

    def replay_rejects(
        self,
        *,
        max_record_bytes: int = DEFAULT_MAX_RECORD_BYTES,
        waiting: Waiting | None = None,
    ) -> ReplayReport:
        """Read the rejects again with this version; those that pass become events, once.

        Args:
            max_record_bytes: records that were too large pass up to this size; those of more than
                64 KiB are read from their files, which must be what they were [byte].
            waiting: told once who holds the lake, if another process does.

        Raises:
            UsageError: a limit below 1.
            LakeError: the lake cannot be written.
        """
        from pipeline.lake.replay import replay

        _refuse_below_one(max_record_bytes=max_record_bytes)
        with self._changing():
            return replay(self._found, max_record_bytes=max_record_bytes, waiting=waiting)

    def compact(self, *, keep_hours: float = 24, waiting: Waiting | None = None) -> int:
        """Merge all segments into few, sorted by job and time; how many were merged.

        Args:
            keep_hours: how long files that were replaced stay, for readers that have them open [h].
            waiting: told who holds the lake, if another process does.

        Raises:
            LakeError: the lake cannot be written.
        """
        from pipeline.lake.compact import compact

        with self._changing():
            return compact(self._found, everything=True, keep_hours=keep_hours, waiting=waiting)


def _refuse_below_one(**limits: int) -> None:
    for name, value in limits.items():
        if value < 1:
            raise UsageError(f"{name}={value!r}: give 1 or more")
