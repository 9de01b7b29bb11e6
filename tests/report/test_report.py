"""The page before any browser: its blocks, its policy, what no message breaks out of."""

from __future__ import annotations

import io
import json
import math
import re
import sys
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest
from dumps import an_event
from report_lakes import HOSTILE, blocks, ingested

from pipeline import open_lake
from pipeline.cli import run
from pipeline.cli.report import format_of
from pipeline.cli.report_markdown import lines
from pipeline.errors import ExitCode, LakeError, UsageError
from pipeline.report import curves
from pipeline.report.gather import Facts, facts, reads
from pipeline.report.page import page


def test_a_file_tells_its_format_or_is_refused() -> None:
    """A report is HTML or Markdown: a name that tells neither is no reason to write one of them."""
    told = {"a.html": "html", "a.HTM": "html", "a": "html", None: "html", "-": "html"}
    for name, format in (told | {"a.md": "markdown"}).items():
        assert format_of(name) == format
    for name in ("a.txt", "a.csv", "a.json"):
        with pytest.raises(UsageError, match=f"{name}: call it .html or .md"):
            format_of(name)


def test_equal_facts_give_equal_pages(told: Facts) -> None:
    """A page depends on the lake alone: no clock, no chance."""
    assert "".join(page(told)) == "".join(page(told))


def test_the_page_allows_its_own_scripts_and_nothing_else(hostile: Facts) -> None:
    """The policy names the scripts and the style by their hashes, and lets nothing be fetched."""
    text = "".join(page(hostile))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    rules = dict(rule.split(" ", 1) for rule in policy[1].split("; "))
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    styles = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert rules["default-src"] == "'none'"
    assert rules["script-src"].split() == [hashed(script) for script in scripts]
    assert rules["style-src"].split() == [hashed(style) for style in styles]
    assert text.index("Content-Security-Policy") < text.index("<script")


def hashed(text: str) -> str:
    """A script as a policy names it."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def test_no_message_ends_the_script_it_stands_in(hostile: Facts) -> None:
    """What messages hold of markup is escaped, and their text is whole in the data."""
    text = "".join(page(hostile))
    assert text.count("<script") == 2 + len(blocks(text))
    assert text.count("</script") == text.count("<script")
    data = text[text.index('id="overview"') : text.index("<script>")]
    assert not re.search(r"<(?!/?script|/script)", data.replace("</script>", ""))
    assert set(HOSTILE) <= set(blocks(text)["job-0"]["messages"]["message"])


def test_every_job_has_its_block(told: Facts) -> None:
    """The overview lists every job of the lake and each has its data, its curve among them."""
    data = blocks("".join(page(told)))
    jobs = data["overview"]["jobs"]["job_id"]
    assert len(jobs) == told.jobs.height == len(data) - 1
    steps = {row["job_id"]: row["steps"] for row in told.jobs.to_dicts()}
    for number, job in enumerate(jobs):
        drawn = data[f"job-{number}"]["curves"]
        assert bool(drawn) == bool(steps[job])
        for curve in drawn.values():
            x = curve["x"]
            assert len(curve["y"]) == (x["n"] if isinstance(x, dict) else len(x))


def test_a_job_of_numbers_at_the_ends_has_its_page(tmp_path: Path) -> None:
    """Losses as far apart as doubles are, and settings that are none, cost nobody the report."""
    most = sys.float_info.max
    losses = ((most, 0.5, -most), (1e307, 2e307, 1e308), (0.0, 5e-324, 0.0))
    jobs = [
        (f"ftjob-{n:024}", [an_event(3 * n + i, data={"step": i, "train_loss": loss})
                            for i, loss in enumerate(some)])
        for n, some in enumerate(losses)
    ]  # fmt: skip
    settings = {"n_epochs": math.inf, "batch_size": math.nan, "learning_rate_multiplier": 2.0}
    about = {"object": "fine_tuning.job", "id": jobs[0][0], "hyperparameters": settings}
    (tmp_path / "job.json").write_text(json.dumps(about))
    with ingested(tmp_path, *jobs) as lake:
        lake.ingest(tmp_path / "job.json")
        (row,) = lake.sql("select n_epochs, batch_size, learning_rate_multiplier from jobs "
                          "where learning_rate_multiplier is not null").rows()  # fmt: skip
        assert row == (None, None, 2.0)
        with lake.connect(reads()) as con:
            assert "".join(page(facts(con)))
    assert [curves.spark(some) for some in losses] == [[99, 50, 0], [0, 11, 99], [0, 99, 0]]


def test_an_empty_lake_has_a_report(tmp_path: Path) -> None:
    """A lake without jobs gives a page and Markdown that say what to do."""
    with open_lake(tmp_path / "lake") as lake:
        lake.make()
        with lake.connect(reads()) as con:
            told = facts(con)
    assert blocks("".join(page(told)))["overview"]["jobs"]["job_id"] == []
    assert "tunelog ingest" in "\n".join(lines(told))


def test_a_report_that_takes_long_says_that_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bar on a terminal's standard error, gone when the lines are written; else none."""
    with open_lake(tmp_path / "lake") as lake:
        lake.make()
    ask = ["report", "--format", "markdown", "--lake", str(tmp_path / "lake")]
    assert run(ask) == ExitCode.OK
    told, screen = capsys.readouterr(), io.StringIO()
    assert not told.err
    screen.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    assert run(ask) == ExitCode.OK
    assert "report " in screen.getvalue() and "bytes" not in screen.getvalue()
    assert screen.getvalue().endswith("\x1b[2K")
    assert capsys.readouterr().out == told.out


def test_a_missing_extra_is_one_line(told: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Altair the page says what to install."""
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(LakeError, match=r"pip install 'tunelog\[report\]'"):
        next(page(told))
