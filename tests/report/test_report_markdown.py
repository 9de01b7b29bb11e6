"""The report for a pull request: short, inert, and of one mind with the page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest
from dumps import an_event
from report_lakes import GOLDEN, ingested, said

from pipeline import open_lake
from pipeline.cli.markdown import code
from pipeline.cli.report_markdown import lines
from pipeline.lake.lake import Lake
from pipeline.report import details
from pipeline.report.gather import Facts, facts, reads


def test_markdown_is_short_and_inert(hostile: Facts) -> None:
    """In Markdown what events say stands in code spans on one line, and can command nothing."""
    text = "\n".join(lines(hostile))
    assert text.replace("\n", "").isprintable()
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    for sign in ("<", "@somebody", "#12", "https:", "pwned"):
        assert sign not in outside
        assert sign in text
    assert len(text) < 4000


def test_markdown_names_what_jobs_are_measured_by(told: Facts) -> None:
    """Who reads a pull request sees of what the numbers are, in whole words."""
    measured = {line.split(" | ")[3].strip() for line in lines(told) if line.startswith("| ftjob")}
    assert {"full validation loss", "training loss", "full validation reward"} <= measured
    assert "validation loss (running median)" in measured


def test_code_spans_hold_any_text() -> None:
    """A code span's fence is longer than any run of ticks in it."""
    assert code("plain") == "`plain`"
    assert code("a `` b") == "``` a `` b ```"
    assert code("two\nlines") == r"`two\nlines`"
    assert code("") == "`  `"


def test_markdown_of_the_samples_lists_jobs_findings_and_kinds(told: Facts) -> None:
    """The report for a pull request: jobs, what was found, kinds of errors, no more than fits."""
    text = "\n".join(lines(told))
    jobs = told.jobs.height
    assert text.startswith(f"## {jobs} fine-tuning jobs: 30 succeeded, ")
    assert f"and {jobs - 20} more jobs." in text
    assert (
        "**overfit**" in text
        and "### Other errors and warnings" in text
        and "### Why jobs failed" in text
    )
    assert len(text) < 12_000


def text_of(lake: Lake, chosen: list[str] | None = None) -> str:
    """The report in Markdown on a lake, or on some of its jobs."""
    with lake.connect(reads()) as con:
        return "\n".join(lines(facts(con, chosen)))


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """What a report tells of jobs whose models are blocked, or that end as no number."""
    with open_lake(tmp_path_factory.mktemp("odd")) as lake:
        lake.ingest([GOLDEN / "checkpoint_advice" / "kept_and_blocked"])
        lake.ingest([GOLDEN / "jobs" / "a_loss_that_ends_as_no_number"])
        with lake.connect(reads()) as con:
            return facts(con)


def test_markdown_tells_of_blocked_checkpoints(odd: Facts) -> None:
    """Where a model is blocked, what can be used instead is told, and so is that nothing can."""
    told = "\n".join(lines(odd))
    assert (
        "`ftjob-LastIsBlockedAAAAAAAAAA`: Use the last checkpoint that is not blocked, of step 3"
        in told
    )
    assert "`ftjob-AllBlockedAAAAAAAAAAAAA`: Use none" in told


def test_markdown_names_the_best_job_of_a_kind(told: Facts) -> None:
    """Of each kind the first of `leaderboard` is named, by what, and which checkpoint to use."""
    text = "\n".join(lines(told))
    best = text.partition("### Best\n\n")[2].partition("\n\n")[0].splitlines()
    first = told.frames["leaderboard"].filter(pl.col("rank") == 1, pl.col("jobs") > 1)
    assert [line.split("`")[1] for line in best] == first["job_id"].to_list()
    assert "best of 13 supervised jobs by validation loss (running median), 0.3245 at" in best[0]
    assert "` (cancelled): best of" in best[0]
    assert "Use the last checkpoint, of step 32: full validation reward 0.6550" in best[1]


def test_markdown_of_checkpoints_alone_knows_no_method(tmp_path: Path) -> None:
    """Jobs of which nothing tells the method are best of those."""
    for job in ("ftjob-FileAAAAAAAAAAAAAAAAAAAA", "ftjob-FileBBBBBBBBBBBBBBBBBBBBB"):
        kept = {
            "object": "fine_tuning.job.checkpoint",
            "id": f"ftckpt_{job}",
            "created_at": 1_700_000_000,
            "fine_tuning_job_id": job,
            "step_number": 2,
            "metrics": {"step": 2, "full_valid_loss": 0.7},
        }
        step = an_event(1, data={"step": 2, "learning_rate": 0.1})
        (tmp_path / f"{job}.jsonl").write_text(f"{json.dumps(kept)}\n{json.dumps(step)}\n")
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([tmp_path / "*.jsonl"])
        text = text_of(lake)
    assert "best of 2 jobs of unknown method by full validation loss, 0.7000 at step 2." in text


