"""`tunelog curve`: what is drawn is what was measured, and nothing but characters."""

from __future__ import annotations

import math
import re
import runpy
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from engine import asked
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from test_ingest import event, lines

from pipeline import open_lake
from pipeline.charts.read import Curves, curves, whole_job_id
from pipeline.cli import run
from pipeline.cli.picture import picture
from pipeline.cli.plot import Plot, Series, draw, tick_label, ticks
from pipeline.errors import ExitCode, UsageError

pytest.importorskip("plotext")

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
WHOLE_SET = "the_whole_set_told_by_objects_of_the_last_epochs"
EVIL = "evil \x1b[2J\u202e漢字" + "漢" * 60
JOBS: dict[str, list[dict[str, Any]]] = {
    "one": [{"step": 1, "train_loss": 0.25}],
    "one-point": [{"step": 7, "train_loss": 0.5}],
    "flat": [{"step": n, "train_loss": 0.25} for n in range(10)],
    "cut": [{"step": n, "train_loss": 2 - n / 50 if n < 40 else math.nan} for n in range(100)],
    "no-number": [{"step": n, "train_loss": math.nan} for n in range(5)],
    "huge": [{"step": n, "train_loss": (-1) ** n * 1.7e308} for n in range(50)],
    "negative": [{"step": n, "train_loss": 1 - n / 10} for n in range(20)],
    "long": [
        {
            "step": n,
            "train_loss": 50.0 if n == 1000 else math.exp(-n / 1000),
            **({"full_valid_loss": 1 + abs(n - 1500) / 1500} if n % 30 == 0 else {}),
        }
        for n in range(1, 3001)
    ],
    EVIL: [{"step": n, "train_loss": 1 / n, EVIL: n} for n in range(1, 30)],
    "failed": [],
}


Drawing = Callable[..., list[str]]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of odd curves and of the samples."""
    folder = tmp_path_factory.mktemp("curves")
    with open_lake(folder / "lake") as made:
        for number, (job, payloads) in enumerate(JOBS.items()):
            rows = [
                event(
                    n + 1, job_id=job, message=f"Step {n}", data=data, created_at=1_700_000_000 + n
                )
                for n, data in enumerate(payloads)
            ]
            rows.append(event(99_999, job_id=job, message="hello", data={}, type="message"))
            path = folder / f"{number}.jsonl"
            path.write_text(lines(*rows))
            made.ingest([path])
        made.ingest([ROOT / "data" / "samples" / f"openai-{kind}.jsonl"
                     for kind in ("supervised", "reinforcement", "restart")])  # fmt: skip
        made.ingest([GOLDEN / "best_steps" / "losses_of_objects" / "input.jsonl"])
        made.ingest([GOLDEN / "checkpoint_advice" / WHOLE_SET])
    return folder / "lake"


def checked(text: str, width: int) -> list[str]:
    """The lines of a picture: plain, and no wider than asked."""
    assert re.fullmatch(r"[^\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]*", text)
    assert all(cell_len(line) <= width for line in text.splitlines())
    return text.splitlines()


@pytest.fixture(scope="module")
def drawn(lake: Path) -> Iterator[Drawing]:
    """What `tunelog curve` prints, in an open connection."""
    with open_lake(lake, create=False) as opened:
        con = asked(opened)

        def draw(*jobs: str, width: int = 80, height: int = 24, log: bool = False,
                 steps: tuple[int, int] = (0, 2**62), **how: Any) -> list[str]:  # fmt: skip
            found = curves(con, [whole_job_id(con, job) for job in jobs], **how).within(*steps)
            lines = picture(found, width=width, height=height, log=log)
            return checked("".join(f"{line}\n" for line in lines), width)

        yield draw


def canvas(found: Sequence[str]) -> list[str]:
    """What is drawn between the borders, row by row."""
    return [match[1] for line in found if (match := re.search(r"[│┤](.*)│$", line))]


def test_a_sample_looks_like_this(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The picture of the supervised sample is the one that was looked at."""
    kept = ROOT / "tests" / "golden_curve.txt"
    how = ["--width", "72", "--height", "20", "--lake", str(lake)]
    assert run(["curve", "ftjob-Z5uf", *how]) == ExitCode.OK
    assert checked(capsys.readouterr().out, 72) == kept.read_text(encoding="utf-8").splitlines()


