"""What a person sees of rows: figures of few digits, text that does nothing, tables that fit."""

from __future__ import annotations

import io
import json
import math
import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from outputs import UTC_TIME, rows, written

from pipeline.cli.cells import exact, readable
from pipeline.cli.table import Column, fit, render, width_of, write_table
from pipeline.figures import duration, significant
from pipeline.inert import inert, inert_json

ROOT = Path(__file__).parents[1]


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


@pytest.mark.parametrize("width", [80, 120])
def test_metrics_can_be_told_apart(width: int) -> None:
    """A table of metrics has room for their names; of those deep in a payload the end counts."""
    figures = [f"{when}_{what}_error_mean" for when in ("train", "valid") for what in ("a", "b")]
    table = rows(
        metric=[f"errors/graders/A Grader Of Some Name/{figure}" for figure in figures],
        type=["number", "misfit"] * 2,
        **{name: [1, 2, 3, 4] for name in ("numbers", "non_finite", "misfits", "from_messages")},
        first_seen=pa.array([0, 1, 2, 3], UTC_TIME),
        last_seen=pa.array([0, 1_000_000, 2_000_000, 3_000_000], UTC_TIME),
    )
    out = io.StringIO()
    write_table(table.schema, iter(table.to_batches()), out, width)
    assert all(figure in out.getvalue() for figure in figures) and "numbers" in out.getvalue()


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