def test_a_failure_of_which_nothing_tells_why_is_told_so(tmp_path: Path) -> None:
    """That nothing tells why a job failed is said, as `tunelog check` does."""
    hook = {
        "object": "event",
        "id": "evt_1",
        "type": "fine_tuning.job.failed",
        "created_at": 1_700_000_000,
        "data": {"id": "ftjob-OnlyAHookAAAAAAAAAAAAA"},
    }
    (tmp_path / "hook.json").write_text(json.dumps(hook))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([tmp_path / "hook.json"])
        text = text_of(lake)
    assert "- 1 job: nothing tells why (`ftjob-OnlyAHookAAAAAAAAAAAAA`)" in text


def test_markdown_of_one_job_says_which_checkpoint_to_use(tmp_path: Path) -> None:
    """That the last is the one to use is worth a line of a report on that job alone, and once."""
    runs = [(f"ftjob-Run{n}", [
        *(an_event(k, data={"step": k, "valid_loss": 1 / k - n / 9}) for k in (1, 2, 3)),
        said(4, f"New fine-tuned model created: ft:m:o::r{n}"),
    ]) for n in (1, 2)]  # fmt: skip
    with ingested(tmp_path, *runs) as lake:
        for chosen in (None, ["ftjob-Run1"], ["ftjob-Run2"]):
            text = text_of(lake, chosen)
            assert text.count("Use the last checkpoint, of step 3: validation loss ") == 1
            assert ("### Which checkpoint to use" in text) == (chosen is not None)


def test_markdown_judges_jobs_as_the_page_does(told: Facts) -> None:
    """Best and last value, and by what they go, are those of the page's list of jobs."""
    jobs = details.overview(told, {})["jobs"]
    rows = [row.split("|") for row in lines(told) if row.startswith("| ftjob-")]
    assert len(rows) == 20
    for i, row in enumerate(rows):
        _, job, _, took, by, final, best, *_ = (cell.strip() for cell in row)
        assert job == jobs["job_id"][i]
        assert took.startswith("≥") == (jobs["is_part"][i] and jobs["seconds"][i] is not None)
        assert ("running median" in by) == jobs["smoothed"][i]
        if jobs["measure"][i]:
            value, step = best.strip("`").split(" @")  # the page holds five digits
            assert float(final) == pytest.approx(float(jobs["final"][i]), rel=1e-3)
            assert float(value) == pytest.approx(float(jobs["best"][i]), rel=1e-3)
            assert int(step) == jobs["best_step"][i]


def test_a_job_whose_creation_is_not_told_took_at_least_what_its_events_span(
    tmp_path: Path,
) -> None:
    """From start to end is less than a job took, and less than a dump that lacks its creation."""
    rows = [
        said(0, "Files validated, moving job to queued state"),
        said(600, "Fine-tuning job started"),
        said(660, "The job has successfully completed"),
    ]
    with ingested(tmp_path, ("ftjob-Begun", rows)) as lake, lake.connect(reads()) as con:
        told = facts(con)
    assert "| ftjob-Begun | succeeded | ≥ 11m 00s |" in "\n".join(lines(told))
    jobs = details.overview(told, {})["jobs"]
    assert (jobs["seconds"], jobs["is_part"]) == ([660.0], [True])


def test_a_loss_that_ends_as_no_number_is_listed_so(odd: Facts) -> None:
    """The last value of a job is NaN where its training ended so, in both reports."""
    jobs = details.overview(odd, {})["jobs"]
    found = {job: (jobs["final"][n], jobs["best"][n]) for n, job in enumerate(jobs["job_id"])}
    assert found["ftjob-RewardIsInfiniteAAAAAAAA"] == ("Infinity", 0.5)
    assert found["ftjob-ComesBackFromItAAAAAAAAA"] == (1.25, 1.25)
    assert found["ftjob-EndsAsNoNumberAAAAAAAAAA"] == ("NaN", 1.25)
    assert "| training loss | nan | `1.250 @2` |" in "\n".join(lines(odd))
