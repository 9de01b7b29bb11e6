"""Ad-hoc SQL: what it answers, what it refuses, and what holds when the refusing fails."""

from __future__ import annotations

import gc
import hashlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import LakeError, QueryError
from pipeline.query import Stream, _lists, memory_bytes, resident_bytes, run, stream

ROOT = Path(__file__).resolve().parent.parent
CANARY = "canary-7f1c"
ROWS = 1000


class Place:
    """A small lake, and beside it files that no query may read or write."""

    def __init__(self, root: Path) -> None:
        """Make both under `root`."""
        self.lake, self.outside = root / "lake", root / "outside"
        (self.lake / "events").mkdir(parents=True)
        self.outside.mkdir()
        self.segment = self.lake / "events" / "it's one.parquet"
        steps = list(range(ROWS))
        events = pa.table(
            {
                "step": steps,
                "train_loss": [1 / (step + 1) for step in steps],
                "message": [f"Step {step}" for step in steps],
                "created_at": pa.array(steps, pa.timestamp("us", tz="UTC")),
                "other_metrics": pa.array(
                    [[("a/b", 0.5)]] * ROWS, pa.map_(pa.string(), pa.float64())
                ),
                "misfits": [["x"]] * ROWS,
            }
        )
        pq.write_table(events, self.segment)
        (self.lake / "ledger.db").write_text(CANARY)
        secret = pa.table({"token": [CANARY]})
        pq.write_table(secret, self.outside / "secret.parquet")
        (self.outside / "secret.csv").write_text(f"{CANARY}\n")
        (self.outside / "secret.json").write_text(f'{{"token": "{CANARY}"}}\n')
        with duckdb.connect(str(self.outside / "other.duckdb")) as other:
            other.execute(f"create table secrets as select '{CANARY}' token")
        self.link = self.lake / "events" / "link.parquet"
        self.link.symlink_to(self.outside / "secret.parquet")
        quoted = str(self.segment).replace("'", "''")
        self.script = f"create view lake_events as from read_parquet(['{quoted}']);"
        self.script += "create view events as select * from lake_events;"
        self.script += "comment on view events is 'what happened';"
        self.script += "create macro ema(x) as x / 2;"
        self.script += "create macro curve(s) as table (from events where step = s)"
        self.files = [str(self.segment)]

    def run(self, query: str, **options: object) -> pa.Table:
        """The whole answer."""
        return run(self.script, self.files, query, **options)  # type: ignore[arg-type]

    def stream(self, query: str, **options: object) -> Stream:
        """The answer as it comes."""
        return stream(self.script, self.files, query, **options)  # type: ignore[arg-type]

    def fill(self, query: str) -> str:
        """An escape with its paths."""
        names = {
            "{secret}": self.outside / "secret.csv",
            "{secret_json}": self.outside / "secret.json",
            "{secret_parquet}": self.outside / "secret.parquet",
            "{segment}": str(self.segment).replace("'", "''"),
            "{target}": self.outside / "written",
            "{outside}": self.outside,
            "{lake}": self.lake,
            "{link}": self.link,
            "{nul}": "\0",
            "{deep}": "(" * 5000 + "1" + ")" * 5000,
            "{subqueries}": "(select * from " * 500 + "events" + ")" * 500,
        }
        for name, value in names.items():
            query = query.replace(name, str(value))
        return query

    def state(self) -> dict[str, str]:
        """Every path below, with the hash of its bytes."""
        return {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            for path in sorted(self.lake.parent.rglob("*"))
        }


