"""Texts of dumps in Markdown: read whole, and nothing in them acts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from small_jobs import dump, events

from pipeline import open_lake
from pipeline.cli import run
from pipeline.cli.markdown import cell, safe
from pipeline.errors import ExitCode
from pipeline.inert import inert

ACTIVE = "@octocat see #1 GH-2 https://evil.example www.evil.com"
ACTS = re.compile(
    r"[@#<>&$~*|`\[\]\\!^{}]|://|www\.|GH-\d|(?<!\d):\w+:|(?<![\w-])[0-9a-f]{7,40}\b", re.I
)
PIECES = ["@", "#1", "GH-", "2", "www.", "x.com", "//", ":x:", "0:00:0", "deadbeef1", "|", "\\",
          "`", "``", "<b>", "&lt;", "*", "_", "~", "$", " ", "a", "\n", "[l](u)", "!"]  # fmt: skip
READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def inline(text: str) -> Iterator[Token]:
    """What a reader of Markdown sees in a text."""
    for token in READER.parse(text):
        yield from token.children or ()


def acting(text: str) -> list[str]:
    """What a text holds beside words and code, and what of its words acts by itself."""
    kinds = [token.type for token in inline(text) if token.type not in ("text", "code_inline")]
    words = [token.content for token in inline(text) if token.type == "text"]
    return kinds + [word for word in words if ACTS.search(word)]


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join)))
def test_nothing_acts_in_a_cell(text: str) -> None:
    """Any text is one cell of a table, is read as it is, and does nothing."""
    told = inert(text)
    table = f"| a | b |\n| --- | --- |\n| {cell(told)} | z |"
    assert acting(table) == []
    shown = [token.content for token in inline(table)]
    assert [part.strip() for part in shown if part.strip()] == [
        "a", "b", *([told.strip(" ")] if told.strip() else []), "z"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("ftjob-067e16d24fcd48e18915354a3858b851", True),
        ("2024-05-01 12:00:00.5Z", True),
        ("≥ 1h 02m", True),
        ("train_loss 0.7300, step 12/40", True),
        ("0.7300 @12", False),
        ("GH-1:00:0 x", False),
        ("deadbeef1", False),
        ("1714564800", True),
        (":tada:", False),
        ("12 % of 30%, +3%", True),
        ("%next", False),
        ("_x_", False),
    ],
)
def test_what_stands_as_it_is(text: str, plain: bool) -> None:
    """Ids, numbers, times and words stay as they are; what a page may act on is code."""
    assert safe(text) == (text if plain else f"`{text}`")


def test_every_command_is_inert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In no command's Markdown a message or a job's id of a dump acts."""
    job = "@octo|cat<b>"
    last = [event | {"level": "error", "message": ACTIVE} for event in events("ftjob-abcdef")[-2:]]
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([dump(tmp_path / "x.jsonl", last)], job_id=job)
    for command in (["summary"], ["check"], ["report"], ["show", "events"]):
        code = run([*command, "--format", "markdown", "--lake", str(tmp_path / "lake")])
        assert code == (ExitCode.DATA if command == ["check"] else ExitCode.OK)
        text = capsys.readouterr().out
        assert acting(text) == [] or set(acting(text)) <= {"strong_open", "strong_close"}, command
        assert "@" in text
