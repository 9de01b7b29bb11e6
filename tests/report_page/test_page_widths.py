"""The page on a phone, a tablet, on paper, and in high contrast."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from report_lakes import OVERFIT

from report_page.browser import MEASURED, REINFORCED, UNSAFE, Open, drawn, needs_browser, sideways

pytestmark = needs_browser


def test_no_width_makes_the_list_scroll_sideways(open_page: Open, samples: Path) -> None:
    """Whatever the window's width, the list of jobs fits into it."""
    shown = open_page(samples)
    for width in (320, 360, 600, 768, 900, 901, 1024, 1151, 1200, 1280, 1301, 1366, 1381, 1920):
        shown.set_viewport_size({"width": width, "height": 900})
        assert sideways(shown) <= 0, width
        table = shown.locator("table.jobs").bounding_box()
        assert table and table["x"] + table["width"] <= width, width


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_phone_scrolls_only_down(open_page: Open, samples: Path, dark: bool) -> None:
    """At 360 px neither the list nor a job is wider than the screen, and colours follow."""
    shown = open_page(samples, width=360, dark=dark)
    assert sideways(shown) <= 0
    paper = shown.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper)[:3])) < 384) == dark
    shown.locator("tbody a", has_text="Oddities").click()
    drawn(shown)
    assert sideways(shown) <= 0


@pytest.mark.parametrize("width", [390, 620, 768, 1024])
def test_no_table_is_cut_off_on_a_tablet(open_page: Open, samples: Path, width: int) -> None:
    """The tables of jobs and of the overview fit their boxes: nothing hints at what would not."""
    wider = "boxes => boxes.filter((box) => box.scrollWidth > box.clientWidth).length"
    for job in ("", REINFORCED, OVERFIT):
        shown = open_page(samples, job=job, width=width)
        shown.wait_for_selector(".wide")
        assert shown.locator(".wide").evaluate_all(wider) == 0, job


def test_no_control_is_printed(open_page: Open, samples: Path) -> None:
    """On paper there is nothing to move or to tick but the names of the curves."""
    shown = open_page(samples, job=MEASURED)
    shown.emulate_media(media="print")
    assert not any(shown.is_visible(control) for control in ("#log", "#smoothing", "#step"))
    shown.emulate_media(media="screen")


def test_paper_shows_what_the_screen_does(open_page: Open, samples: Path) -> None:
    """Bars keep their colours, messages are whole, and a chart is as large as a sheet is wide."""
    shown = open_page(samples, job=UNSAFE)
    shown.emulate_media(media="print")
    for parts in (".bar span", ".key", ".log p"):
        look = "e => [getComputedStyle(e).printColorAdjust, getComputedStyle(e).maxHeight]"
        assert shown.locator(parts).first.evaluate(look) == ["exact", "none"], parts
    shown.emulate_media(media="screen")
    shown = open_page(samples, job=MEASURED)
    drawn(shown)
    width = "document.querySelector('.chart svg').clientWidth"
    before = shown.evaluate(width)
    shown.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert 600 < shown.evaluate(width) < 700 < before
    shown.evaluate("dispatchEvent(new Event('afterprint'))")
    assert shown.evaluate(width) == before
    shown.locator("a.back").click()
    shown.wait_for_selector("table.jobs")
    assert shown.pdf().startswith(b"%PDF")


def test_high_contrast_keeps_what_is_only_background(open_page: Open, samples: Path) -> None:
    """Where a system forces its colours, phases and the chosen group are still to be seen."""
    shown = open_page(samples, job=MEASURED)
    shown.emulate_media(forced_colors="active")
    fills = ".bar .running", ".key.running", "button[aria-pressed='true']"
    looks = {shown.locator(p).evaluate("e => getComputedStyle(e).backgroundColor") for p in fills}
    shown.emulate_media(forced_colors="none")
    assert looks == {"rgb(11, 99, 165)", "rgb(28, 30, 33)"}


def test_a_phone_lists_jobs_in_two_columns(open_page: Open, samples: Path) -> None:
    """What one job has on the right or on the left, every job has there."""
    shown = open_page(samples, width=390)
    for cells in ("spark", "last_step", "seconds", "began_at"):
        script = "cells => new Set(cells.map((c) => c.getBoundingClientRect().left)).size"
        assert shown.locator(f"tbody td.{cells}").evaluate_all(script) == 1, cells