def escapes(*groups: str) -> list[Any]:
    """Escapes of `tests/escapes/`: each begins with a line `-- # name`."""
    found = []
    for group in groups:
        text = (ROOT / "tests" / "escapes" / f"{group}.sql").read_text()
        for block in text.split("-- # ")[1:]:
            name, _, query = block.partition("\n")
            found.append(pytest.param(query.strip(), id=f"{group}-{name}"))
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place that the tests of this module share."""
    return Place(tmp_path_factory.mktemp("place"))


def children(parent: int | None = None) -> set[int]:
    """Query processes that a process (this one) started and that have not ended."""
    told = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True).stdout
    lines = [line.split(None, 2) for line in told.splitlines()]
    mine = str(parent or os.getpid())
    return {int(pid) for pid, owner, args in lines if owner == mine and "query_child" in args}


def _alive(pid: int) -> bool:
    told = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return told.stdout.strip()[:1] not in ("", "Z")


def _eventually(happens: Callable[[], Any], seconds: float = 5.0) -> Any:
    end = time.monotonic() + seconds
    while not (result := happens()) and time.monotonic() < end:
        time.sleep(0.05)
    return result


def _child_code(body: str, place: Place) -> str:
    """What code prints that runs with the names of `query_child` and a `request` of `place`."""
    request = (place.script, tuple(place.files), "", None, None, 2**30, 60.0, _lists())
    program = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import errno, os, pickle, resource, socket
from pipeline.query_child import *
request = Request(*pickle.loads({pickle.dumps(request)!r}))
{body}
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return done.stdout


def _landlock() -> bool:
    told = subprocess.run(
        [sys.executable, "-c", "import ctypes; print(ctypes.CDLL(None).syscall(444, None, 0, 1))"],
        capture_output=True,
        text=True,
    )
    return sys.platform == "linux" and int(told.stdout) > 0


@pytest.fixture
def childless() -> Iterator[None]:
    """No child is left when the test ends."""
    before = children()
    yield
    gc.collect()
    assert children() <= before


# What it answers


def test_types(place: Place) -> None:
    """Times come in UTC, maps as maps and lists as lists, whatever the machine's zone."""
    answer = place.run("from events where step = 3")
    assert answer.schema.field("created_at").type == pa.timestamp("us", tz="UTC")
    row = answer.to_pylist()[0]
    assert row["created_at"] == datetime(1970, 1, 1, 0, 0, 0, 3, tzinfo=UTC)
    assert row["other_metrics"] == [("a/b", 0.5)]
    assert row["misfits"] == ["x"]


def test_zone(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The zone of the machine changes no answer."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    answer = place.run("select date_trunc('day', timestamptz '2024-05-01 23:00:00+00')::varchar t")
    assert answer["t"].to_pylist() == ["2024-05-01 00:00:00+00"]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("select count(*) from events", 1),
        ("-- why\nselect 1 /* because */;; -- done", 1),
        ("from events limit 3", 3),
        ("values (1), (2)", 2),
        ("table events", ROWS),
        ("from main.events", ROWS),
        ("describe events", 6),
        ("describe select 1 a", 1),
        ("summarize events", 6),
        ("show tables", 2),
        ("show all tables", 2),
        ("explain select * from events", 1),
        ("explain /* too */ analyze select * from events", 1),
        ("pivot events on step in (1, 2) using max(train_loss) group by message", ROWS),
        ("unpivot (select 1 a, 2 b) on a, b", 2),
        ("with recursive r as (select 1 x union all select x + 1 from r where x < 5) from r", 5),
        ("with a as (from events), b as (from a) select * from b where step < 2", 2),
        ("select * from curve(7)", 1),
        ("select ema(step) from events limit 2", 2),
        ("select [x * 2 for x in misfits.list_transform(lambda y: 1)] from events limit 1", 1),
        ("select map_keys(other_metrics), other_metrics['a/b'] from events limit 1", 1),
        ("select step, lag(step) over w from events window w as (order by step desc)", ROWS),
        ("select * exclude (message) replace (step + 1 as step) from events limit 1", 1),
        ("select columns('.*loss') from events limit 1", 1),
        ("select * from range(4) r(x) semi join events on x = step", 4),
        ("from events a asof join events b on a.step >= b.step", ROWS),
        ("select unnest([1, 2, 3])", 3),
        ("select json_extract_string('{\"a\": [1]}', '$.a[0]'), '{\"a\": 1}'::json ->> 'a'", 1),
        (
            "select distinct on (step % 2) step from events order by step % 2, step desc",
            2,
        ),
        ("select step % 2, count(*) from events group by rollup (step % 2) order by all", 3),
        ("select quantile_cont(train_loss, 0.5), mad(step), median(step) from events", 1),
        ("select count(*) from events using sample 10 rows", 1),
        ("from information_schema.columns where table_name = 'events'", 6),
        ("select comment from duckdb_views() where view_name = 'events'", 1),
        ("select case when step between 1 and 2 then 'a' end from events limit 10%", 100),
        ("select strftime(created_at, '%Y') from events union all select 'x' limit 1", 1),
        ("select 1 where 1 in (select step from events) and exists (from events)", 1),
    ],
)
def test_select(place: Place, query: str, rows: int) -> None:
    """What only reads the views is answered, in all of the engine's forms."""
    assert place.run(query).num_rows == rows