def test_the_picture_of_the_readme_is_current() -> None:
    """`docs/pictures/curve.svg` is what the script beside it draws, and fetches nothing."""
    kept = (ROOT / "docs" / "pictures" / "curve.svg").read_text(encoding="utf-8")
    script = runpy.run_path(str(ROOT / "docs" / "pictures" / "curve.py"))
    assert script["drawn"]() == kept, "run: python docs/pictures/curve.py"
    assert "url(http" not in kept and "@font-face" not in kept


def test_odd_curves_can_be_drawn(lake: Path) -> None:
    """One point, no finite one, the greatest numbers there are, hostile names: all end in a
    picture that fits, and in ASCII where that is asked for."""
    with open_lake(lake, create=False) as opened:
        con = asked(opened)
        for job in filter(JOBS.get, JOBS):
            found = curves(con, [job], metrics=["*"], smoothing=0.9)
            for ascii in (False, True):
                text = list(picture(found, width=41, height=20, log=ascii, ascii=ascii))
                assert all(cell_len(line) <= 41 and line.isprintable() for line in text)
                assert any("train_loss" in line for line in text)
                assert not ascii or all(line.isascii() for line in text)
                box = any(line.lstrip().startswith(("┌", "+-")) for line in text)
                assert box == (job != "no-number")


def test_a_spike_of_one_step_in_thousands_is_seen(drawn: Drawing) -> None:
    """The highest row of the plot is reached where the spike is, a third of the way."""
    found = drawn("long")
    top = canvas(found)[0]
    assert len(top) - len(top.lstrip()) == pytest.approx(0.3333 * len(top), abs=1)
    assert len(top.split()) == 1
    assert "◆  best             full_valid_loss 1 at step 1,500" in found


def test_the_best_step_stands_where_it_was_measured(drawn: Drawing) -> None:
    """Column and row of the mark are those of step and value on the axes."""
    found = drawn("long", metrics=["full_valid_loss"], width=100, height=30)
    rows = canvas(found)
    (row,) = [n for n, line in enumerate(rows) if "◆" in line]
    share = (1500 - 30) / (3000 - 30)
    assert rows[row].index("◆") == pytest.approx(share * len(rows[row]), abs=1)
    assert row == len(rows) - 1  # the lowest of values that fell by less than to a quarter


def test_where_a_line_is_narrow_what_is_told_goes_on_in_the_next(drawn: Drawing) -> None:
    """At 40 columns nothing is cut as long as it fits in the height, else each is a line."""
    said = " ".join(" ".join(drawn("ftjob-Z5", width=40)).split())
    assert "succeeded · step 149 of 149" in said
    assert "◆ best valid_loss (running median) 0.7004 at step 80 ▲" in said
    assert "…" not in said
    assert len(drawn("ftjob-Z5", width=40)) == 24
    both = drawn("ftjob-Z5", "ftjob-Full", width=40)
    assert len([line for line in both if line.endswith("…")]) > 4


def test_what_only_objects_tell_of_the_best_step_is_on_the_curve(drawn: Drawing) -> None:
    """The best step lies on its curve, and is its lowest, where a checkpoint object tells it."""
    found = drawn("ftjob-FullLossOnlyInObjects1")
    assert "+  full_valid_loss  last 1.300 at 6, lowest 0.8000 at 2" in found
    assert "◆  best             full_valid_loss 0.8 at step 2" in found
    assert not any("0.8000 at 2" in line for line in drawn("ftjob-Full", attempts=True))


def test_what_checkpoints_are_compared_by_is_on_the_curve(drawn: Drawing) -> None:
    """Losses of the whole set are on their curve where the best step goes by those of a sample."""
    found = drawn("ftjob-LossesOfEightEpochs")
    assert "+  full_valid_loss  last 1.300 at 48, lowest 0.8100 at 36" in found
    assert "◆  best             valid_loss (running median) 0.7 at step 32" in found


