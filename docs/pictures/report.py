"""`python docs/pictures/report.py`: docs/pictures/report.png, drawn from the samples."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import click
from playwright.sync_api import sync_playwright

from pipeline import open_lake
from pipeline.report.gather import facts
from pipeline.report.page import page

ROOT = Path(__file__).parents[2]
PICTURE = Path(__file__).with_suffix(".png")
JOB = "ftjob-Z5ufhHixoe8BAZSBFiTiZUtk"
WIDTH, HEIGHT = 1120, 1120


def main() -> None:
    """Draw the page of one job, its verdicts, its curve and what was logged near its best step."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        with open_lake(Path(folder) / "lake") as lake:
            lake.ingest([ROOT / "data" / "samples"])
            with lake.connect() as con:
                told = facts(con)
        file = Path(folder) / "report.html"
        file.write_text("".join(page(told)), encoding="utf-8")
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        shown = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        shown.goto(f"{file.as_uri()}#job={JOB}")
        shown.wait_for_selector(".chart[data-drawn] svg path")
        shown.screenshot(path=PICTURE)
        browser.close()
    click.echo(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
