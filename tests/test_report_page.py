"""The report in a browser: drawn, usable by keyboard and on a phone, silent, harmless, quick."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from test_ingest import JOB, event, lines
from test_report import HOSTILE, OVERFIT, RESTARTED, SAMPLES, hostile_lake

from pipeline import open_lake
from pipeline.report.gather import Facts, facts, reads
from pipeline.report.page import page

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(
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


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """What the report tells of the samples."""
    with open_lake(tmp_path_factory.mktemp("samples")) as lake:
        lake.ingest([SAMPLES])
        with lake.connect(reads()) as con:
            return facts(con)


@pytest.fixture(scope="module")
def samples(told: Facts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the samples."""
    return written(told, tmp_path_factory.mktemp("pages") / "samples.html")


@pytest.fixture(scope="module")
def odd_jobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of jobs of whose kind the samples have none: one page takes a second to make."""
    folder, golden = tmp_path_factory.mktemp("odd"), Path(__file__).parent / "golden"
    blocked = {"finetuned_model_checkpoint_id": "ft:m:o", "blocked": True}
    nameless = ("Checkpoint created at step 2", "New fine-tuned model created: ft:m:o")
    said = [event(9, message=m, type="message", data={}, id=f"ftevent-{m}") for m in nameless]
    said.append(event(9, message="checked", type="moderation_checks", data=blocked))
    curves = {
        "flat": [{"step": n, "train_loss": 1.25} for n in range(1, 81)],
        "rising": [{"step": n, "train_loss": 0.8 + n / 10} for n in range(1, 9)],
    }
    with open_lake(folder / "lake") as lake:
        lake.ingest(
            [
                golden / "verdicts" / "a_failure_that_only_an_object_tells" / "input.jsonl",
                golden / "checkpoint_advice" / "kept_and_blocked" / "input.jsonl",
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


def test_the_overview_lists_sorts_and_filters_by_keyboard(
    open_page: Open, told: Facts, samples: Path
) -> None:
    """All jobs are listed; sorting and filtering need no mouse, and say what they did."""
    shown = open_page(samples)
    many = told.jobs.height
    assert len(names(shown)) == many
    assert shown.locator("th[aria-sort='descending']").inner_text().startswith("Began")
    shown.locator("th button", has_text="Steps").focus()
    shown.keyboard.press("Enter")
    assert shown.locator("th[aria-sort='descending']").inner_text().startswith("Steps")
    assert names(shown)[0].startswith("ftjob-ffc3fd86")
    shown.keyboard.press("Enter")
    assert shown.locator("th[aria-sort='ascending']").inner_text().startswith("Steps")
    assert shown.locator("tbody .last_step").last.inner_text() == "–"
    shown.keyboard.press("Space")
    shown.locator("th button", has_text="Best").click()
    cells = shown.locator("tbody .best").all_inner_texts()
    known = [text.replace(" (running median)", "").split() for text in cells if text != "–"]
    kinds = [" ".join(words[1 : words.index("step")]) for words in known]
    assert len(set(kinds)) == sum(a != b for a, b in pairwise([*kinds, None])), kinds
    for kind in set(kinds):
        values = [float(w[0]) for w, k in zip(known, kinds, strict=True) if k == kind]
        assert values == sorted(values, reverse="reward" in kind), kind
    shown.locator("#text").fill("overfitting")
    assert OVERFIT in names(shown) and len(names(shown)) < 10
    assert shown.locator("[role=status]").inner_text() == f"{len(names(shown))} of {many} jobs"
    shown.locator("#text").fill("support-triage")
    called = shown.locator("tbody .job_id small").all_inner_texts()
    assert called.count("support-triage") == len(called) - 1 > 1  # the object of one says acme
    shown.locator("#text").fill("")
    shown.locator("#status").select_option("failed")
    assert len(names(shown)) == told.jobs.filter(status="failed").height
    shown.locator("#status").select_option("")
    shown.locator("#method").select_option("reinforcement")
    assert REINFORCED in names(shown) and len(names(shown)) < 10
    shown.locator("#method").select_option("")
    shown.locator("#only").check()
    assert 0 < len(names(shown)) < many
    assert not shown.locator(".jobs tbody tr:not(:has(.found .word))").count()


def test_a_job_is_opened_and_left_by_keyboard(open_page: Open, samples: Path) -> None:
    """Enter on a job opens its page, whose heading has the focus; back leads to the list."""
    shown = open_page(samples)
    shown.locator("tbody a", has_text=OVERFIT).focus()
    shown.keyboard.press("Enter")
    drawn(shown)
    assert shown.evaluate("document.activeElement.textContent") == OVERFIT
    assert OVERFIT in shown.title()
    assert "overfitting" in shown.locator(".verdicts").inner_text()
    shown.go_back()
    shown.wait_for_selector("table.jobs")
    assert OVERFIT in names(shown)
    assert shown.evaluate("document.activeElement.textContent") == OVERFIT


def test_the_link_to_the_content_leaves_the_address(open_page: Open, samples: Path) -> None:
    """Who skipped to the content of the list comes back to it from a job."""
    shown = open_page(samples)
    shown.keyboard.press("Tab")
    shown.keyboard.press("Enter")
    assert shown.evaluate("document.activeElement.id") == "main"
    shown.keyboard.press("Tab")
    assert shown.evaluate("document.activeElement.id") == "text"
    shown.locator("tbody a", has_text=OVERFIT).press("Enter")
    drawn(shown)
    shown.go_back()
    shown.wait_for_selector("table.jobs")


def test_the_overview_tells_why_jobs_failed_and_when_errors_came(
    open_page: Open, told: Facts, samples: Path
) -> None:
    """Jobs that failed alike stand together as links; each kind of error has its dots in time."""
    shown = open_page(samples)
    reasons = shown.locator("section", has_text="Why jobs failed")
    assert reasons.locator("tbody tr").count() == told.failures.height
    assert reasons.locator("a").count() == told.failures["jobs"].sum()
    kinds = shown.locator("section", has_text="Errors and warnings by kind")
    assert kinds.locator("tbody tr").count() == told.kinds.height
    assert kinds.locator("circle").count() == told.kinds["burst_count"].sum()
    reasons.locator("a").first.press("Enter")
    shown.wait_for_selector(".verdicts")
    assert "failed" in shown.locator(".lead").inner_text()


def test_everything_that_acts_is_reached_by_tab(open_page: Open, samples: Path) -> None:
    """Tab reaches every control in the order of the page, each with a visible focus and a name."""
    shown = open_page(samples, job=OVERFIT)
    drawn(shown)
    reached = []
    for _ in range(60):
        shown.keyboard.press("Tab")
        now = shown.evaluate(
            """() => { const e = document.activeElement;
            if (e === document.body) return null;
            const style = getComputedStyle(e);
            return [e.tagName + '#' + e.id, style.outlineStyle,
              e.labels?.length ? e.labels[0].textContent : e.ariaLabel ?? e.textContent]; }"""
        )
        if now is None:
            break
        reached.append(now)
    tags = [tag for tag, _, _ in reached]
    assert {"INPUT#smoothing", "INPUT#log", "INPUT#step", "BUTTON#", "A#"} <= set(tags)
    assert tags.index("INPUT#smoothing") < tags.index("INPUT#step")
    assert all(outline != "none" and name.strip() for _, outline, name in reached)
    assert (
        not shown.locator("[onclick], div[role=button], [tabindex]:not([tabindex='0'])")
        .filter(has_not=shown.locator("h1"))
        .evaluate_all("all => all.filter((e) => !['H1', 'MAIN'].includes(e.tagName)).length")
    )


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


def test_names_of_steps_have_room(open_page: Open, samples: Path) -> None:
    """Of many restarts near each other those are named whose name covers no other."""
    shown = open_page(samples)
    script = (Path(samples).read_text(encoding="utf-8")).rpartition("<script>")[2]
    source = script[script.index("const NAME_ROWS") :]
    source = source[: source.index("\n}\n") + 2]
    spans = [["restart", 3 * n, 3 * n] for n in range(100)]
    named = shown.evaluate(
        f"(spans) => {{ {source}; return bandsOf({{ details: {{ spans }} }}, [0, 297], 320); }}",
        spans,
    )
    assert [band["x"] for band in named] == [3 * n for n in range(100)]
    for row in range(3):
        left = [band["x"] / 297 * 320 for band in named if band["text"] and band["row"] == row]
        left = [at - 53 if at > 320 - 90 else at for at in left]
        assert len(left) >= 4 and all(b - a > 50 for a, b in pairwise(left))


def test_a_time_that_events_do_not_bound_is_marked(open_page: Open, samples: Path) -> None:
    """Where nothing tells begin and end, it took at least as long as its events span."""
    shown = open_page(samples, job=RUNNING)
    facts_told = shown.locator("dl.facts div", has_text="Took").inner_text()
    assert facts_told.split("\n")[-1].startswith("≥ ")


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


@pytest.mark.parametrize(
    ("job", "says"),
    [
        (FAILED, "No metrics: the job failed before its first step."),
        (RUNNING, "so far"),
        (RUNNING, "Due, at its pace"),
        (REINFORCED, "Rewards, training against validation"),
    ],
)
def test_jobs_of_every_kind_have_a_page(
    open_page: Open, samples: Path, job: str, says: str
) -> None:
    """A job without metrics, one still running and one with rewards have pages that say so."""
    shown = open_page(samples, job=job)
    if job != FAILED:
        drawn(shown)
    assert says in shown.locator("main").inner_text()


def test_a_job_that_made_no_model_is_found_by_its_name(open_page: Open, tmp_path: Path) -> None:
    """The suffix that a person gave stands in the list, is searched, and heads the job's page."""
    job = {"object": "fine_tuning.job", "id": JOB, "status": "failed", "created_at": 1_700_000_000}
    others = [job | {"user_provided_suffix": "lr-<b>3"}, job | {"id": f"{JOB}2"}]
    others.append(job | {"id": f"{JOB}3", "user_provided_suffix": "long " * 1_000})
    (tmp_path / "jobs.json").write_text(json.dumps({"object": "list", "data": others}))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([tmp_path / "jobs.json"])
        with lake.connect(reads()) as con:
            shown = open_page(written(facts(con), tmp_path / "page.html"))
    assert shown.locator("small", has_text="long").inner_text() == "long " * 20 + "…"
    shown.locator("#text").fill("LR-<b>")
    assert names(shown) == [JOB]
    assert shown.locator("tbody .job_id small").inner_text() == "lr-<b>3"
    shown.locator("tbody .job_id a").click()
    assert "lr-<b>3" in shown.locator(".lead").inner_text()