def test_parameters(place: Place) -> None:
    """Parameters bind by name and by place, with the values that Python has."""
    when = datetime(2024, 5, 1, 12, tzinfo=UTC)
    values = {"a": 1, "b": "x'; drop view events", "c": when, "d": None, "e": [1, 2]}
    row = place.run("select $a a, $b b, $c::timestamptz c, $d d, $e e", params=values).to_pylist()
    assert row == [values]
    placed = place.run("select ?::bigint a, ?::decimal(4, 2) b", params=[7, Decimal("1.25")])
    assert placed.to_pylist() == [{"a": 7, "b": Decimal("1.25")}]


def test_numpy_parameter(place: Place) -> None:
    """A scalar of numpy binds like the plain value it stands for."""
    numpy = pytest.importorskip("numpy")
    got = place.run("select count(*) n from events where step < $n", params={"n": numpy.int64(4)})
    assert got["n"].to_pylist() == [4]


def test_stream_is_lazy(place: Place, childless: None) -> None:
    """A stream gives its schema and first rows of an answer that would never end."""
    with place.stream("select x from range(1000000000000) t(x)") as answer:
        assert answer.schema.names == ["x"]
        first = next(iter(answer))
    assert first.column(0)[0].as_py() == 0


def test_limit(place: Place, childless: None) -> None:
    """A limit cuts the answer to exactly so many rows, and none still tells the columns."""
    assert place.run("from range(1000000000000)", limit=40_000).num_rows == 40_000
    assert place.run("from events", limit=0).schema.names[0] == "step"


def test_no_rows(place: Place) -> None:
    """An answer without rows has its columns."""
    assert place.run("select step from events where false").schema.names == ["step"]


# What it says


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        ("selec 1", ["line 1, column 1", '"selec"']),
        ("select step,\n  trai_loss from events", ["line 2, column 3", "trai_loss", "train_loss"]),
        ("select 'ü', foo from events", ["line 1, column 13", "foo"]),
        ("from evnts", ["line 1, column 6", "evnts", "did you mean events?"]),
        ("select meen(step) from events", ["meen", "did you mean mean?"]),
        ("select 1; select 2", ["2 statements", "exactly one"]),
        ("", ["empty query"]),
        ("-- nothing", ["empty query"]),
        ("pivot events on step using count(*)", ["PIVOT", "in (a, b)"]),
        ("create table t(a int)", ["CREATE is not allowed", "SELECT"]),
        ("select $x", ["parameters: x"]),
        ("select 'a'::int", ["line 1, column 11", "'a'"]),
        ("select error('\x1b[31mred\nline')", ["[31mred; line"]),
    ],
)
def test_message(place: Place, query: str, parts: list[str]) -> None:
    """A wrong query is told in one printable line: where, what, with the value, what to do."""
    with pytest.raises(QueryError) as told:
        place.run(query)
    text = str(told.value)
    assert text.isprintable(), text
    assert text.startswith("sql: ")
    assert text.count(": ") >= 2 or "given" in text
    for part in parts:
        assert part in text


def test_bad_parameter(place: Place) -> None:
    """A parameter that is no value is told, and so is one too many."""
    with pytest.raises(QueryError, match="parameter cannot be passed on"):
        place.run("select $x", params={"x": threading.Lock()})
    with pytest.raises(QueryError, match="Parameter"):
        place.run("select 1", params={"x": 1})


def test_missing_segment(place: Place) -> None:
    """A live file that is gone is the lake's fault, not the query's."""
    gone = str(place.lake / "gone.parquet")
    with pytest.raises(LakeError, match=r"gone\.parquet"):
        run(f"create view events as from read_parquet('{gone}')", [gone], "from events")


