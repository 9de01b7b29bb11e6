"""The curves of a job: smoothed, scaled and marked as what they are drawn from."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from report_lakes import RESTARTED
from test_ingest import JOB, event, lines

from pipeline import open_lake
from pipeline.report.gather import facts, reads
from report_page.browser import MEASURED, Open, changed, drawn, line, needs_browser, written

pytestmark = needs_browser


def test_smoothing_and_log_scale_redraw_the_curve(open_page: Open, samples: Path) -> None:
    """The slider changes the curve, and so does the scale; both by keyboard."""
    shown = open_page(samples, job=RESTARTED)
    drawn(shown)
    first = line(shown)
    shown.locator("#smoothing").focus()
    for _ in range(5):
        shown.keyboard.press("PageUp")
    changed(shown, first)
    assert float(shown.locator("output[for=smoothing]").inner_text()) > 0.6
    smooth = line(shown)
    shown.locator("#log").focus()
    shown.keyboard.press("Space")
    changed(shown, smooth)


def test_a_curve_takes_the_height_of_a_log_scale(open_page: Open, samples: Path) -> None:
    """Where a loss falls by less than a power of ten it is not squeezed into a part of one."""
    shown = open_page(samples, job=RESTARTED)
    drawn(shown)
    before = line(shown)
    shown.check("#log")
    changed(shown, before)
    heights = [float(y) for y in re.findall(r"[ML][0-9.]+,([0-9.]+)", line(shown))]
    assert max(heights) - min(heights) > 0.6 * 320


def test_an_axis_of_equal_values_says_which(open_page: Open, odd_jobs: Path) -> None:
    """A loss that never changes is drawn as one line, at its value, smoothed or not."""
    shown = open_page(odd_jobs, job="flat")
    drawn(shown)
    assert shown.locator("#smoothing").input_value() != "0"
    assert "1.25" in shown.locator(".chart svg text").all_text_contents()
    assert len(set(re.findall(r"[ML][0-9.]+,([0-9.]+)", line(shown)))) == 1


def test_the_page_smooths_as_the_view_does(open_page: Open, samples: Path) -> None:
    """The page's own smoothing is TensorBoard's, equal to polars' to nine digits."""
    shown = open_page(samples)
    script = (Path(samples).read_text(encoding="utf-8")).rpartition("<script>")[2]
    source = script[script.index("function smoothed(") :]
    source = source[: source.index("\n}\n") + 2]
    values = [3.0, 2.5, float("nan"), 2.75, *(1 + (n * 7919 % 97) / 50 for n in range(2000))]
    series = pl.Series(values)
    finite = series.set(series.is_nan(), None)
    for s in (0.3, 0.9, 0.99):
        got = shown.evaluate(
            f"([v, s]) => {{ {source}; return smoothed(v.map(Number), s); }}",
            [[str(v) for v in values], s],
        )
        expected = finite.ewm_mean(alpha=1 - s, adjust=True, ignore_nulls=True).to_list()
        assert [y for y in got if y == y] == pytest.approx(
            [y for y, v in zip(expected, values, strict=True) if v == v], rel=1e-9
        )
        flat = shown.evaluate(f"s => {{ {source}; return smoothed(Array(99).fill(1.37), s); }}", s)
        assert set(flat) == {1.37}  # else rounding is drawn, as high as the chart


def test_few_evaluations_are_drawn_as_they_were_measured(open_page: Open, samples: Path) -> None:
    """Smoothing moves the training loss alone: validation, told every tenth step, is a mean."""
    shown = open_page(samples, job=MEASURED)
    drawn(shown)
    thick = shown.locator(".chart path[stroke-width='1.8']")

    def paths() -> list[str]:
        return [str(path.get_attribute("d")) for path in thick.all()]

    before = paths()
    shown.locator("#smoothing").focus()
    shown.keyboard.press("Home")
    changed(shown, before[0])
    after = paths()
    assert len(before) == len(after) >= 2
    assert before[0] != after[0] and before[1:] == after[1:]


def test_what_was_logged_near_a_step_is_shown(open_page: Open, samples: Path) -> None:
    """A click on the curve, the slider and the buttons pick a step and show what lies near it."""
    shown = open_page(samples, job=RESTARTED)
    drawn(shown)
    at = shown.locator("output.at")
    box = shown.locator(".chart").bounding_box()
    assert box
    shown.locator(".chart").click(position={"x": box["width"] / 2, "y": 100})
    picked = int(at.inner_text().split()[1])
    assert 40 < picked < 60
    assert "Checkpoint created at step 33" in shown.locator(".around .log").inner_text()
    shown.locator("#step").focus()
    shown.keyboard.press("ArrowRight")
    assert at.inner_text() == f"step {picked + 1}"
    shown.keyboard.press("Home")
    assert at.inner_text() == "step 1"
    assert "training" in (shown.locator("#step").get_attribute("aria-valuetext") or "")
    shown.locator("button", has_text="mark →").press("Enter")
    assert int(at.inner_text().split()[1]) > 1


def test_attempts_marks_and_phases_are_shown(open_page: Open, samples: Path) -> None:
    """What a restart threw away, the checkpoints and the best step are drawn and explained."""
    shown = open_page(samples, job=RESTARTED)
    drawn(shown)
    legend = shown.locator(".signs").inner_text()
    assert "earlier attempt" in legend and "checkpoint" in legend and "best step" in legend
    assert "spike" not in legend
    assert shown.locator(".chart svg text", has_text="best").count()
    assert shown.locator(".chart svg text", has_text="restart").count() == 2
    edges = shown.locator(".chart svg .mark-rule line[stroke='var(--warn)']")
    heights = [box["height"] for edge in edges.all() if (box := edge.bounding_box())]
    assert [height > 100 for height in sorted(heights)[-2:]] == [True, True]
    assert shown.locator(".bar.phases span").count() == 5
    assert shown.locator("h2", has_text="Attempts").count() == 1


def test_many_restarts_leave_the_curve_its_place(open_page: Open, tmp_path: Path) -> None:
    """Of a job that starts over again and again few restarts stand before its curve."""
    steps = [step for n in range(0, 90, 3) for step in range(n, n + 6)]
    told = [event(n, data={"step": s, "train_loss": 1.0}) for n, s in enumerate(steps, 1)]
    (tmp_path / "again.jsonl").write_text(lines(*told))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([tmp_path / "again.jsonl"], job_id=JOB)
        with lake.connect(reads()) as con:
            shown = open_page(written(facts(con), tmp_path / "again.html"), job=JOB)
    said = shown.locator(".verdicts").inner_text()
    assert said.count("started over at step") == 5
    assert "24 more restarts: see the attempts below." in said
    assert shown.locator("[aria-label=Attempts] tbody tr").count() == 30


def test_a_mark_at_the_first_step_is_beside_the_axis(open_page: Open, odd_jobs: Path) -> None:
    """Where the first step is the best, its name covers no number of the axis."""
    shown = open_page(odd_jobs, "rising", width=390)
    drawn(shown)
    name = shown.locator(".chart svg text", has_text="best 1").bounding_box()
    numbers = shown.locator(".chart .role-axis-label text").all()
    boxes = [box for number in numbers if (box := number.bounding_box()) and box["x"] < 40]
    assert name and boxes and all(box["x"] + box["width"] <= name["x"] for box in boxes)