def test_the_time_that_no_event_tells_is_of_no_phase(open_page: Open, tmp_path: Path) -> None:
    """Where only its object tells the end of a job, what came after the last event stands apart."""
    said = [f"Created fine-tuning job: {JOB}", "Files validated, moving job to queued state"]
    begun = 1_700_000_000
    rows = [
        event(n, message=text, data={}, type="message", created_at=begun + 20 * n)
        for n, text in enumerate(said)
    ]
    job = {"object": "fine_tuning.job", "id": JOB, "status": "failed", "created_at": begun}
    (tmp_path / "job.json").write_text(json.dumps(job | {"finished_at": begun + 920}))
    (tmp_path / "events.jsonl").write_text(lines(*rows))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([tmp_path / "events.jsonl", tmp_path / "job.json"])
        with lake.connect(reads()) as con:
            shown = open_page(written(facts(con), tmp_path / "page.html"))
    told = shown.locator("section:has(h2:text('Phases')) .keys li").all_inner_texts()
    words = [" ".join(text.split()) for text in told]
    assert words == ["created 20 s", "queued 0 s", "told by no event 15m 00s"]


def test_without_events_nothing_tells_when_a_job_failed(open_page: Open, odd_jobs: Path) -> None:
    """A failed job of which there is only an object may have trained: its page denies no steps."""
    says = {"TrainedForHoursAAAAAAA": "were logged", "FailedWhileValidatingAA": "before its first"}
    for job, said in says.items():
        shown = open_page(odd_jobs, job=f"ftjob-{job}")
        assert said in shown.locator("section:has(h2:text('Curves'))").inner_text()


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


