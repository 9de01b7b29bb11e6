"""Rows on their way out: exact for machines, readable and inert for people."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli import run
from pipeline.cli.cells import exact, json_texts, readable
from pipeline.cli.output import destination, write_rows
from pipeline.cli.table import Column, fit, render, width_of, write_table
from pipeline.errors import ExitCode, UsageError
from pipeline.figures import duration, significant
from pipeline.inert import inert, inert_json
from pipeline.zstd import zstd

ROOT = Path(__file__).parents[1]

UTC_TIME = pa.timestamp("us", tz="UTC")


def rows(**columns: object) -> pa.Table:
    """A table from lists or Arrow arrays."""
    return pa.table(columns)


def written(table: pa.Table, format: str, tmp_path: Path) -> str:
    """What a format writes into a file."""
    path = tmp_path / f"out.{format}"
    assert write_rows(table.to_reader(max_chunksize=2), format, str(path)) == table.num_rows
    return path.read_text(encoding="utf-8")


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
def test_what_cannot_be_written_is_told(tmp_path: Path, value: str) -> None:
    """One line says so, and what to do, where another format may well take it."""
    table = duckdb.connect().sql(f"select {value} as it").to_arrow_table()
    with pytest.raises(UsageError, match=r"^sql: .*: cast (it|the column) to varchar$"):
        write_rows(table.to_reader(), "table", str(tmp_path / "out.txt"))


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
    """A column of a type that Parquet lacks is refused, with what to do, and no file is left."""
    table = duckdb.sql(f"select {value} as x").to_arrow_table()
    with pytest.raises(UsageError, match="cast the column to varchar"):
        write_rows(table.to_reader(), "parquet", str(tmp_path / "out.parquet"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b'{"id": "\xc3\xa9 \\\\n"}', '{"id": "\xe9 \\\\n"}'),
        (b"\\xff \xff", "\\x5cxff \\xff"),
        (b"gr\xc3", "gr\\xc3"),
        (b"", ""),
    ],
)
def test_bytes_are_text(raw: bytes, text: str) -> None:
    """Bytes are written as the text that they are; only those that are none are spelled out."""
    assert exact(pa.array([raw])) == [text]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.73, "0.7300"),
        (1.46049, "1.460"),
        (999.96, "1000"),
        (12345.6, "12346"),
        (3.8e-6, "3.8e-06"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_significant(value: float, text: str) -> None:
    """Tables show 4 significant digits and lose no whole digit."""
    assert significant(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.25, "0.25s"),
        (59.6, "1m 00s"),
        (725, "12m 05s"),
        (3720, "1h 02m"),
        (3599.6, "1h 00m"),
        (86399, "1d 00h"),
        (183600, "2d 03h"),
        (-90, "-1m 30s"),
        (math.nan, "nan"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    """Durations are shown in their two greatest units."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("interval", "text", "shown"),
    [
        ("'53 minutes 14 seconds'", "P0M0DT3194S", "53m 14s"),
        ("'2 days 3 hours'", "P0M2DT10800S", "2d 03h"),
        ("'1234567890 seconds'", "P0M0DT1234567890S", "14289d 00h"),
        ("'1234567.890123 seconds'", "P0M0DT1234567.890123S", "14d 07h"),
        ("'-1.5 seconds'", "P0M0DT-1.5S", "-1.5s"),
        ("'1 year 1 day'", "P12M1DT0S", "P12M1DT0S"),
    ],
)
def test_intervals(interval: str, text: str, shown: str) -> None:
    """Differences of times lose nothing as text, and are durations for the eye, months aside."""
    column = duckdb.sql(f"select interval {interval} as took").to_arrow_table()["took"]
    assert exact(column.combine_chunks()) == [text]
    assert readable(column.combine_chunks(), "took") == [shown]


def test_durations_are_told_by_name() -> None:
    """A number is a duration where its column's name says so, and only there."""
    assert readable(pa.array([3720]), "duration_seconds") == ["1h 02m"]
    assert readable(pa.array([3720]), "step") == ["3720"]


@given(st.text())
def test_inert(text: str) -> None:
    """No text commands a terminal once it is inert, and printable text is left alone."""
    shown = inert(text)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 or 0x202A <= ord(c) <= 0x202E for c in shown)
    assert inert(shown) == shown
    if text.isprintable():
        assert shown == text


def test_inert_json_is_equal() -> None:
    """JSON made inert is equal as JSON."""
    value = {"a\u202e": "\x1b[31m \x7f \x9b31m \U000e0041 é 汉"}
    line = inert_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(line) == value
    assert line == inert(line)
    assert "é 汉" in line


