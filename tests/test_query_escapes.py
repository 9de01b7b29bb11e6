"""Ad-hoc SQL: what it refuses, and what holds when the refusing fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import pytest
from escapes.place import (
    CANARY,
    ROOT,
    Place,
    alive,
    child_code,
    children,
    escapes,
    eventually,
    landlock,
)
from strategies import EFFORT

from pipeline.errors import QueryError
from pipeline.query import Stream, _Limits, _lists, resident_bytes

SHORT = 1 if EFFORT > 1 else 3
"""The long form tries all escapes."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place that the tests of this module share."""
    return Place(tmp_path_factory.mktemp("place"))


# What it refuses


@pytest.mark.parametrize("query", escapes("read", "write", every=SHORT))
def test_escape(place: Place, query: str) -> None:
    """No escape is answered, changes a byte or makes a file, or tells what it was after."""
    before = place.state()
    with pytest.raises(QueryError) as told:
        place.run(place.fill(query), timeout=30)
    assert CANARY not in str(told.value)
    assert place.state() == before


def test_a_name_means_nothing_new_inside_its_own_query(place: Place) -> None:
    """A CTE that is called as a table of the engine does not let it be read inside."""
    for name in ("sqlite_master", "duckdb_tables"):
        with pytest.raises(QueryError, match=name):
            place.run(f"with {name} as (select * from {name}) select * from {name}", timeout=30)


def test_escapes_are_real(tmp_path: Path) -> None:
    """In a DuckDB that is not locked most of the reading escapes succeed."""
    place = Place(tmp_path)
    read = 0
    connection = duckdb.connect()
    connection.execute(place.script)
    connection.execute("set autoinstall_known_extensions = false")
    for escape in escapes("read"):
        if "_scan(1" in escape.values[0] or "/dev/stdin" in escape.values[0]:  # those crash or wait
            continue
        try:
            rows = connection.execute(place.fill(escape.values[0])).fetchall()
        except duckdb.Error:
            continue
        read += bool(rows)
    connection.close()
    assert read >= 45


@pytest.mark.parametrize("query", escapes("exhaust", every=SHORT))
def test_exhaustion(place: Place, childless: None, query: str) -> None:
    """Memory and time stay inside their limits, and the child is gone afterwards."""
    peak, done = [0], threading.Event()

    def look() -> None:
        while not done.wait(0.01):
            peak.extend(resident_bytes(pid) for pid in children())

    watcher = threading.Thread(target=look)
    watcher.start()
    started = time.monotonic()
    try:
        with (
            pytest.raises(QueryError, match=r"memory|timeout|too deeply|not allowed"),
            place.stream(place.fill(query), memory="300MB", timeout=1) as answer,
        ):
            for _ in answer:
                pass
    finally:
        done.set()
        watcher.join()
    assert time.monotonic() - started < 4
    assert max(peak) < 400 * 10**6


# What holds when the refusing fails


def test_interrupt_ends_the_child(place: Place) -> None:
    """Ctrl-C while a query runs ends its child at once."""
    program = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pipeline.query import stream
print("started", flush=True)
try:
    stream("", [], "select count(*) from range(1000000000000) t(x) where hash(x) = 1")
except KeyboardInterrupt:
    import subprocess
    print(subprocess.run(["ps", "-wweo", "ppid=,args="], capture_output=True, text=True).stdout)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "started\n"
    assert eventually(lambda: children(parent.pid))
    time.sleep(0.2)
    parent.send_signal(signal.SIGINT)
    told, _ = parent.communicate(timeout=10)
    lines = told.splitlines()
    assert lines, "the interrupt was swallowed"
    mine = [line for line in lines if line.split()[:1] == [str(parent.pid)]]
    assert mine, "ps lists itself at least"
    assert not any("query_child" in line for line in mine)


def test_death_of_the_parent_ends_the_child(place: Place) -> None:
    """A child whose parent was killed ends by itself."""
    program = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pipeline.query import stream
stream("", [], "select count(*) from range(1000000000000) t(x) where hash(x) = 1")
"""
    parent = subprocess.Popen([sys.executable, "-c", program])
    child = eventually(lambda: children(parent.pid))
    parent.kill()
    parent.wait()
    assert eventually(lambda: not any(alive(pid) for pid in child))


def test_killed_child_is_no_short_answer(place: Place, childless: None) -> None:
    """A child that dies between two batches makes an error, not an answer with fewer rows."""
    answer = place.stream("select x from range(1000000000000) t(x)")
    with pytest.raises(QueryError, match="signal 9"):
        for _ in answer:
            for pid in children():
                os.kill(pid, signal.SIGKILL)


def test_late_error_is_no_short_answer(place: Place, childless: None) -> None:
    """A query that fails after its first rows makes an error, not an answer with fewer rows."""
    late = "select if(x = 500000, error('too late')::bigint, x) x from range(1000000) t(x)"
    with pytest.raises(QueryError, match="too late"), place.stream(late) as answer:
        list(answer)


def test_failed_child_is_no_answer(childless: None) -> None:
    """Rows that end as they should are no answer when the child says that it failed."""
    program = """
