"""Ad-hoc SQL: what it answers and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from escapes.place import ROWS, Place

from pipeline.cli import run as run_command
from pipeline.errors import ExitCode, LakeError, QueryError
from pipeline.query import _lists, memory_bytes, stream
from pipeline.query_child import Request, checked, names, open_engine


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place that the tests of this module share."""
    return Place(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module")
def fenced(place: Place) -> Iterator[Callable[[str], pa.Table]]:
    """Ask as a child does, of one engine behind its fence: a thread here, as a child starts long.

    The fence is around that thread alone.
    """
    request = Request(place.script, tuple(place.files), "", None, 1 << 30, 0, _lists())
    with ThreadPoolExecutor(1) as thread:
        con = thread.submit(open_engine, request).result()

        def answer(query: str) -> pa.Table:
            return con.sql(checked(con, query, names(con, request))).to_arrow_table()

        yield lambda query: thread.submit(answer, query).result()
        con.close()


# What it answers


def test_types(place: Place) -> None:
    """Times come in UTC, maps as maps and lists as lists, whatever the machine's zone."""
    answer = place.run("from events where step = 3")
    assert answer.schema.field("created_at").type == pa.timestamp("us", tz="UTC")
    row = answer.to_pylist()[0]
    assert row["created_at"] == datetime(1970, 1, 1, 0, 0, 0, 3, tzinfo=UTC)
    assert row["other_metrics"] == [("a/b", 0.5)]
    assert row["misfits"] == ["x"]


@pytest.mark.parametrize(
    "value",
    ["340282366920938463463374607431768211455::uhugeint", "101::bit", "[1::bignum]",
     "{'a': '1'::variant}", "[timetz '01:02:03+02']"],
)  # fmt: skip
def test_what_no_format_holds_is_told(place: Place, value: str) -> None:
    """A value that would come out as another one is refused, until it is cast."""
    with pytest.raises(
        QueryError, match=r"^sql: x: no format holds [A-Z ]+: cast it, as in x::var"
    ):
        place.run(f"select {value} as x")
    assert place.run(f"select ({value})::varchar as x").num_rows == 1


@pytest.mark.parametrize("value", ["{'BIT': 1}", "{'a \"BIT\"': 1}", "'BIT'::enum('BIT')"])
def test_names_are_no_types(place: Place, value: str) -> None:
    """A field or a value that is called like a type of which no format has one is printed."""
    assert place.run(f"select {value} as x").num_rows == 1


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
        ("show tables", 3),
        ("show all tables", 3),
        ("explain select * from events", 1),
        ("explain /* too */ analyze select * from events", 1),
        ("explain (format json) select * from events", 1),
        ("explain(analyze, format 'json')select * from events", 1),
        ("explain analyze (format json) from events", 1),
        ("explain (from events)", 1),
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
def test_select(fenced: Callable[[str], pa.Table], query: str, rows: int) -> None:
    """What only reads the views is answered, in all of the engine's forms."""
    assert fenced(query).num_rows == rows


def test_parameters(place: Place) -> None:
    """Parameters bind by name, as texts that are no part of the query."""
    values = {"a": "1", "b": "x'; drop view events"}
    assert place.run("select $a a, $b b", params=values).to_pylist() == [values]


def test_stream_is_lazy(place: Place, childless: None) -> None:
    """A stream gives its schema and first rows of an answer that would never end."""
    with place.stream("select x from range(1000000000000) t(x)") as answer:
        assert answer.schema.names == ["x"]
        first = next(iter(answer))
    assert first.column(0)[0].as_py() == 0


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
        ("from loss_curve", ["loss_curve is no", "(did you mean loss_curves?)", "`tunelog views`"]),
        ("from compar('a', 'b')", ["did you mean compare?"]),
        ("from evnts", ["line 1, column 6", "evnts", "did you mean events?"]),
        ("select meen(step) from events", ["meen", "did you mean mean?"]),
        ("select 1; select 2", ["2 statements", "exactly one"]),
        (f'from "{"x" * 1_000_000}"', ["line 1, column 6", "xxx", "…"]),
        ("", ["empty query"]),
        ("-- nothing", ["empty query"]),
        ("pivot events on step using count(*)", ["PIVOT", "in (a, b)"]),
        ("create table t(a int)", ["CREATE is not allowed", "SELECT"]),
        ("select $x", ["parameters: x"]),
        ("select 'a'::int", ["line 1, column 11", "'a'"]),
        ("select repeat('a', 9000)::int", ["Could not convert", "aaa", "…"]),
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
    """A parameter too many is told."""
    with pytest.raises(QueryError, match="Parameter"):
        place.run("select 1", params={"x": "1"})


def test_missing_segment(place: Place) -> None:
    """A live file that is gone is the lake's fault, not the query's."""
    gone = str(place.lake / "gone.parquet")
    with pytest.raises(LakeError, match=r"gone\.parquet"):
        stream(f"create view events as from read_parquet('{gone}')", [gone], "from events")


def test_unlisted_file(place: Place) -> None:
    """Not even the script reads a file that is not named as live."""
    secret = str(place.outside / "secret.parquet")
    with pytest.raises(LakeError):
        stream(f"create view events as from read_parquet('{secret}')", place.files, "from events")


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


# What it may use


def test_views_need_no_memory(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A view of more than --memory is written in its order, by its own query alone, on disk."""
    dump, lake, out = tmp_path / "dump.jsonl", tmp_path / "lake", tmp_path / "out.parquet"
    duckdb.execute(
        "copy (select 'fine_tuning.job.event' as object, md5(range::varchar) as id,"
        " 'info' as level, hash(range) % 1e6::bigint as created_at, "
        f" repeat(md5(id), 8) as message from range(500000)) to '{dump}' (format json)"
    )
    told = ["ingest", str(dump), "--lake", str(lake), "--job-id", "ftjob-abc123"]
    assert run_command(told) == ExitCode.OK
    show = ["show", "events", "--lake", str(lake), "--memory", "330MB"]
    assert run_command([*show, "-o", str(out)]) == ExitCode.OK
    with pq.ParquetFile(out) as file:
        times = file.read(["created_at"])["created_at"].to_numpy()
    assert len(times) == 500_000
    assert (times[:-1] <= times[1:]).all()
    assert not list((lake / "tmp").iterdir())
    capfd.readouterr()
    assert run_command([*show, "--where", "true", "-o", str(out)]) == ExitCode.USAGE
    assert "out of memory at --memory 330MB" in capfd.readouterr().err
