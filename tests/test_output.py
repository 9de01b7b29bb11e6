"""Rows as files: what each format holds, what a file is called, and that it appears whole."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from outputs import UTC_TIME, rows, written

from pipeline.cli import run
from pipeline.cli.cells import exact, json_texts, readable
from pipeline.cli.output import destination, write_rows
from pipeline.errors import ExitCode, UsageError
from pipeline.inert import inert
from pipeline.zstd import zstd


def test_json_values(tmp_path: Path) -> None:
    """JSON keeps every float, says NaN and infinities as text, maps as objects, times with Z."""
    metrics = pa.map_(pa.string(), pa.float64())
    table = rows(
        loss=pa.array([0.1 + 0.2, math.nan, -math.inf]),
        step=pa.array([2**53 + 1, None, -1]),
        at=pa.array([datetime(2024, 5, 1, 12, tzinfo=UTC), None, None], UTC_TIME),
        half=pa.array([datetime(2024, 5, 1, 12, 0, 0, 500000), None, None]),
        other=pa.array([[("a/b", 1.0), ("c", math.nan)], [], None], metrics),
        ok=pa.array([True, False, None]),
    )
    expected = [
        {
            "loss": 0.30000000000000004,
            "step": 9007199254740993,
            "at": "2024-05-01T12:00:00Z",
            "half": "2024-05-01T12:00:00.5",
            "other": {"a/b": 1.0, "c": "NaN"},
            "ok": True,
        },
        {"loss": "NaN", "step": None, "at": None, "half": None, "other": {}, "ok": False},
        {"loss": "-Infinity", "step": -1, "at": None, "half": None, "other": None, "ok": None},
    ]
    assert json.loads(written(table, "json", tmp_path)) == expected
    lines = written(table, "jsonl", tmp_path).splitlines()
    assert [json.loads(line) for line in lines] == expected


def test_times_of_any_year_are_told() -> None:
    """Beyond what Python's calendar has, before Christ, and without end, as the engine has them."""
    far = [
        "200000-02-29 01:02:03", "0044-03-15 (BC) 12:30:00.25", "9999-12-31 23:59:59.5",
        "infinity", "-infinity",
    ]  # fmt: skip
    query = "select unnest($1::varchar[])::timestamptz as at"
    con = duckdb.connect()
    con.execute("set timezone = 'UTC'")
    found = con.sql(query, params=[far])
    endless = con.sql("select 'infinity'::timestamp_ns as at").to_arrow_table()["at"]
    assert exact(endless.combine_chunks()) == ["infinity"]
    assert exact(found.to_arrow_table()["at"].combine_chunks()) == [
        "200000-02-29T01:02:03Z", "-0043-03-15T12:30:00.25Z", "9999-12-31T23:59:59.5Z",
        "infinity", "-infinity",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [
        "1::union(a int)",
        "['20000-01-01'::timestamptz]",
        "{'a': '20000-01-01'::date}",
        "date 'infinity'",
        "time '24:00:00'",
    ],
)
@pytest.mark.parametrize("format", ["table", "markdown"])
def test_what_cannot_be_written_is_told(tmp_path: Path, value: str, format: str) -> None:
    """One line says so, and what to do, where another format may well take it."""
    table = duckdb.connect().sql(f"select {value} as it").to_arrow_table()
    with pytest.raises(UsageError, match=r"^sql: .*: cast (it|the column) to varchar$"):
        write_rows(table.to_reader(), format, str(tmp_path / "out.txt"))


def test_times_are_told_in_utc() -> None:
    """A time that an engine hands over in a local zone is shown in UTC."""
    berlin = pa.array([1714564800_000000], pa.timestamp("us", tz="Europe/Berlin"))
    assert exact(berlin) == ["2024-05-01T12:00:00Z"]
    assert readable(berlin, "at") == ["2024-05-01 12:00:00Z"]


@given(st.lists(st.floats(), min_size=1))
def test_floats_survive_text(values: list[float]) -> None:
    """Every float reads back from its exact text as the same float."""
    back = [float(text or "") for text in exact(pa.array(values))]
    assert all(a == b or (a != a and b != b) for a, b in zip(values, back, strict=True))


