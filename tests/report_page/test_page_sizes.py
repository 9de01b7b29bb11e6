"""The page of a thousand jobs, and of a hundred thousand steps: small enough, and quick."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import polars as pl
from report_lakes import OVERFIT

from pipeline.report.gather import Facts
from report_page.browser import (
    MOST_BYTES,
    RUNNING,
    Open,
    drawn,
    line,
    names,
    needs_browser,
    written,
)

pytestmark = needs_browser


def test_a_thousand_jobs_fit_and_open_at_once(open_page: Open, told: Facts, tmp_path: Path) -> None:
    """A thousand jobs stay under 10 MB, and the list holds few rows until more are asked for."""
    many = replace(
        told,
        jobs=copied(told.jobs, 23).head(1000),
        detailed=copied(told.jobs, 23)["job_id"].to_list()[:1000],
        frames={name: copied(frame, 23) for name, frame in told.frames.items()},
    )
    path = written(many, tmp_path / "many.html")
    assert path.stat().st_size < MOST_BYTES
    began = time.perf_counter()
    shown = open_page(path)
    print(f"1,000 jobs: {path.stat().st_size:,} bytes, {time.perf_counter() - began:.2f} s")  # noqa: T201
    assert len(names(shown)) == 200
    for count in range(400, 1001, 200):
        shown.locator("button.more").press("Enter")
        assert len(names(shown)) == count
        shown.keyboard.press("Tab")  # on from where the new rows begin
        assert shown.evaluate("document.activeElement.textContent") == names(shown)[count - 200]
    shown.locator("#text").fill(f"{OVERFIT}-17")
    assert names(shown) == [f"{OVERFIT}-17"]


def copied(frame: pl.DataFrame, times: int) -> pl.DataFrame:
    """Rows of jobs as often as asked, each time with other job ids."""
    copies = [
        frame.with_columns((pl.col("job_id") + f"-{n}").alias("job_id")) for n in range(times)
    ]
    return pl.concat(copies)


def test_a_hundred_thousand_steps_fit_and_draw(
    open_page: Open, told: Facts, tmp_path: Path
) -> None:
    """A curve of 100,000 steps is drawn from few points, the only spike among them."""
    steps = pl.int_range(1, 100_001, eager=True)
    noise = (steps * 7919 % 997) / 2000
    values = (3 / steps**0.1 + noise + 40.0 * (steps == 54_321).cast(pl.Float64)).alias("value")
    curves = [
        pl.DataFrame({"job_id": RUNNING, "step": steps, "metric": metric, "value": values}).head(n)
        for metric, n in (("train_loss", 60_000), ("valid_loss", 100_000))
    ]
    jobs = told.jobs.filter(pl.col("job_id") == RUNNING)
    frames = {n: f.filter(pl.col("job_id") == RUNNING) for n, f in told.frames.items()}
    long = replace(
        told,
        jobs=jobs,
        detailed=[RUNNING],
        frames={**frames, "points": pl.concat(curves).select(told.frames["points"].columns)},
    )
    path = written(long, tmp_path / "long.html")
    assert path.stat().st_size < MOST_BYTES / 4
    shown = open_page(path, job=RUNNING)
    drawn(shown)
    took = int(shown.locator(".chart").get_attribute("data-drawn") or 0)
    points = line(shown).count("L")
    print(f"100,000 steps: {path.stat().st_size:,} bytes, {points:,} points, {took} ms to draw")  # noqa: T201
    assert 500 < points <= 2100
    kept = shown.evaluate("JSON.parse(document.getElementById('job-0').textContent).curves")
    few, many = (len(kept[name]["x"]) for name in ("train_loss", "valid_loss"))
    assert few != many
    assert f"Of 100,000 steps {many:,} are drawn" in shown.locator(".curves").inner_text()
    shown.locator("#smoothing").press("Home")
    shown.wait_for_function("document.querySelector('output[for=smoothing]').value === 'none'")
    labels = shown.locator(".chart .role-axis-label text").all_text_contents()
    assert "40" in labels
