"""`tunelog timeline` and its chart: what was logged near a step, and text that stays text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_ingest import event, lines

from pipeline import Lake, open_lake
from pipeline.cli import run
from pipeline.errors import ExitCode, UsageError

ROOT = Path(__file__).parents[1]
SAMPLE = "ftjob-Z5ufhHixoe8BAZSBFiTiZUtk"
EVIL = "</script><script>alert(1)</script><!-- \x1b[2J \u202e"
JOB = f"evil {EVIL}"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """The supervised sample, and a job of hostile texts with a spike and an error beside it."""
    folder = tmp_path_factory.mktemp("timeline")
    rows = [event(n, data={"step": n, "train_loss": 1 / n, EVIL: n}) for n in range(1, 30)]
    rows.append(
        event(40, created_at=1_700_000_020, message=EVIL, level="error", data={}, type=EVIL)
    )
    (folder / "evil.jsonl").write_text(lines(*(row | {"job_id": JOB} for row in rows)))
    with open_lake(folder / "lake") as made:
        made.ingest([folder / "evil.jsonl"])
        made.ingest([ROOT / "data" / "samples" / "openai-supervised.jsonl"])
        yield made


def printed(lake: Lake, capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> str:
    """What `tunelog timeline` prints on standard output, on standard error if it fails."""
    assert run(["timeline", *args, "--lake", str(lake.path)]) == code
    out, err = capsys.readouterr()
    return err if code else out


def test_around_a_step_stands_what_was_logged_there(
    lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rows are those of the view whose step is in the window, messages among them."""
    text = printed(lake, capsys, "evil", "--around", "20", "--window", "2", "--format", "json")
    found = json.loads(text)
    wanted = lake.view("timeline").filter(job_id=JOB)
    wanted = wanted.filter(wanted["step"].is_between(18, 22))
    assert [row["place"] for row in found] == wanted["place"].to_list()
    assert list(found[0]) == wanted.columns
    (error,) = [row for row in found if row["kind"] == "error"]
    assert (error["step"], error["message"]) == (20, EVIL)


def test_around_the_begin_of_an_attempt_stands_what_led_to_it(tmp_path: Path) -> None:
    """Where a job fell back from 30 to 21, the failure between them is near 21 as well as 30."""
    said = {0: "started", 30: "a worker was lost", 60: "done"}
    steps = [*range(1, 31), *range(21, 61)]
    rows = [event(n, created_at=1_700_000_000 + 2 * n, data={"step": step, "train_loss": 1.0})
            for n, step in enumerate(steps, 1)]  # fmt: skip
    rows += [event(99 + n, created_at=1_700_000_001 + 2 * at, message=said[step], data={})
             for n, (at, step) in enumerate([(0, 0), (30, 30), (70, 60)])]  # fmt: skip
    (tmp_path / "restart.jsonl").write_text(lines(*rows))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([tmp_path / "restart.jsonl"], job_id="again")
        near = {
            around: {
                row["message"]
                for row in rows_of(lake.timeline("again", around=around, window=2))
                if row.get("message") in said.values()
            }
            for around in (1, 10, 21, 25, 30, 60)
        }
    assert near == {1: {said[0]}, 10: set(), 21: {said[30]}, 25: set(), 30: {said[30]},
                    60: {said[60]}}  # fmt: skip


