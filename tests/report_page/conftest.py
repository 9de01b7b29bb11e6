"""A tab of a browser for the tests of the page, and the pages of the samples and of odd jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from report_lakes import GOLDEN, SAMPLES
from test_ingest import event, lines

from pipeline import open_lake
from pipeline.report.gather import Facts, facts, reads
from report_page.browser import CHROMIUM, PATIENCE, Open, written

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="package")
def tab() -> Iterator[Page]:
    """One tab of a headless Chromium for all tests: another takes longer than to load a page."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        args = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=args)
        tab = browser.new_context(offline=True).new_page()
        tab.set_default_timeout(PATIENCE)
        yield tab
        browser.close()


@pytest.fixture
def open_page(tab: Page) -> Iterator[Open]:
    """Open a page; at the end it has made no request and said nothing in the console."""
    noise: list[str] = []
    known = ["about:blank"]
    hearing: dict[Any, Callable[[Any], object]] = {
        "console": lambda message: noise.append(f"console: {message.text}"),
        "pageerror": lambda error: noise.append(f"error: {error}"),
        "request": lambda r: r.url.startswith(tuple(known)) or noise.append(f"asked: {r.url}"),
    }

    def opened(path: Path, job: str = "", width: int = 1400, dark: bool = False) -> Page:
        tab.set_viewport_size({"width": width, "height": 900})
        tab.emulate_media(color_scheme="dark" if dark else "light")
        known.append(path.as_uri())
        tab.goto(known[-1] + (f"#job={job}" if job else ""))
        tab.wait_for_selector("h1")
        return tab

    for kind, heard in hearing.items():
        tab.on(kind, heard)
    yield opened
    tab.goto("about:blank")  # what it holds is let go of, and heard until then
    for kind, heard in hearing.items():
        tab.remove_listener(kind, heard)
    assert noise == []


@pytest.fixture(scope="package")
def told(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """What the report tells of the samples."""
    with open_lake(tmp_path_factory.mktemp("samples")) as lake:
        lake.ingest([SAMPLES])
        with lake.connect(reads()) as con:
            return facts(con)


@pytest.fixture(scope="package")
def samples(told: Facts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the samples."""
    return written(told, tmp_path_factory.mktemp("pages") / "samples.html")


@pytest.fixture(scope="package")
def odd_jobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of jobs of whose kind the samples have none: one page takes a second to make."""
    folder = tmp_path_factory.mktemp("odd")
    blocked = {"finetuned_model_checkpoint_id": "ft:m:o", "blocked": True}
    nameless = ("Checkpoint created at step 2", "New fine-tuned model created: ft:m:o")
    said = [event(9, message=m, type="message", data={}, id=f"ftevent-{m}") for m in nameless]
    said.append(event(9, message="checked", type="moderation_checks", data=blocked))
    curves = {
        "flat": [{"step": n, "train_loss": 1.25} for n in range(1, 81)],
        "rising": [{"step": n, "train_loss": 0.8 + n / 10} for n in range(1, 9)],
    }
    hook = {"object": "event", "type": "fine_tuning.job.failed", "data": {"id": "ftjob-Hook"}}
    (folder / "hook.jsonl").write_text(lines(hook))
    with open_lake(folder / "lake") as lake:
        lake.ingest(
            [
                GOLDEN / "checkpoint_advice" / "kept_and_blocked" / "input.jsonl",
                folder / "hook.jsonl",
            ]
        )
        for job, told in curves.items():
            rows = [event(n, message=f"Step {n}", data=data) for n, data in enumerate(told, 1)]
            (folder / f"{job}.jsonl").write_text(lines(*rows))
            lake.ingest([folder / f"{job}.jsonl"], job_id=job)
        (folder / "blocked.jsonl").write_text(lines(*map(event, range(3)), *said))
        lake.ingest([folder / "blocked.jsonl"])
        with lake.connect(reads()) as con:
            return written(facts(con), folder / "odd.html")