import os, pyarrow as pa
with os.fdopen(1, "wb") as out, pa.ipc.new_stream(out, pa.schema([("x", pa.int64())])) as writer:
    writer.write_batch(pa.record_batch({"x": pa.array([1])}))
os.write(2, b'["InvalidInputException", "Invalid Input Error: it failed", null]')
os._exit(1)
"""
    pipe = subprocess.PIPE
    child = subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, stderr=pipe)
    with pytest.raises(QueryError, match="it failed"):
        list(Stream(child, "", _Limits("1GB", 60)))


def test_abandoned_stream(place: Place, childless: None) -> None:
    """A stream that nobody reads takes its child with it."""
    assert place.stream("from range(1000000000000)").schema.names == ["range"]


def test_slow_reader(place: Place, childless: None) -> None:
    """The clock of the time limit does not stop while the reader does something else."""
    with (
        place.stream("from range(1000000000000)", timeout=1) as answer,
        pytest.raises(QueryError, match="timeout"),
    ):
        for _ in answer:
            time.sleep(0.2)


def _unwalked(place: Place, *groups: str) -> str:
    """What escapes that name paths print when they run in the locked engine without the walk."""
    tried = [escape.values[0] for escape in escapes(*groups) if "{" in escape.values[0]]
    return child_code(
        f"""
connection = open_engine(request)
for query in {[place.fill(query) for query in tried]!r}:
    try:
        print(connection.execute(query).fetchall())
    except Exception as error:
        print(type(error).__name__)
""",
        place,
    )


def test_engine_without_the_walk(place: Place) -> None:
    """Where the walk lets reading through, the engine opens no file but the segments."""
    told = _unwalked(place, "read")
    assert CANARY not in told
    assert "PermissionException" in told


def test_fence_without_the_walk(place: Place) -> None:
    """Where the walk lets writing through, even over a segment, the kernel changes no byte."""
    if not landlock():
        pytest.skip("this kernel has no Landlock")
    before = place.state()
    assert CANARY not in _unwalked(place, "write")
    assert place.state() == before


def test_kernel_without_the_engine(place: Place) -> None:
    """Behind the fence and the limits not even Python opens or grows a file."""
    program = f"""
fence_files(request.files)
for act in (
    lambda: open({str(place.segment)!r}, "rb").read(),
    lambda: open({str(place.outside / "secret.csv")!r}).read(),
    lambda: open({str(place.link)!r}, "rb").read(),
    lambda: open({str(place.outside / "new")!r}, "w"),
    lambda: open({str(place.segment)!r}, "r+b"),
    lambda: os.truncate({str(place.segment)!r}, 0),
    lambda: os.rename({str(place.segment)!r}, {str(place.lake / "x")!r}),
    lambda: os.unlink({str(place.segment)!r}),
    lambda: os.listdir({str(place.lake)!r}),
    lambda: socket.create_connection(("127.0.0.1", 9)),
):
    try:
        act()
        print("done")
    except PermissionError:
        print("refused")
"""
    told = child_code(program, place).split()
    if not landlock():
        pytest.skip("this kernel has no Landlock")
    assert told == ["done"] + ["refused"] * 9


def test_fence_around_a_folder(place: Place, tmp_path: Path) -> None:
    """Who may have a folder for what does not fit into memory can write there, nowhere else."""
    program = f"""
fence_files(request.files, {str(tmp_path)!r})
for path in ({str(tmp_path / "new")!r}, {str(place.outside / "new")!r}, {str(place.segment)!r}):
    try:
        open(path, "w").close()
        print("done")
    except PermissionError:
        print("refused")
"""
    told = child_code(program, place).split()
    if not landlock():
        pytest.skip("this kernel has no Landlock")
    assert told == ["done", "refused", "refused"]
    assert list(tmp_path.iterdir()) == [tmp_path / "new"]


def test_no_file_grows(place: Place, tmp_path: Path) -> None:
    """The limits of the process alone keep every file empty, and cannot be raised."""
    program = f"""
limit_process(request)
try:
    with open({str(tmp_path / "new")!r}, "w") as file:
        file.write("x")
except OSError as error:
    print(type(error).__name__, error.errno == errno.EFBIG)
print(resource.getrlimit(resource.RLIMIT_CPU)[1] > 0)
"""
    assert child_code(program, place).split() == ["OSError", "True", "True"]


def test_lists_name_what_exists() -> None:
    """Every listed function is one of the engine's, and none of them reads the outside."""
    known = duckdb.execute("select distinct lower(function_name) from duckdb_functions()")
    names = {name for (name,) in known.fetchall()} | {"unnest"}
    listed = _lists()
    assert listed["functions"] <= names
    assert listed["table_functions"] <= names
    for word in ("read_", "scan", "glob", "getenv", "setting", "secret", "query", "log_"):
        both = listed["functions"] | listed["table_functions"]
        assert not [name for name in both if word in name], word
