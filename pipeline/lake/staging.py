"""Batches of records to staged files: one streaming query takes what is regular."""

from __future__ import annotations

import queue
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.durable import sync
from pipeline.lake.batches import Shared
from pipeline.lake.odd import OddRecords
from pipeline.lake.segments import Staged
from pipeline.normalise import ALL_KEYS, RECORDS, engine, keys_in, stage
from pipeline.sqlfiles import sql_text

_AHEAD = 2
_FLUSH_SECONDS = 0.25
_MANY_LATE = 1_000


class Staging(threading.Thread):
    """Stages batches in a thread of its own until `finish`; the engine works in several.

    Attributes:
        staged: the files of regular events.
        error: what stopped it.
    """

    def __init__(self, shared: Shared, odd: OddRecords) -> None:
        """Start waiting for batches."""
        super().__init__(name="staging", daemon=True)
        self._shared, self._odd = shared, odd
        self._batches: queue.Queue[pa.RecordBatch | None] = queue.Queue(_AHEAD)
        self._given_up = self._ended = False
        self.staged: list[Staged] = []
        self.error: BaseException | None = None
        self.start()

    def put(self, batch: pa.RecordBatch | None) -> None:
        """Hand over a batch; waits while others are before it.

        Raises:
            BaseException: what stopped the staging.
        """
        while True:
            if self.error:
                raise self.error
            try:
                return self._batches.put(batch, timeout=0.2)
            except queue.Full:
                continue

    def finish(self) -> list[Staged]:
        """Wait until all is staged; the files."""
        self.put(None)
        self.join()
        if self.error:
            raise self.error
        return self.staged

    def abandon(self) -> None:
        """Stop; the files are garbage."""
        self._given_up = True
        while self.is_alive():
            try:
                self._batches.put(None, timeout=0.05)
            except queue.Full:
                continue

    def run(self) -> None:
        """Stage until there is no more."""
        try:
            with engine(self._odd.read) as con:
                while (first := self._next()) is not None:
                    self._stage(con, first)
        except BaseException as error:
            self.error = error

    def _stage(self, con: Any, first: pa.RecordBatch) -> None:
        """One query over batches, until they end or show keys it does not ask for."""
        keys = ALL_KEYS if self._many_late() else keys_in(first)
        self._shared.keys.update(keys)
        wide = keys == ALL_KEYS

        def batches() -> Iterator[pa.RecordBatch]:
            yield first
            while (wide or not self._many_late()) and (batch := self._next()) is not None:
                yield batch

        path = self._shared.folder / f"events-{uuid.uuid4().hex}.parquet"
        with _flushed(path):
            rows = stage(con, pa.RecordBatchReader.from_batches(RECORDS, batches()), keys, path)
        if self._odd.error:
            raise self._odd.error
        if rows:
            con.read_parquet(str(path)).create_view("staged", replace=True)
            jobs = dict(con.execute(sql_text("lake/staged_jobs")).fetchall())
            ((speaks,),) = con.execute(sql_text("lake/speaks")).fetchall()
            self.staged.append(Staged(path, "events", rows, jobs, speaks))
        else:
            path.unlink()

    def _many_late(self) -> bool:
        return self._odd.late > _MANY_LATE

    def _next(self) -> pa.RecordBatch | None:
        over = self._given_up or self._ended or self._odd.error
        batch = None if over else self._batches.get()
        self._ended = batch is None
        return batch


@contextmanager
def _flushed(path: Path) -> Iterator[None]:
    """Have a file that grows written to disk meanwhile: to sync it in the end is soon done then."""
    done = threading.Event()
    failed: list[OSError] = []

    def flush() -> None:
        while not failed and not done.wait(_FLUSH_SECONDS):
            try:
                sync(path)
            except FileNotFoundError:
                continue
            except OSError as error:  # the kernel tells it once: a later sync may not hear of it
                failed.append(error)

    thread = threading.Thread(target=flush, name="flushing", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    if failed:
        raise failed[0]