@pytest.mark.parametrize("number", ["1.50", "-0.01", "12345678901234567890123"])
def test_exact_numbers_are_numbers_in_lists_too(number: str) -> None:
    """A sum of integers or a decimal is the same number in a list, a struct or a map as alone."""
    value = Decimal(number)
    kind = pa.array([value]).type
    assert json_texts(pa.array([value])) == [number]
    assert json_texts(pa.array([[value, None]])) == [f"[{number}, null]"]
    assert json_texts(pa.array([{"a": value}])) == [f'{{"a": {number}}}']
    assert exact(pa.array([[("a", value)]], pa.map_(pa.string(), kind))) == [f'{{"a": {number}}}']


@given(st.lists(st.one_of(st.none(), st.text()), min_size=1))
def test_json_texts_survive(values: list[str | None]) -> None:
    """Every text reads back from its JSON as the same text, and its JSON is inert."""
    texts = json_texts(pa.array(values, pa.string()))
    assert [json.loads(text) for text in texts] == values
    assert all(text == inert(text) for text in texts)


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1))
def test_csv_survives(values: list[tuple[str, str]]) -> None:
    """Every text reads back from CSV as the same text."""
    table = rows(a=[a for a, _ in values], b=[b for _, b in values])
    stream = io.StringIO(newline="")
    from pipeline.cli.output import _csv

    _csv(table.schema, iter(table.to_batches()), stream)
    stream.seek(0)
    assert list(csv.reader(stream))[1:] == [list(pair) for pair in values]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("j.parquett", ".parquett tells no format: end it in .csv, .json,"),
        ("j.xlsx", ".xlsx tells no format"),
        ("j.csv.bz2", ".bz2 tells no format"),
        ("j.xlsx.gz", ".xlsx tells no format"),
        ("j.gz", ".gz tells no format"),
    ],
)
def test_no_file_looks_like_another(
    name: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A suffix that tells no format is refused, unless --format tells it; nothing is written."""
    out = str(tmp_path / name)
    assert run(["views", "jobs", "-o", out]) == ExitCode.USAGE
    told = capsys.readouterr().err
    assert says in told and told.count("\n") == 1 and not list(tmp_path.iterdir())
    assert run(["summary", "-o", out]) == ExitCode.USAGE
    assert "end it in .json, .markdown, .md or .txt (" in capsys.readouterr().err
    assert run(["views", "jobs", "--format", "csv", "-o", out]) == ExitCode.OK


@pytest.mark.parametrize(
    ("packed", "unpacked"), [("", bytes), (".gz", gzip.decompress), (".ZST", zstd.decompress)]
)
@pytest.mark.parametrize(
    ("suffix", "format"),
    [(".txt", "table"), (".CSV", "csv"), (".ndjson", "jsonl"), (".json", "json"),
     (".md", "markdown"), (".parquet", "parquet")],
)  # fmt: skip
def test_a_file_is_what_it_is_called(
    packed: str, unpacked: Callable[[bytes], bytes], suffix: str, format: str, tmp_path: Path
) -> None:
    """A file holds what its suffix says, and is compressed where a second one says so."""
    plain, named = tmp_path / "plain", tmp_path / f"x{suffix}{packed}"
    assert run(["views", "jobs", "--format", format, "-o", str(plain)]) == ExitCode.OK
    assert run(["views", "jobs", "-o", str(named)]) == ExitCode.OK
    assert unpacked(named.read_bytes()) == plain.read_bytes()


def test_csv_tells_null_from_empty(tmp_path: Path) -> None:
    """In CSV NULL is nothing and the empty text a pair of quotes."""
    table = rows(a=pa.array([None, ""], pa.string()), b=[1, 2])
    assert written(table, "csv", tmp_path) == 'a,b\n,1\n"",2\n'


def test_parquet_is_the_table(tmp_path: Path) -> None:
    """Parquet holds the same columns, types and values."""
    table = rows(at=pa.array([0], UTC_TIME), raw=pa.array([b"\xff"]), x=pa.array([math.nan]))
    path = tmp_path / "out.parquet"
    write_rows(table.to_reader(), "parquet", str(path))
    back = pq.read_table(path)
    assert back.schema.equals(table.schema)
    assert back.select(["at", "raw"]) == table.select(["at", "raw"])
    assert math.isnan(back["x"][0].as_py())


@pytest.mark.parametrize("value", ["map {}", "{}", "interval 1 day"])
def test_what_parquet_does_not_hold_is_told(value: str, tmp_path: Path) -> None:
    """A column of a type that Parquet lacks is named, with what to do, and no file is left."""
    table = duckdb.sql(f"select 1 as a, {value} as x, 'b' as b").to_arrow_table()
    with pytest.raises(UsageError, match=r"^sql: x: .+: cast to varchar$"):
        write_rows(table.to_reader(), "parquet", str(tmp_path / "out.parquet"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", ["table", "csv", "json", "jsonl", "parquet", "markdown"])
def test_no_rows(format: str, tmp_path: Path) -> None:
    """Every format can say that there are no rows."""
    table = rows(a=pa.array([], pa.int64()))
    path = tmp_path / "out"
    assert write_rows(table.to_reader(), format, str(path)) == 0
    if format == "parquet":
        assert pq.read_table(path).num_rows == 0
    elif format == "json":
        assert json.loads(path.read_text()) == []
    else:
        assert len(path.read_text().splitlines()) == {"csv": 1, "jsonl": 0}.get(format, 2)


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """A file that was being replaced when something failed is still the old one."""
    path = tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), destination(str(path)) as out:
        out.write("new")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["ledger.db", "open.sql", "events/rows.csv", "new/rows.csv"])
def test_no_output_takes_the_place_of_a_part_of_a_lake(tmp_path: Path, name: str) -> None:
    """A file named by mistake, and by a detour, is still there; beside the parts there is room."""
    for folder in ("lake/events", "lake/new"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "lake" / "ledger.db").write_bytes(b"kept")
    (tmp_path / "detour").symlink_to(tmp_path / "lake")
    for way in ("lake", "detour"):
        with (
            pytest.raises(UsageError, match="of the lake"),
            destination(str(tmp_path / way / name)),
        ):
            pass
    assert (tmp_path / "lake" / "ledger.db").read_bytes() == b"kept"
    with destination(str(tmp_path / "lake" / "rows.csv")) as out:
        out.write("a")
    assert (tmp_path / "lake" / "rows.csv").read_text() == "a"


def test_a_file_that_is_replaced_stays_where_and_whose_it_is(tmp_path: Path) -> None:
    """A link goes on to name its file, which nobody may read who could not before."""
    (tmp_path / "kept").mkdir()
    real, link = tmp_path / "kept" / "real.csv", tmp_path / "link.csv"
    real.write_text("before")
    real.chmod(0o600)
    link.symlink_to(real)
    write_rows(pa.table({"a": [1]}).to_reader(), "csv", str(link))
    assert link.is_symlink() and real.read_text() == "a\n1\n"
    assert real.stat().st_mode & 0o777 == 0o600
    (tmp_path / "ledger.db").touch()
    (tmp_path / "kept" / "in.csv").symlink_to(tmp_path / "ledger.db")
    with pytest.raises(UsageError, match="a file of the lake"):
        write_rows(pa.table({"a": [1]}).to_reader(), "csv", str(tmp_path / "kept" / "in.csv"))


def test_dev_stdout_is_standard_output(tmp_path: Path) -> None:
    """A file that it is redirected to keeps what it holds, and takes what comes after."""
    log, table = tmp_path / "log", "pyarrow.table({'a': [1]}).to_reader()"
    code = "import pyarrow; from pipeline.cli.output import check_output, write_rows as w\n"
    code += f"check_output('/dev/stdout', '-o'); w({table}, 'csv', '/dev/stdout')\n"
    with log.open("ab") as file:
        file.write(b"before\n")
        file.flush()
        subprocess.run([sys.executable, "-c", code + "print('after')"], stdout=file, check=True)
    assert log.read_text() == "before\na\n1\nafter\n"


def test_no_folder_for_the_file(tmp_path: Path) -> None:
    """A file in a folder that is not there is refused by its name."""
    with pytest.raises(UsageError, match="no folder"), destination(str(tmp_path / "no" / "x.csv")):
        pass