def test_a_table_has_the_columns_that_say_something(
    lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    """Losses that no row has are left out of tables; csv has every column."""
    head = printed(lake, capsys, "evil").splitlines()[0].split()
    assert head == ["created_at", "step", "kind", "train_loss", "message"]
    head = printed(lake, capsys, "ftjob-Z5", "--format", "markdown").splitlines()[0]
    assert "valid_loss" in head and "reward" not in head
    rows = csv.reader(io.StringIO(printed(lake, capsys, "ftjob-Z5", "--format", "csv")))
    assert next(rows) == lake.view("timeline").columns


def test_event_text_is_inert(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """Control and direction characters of a message are spelled out in a table."""
    text = printed(lake, capsys, "evil", "--kind", "error")
    assert "\\x1b[" in text
    assert "\x1b" not in text and "\u202e" not in text
    assert len(text.splitlines()) == 3


@pytest.mark.parametrize(
    ("args", "says", "code"),
    [
        (["nobody"], "nobody: no job of that name or beginning", ExitCode.USAGE),
        (["evil", "--kind", "evil"], "'evil' is not one of", ExitCode.USAGE),
        (["evil", "--window", "-1"], "-1 is not in the range", ExitCode.USAGE),
        (["evil", "--window", "5"], "--window without --around: add", ExitCode.USAGE),
    ],
)
def test_usage_errors(
    lake: Lake, capsys: pytest.CaptureFixture[str], args: list[str], says: str, code: int
) -> None:
    """A call that is wrong says so on one line."""
    assert says in printed(lake, capsys, *args, code=code)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["evil", "--around", "99"], "nothing within 10 of step 99: the nearest at 29"),
        (["evil", "--around", "9" * 44], "999,999: the nearest at 29"),
        ([SAMPLE, "--around", "5", "--kind", "checkpoint"],
         "no checkpoint within 10 of step 5: the nearest at 37"),
        ([SAMPLE, "--around", "90", "--window", "2", "--kind", "checkpoint", "--kind", "error"],
         "no checkpoint or error within 2 of step 90: the nearest at 74 and 111"),
        ([SAMPLE, "--around", "5", "--kind", "error"], "of step 5: none stands at a step"),
    ],
)  # fmt: skip
def test_nothing_near_is_told_with_the_nearest(
    lake: Lake, capsys: pytest.CaptureFixture[str], args: list[str], says: str
) -> None:
    """Where nothing was logged is no error: a note tells where the nearest of that kind was."""
    assert run(["timeline", *args, "--lake", str(lake.path)]) == 0
    assert says in capsys.readouterr().err


def rows_of(chart: Any) -> list[dict[str, Any]]:
    """All rows of data that a chart holds."""
    return [row for rows in chart.to_dict()["datasets"].values() for row in rows]


def test_the_chart_holds_numbers_and_messages(lake: Lake) -> None:
    """Each metric of the view is a point at its time, each message a mark of its kind."""
    pytest.importorskip("altair")
    wanted = lake.view("timeline").filter(job_id=SAMPLE)
    found = rows_of(lake.timeline("ftjob-Z5"))
    points = {(row["place"], row["metric"], row["value"]) for row in found if "metric" in row}
    numbers = wanted.unpivot(
        on=["train_loss", "valid_loss", "full_valid_loss"], index="place", variable_name="metric"
    ).drop_nulls()
    assert points == set(numbers.select("place", "metric", "value").iter_rows())
    said = {(row["place"], row["kind"]) for row in found if "message" in row}
    others = wanted.filter(wanted["kind"] != "metrics")
    assert said == set(others.select("place", "kind").iter_rows())
    steps = lake.sql("select 69 as step").to_numpy()  # whose numbers the engine does not take
    near = rows_of(lake.timeline("ftjob-Z5", around=steps[0, 0], window=3))
    assert {row["step"] for row in near} == set(range(66, 73))
    near = rows_of(lake.timeline("ftjob-Z5", around=np.int8(100), window=np.int8(100)))
    assert {1, 149} <= {row["step"] for row in near}  # none of numpy's sums, which overflow
    with pytest.raises(UsageError, match="nothing within 1 of step 999: the nearest at "):
        lake.timeline("ftjob-Z5", around=999, window=1)
    with pytest.raises(UsageError, match="000: the nearest at 149"):
        lake.timeline("ftjob-Z5", around=10**50)


def test_no_text_of_an_event_leaves_the_script_of_a_page(lake: Lake) -> None:
    """Ids, metrics and messages with markup stay data in the HTML that Altair writes."""
    pytest.importorskip("altair")
    for chart in (
        lake.timeline("evil"),
        lake.curve("evil", metrics=["*"], attempts=True),
        lake.compare("evil", "ftjob-Z5", metrics=["*"]),
    ):
        page = chart.to_html()
        body = page[page.index("var spec") :]
        assert "alert(1)" in body
        assert body.lower().count("</script") == 1
        assert "<!--" not in body and "<script" not in body