def test_event_text_is_only_text(open_page: Open, tmp_path: Path) -> None:
    """Markup in messages is shown as it was written, and runs nothing."""
    with hostile_lake(tmp_path) as lake, lake.connect(reads()) as con:
        path = written(facts(con), tmp_path / "hostile.html")
    shown = open_page(path)
    drawn(shown)
    shown.locator("summary").click()
    text = shown.locator("details").inner_text()
    for message in HOSTILE[:4]:
        assert message in text
    assert r"a\u2028b\u2029c \u202egnp.exe\u202c \x1b[31mred" in text
    assert shown.evaluate("window.pwned") is None
    assert shown.locator("img, iframe, object").count() == 0
    assert shown.locator("b", has_text="bold").count() == 0


def test_an_empty_lake_says_what_to_do(open_page: Open, told: Facts, tmp_path: Path) -> None:
    """The page of a lake without jobs tells how to fill it."""
    nothing = replace(
        told,
        jobs=told.jobs.clear(),
        detailed=[],
        frames={name: frame.clear() for name, frame in told.frames.items()},
        kinds=told.kinds.clear(),
        failures=told.failures.clear(),
    )
    path = written(nothing, tmp_path / "empty.html")
    assert "tunelog ingest" in open_page(path).locator("main").inner_text()


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