def test_what_is_not_finite_is_told(drawn: Drawing) -> None:
    """Where a curve stops being a number stands above it, and in words below it."""
    found = drawn("cut")
    assert "!  train_loss  NaN at 60 steps, 40 to 99" in found
    top = canvas(found)[0]
    assert top.index("!") == pytest.approx(0.404 * len(top), abs=1)
    assert set(top[top.index("!") :]) == {"!"}
    assert any("10 at or below 0" in line for line in drawn("negative", log=True))


def test_jobs_are_drawn_over_one_another_and_rewards_by_themselves(drawn: Drawing) -> None:
    """Each curve of several jobs has a letter; losses and rewards have a plot each."""
    found = drawn("ftjob-Z5uf", "long", "ftjob-uPFP", steps=(1, 150))
    legend = [line for line in found if re.match(r"[a-z]  ", line)]
    assert [line.split()[:3] for line in legend] == [
        ["a", "ftjob-Z5uf", "train_loss"],
        ["b", "ftjob-Z5uf", "valid_loss"],
        ["c", "ftjob-Z5uf", "full_valid_loss"],
        ["d", "long", "train_loss"],
        ["e", "long", "full_valid_loss"],
        ["f", "ftjob-uPFP", "train_mean_reward"],
        ["g", "ftjob-uPFP", "full_valid_mean_reward"],
    ]
    assert sum("┌" in line for line in found) == 2
    assert set("abcdefg") <= set("".join(canvas(found)))


def test_attempts_are_curves_of_their_own(drawn: Drawing) -> None:
    """What a restart threw away is drawn if asked for; where training fell back is told."""
    found = drawn("ftjob-4dhS", attempts=True, metrics=["train_loss"])
    assert sum(" attempt " in line for line in found) == 3
    assert any(line.split()[0] == "restarts" for line in found)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["nobody"], "nobody: no job of that name or beginning"),
        (["flat", "-m", "loss"], "loss: no metric of that name"),
        (["flat", "--smooth", "1"], "1.0 is not in the range"),
        (["flat", "--steps", "9:1"], "'9:1' is no range of steps"),
        (["flat", "--width", "7"], "7 is not in the range"),
    ],
)
def test_usage_errors(
    lake: Path, capsys: pytest.CaptureFixture[str], args: list[str], says: str
) -> None:
    """What cannot be drawn is refused on one line."""
    assert run(["curve", *args, "--lake", str(lake)]) == ExitCode.USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


def test_a_job_is_named_by_what_no_other_begins_with(drawn: Drawing) -> None:
    """A beginning of several ids, and a whole id that is not there, are refused."""
    with pytest.raises(UsageError, match="2 jobs begin so, as negative and no-number"):
        drawn("n")
    with pytest.raises(UsageError, match="no job of that name or beginning"):
        drawn("ftjob-" + "x" * 24)


def test_a_whole_id_that_begins_another_is_its_own(lake: Path) -> None:
    """A job is found by its whole id also where the id of another one begins so."""
    with open_lake(lake, create=False) as opened:
        assert whole_job_id(asked(opened), "one") == "one"


