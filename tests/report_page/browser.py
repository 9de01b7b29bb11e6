"""How tests look at the page of a report: in Chromium, where it is there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.report.gather import Facts
from pipeline.report.page import page

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

needs_browser = pytest.mark.skipif(
    not CHROMIUM or not find_spec("playwright"),
    reason="needs Chromium and the package playwright: the page is not looked at",
)

UNSAFE = "ftjob-6c8AlQNcgUQUa1J8PwXKEhSz"
FAILED = "ftjob-Q2j9p6iuRrM7Xpft8XlwmwhY"
RUNNING = "ftjob-x81iZxukTgozWc9BGTwvQbto"
MEASURED = "ftjob-Z5ufhHixoe8BAZSBFiTiZUtk"
REINFORCED = "ftjob-uPFPa77cN0hjIaIBGGbiuS7h"
MOST_BYTES = 10_000_000
PATIENCE = 20_000
"""How long a test waits for the page on a busy machine [ms]."""

Open = Callable[..., "Page"]


def written(told: Facts, path: Path) -> Path:
    """A page as a file."""
    path.write_text("".join(page(told)), encoding="utf-8")
    return path


def drawn(shown: Page) -> None:
    """Wait until the curves of a job are drawn."""
    shown.wait_for_selector(".chart[data-drawn] svg path")


def names(shown: Page) -> list[str]:
    """The jobs of the overview, as listed."""
    return shown.locator("tbody .job_id > :first-child").all_inner_texts()


def line(shown: Page) -> str:
    """The path of the first curve that is drawn thick."""
    paths = shown.locator(".chart path[stroke-width='1.8']")
    return paths.first.get_attribute("d") or ""


def changed(shown: Page, before: str) -> None:
    """Wait until the first thick curve is drawn in another way."""
    thick = ".chart path[stroke-width='1.8']"
    shown.wait_for_function(
        "([path, old]) => (document.querySelector(path)?.getAttribute('d') ?? old) !== old",
        arg=[thick, before],
    )


def sideways(shown: Page) -> int:
    """How far the page is wider than its window [px]."""
    return int(shown.evaluate("document.documentElement.scrollWidth - innerWidth"))