def a_lake(folder: Path) -> Facts:
    """A crowded step, a paused job, losses of zero, and best losses of very different size."""
    events, objects = [], []
    for number, (job, floor) in enumerate(
        {"ftjob-crowd": 1.0, "ftjob-tiny": 2e-9, "ftjob-small": 4e-8, "ftjob-zero": 0.0}.items()
    ):
        begin = 1_700_000_000 + 10_000 * number
        told = [(f"Created fine-tuning job: {job}", {}, "info")]
        for step in range(1, 21):
            loss = floor * (1 + 1 / step) if floor else max(0.0, 1 - step / 10)
            told.append((f"Step {step}/20", {"step": step, "train_loss": loss}, "info"))
            if job == "ftjob-crowd" and step == 12:
                told.append(("GPU lost, step repeated", {}, "error"))
                told += [(f"note {n}", {}, "info") for n in range(60)]
        events += [
            {"id": f"ftevent-{number:02}{n:022}", "created_at": begin + 5 * n, "level": level,
             "message": words, "data": data, "type": "metrics" if data else "message"}
            for n, (words, data, level) in enumerate(told)
        ]  # fmt: skip
    objects.append({"object": "fine_tuning.job", "id": "ftjob-crowd", "status": "paused"})
    lines = "".join(f"{json.dumps(record)}\n" for record in [*objects, *events])
    (folder / "dump.jsonl").write_text(lines)
    with open_lake(folder / "lake") as lake:
        lake.ingest([folder / "dump.jsonl"])
        with lake.connect(reads()) as con:
            return facts(con)


def test_nothing_is_passed_over(open_page: Open, tmp_path: Path) -> None:
    """Statuses, the error of a crowded step, zeros on a log scale, the least of tiny losses."""
    path = written(a_lake(tmp_path), tmp_path / "page.html")
    shown = open_page(path)
    assert "1 paused" in shown.inner_text(".states")
    shown.click("th.best button")
    first = [shown.inner_text(f"td.job_id >> nth={n}") for n in range(4)]
    assert first == ["ftjob-zero", "ftjob-tiny", "ftjob-small", "ftjob-crowd"]
    shown = open_page(path, width=390)
    shown.select_option("#sort", "job_id")
    assert shown.inner_text("td.job_id >> nth=0") == "ftjob-crowd"
    shown.click("button[aria-label='Reverse the order']")
    assert shown.inner_text("td.job_id >> nth=0") == "ftjob-zero"
    shown = open_page(path, "ftjob-crowd")
    drawn(shown)
    shown.fill("#step", "11")
    near = shown.inner_text(".around ol")
    assert "GPU lost, step repeated" in near and "note 38" in near
    assert "21 messages more at this step" in near
    shown = open_page(path, "ftjob-zero")
    drawn(shown)
    shown.check("#log")
    shown.wait_for_selector("text=11 values at or below 0, so not on a log scale.")


def test_the_list_is_where_it_was_left(open_page: Open, samples: Path) -> None:
    """Coming back from a job finds the place in the list."""
    shown = open_page(samples)
    shown.evaluate("scrollTo(0, 400)")
    shown.click("td.job_id a >> nth=9")
    shown.wait_for_selector("text=← All jobs")
    assert shown.evaluate("scrollY") == 0
    shown.go_back()
    shown.wait_for_selector("table.jobs")
    assert shown.evaluate("scrollY") == 400


