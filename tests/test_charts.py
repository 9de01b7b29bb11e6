"""Altair charts: their data is what the views say, thinned without loss, and they can be drawn."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from test_ingest import event, lines

from pipeline import Lake, open_lake
from pipeline.errors import LakeError, UsageError

alt = pytest.importorskip("altair")

ROOT = Path(__file__).parents[1]
SUPERVISED = "ftjob-Z5ufhHixoe8BAZSBFiTiZUtk"
REINFORCEMENT = "ftjob-uPFPa77cN0hjIaIBGGbiuS7h"
SPIKE = 1_321
LONG = [
    {
        "step": n,
        "train_loss": 50.0 if n == SPIKE else math.nan if n > 2_990 else math.exp(-n / 1000),
        "<b>\x1b[31m": n % 7,
        **({"full_valid_loss": 1 + abs(n - 1_501) / 1500} if n % 50 == 1 else {}),
    }
    for n in range(1, 3_001)
]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """Samples, a long curve, and a job without metrics."""
    folder = tmp_path_factory.mktemp("charts")
    rows = [event(n, message=f"Step {n}", data=data) for n, data in enumerate(LONG, 1)]
    (folder / "long.jsonl").write_text(lines(*rows))
    said = event(1, message="hel\0lo\n\u202eolleh", data={}, type="message")
    (folder / "none.jsonl").write_text(lines(said))
    kinds = ("supervised", "reinforcement", "restart")
    with open_lake(folder / "lake") as made:
        made.ingest([folder / "long.jsonl"], job_id="long")
        made.ingest([folder / "none.jsonl"], job_id="none")
        made.ingest([ROOT / "data" / "samples" / f"openai-{kind}.jsonl" for kind in kinds])
        yield made


@pytest.fixture(scope="module")
def supervised(lake: Lake) -> dict[str, Any]:
    """The chart of the supervised sample."""
    return dict(lake.curve("ftjob-Z5").to_dict())


def texts(chart: dict[str, Any]) -> list[str]:
    """The lines below a chart's title."""
    below = chart["title"]["subtitle"]
    return [below] if isinstance(below, str) else list(below)


def rows_of(chart: Any) -> list[dict[str, Any]]:
    """All rows of data that a chart holds, each once."""
    spec = chart if isinstance(chart, dict) else chart.to_dict()
    return [row for rows in spec["datasets"].values() for row in rows]


def points_of(chart: Any) -> dict[tuple[str, str, int], float | None]:
    """The points of a chart's curves, by job, metric and step."""
    found = [row for row in rows_of(chart) if "series" in row]
    return {(row["job_id"], row["metric"], row["step"]): row["shown"] for row in found}


def marks_of(chart: Any) -> set[tuple[str, str, int]]:
    """The marks of a chart, as mark, job and step."""
    found = [row for row in rows_of(chart) if "mark" in row]
    return {(row["mark"], row["job_id"], row["step"]) for row in found}


def test_a_chart_holds_the_curve_of_the_view(lake: Lake, supervised: dict[str, Any]) -> None:
    """Every number of a short curve is in its chart, and its marks are those of the views."""
    query = "from (unpivot (from loss_curves) on train_loss, valid_loss, full_valid_loss)"
    wanted = lake.sql(f"{query} where job_id = $job", job=SUPERVISED)
    chart = supervised
    assert points_of(chart) == {
        (row["job_id"], row["name"], row["step"]): row["value"]
        for row in wanted.iter_rows(named=True)
    }
    (best,) = lake.view("best_steps").filter(job_id=SUPERVISED)["best_step"]
    steps = lake.view("checkpoints").filter(job_id=SUPERVISED)["step"]
    checkpoints = {("checkpoint", SUPERVISED, step) for step in steps}
    assert marks_of(chart) == {("best step", SUPERVISED, best)} | checkpoints
    assert chart["title"]["text"] == SUPERVISED
    told = "succeeded · step 149 of 149 · best valid_loss (running median)"
    assert told in chart["title"]["subtitle"]