@given(st.lists(st.tuples(st.integers(1, 60), st.booleans()), min_size=1), st.integers(1, 200))
def test_fit(shapes: list[tuple[int, bool]], width: int) -> None:
    """A table is no wider than asked unless one column alone is, and cuts only text."""
    columns = [Column("n", not cut, cut, ["x" * size]) for size, cut in shapes]
    hidden, widths = fit(columns, width)
    assert sorted([*hidden, *widths]) == list(range(len(columns)))
    lines = list(render(columns, widths))
    if len(widths) > 1:
        assert max(map(width_of, lines)) <= width
    assert all(
        widths[i] == c.natural for i, c in enumerate(columns) if i in widths and not c.may_cut
    )


def test_a_formula_as_a_name() -> None:
    """A name longer than its numbers deserve is cut; the numbers are not."""
    columns = [Column("count(distinct job_id) filter (where x)", True, False, ["12", "7"])]
    head, rule, *cells = render(columns, fit(columns, 80)[1])
    assert (len(head), head[-1], len(rule)) == (32, "…", 32)
    assert [cell.strip() for cell in cells] == ["12", "7"]


def test_empty_columns_go_first() -> None:
    """When columns do not fit, those that say nothing are hidden before the others."""
    table = rows(
        job_id=["ftjob-" + "a" * 24, "ftjob-" + "b" * 24],
        reward=pa.array([None, None], pa.float64()),
        at=pa.array([0, 1_000_000], UTC_TIME),
        message=["a long message " * 9] * 2,
    )
    out = io.StringIO()
    assert write_table(table.schema, iter(table.to_batches()), out, 72) == ["reward"]
    assert all(width_of(line) <= 72 for line in out.getvalue().splitlines())
    assert "ftjob-" + "a" * 24 in out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_message_has_room(width: int) -> None:
    """However wide the terminal is, what a person came for is not cut for the sake of others."""
    long = "The job failed due to an invalid training file, and this is why"
    table = rows(
        job_id=["ftjob-" + "a" * 24, "ftjob-" + "b" * 24],
        event_id=["ftevent-" + "a" * 24] * 2,
        **{name: ["twenty characters in"] * 2 for name in ("error_code", "data", "told_by")},
        message=[long, long],
    )
    out = io.StringIO()
    write_table(table.schema, iter(table.to_batches()), out, width)
    assert long[: min(47, width - 34)] in out.getvalue() and "ftjob-" in out.getvalue()


@pytest.mark.parametrize("width", [80, 100, 140])
def test_a_reason_has_room(width: int) -> None:
    """Reasons can be told apart: what says them again, or stands behind them, gives way."""
    said = "The job failed due to an "
    whys = [f"{said}invalid training file, as it is", f"{said}internal error, which is not yours"]
    table = rows(
        job_id=["ftjob-" + "a" * 24, "ftjob-" + "b" * 24],
        severity=["error"] * 2,
        phase=["validating", "running"],
        message=whys,
        template=[why.replace("yours", "<text>") for why in whys],
        failed_at=pa.array([0, 1_000_000], UTC_TIME),
        errors=[1, 2],
        last_step=[None, 180],
    )
    out = io.StringIO()
    hidden = write_table(table.schema, iter(table.to_batches()), out, width)
    assert all(why[: min(47, width - 45)] in out.getvalue() for why in whys)
    assert "template" in hidden and "phase" in out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_a_reject_tells_its_reason(width: int) -> None:
    """Where a reject stands and why it is one have room before its offsets and bytes."""
    table = rows(
        source_id=["source-1"] * 2,
        path=["data/broken/lone-surrogate.jsonl", "data/broken/malformed.jsonl"],
        position=[2, 3],
        byte_offset=[463, 704],
        byte_length=[243, 150],
        reason=["lone_surrogate", "malformed_json"],
        detail=["message holds half a surrogate pair", "Expecting property name enclosed in …"],
        raw=[b'{"object": "fine_tuning.job.event"', b"{'object': 'fine_tuning.job.event'"],
    )
    out = io.StringIO()
    write_table(table.schema, iter(table.to_batches()), out, width)
    head = out.getvalue().splitlines()[0].split()
    assert {"path", "position", "reason", "detail"} <= set(head)
    assert "lone_surrogate" in out.getvalue()


def test_a_plan_is_printed_as_it_is_drawn() -> None:
    """What EXPLAIN answers is no cell, but lines, in which nothing acts."""
    table = rows(explain_key=["physical_plan"], explain_value=["╭─╮\n│\x1b[31m│\n╰─╯\n"])
    out = io.StringIO()
    assert write_table(table.schema, iter(table.to_batches()), out, 60) == []
    assert out.getvalue() == "╭─╮\n│\\x1b[31m│\n╰─╯\n"