def test_a_blocked_model_is_not_shown_as_one_to_use(open_page: Open, odd_jobs: Path) -> None:
    """Where the head or the checkpoints name a model that a check blocked, they say so."""
    shown = open_page(odd_jobs, "ftjob-LastIsBlockedAAAAAAAAAA")
    assert "model ft:m:b, blocked by a usage policy check" in shown.inner_text(".lead")
    shown = open_page(odd_jobs, "ftjob-BetterThanLastAAAAAAAAA")
    assert "blocked" not in shown.inner_text(".lead")
    shown = open_page(odd_jobs, "ftjob-BestIsBlockedAAAAAAAAAA")
    rows = shown.locator("section:has(> h2:text-is('Checkpoints')) tbody tr").all_inner_texts()
    assert [("blocked" in row) for row in rows] == [False, True, False]
    last = open_page(odd_jobs, JOB).locator("section:has(> h2:text-is('Checkpoints')) tbody tr")
    assert last.inner_text().split()[:3] == ["2", "ft:m:o", "blocked"]


def test_a_checkpoint_before_the_last_planned_step_is_not_the_model_that_was_made(
    open_page: Open, tmp_path: Path
) -> None:
    """Where a dump ends at a checkpoint, before the job did, that is not named as its model."""
    job = {"object": "fine_tuning.job", "id": JOB, "created_at": 1_700_000_000}
    made = job | {"status": "succeeded", "fine_tuned_model": "ft:m:o"}
    (tmp_path / "job.json").write_text(json.dumps(made))
    kept = event(9, message="Checkpoint created at step 2", type="message", data={})
    for first, model in ((0, "ft:m:o"), (1, "–")):  # the last of three steps is 2, or 3
        rows = [
            event(n + 1, data={"step": n, "train_loss": 0.5, "total_steps": 3})
            for n in range(first, 3)
        ]
        (tmp_path / f"{first}.jsonl").write_text(lines(event(0), *rows, kept))
        with open_lake(tmp_path / f"lake{first}") as lake:
            lake.ingest([tmp_path / f"{first}.jsonl", tmp_path / "job.json"])
            with lake.connect(reads()) as con:
                shown = open_page(written(facts(con), tmp_path / f"page{first}.html"), JOB)
        row = shown.locator("section:has(> h2:text-is('Checkpoints')) tbody tr")
        assert row.inner_text().split()[:2] == ["2", model]


def test_a_mark_at_the_first_step_is_beside_the_axis(open_page: Open, odd_jobs: Path) -> None:
    """Where the first step is the best, its name covers no number of the axis."""
    shown = open_page(odd_jobs, "rising", width=390)
    drawn(shown)
    name = shown.locator(".chart svg text", has_text="best 1").bounding_box()
    numbers = shown.locator(".chart .role-axis-label text").all()
    boxes = [box for number in numbers if (box := number.bounding_box()) and box["x"] < 40]
    assert name and boxes and all(box["x"] + box["width"] <= name["x"] for box in boxes)


def test_nothing_is_headed_by_what_no_event_tells(open_page: Open, tmp_path: Path) -> None:
    """A job without reasoning tokens has no column of them, one without messages no list."""
    metrics = "train_mean_reward", "full_valid_mean_reward"
    rewards = [event(n, data={"step": n, **dict.fromkeys(metrics, n / 9)}) for n in range(1, 4)]
    (tmp_path / "rewards.jsonl").write_text(lines(*rewards))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([tmp_path / "rewards.jsonl"], job_id="rewards")
        with lake.connect(reads()) as con:
            path = written(facts(con), tmp_path / "page.html")
    shown = open_page(path, job="rewards")
    drawn(shown)
    heads = shown.locator("table:has(caption:text('Rewards')) th").all_inner_texts()
    assert heads == ["Step", "Training", "Validation", "Gap"]
    assert shown.locator("details").count() == 0


def test_jobs_without_a_page_are_not_judged(
    open_page: Open, told: Facts, samples: Path, tmp_path: Path
) -> None:
    """Of a job that was not looked into the list does not say that nothing was found."""
    few = replace(told, detailed=told.detailed[:9])
    shown = open_page(written(few, tmp_path / "few.html"))
    cells = shown.locator("tbody td.found").all_inner_texts()
    assert [cell == "not judged" for cell in cells] == [n >= 9 for n in range(told.jobs.height)]
    assert "Only the 9 newest jobs are judged" in shown.inner_text("footer")
    shown.locator("th button", has_text="Found").click()
    assert "error" in shown.inner_text("tbody td.found >> nth=0")
    assert shown.inner_text("tbody td.found >> nth=9") == "not judged"
    assert "not judged" not in open_page(samples).inner_text("main")