def test_a_job_without_metrics_is_told(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to draw is no error: a note says how the job stands."""
    assert run(["curve", "failed", "flat", "--steps", "3:3", "--lake", str(lake)]) == 0
    out, err = capsys.readouterr()
    assert "0.2500 at 3" in out
    assert err.startswith("failed: unknown, and no metrics")
    assert run(["curve", "flat", "--steps", "900:", "--lake", str(lake)]) == 0
    assert "no metrics at these steps: it has" in capsys.readouterr().err


@pytest.mark.parametrize("columns", ["1", "3", "4"])
def test_no_terminal_is_too_narrow(
    lake: Path, columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a frame fills the terminal the picture is one column wide, and no fault of ours."""
    monkeypatch.setenv("COLUMNS", columns)
    assert run(["curve", "flat", "--lake", str(lake)]) == ExitCode.OK
    assert capsys.readouterr().out


def test_without_plotext_one_line_says_what_to_install(
    lake: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra that is missing is named, and the exit code is that of the environment."""
    monkeypatch.setitem(__import__("sys").modules, "plotext", None)
    assert run(["curve", "flat", "--lake", str(lake)]) == ExitCode.ENVIRONMENT
    assert "pip install 'tunelog[report]'" in capsys.readouterr().err


def test_smoothing_is_that_of_the_view(lake: Path) -> None:
    """Smoothed points equal `loss_curves_smoothed`, and odd values stay what they are."""
    with open_lake(lake, create=False) as opened:
        con = asked(opened)
        for job in ("cut", "long"):
            query = "from loss_curves_smoothed(smoothing := 0.9) where job_id = $1"
            wanted = con.sql(query, params=[job]).pl()
            points = curves(con, [job], smoothing=0.9).points
            both = points.join(wanted, on=["metric", "step"], how="full")
            assert both["shown"].null_count() == 0
            finite = both.filter(pl.col("value").is_finite(), metric="train_loss")
            assert np.allclose(finite["shown"], finite["smoothed"], rtol=1e-9)
            assert points.filter(~pl.col("value").is_finite())["shown"].is_finite().any() is False


def test_a_few_evaluations_stay_as_they_are(lake: Path) -> None:
    """What is sparse is not smoothed, as in `compare`: an average would lag behind its turn."""
    with open_lake(lake, create=False) as opened:
        con = asked(opened)
        points = curves(con, ["long"], smoothing=0.6).points.filter(metric="full_valid_loss")
        query = "from compare('long', 'flat') where axis = 'step' and metric = 'full_valid_loss'"
        compared = con.sql(f"{query} order by position").pl()
        assert points["shown"].to_list() == points["value"].to_list()
        assert points["shown"].to_list() == compared["smoothed_a"].to_list()
        alone = curves(con, ["long"], metrics=["full_valid_loss"], smoothing=0.6).points
        assert alone["shown"].to_list() != alone["value"].to_list()


NUMBERS = st.floats(-5, 5) | st.sampled_from([math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324])


@settings(max_examples=30)
@given(st.lists(NUMBERS, min_size=1, max_size=30), st.booleans(), st.integers(40, 120))
def test_any_curve_is_a_picture(values: list[float], log: bool, width: int) -> None:
    """Whatever the numbers, the picture has its width and its finite points."""
    points = pl.DataFrame(
        {"job_id": "j", "attempt": None, "metric": "train_loss", "step": range(len(values)),
         "value": values, "shown": values},
        schema_overrides={"attempt": pl.Int64},
    )  # fmt: skip
    jobs = pl.DataFrame({"job_id": ["j"], "status": ["running"], "last_step": 1, "total_steps": 1})
    marks = pl.DataFrame(
        schema=dict.fromkeys(["job_id", "kind", "metric"], pl.String) | {"step": pl.Int64}
    )
    found = list(picture(Curves(jobs, points, marks), width=width, height=12, log=log))
    assert all(cell_len(line) <= width for line in found)
    visible = any(math.isfinite(v) and (v > 0 or not log) for v in values)
    assert any("┌" in line for line in found) == visible
    assert bool("".join(canvas(found)).strip()) == visible


@given(NUMBERS.filter(math.isfinite), NUMBERS.filter(math.isfinite), st.integers(2, 12))
def test_ticks_are_few_and_lie_on_the_axis(one: float, other: float, most: int) -> None:
    """Ticks are within the axis, in order, about as many as asked for, and each reads otherwise."""
    low, high = min(one, other), max(one, other)
    for log in (False, low > 0):
        found = ticks(low, high, most, log=log)
        assert 1 <= len(found) <= 2 * most + 2
        assert found == sorted(set(found))
        slack = 1e-9 * (high / 2 - low / 2)
        assert low - slack <= found[0] <= found[-1] <= high + slack
        labels = [tick_label(tick, found, log=log) for tick in found]
        if high - low > 1e-6 * max(abs(low), abs(high)) or low == high:
            assert len(set(labels)) == len(labels), labels


def test_colours_are_escapes_only_where_asked_for() -> None:
    """The same plot in colour differs by its escapes only."""
    series = Series(np.arange(9.0), np.arange(9.0), "o", 33)
    plot = Plot([series], points=[(3, 3, "◆", 160)], below=[(5, "▲", 35)])
    plain = draw(plot, 60, 12, colour=False, ascii=False)
    painted = draw(plot, 60, 12, colour=True, ascii=False)
    assert "\x1b[38;5;33m" in "".join(painted)
    bare = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in painted]
    assert bare == plain