def test_what_goes_next() -> None:
    """What all rows share goes first, then what only traces, then the rightmost, prose last."""
    names = ("job_id", "event_id", "step", "level", "message")
    cells = {"job_id": ["x" * 20] * 2}
    columns = [
        Column(n, False, False, cells.get(n, ["x" * 20, "y" * 20]), tells=n == "message")
        for n in names
    ]
    order = [fit(columns, width)[0] for width in (108, 86, 64, 42, 20)]
    assert order == [[], [0], [0, 1], [0, 1, 3], [0, 1, 2, 3]]


def test_flags_yield_to_figures() -> None:
    """What is true or false gives way to figures; what all rows share is told beside the table."""
    table = rows(
        job_id=["ftjob-" + "a" * 24, "ftjob-" + "b" * 24],
        is_smoothed=[True, False],
        status=["succeeded"] * 2,
        metric=["valid_loss", "full_valid_loss"],
        best_value=[0.5, 0.25],
    )
    out = io.StringIO()
    hidden = write_table(table.schema, iter(table.to_batches()), out, 62)
    assert hidden == ["is_smoothed", "status (succeeded in all rows)"]
    assert out.getvalue().splitlines()[0].split() == ["job_id", "metric", "best_value"]


def test_paths_keep_their_end() -> None:
    """A path that is cut keeps its end, another text its beginning."""
    columns = [Column(name, False, True, ["abcdefghijklmnop汉"]) for name in ("path", "message")]
    line = list(render(columns, {0: 9, 1: 9}))[2]
    assert line == "…klmnop汉  abcdefgh…"


def test_one_wide_row_stands_upright() -> None:
    """A single row that does not fit is printed whole, one column a line."""
    table = rows(**{f"column_{i}": ["value " * 5] for i in range(9)})
    out = io.StringIO()
    assert write_table(table.schema, iter(table.to_batches()), out, 60) == []
    lines = out.getvalue().splitlines()
    assert len(lines) == 9
    assert lines[0].startswith("column_0  value value")


def test_tables_stream(tmp_path: Path) -> None:
    """A table longer than the sample of its widths keeps one head and every row."""
    table = rows(step=list(range(2500)))
    lines = written(table, "table", tmp_path).splitlines()
    assert lines[0].strip() == "step"
    assert [int(line) for line in lines[2:]] == list(range(2500))


def test_wide_characters_are_measured() -> None:
    """Characters that take two columns of the terminal are counted as two."""
    columns = [Column("m", False, True, ["汉字汉字", "ab"]), Column("n", True, False, ["1", "2"])]
    lines = list(render(columns, fit(columns, None)[1]))
    assert [width_of(line) for line in lines[2:]] == [11, 11]


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


SNIPPET = """
import sys, pyarrow as pa
from pipeline.cli.output import write_rows
from pipeline.errors import UsageError
from pipeline.figures import duration, significant
table = pa.table({"message": ["\\x1b[31mred\\u009b5m\\u202eevil"], "st\\x1bep": [1]})
try:
    write_rows(table.to_reader(), sys.argv[1])
except UsageError as error:
    print(error)
"""


def _seen(head: int) -> bytes:
    """All that a terminal was sent."""
    seen = b""
    with suppress(OSError):
        while chunk := os.read(head, 65536):
            seen += chunk
    os.close(head)
    return seen


def test_a_terminal_without_unicode_gets_tables(tmp_path: Path) -> None:
    """Lines and marks of a table are of ASCII there, one column each; not six."""
    head, tail = pty.openpty()
    env = {**os.environ, "PYTHONIOENCODING": "latin-1", "COLUMNS": "80"}
    command = [sys.executable, "-m", "pipeline.cli", "ingest", "data/samples/polled"]
    command += ["--lake", str(tmp_path / "lake")]
    subprocess.run(command, cwd=ROOT, stdout=tail, env=env, check=True)
    os.close(tail)
    lines = _seen(head).decode("latin-1").splitlines()
    (rule,) = [number for number, line in enumerate(lines) if set(line) == {"-", " "}]
    assert lines[rule + 1].startswith(".") and lines[rule + 1].endswith(".")  # cut short
    assert len(lines[rule]) == len(lines[rule + 1]) <= 80


@pytest.mark.parametrize("format", ["table", "csv", "json", "jsonl", "parquet", "markdown"])
def test_a_terminal_gets_no_control_characters(format: str) -> None:
    """On a terminal every format is inert, and Parquet is refused."""
    head, tail = pty.openpty()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
    subprocess.run([sys.executable, "-c", SNIPPET, format], stdout=tail, env=env, check=True)
    os.close(tail)
    text = _seen(head).decode()
    assert ("binary to a terminal" if format == "parquet" else "red") in text
    assert not any(ord(c) < 32 and c not in "\r\n" for c in text)
    assert "\x9b" not in text and "\u202e" not in text
