"""Ad-hoc SQL over a lake's views, answered by a child process that can do nothing else.

The child (`query_child.py`) shuts itself off and walks the query. From here it is watched: memory
and time end it whatever it does, and when this process ends, so does the child.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import pyarrow as pa

from pipeline.errors import QueryError, TunelogError
from pipeline.query_errors import query_error
from pipeline.sizes import byte_count
from pipeline.sqlfiles import sql_root
from pipeline.view_files import view_files

MIN_MEMORY = 192 << 20
"""The child alone, with an engine that can do little, needs so much [byte]."""

_WATCH_SECONDS = 0.02 if sys.platform == "linux" else 0.2  # elsewhere each look starts `ps`
_MAY_BE_DAMAGE = ("Error", "IOException", "RuntimeError", "SerializationException", "")
"""Kinds of errors as which damaged files are reported, if they are not named."""


class Stream:
    """The rows of one query as they come: `schema` at once, then record batches, once.

    The child ends with the last batch, with `close`, with the `with` block, or with this process.
    """

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        query: str,
        limits: _Limits,
        files: Sequence[str] = (),
    ) -> None:
        """Wait for the schema.

        Raises:
            QueryError: The query is wrong, not allowed, or over its limits.
            LakeError: The views cannot be made.
        """
        self._child = child
        self._query = query
        self._limits = limits
        self._files = files
        self._watch = threading.Thread(target=limits.watch, args=(child,), daemon=True)
        self._watch.start()
        try:
            self._reader = pa.ipc.open_stream(child.stdout)
        except (pa.ArrowInvalid, OSError):
            raise self._failure() from None
        except BaseException:
            self.close()
            raise
        self.schema: pa.Schema = self._reader.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """The rows, in order; a `QueryError` where the query fails on its way."""
        try:
            while True:
                try:
                    batch = self._reader.read_next_batch()
                except StopIteration:
                    break
                except (pa.ArrowInvalid, OSError):
                    raise self._failure() from None
                yield batch
            # A stream that just stops looks whole: only the exit code tells that it is.
            if self._child.wait():
                raise self._failure()
        finally:
            self.close()

    def __enter__(self) -> Stream:
        """The stream itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the child."""
        self.close()

    def __del__(self) -> None:
        """End the child of a stream that nobody finished."""
        self.close()

    def close(self) -> None:
        """End the child and give its memory back; may be called again."""
        self._child.kill()
        self._child.wait()
        for pipe in filter(None, (self._child.stdin, self._child.stdout, self._child.stderr)):
            with suppress(BrokenPipeError):
                pipe.close()

    def _failure(self) -> TunelogError:
        told = self._child.stderr.read() if self._child.stderr else b""
        code = self._child.wait()
        self._watch.join()
        self.close()
        if self._limits.broken:
            return QueryError(self._limits.broken)
        try:
            kind, text, at = json.loads(told)
        except ValueError:
            ended = f"signal {-code}" if code < 0 else f"exit code {code}"
            kind, at = "", None
            text = f"the engine stopped with {ended} {told.decode(errors='replace')[-300:]}"
        if kind in ("OutOfMemoryException", "MemoryError") or "std::bad_alloc" in text:
            return QueryError(self._limits.out_of_memory())
        if kind in _MAY_BE_DAMAGE or "parquet" in text.lower():
            from pipeline.lake.damage import damage

            if found := damage(self._files):
                return found
        return query_error(kind, text, at, self._query)


class _Limits:
    """Memory and time of one child, and which of them it broke."""

    def __init__(self, memory: str, timeout: float) -> None:
        self.memory = memory
        self.bytes = memory_bytes(memory)
        self.timeout = timeout
        self.broken = ""

    def out_of_memory(self) -> str:
        return f"sql: out of memory at --memory {self.memory}: ask for less, or allow more"

    def watch(self, child: subprocess.Popen[bytes]) -> None:
        """Kill the child when it goes over; runs in a thread of its own."""
        deadline = time.monotonic() + self.timeout
        while child.poll() is None:
            if time.monotonic() > deadline:
                self.broken = f"sql: over --timeout {self.timeout:g} s: ask for less, or allow more"
            elif resident_bytes(child.pid) > self.bytes:
                self.broken = self.out_of_memory()
            if self.broken:
                child.kill()
                return
            time.sleep(_WATCH_SECONDS)


def stream(
    script: str,
    files: Sequence[str],
    query: str,
    *,
    params: Mapping[str, str] | None = None,
    memory: str = "2GB",
    timeout: float = 300.0,
    spill: Path | None = None,
) -> Stream:
    """Answer one query in a locked-down child process, as record batches.

    The time limit is on the clock: it also runs while the caller works on a batch.

    Args:
        script: SQL that makes the lake's views over ``files``; trusted.
        files: Absolute paths of the live Parquet files, all that can be read.
        query: One SELECT; not trusted.
        params: Values for ``$name``.
        memory: Most the child may hold, as in ``500MB``.
        timeout: Longest it may take [s].
        spill: Folder for what does not fit into its memory; for a query that is trusted.

    Returns:
        The rows as they come. Times with a zone are in UTC.

    Raises:
        QueryError: The query is wrong, not allowed, or over its limits.
        LakeError: The views cannot be made.
    """
    if os.name != "posix":
        raise QueryError("sql: no limits can be set on this system: use Linux or macOS")
    limits = _Limits(memory, timeout)
    request = (
        script,
        tuple(files),
        query,
        dict(params) if params else None,
        limits.bytes,
        timeout,
        _lists(),
        str(spill or ""),
    )
    child = _start()
    assert child.stdin
    with suppress(BrokenPipeError):  # where it ended before it read, it says why
        child.stdin.write(pickle.dumps(request))
        child.stdin.flush()
    return Stream(child, query, limits, files)


def _start() -> subprocess.Popen[bytes]:
    """A child that inherits nothing it could tell: no environment, files, terminal or folder."""
    program = str(Path(__file__).with_name("query_child.py"))
    kept = {name: os.environ[name] for name in os.environ if name.endswith("LIBRARY_PATH")}
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-B", program, json.dumps([p for p in sys.path if p])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=kept,
        cwd="/",
        start_new_session=True,
    )


@cache
def _lists() -> dict[str, frozenset[str]]:
    """What a query may use: the words of `sql/query/*.txt`, in lower case, and the marts."""
    words = {
        path.stem: frozenset(re.sub(r"(?m)^#.*", "", path.read_text("utf-8")).lower().split())
        for path in (sql_root() / "query").glob("*.txt")
    }
    return words | {"marts": frozenset(f.name for f in view_files() if f.layer == "marts")}


def memory_bytes(text: str) -> int:
    """Bytes of a size as in ``2GB``, ``500 MB`` or ``1.5GiB``, at least `MIN_MEMORY`."""
    size = byte_count(text)
    if size is None:
        raise QueryError(f"--memory {text!r}: no size: write one like 500MB or 2GB")
    if size < MIN_MEMORY:
        raise QueryError(f"--memory {text}: too little: give at least {MIN_MEMORY >> 20}MiB")
    return size


def resident_bytes(pid: int) -> int:
    """Memory a process holds in RAM, without files it shares; 0 when it has ended [byte]."""
    try:
        if sys.platform == "linux":
            _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
            return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
        told = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True)
        return int(told.stdout or 0) << 10
    except (ProcessLookupError, FileNotFoundError):
        return 0