def test_colour_is_never_alone(supervised: dict[str, Any]) -> None:
    """Curves differ by colour, by dash and by the shape of their points, all in one legend."""
    chart = supervised
    spec = chart["vconcat"][0]["layer"][0]
    fields: dict[str, set[str]] = {}
    for layer in spec["layer"]:
        for channel in ("color", "strokeDash", "shape"):
            if channel in layer["encoding"]:
                fields.setdefault(channel, set()).add(layer["encoding"][channel]["field"])
    assert fields == {channel: {"curve"} for channel in ("color", "strokeDash", "shape")}
    assert chart["params"][0]["bind"] == "scales"
    assert sum("tooltip" in layer["encoding"] for layer in spec["layer"]) == 2


def test_long_curves_fit_and_lose_nothing_that_matters(lake: Lake) -> None:
    """A chart of a long curve stays within Altair's limit of rows, with the spike, the best step
    and all that is not finite."""
    chart = lake.curve("long").to_dict()
    assert len(rows_of(chart)) < 5_000
    points = points_of(chart)
    assert points["long", "train_loss", SPIKE] == 50.0
    assert points["long", "full_valid_loss", 1_501] == 1.0
    assert {("not finite", "long", n) for n in range(2_991, 3_001)} <= marks_of(chart)
    assert all(points["long", "train_loss", n] is None for n in range(2_991, 3_001))


def test_a_log_axis_has_no_place_for_what_is_not_positive(lake: Lake) -> None:
    """Points at or below 0 are gaps on a log axis; with smoothing the measured points stay."""
    chart = lake.curve("long", metrics=["<b>*"], log=True).to_dict()
    assert {value for value in points_of(chart).values() if value is not None} <= set(range(1, 7))
    assert any("values at or below 0 left out" in line for line in texts(chart))
    smooth = lake.curve("long", metrics=["train_loss"], smoothing=np.float32(0.9))
    at = next(row for row in rows_of(smooth) if row.get("step") == SPIKE and "series" in row)
    assert (at["value"], round(at["shown"], 1)) == (50.0, 5.2)


def test_jobs_are_compared_by_step_or_by_share(lake: Lake) -> None:
    """In a comparison each job has a colour; shares of training run to 1 for all of them."""
    chart = lake.compare("ftjob-Z5", "long", by="share", metrics=["*train_loss"])
    ends: dict[str, float] = {}
    for row in rows_of(chart):
        if "series" in row:
            ends[row["curve"]] = max(row["x"], ends.get(row["curve"], 0))
    assert ends == {SUPERVISED: 1.0, "long": 1.0}
    alone = lake.compare("long", "none").to_dict()["title"]
    assert alone["text"] == "1 job by step"
    assert "none: no metrics to draw" in alone["subtitle"]


def test_a_dozen_jobs_have_a_dozen_colours(tmp_path: Path) -> None:
    """Jobs that are laid over one another can be told apart, as many as a search has runs."""
    names = [f"ftjob-Run{number:02}AAAAAAAAAAAAAAAAAAA" for number in range(12)]
    rows = [
        event(n, job_id=job, message="Step 1", data={"step": 1, "train_loss": 1 / n})
        for n, job in enumerate(names, 1)
    ]
    (tmp_path / "runs.jsonl").write_text(lines(*rows))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([tmp_path / "runs.jsonl"])
        plot = lake.compare(*names).to_dict()["vconcat"][0]["layer"][0]["layer"][0]
    scale = plot["encoding"]["color"]["scale"]
    assert scale["domain"] == names
    assert len(set(scale["range"])) == 12


