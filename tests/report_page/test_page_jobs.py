"""The page of a job of any kind: only what events tell, and only as text."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from report_lakes import HOSTILE, hostile_lake
from test_ingest import JOB, event, lines

from pipeline import open_lake
from pipeline.report.gather import facts, reads
from report_page.browser import FAILED, REINFORCED, RUNNING, Open, drawn, needs_browser, written

pytestmark = needs_browser


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


@pytest.mark.parametrize(
    ("job", "says"),
    [
        (FAILED, "Nothing at hand gives metrics of this job."),
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
