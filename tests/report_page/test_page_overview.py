"""The overview: found, sorted and opened by keyboard; nothing of a lake is passed over."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from report_lakes import OVERFIT
from test_ingest import JOB

from pipeline import open_lake
from pipeline.report.gather import Facts, facts, reads
from report_page.browser import REINFORCED, Open, drawn, names, needs_browser, written

pytestmark = needs_browser


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
    assert called.count("support-triage") == len(called) > 1
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


def test_a_failure_of_which_nothing_tells_why_has_a_dash(open_page: Open, odd_jobs: Path) -> None:
    """Of a job that only a webhook tells to have failed, no event said anything."""
    reasons = open_page(odd_jobs).locator("section", has_text="Why jobs failed")
    row = reasons.locator("tbody tr", has_text="Hook")
    assert row.inner_text().split() == ["–", "–", "–", "1", "Hook"]


def test_what_stands_below_the_list_is_reached_from_its_top(open_page: Open, samples: Path) -> None:
    """On a phone a list of jobs is long: links lead past it, and leave the address as it is."""
    shown = open_page(samples, width=375)
    links = shown.locator("nav").get_by_role("link")
    assert links.all_inner_texts() == ["Why jobs failed", "Errors and warnings by kind"]
    for link in links.all():
        link.press("Enter")
        assert shown.evaluate("document.activeElement.ariaLabel") == link.inner_text()
        section = shown.locator("section", has_text=link.inner_text())
        assert abs(section.evaluate("e => e.getBoundingClientRect().top")) < 1
    assert shown.evaluate("location.hash") == ""


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
    shown.wait_for_selector("text=← All jobs")
    assert "lr-<b>3" in shown.locator(".lead").inner_text()


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