def test_rewards_and_attempts_have_their_charts(lake: Lake) -> None:
    """A reinforcement job shows rewards, graders by their path; attempts are apart."""
    titles = [
        plot["layer"][0]["layer"][0]["encoding"]["y"]["title"]
        for plot in lake.curve(
            REINFORCEMENT, metrics=["*reward*", "scores/graders/*", "reasoning_tokens_mean"]
        ).to_dict()["vconcat"]
    ]
    assert titles == ["reward", "tokens [token]"]
    chart = lake.curve("ftjob-4dhS", attempts=True, metrics=["train_loss"]).to_dict()
    curves = {row["curve"] for row in rows_of(chart) if "series" in row}
    assert curves == {f"train_loss attempt {n}" for n in (1, 2, 3)}
    assert {kind for kind, *_ in marks_of(chart)} >= {"restart"}


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda lake: lake.curve("none"), "none: unknown, and no metrics to draw"),
        (lambda lake: lake.compare(), ".*no ids of jobs: write"),
        (lambda lake: lake.compare(["long"]), ".*no ids of jobs: write"),
        (lambda lake: lake.curve(["long"]), r"\['long'\]: no id of a job"),
        (lambda lake: lake.timeline(None), "None: no id of a job"),
        (lambda lake: lake.curve("nobody"), "nobody: no job of that name or beginning"),
        (lambda lake: lake.curve("long", metrics=["los"]), "los: no metric of that name"),
        (lambda lake: lake.curve("long", smoothing=1.0), "smoothing 1.0: give 0 to less than 1"),
        (lambda lake: lake.curve("none", metrics=pl.Series([], dtype=pl.String)), "none: unknown"),
        (lambda lake: lake.compare("long", by="time"), "by='time': give 'step' or 'share'"),
        (lambda lake: lake.compare("none"), "none: no metrics to draw"),
        (
            lambda lake: lake.curve("ftjob-uPFP", metrics=["train_loss"]),
            ".*: succeeded, and no metrics of what was asked for",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(lake: Lake, call: Any, says: str) -> None:
    """A chart that would be empty or wrong is a usage error that says what it lacks."""
    with pytest.raises(UsageError, match="^" + says.replace("'", ".")):
        call(lake)


def test_without_altair_one_line_says_what_to_install(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra that is missing is named; the lake itself needs none."""
    monkeypatch.setitem(__import__("sys").modules, "altair", None)
    with pytest.raises(LakeError, match=r"pip install 'tunelog\[report\]'"):
        lake.curve("long")
    assert lake.sql("select 1 as one").item() == 1


def test_no_line_of_the_timeline_joins_two_attempts(lake: Lake) -> None:
    """Over the pause before a restart nothing is drawn: a loss did not rise there."""
    drawn = pytest.importorskip("vl_convert").vegalite_to_svg(lake.timeline("ftjob-4dhS").to_dict())
    attempts = lake.sql("select count(*) as n from attempts where job_id ^@ 'ftjob-4dhS'")
    assert drawn.count('aria-roledescription="line mark"') == attempts.item() == 3


def test_an_axis_of_equal_values_has_their_digits(tmp_path: Path) -> None:
    """A loss of 0.5 at every step stands at 0.5: its one tick was called 1."""
    svg = pytest.importorskip("vl_convert").vegalite_to_svg
    said = [event(n, data={"step": n, "train_loss": 0.5}) for n in (1, 2)]
    (tmp_path / "equal.jsonl").write_text(lines(*said))
    with open_lake(tmp_path / "lake") as equal:
        equal.ingest([tmp_path / "equal.jsonl"], job_id="equal")
        for chart in (equal.curve("equal", smoothing=0.5), equal.timeline("equal")):
            assert ">0.5</text>" in svg(chart.to_dict())


def test_charts_can_be_drawn(lake: Lake) -> None:
    """Vega draws a chart with all there is in one: a picture comes of it."""
    pytest.importorskip("vl_convert")
    import io

    out = io.BytesIO()
    lake.compare("ftjob-Z5", "ftjob-uPFP", smoothing=0.5).save(out, format="png")
    assert out.getvalue().startswith(b"\x89PNG")
    chart = lake.timeline("none")
    assert r"hel\x00lo \u202eolleh" in {row.get("message") for row in rows_of(chart)}
    chart.save(out, format="png")  # a picture has no place for what is spelled out