def test_unlisted_file(place: Place) -> None:
    """Not even the script reads a file that is not named as live."""
    secret = str(place.outside / "secret.parquet")
    with pytest.raises(LakeError):
        run(f"create view events as from read_parquet('{secret}')", place.files, "from events")


@pytest.mark.parametrize(
    ("text", "size"),
    [("2GB", 2 * 10**9), ("500 mb", 5 * 10**8), ("1.5GiB", 3 << 29), ("192MiB", 192 << 20)],
)
def test_memory_sizes(text: str, size: int) -> None:
    """Sizes are read as people write them."""
    assert memory_bytes(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1GB", "10MB", "1PB"])
def test_bad_memory_sizes(text: str) -> None:
    """A size that is none, or too little to work with, is refused."""
    with pytest.raises(QueryError, match="--memory"):
        memory_bytes(text)


# What it refuses


@pytest.mark.parametrize("query", escapes("read", "write"))
def test_escape(place: Place, query: str) -> None:
    """No escape is answered, changes a byte or makes a file, or tells what it was after."""
    before = place.state()
    with pytest.raises(QueryError) as told:
        place.run(place.fill(query), timeout=30)
    assert CANARY not in str(told.value)
    assert place.state() == before


def test_escapes_are_real(tmp_path: Path) -> None:
    """In a DuckDB that is not locked most of the reading escapes succeed."""
    place = Place(tmp_path)
    read = 0
    for escape in escapes("read"):
        connection = duckdb.connect()
        connection.execute(place.script)
        connection.execute("set autoinstall_known_extensions = false")
        try:
            rows = connection.execute(place.fill(escape.values[0])).fetchall()
        except duckdb.Error:
            continue
        read += bool(rows)
    assert read >= 45


@pytest.mark.parametrize("query", escapes("exhaust"))
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
        with pytest.raises(QueryError, match=r"memory|timeout|too deeply|not allowed"):
            place.run(place.fill(query), memory="300MB", timeout=1.5)
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
from pipeline.query import run
print("started", flush=True)
try:
    run("", [], "select count(*) from range(1000000000000) t(x) where hash(x) = 1")
except KeyboardInterrupt:
    import subprocess
    print(subprocess.run(["ps", "-eo", "ppid=,args="], capture_output=True, text=True).stdout)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "started\n"
    time.sleep(0.5)
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
from pipeline.query import run
run("", [], "select count(*) from range(1000000000000) t(x) where hash(x) = 1", timeout=None)
"""
    parent = subprocess.Popen([sys.executable, "-c", program])
    child = _eventually(lambda: children(parent.pid))
    parent.kill()
    parent.wait()
    assert _eventually(lambda: not any(_alive(pid) for pid in child))


def test_killed_child_is_no_short_answer(place: Place, childless: None) -> None:
    """A child that dies between two batches makes an error, not an answer with fewer rows."""
    answer = place.stream("select x from range(1000000000000) t(x)")
    with pytest.raises(QueryError, match="signal 9"):
        for _ in answer:
            for pid in children():
                os.kill(pid, signal.SIGKILL)


def test_abandoned_stream(place: Place, childless: None) -> None:
    """A stream that nobody reads takes its child with it."""
    assert place.stream("from range(1000000000000)").schema.names == ["range"]


def test_slow_reader(place: Place, childless: None) -> None:
    """The clock of the time limit does not stop while the reader does something else."""
    with (
        place.stream("from range(1000000000000)", timeout=0.6) as answer,
        pytest.raises(QueryError, match="timeout"),
    ):
        for _ in answer:
            time.sleep(0.2)


def _unwalked(place: Place, *groups: str) -> str:
    """What escapes that name paths print when they run in the locked engine without the walk."""
    tried = [escape.values[0] for escape in escapes(*groups) if "{" in escape.values[0]]
    return _child_code(
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
    if not _landlock():
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
    told = _child_code(program, place).split()
    if not _landlock():
        pytest.skip("this kernel has no Landlock")
    assert told == ["done"] + ["refused"] * 9


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
    assert _child_code(program, place).split() == ["OSError", "True", "True"]


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
