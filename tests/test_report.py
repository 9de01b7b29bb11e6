"""The report before any browser: what it asks, what it keeps, what it lets nobody do."""

from __future__ import annotations

import json
import math
import re
import sys
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dumps import an_event
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline import open_lake
from pipeline.cli.markdown import code
from pipeline.cli.report import format_of
from pipeline.cli.report_markdown import lines
from pipeline.errors import LakeError, UsageError
from pipeline.figures import or_name, significant
from pipeline.lake.lake import Lake
from pipeline.report import curves, details, words
from pipeline.report.gather import Facts, facts, reads
from pipeline.report.page import page
from pipeline.settings import Settings

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
GOLDEN = Path(__file__).parent / "golden"
WHOLE_SET = "the_whole_set_told_by_objects_of_the_last_epochs"
OVERFIT = "ftjob-067e16d24fcd48e18915354a3858b851"
RESTARTED = "ftjob-4dhS3WovE1TOaGzSlfMmPI8e"
HOSTILE = (
    "<script>window.pwned = 1</script>",
    "</script><script>window.pwned = 2</script>",
    "<!-- <script>",
    '"><img src=x onerror="window.pwned = 3">',
    "a\u2028b\u2029c \u202egnp.exe\u202c \x1b[31mred",
    "`` ` `` | <b>bold</b> @somebody #12 https://example.org **strong**",
)
"""Messages that want to be more than text."""


def ingested(folder: Path, *jobs: tuple[str, list[dict[str, Any]]]) -> Lake:
    """A lake of jobs given as their events."""
    lake = open_lake(folder / "lake")
    for job, events in jobs:
        dump = folder / f"{job}.jsonl"
        dump.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
        lake.ingest([dump], job_id=job)
    return lake


def said(number: int, message: str, **fields: Any) -> dict[str, Any]:
    """An event that is no step."""
    return an_event(number, message=message, type="message", data={}, **fields)


def hostile_lake(folder: Path) -> Lake:
    """A lake of one job whose messages are HOSTILE, one of them why it failed."""
    events = [an_event(n) for n in range(1, 4)]
    events += [said(10 + n, text, level="warn") for n, text in enumerate(HOSTILE)]
    events += [said(99, f"The job failed due to {HOSTILE[1]}", level="error")]
    return ingested(folder, ("ftjob-hostile", events))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """What a report tells of messages made to break out of it."""
    folder = tmp_path_factory.mktemp("hostile")
    with hostile_lake(folder) as lake, lake.connect(reads()) as con:
        return facts(con)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """A lake of the samples."""
    with open_lake(tmp_path_factory.mktemp("samples")) as lake:
        lake.ingest([SAMPLES])
        yield lake


@pytest.fixture(scope="module")
def told(samples: Lake) -> Facts:
    """What the report tells of the samples."""
    with samples.connect(reads()) as con:
        return facts(con)


def blocks(text: str) -> dict[str, Any]:
    """The data of a page, by the name of their block."""
    found = re.findall(r'<script type="application/json" id="([^"]+)">(.*?)</script>', text)
    return {name: json.loads(block) for name, block in found}


def test_a_file_tells_its_format_or_is_refused() -> None:
    """A report is HTML or Markdown: a name that tells neither is no reason to write one of them."""
    told = {"a.html": "html", "a.HTM": "html", "a": "html", None: "html", "-": "html"}
    for name, format in (told | {"a.md": "markdown"}).items():
        assert format_of(name) == format
    for name in ("a.txt", "a.csv", "a.json"):
        with pytest.raises(UsageError, match=f"{name}: call it .html or .md"):
            format_of(name)


def test_equal_facts_give_equal_pages(told: Facts) -> None:
    """A page depends on the lake alone: no clock, no chance."""
    assert "".join(page(told)) == "".join(page(told))


def test_the_page_allows_its_own_scripts_and_nothing_else(hostile: Facts) -> None:
    """The policy names the scripts and the style by their hashes, and lets nothing be fetched."""
    text = "".join(page(hostile))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    rules = dict(rule.split(" ", 1) for rule in policy[1].split("; "))
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    styles = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert rules["default-src"] == "'none'"
    assert rules["script-src"].split() == [hashed(script) for script in scripts]
    assert rules["style-src"].split() == [hashed(style) for style in styles]
    assert text.index("Content-Security-Policy") < text.index("<script")


def hashed(text: str) -> str:
    """A script as a policy names it."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def test_no_message_ends_the_script_it_stands_in(hostile: Facts) -> None:
    """What messages hold of markup is escaped, and their text is whole in the data."""
    text = "".join(page(hostile))
    assert text.count("<script") == 2 + len(blocks(text))
    assert text.count("</script") == text.count("<script")
    data = text[text.index('id="overview"') : text.index("<script>")]
    assert not re.search(r"<(?!/?script|/script)", data.replace("</script>", ""))
    assert set(HOSTILE) <= set(blocks(text)["job-0"]["messages"]["message"])


def test_every_job_has_its_block(told: Facts) -> None:
    """The overview lists every job of the lake and each has its data, its curve among them."""
    data = blocks("".join(page(told)))
    jobs = data["overview"]["jobs"]["job_id"]
    assert len(jobs) == told.jobs.height == len(data) - 1
    steps = {row["job_id"]: row["steps"] for row in told.jobs.to_dicts()}
    for number, job in enumerate(jobs):
        drawn = data[f"job-{number}"]["curves"]
        assert bool(drawn) == bool(steps[job])
        for curve in drawn.values():
            x = curve["x"]
            assert len(curve["y"]) == (x["n"] if isinstance(x, dict) else len(x))


def test_a_long_curve_keeps_what_matters_and_its_exact_smoothing(tmp_path: Path) -> None:
    """A thinned curve has its spikes and marked steps, smoothed as the view smooths all points."""
    steps = range(1, 3001)
    values = {n: 2 / n**0.2 + 0.05 * math.sin(n * n) + 9 * (n == 1234) for n in steps}
    events = [an_event(n, data={"step": n, "train_loss": v}) for n, v in values.items()]
    events += [said(4000 + n, f"Checkpoint created at step {n}") for n in range(770, 780)]
    views = [*reads(), "loss_curves_smoothed"]
    with ingested(tmp_path, ("ftjob-long", events)) as lake, lake.connect(views) as con:
        told = facts(con)
        ((detail, _),) = details.details(told, details.all_findings(told))
        smooth = {
            stop: dict(
                con.execute(
                    "select step, smoothed from loss_curves_smoothed(smoothing := $1)", [stop]
                ).fetchall()
            )
            for stop in curves.STOPS
        }
    curve = detail["curves"]["train_loss"]
    assert curve["of"] == 3000
    assert 1000 < len(curve["x"]) < 2100
    assert {1, 1234, 3000, *range(770, 780)} <= set(curve["x"])
    assert detail["spikes"][0][0] == 1234
    for stop in curves.STOPS:
        exact = [smooth[stop][step] for step in curve["x"]]
        assert curve["s"][str(stop)] == pytest.approx(exact, rel=5e-5)


def test_curves_share_what_a_page_may_hold() -> None:
    """The more and the longer the curves, the fewer points of each, down to a floor."""
    limits = [curves.points_per_curve(pl.Series([10_000] * n)) for n in (1, 100, 400, 1000, 9999)]
    assert limits == sorted(limits, reverse=True)
    assert limits[0] == 2000 and limits[-1] == 60
    assert curves.points_per_curve(pl.Series([90] * 5000)) == 2000


@pytest.mark.parametrize(
    "steps", [[], [3], [1, 2], [10, 20, 30], [1, 10, 20], [10, 20, 30, 45, 55]]
)
def test_steps_are_packed_without_loss(steps: list[int]) -> None:
    """Evenly spaced steps are told by begin, distance and number; others as they are."""
    packed = curves.steps(steps)
    if isinstance(packed, dict):
        packed = [packed["from"] + i * packed["by"] for i in range(packed["n"])]
    assert packed == steps


def test_odd_values_of_tables_are_named_as_the_page_reads_them() -> None:
    """JavaScript's Number takes them for what they are."""
    values = map(or_name, (1.5, float("inf"), float("-inf"), float("nan")))
    assert list(values) == [1.5, "Infinity", "-Infinity", "NaN"]


def test_a_job_of_numbers_at_the_ends_has_its_page(tmp_path: Path) -> None:
    """Losses as far apart as doubles are, and settings that are none, cost nobody the report."""
    most = sys.float_info.max
    losses = ((most, 0.5, -most), (1e307, 2e307, 1e308), (0.0, 5e-324, 0.0))
    jobs = [
        (f"ftjob-{n:024}", [an_event(3 * n + i, data={"step": i, "train_loss": loss})
                            for i, loss in enumerate(some)])
        for n, some in enumerate(losses)
    ]  # fmt: skip
    settings = {"n_epochs": math.inf, "batch_size": math.nan, "learning_rate_multiplier": 2.0}
    about = {"object": "fine_tuning.job", "id": jobs[0][0], "hyperparameters": settings}
    (tmp_path / "job.json").write_text(json.dumps(about))
    with ingested(tmp_path, *jobs) as lake:
        lake.ingest(tmp_path / "job.json")
        (row,) = lake.sql("select n_epochs, batch_size, learning_rate_multiplier from jobs "
                          "where learning_rate_multiplier is not null").rows()  # fmt: skip
        assert row == (None, None, 2.0)
        with lake.connect(reads()) as con:
            assert "".join(page(facts(con)))
    assert [curves.spark(some) for some in losses] == [[99, 50, 0], [0, 11, 99], [0, 99, 0]]


def test_numbers_that_json_lacks_are_named() -> None:
    """NaN and infinities go by their names, other numbers by five significant digits."""
    some = pl.Series([math.nan, math.inf, -math.inf, None, 2.0, 1.23456789, 1.5e-7])
    expected = ["NaN", "Infinity", "-Infinity", None, 2, 1.2346, 1.5e-7]
    assert curves.numbers(some) == expected


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(1.4184704)
@example(123456.7)
@example(578.2499999)
def test_a_number_is_shown_as_the_views_show_it(value: float) -> None:
    """What the page rounds once more comes to the four digits that every table shows."""
    (held,) = curves.numbers(pl.Series([value]))
    assert isinstance(held, float | int)
    assert significant(held) == significant(value)


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """What a report tells of the messages of a job with few of them and of one with too many."""
    places = [said(0, "hello"), an_event(1), an_event(2), said(3, "a word"), an_event(4)]
    places = [dict(event, id=f"ftevent-{n:024}") for n, event in enumerate(places)]
    places += [said(50, "Checkpoint created at step 2"), said(51, "x" * 3000)]
    wordy = [said(n, f"word {n}") for n in range(500)]
    wordy[250] = said(250, "trouble", level="error")
    wordy[260] = said(260, "warned", level="warn")
    told = (("ftjob-places", places), ("ftjob-wordy", wordy))
    folder = tmp_path_factory.mktemp("messages")
    with ingested(folder, *told) as lake, lake.connect(reads()) as con:
        return facts(con).frames["messages"]


def test_messages_stand_at_the_step_before_them(messages: pl.DataFrame) -> None:
    """A message stands at the step logged last before it, a checkpoint at its own."""
    rows = messages.filter(job_id="ftjob-places").select("message", "at_step").rows()
    assert rows[:3] == [("hello", None), ("a word", 2), ("Checkpoint created at step 2", 2)]
    assert rows[3] == ("x" * 1000 + "…", 4)


def test_errors_come_before_other_messages_where_not_all_fit(messages: pl.DataFrame) -> None:
    """Of too many messages those of trouble stay, then those nearest to begin and end."""
    messages = messages.filter(job_id="ftjob-wordy")
    assert messages.height == 400
    assert messages["messages"][0] == 500
    kept = messages["message"].to_list()
    assert {"trouble", "warned", "word 0", "word 499"} <= set(kept)
    assert "word 251" not in kept


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """What a report tells of more kinds of errors and more evaluations than it has room for."""
    rewards = {"train_mean_reward": 0.75, "valid_mean_reward": 0.5}
    evaluated = [an_event(n, data={"step": n, **rewards}) for n in range(1, 41)]
    kinds = [said(n, f"trouble {'o' * n}f", level="error") for n in range(1, 32)]
    kinds += [said(50, "take care", level="warn")]
    told = (("ftjob-evaluated", evaluated), ("ftjob-kinds", kinds))
    with ingested(tmp_path_factory.mktemp("many"), *told) as lake:
        lake.ingest([GOLDEN / "best_steps" / "losses_of_objects"])
        lake.ingest([GOLDEN / "checkpoint_advice" / WHOLE_SET])
        with lake.connect(reads()) as con:
            return facts(con)


def test_many_kinds_of_errors_leave_room_for_warnings(many: Facts) -> None:
    """Errors and warnings have thirty kinds each in a report, which says how many there are."""
    assert many.kinds["severity"].to_list() == ["error"] * 30 + ["warning"]
    assert set(many.kinds["of_all"]) == {32}


def test_kinds_that_are_not_listed_are_counted(many: Facts) -> None:
    """Beside the reasons of failures, of 32 kinds, ten are listed and the others counted."""
    failed = many.failures["of_all"].max() or 0
    listed = [line for line in lines(many) if line.startswith("- 1 error in 1 job")]
    (more,) = [line for line in lines(many) if line.endswith("more kinds.")]
    assert len(listed) == 10
    assert more == f"and {32 - 10 - failed:,} more kinds."


def test_of_many_evaluations_the_last_are_shown(many: Facts) -> None:
    """The table of rewards has the last thirty evaluations, in order."""
    assert many.frames["reward_gaps"]["step"].to_list() == list(range(11, 41))


def test_the_best_step_is_on_its_curve(many: Facts, told: Facts) -> None:
    """Each best step is a point of its metric's curve, also if only a checkpoint object has it."""
    for some in (many, told):
        bests = some.frames["best_steps"].rename({"best_step": "step", "best_value": "value"})
        place = ["job_id", "metric", "step"]
        assert bests.height and bests.join(some.frames["points"], on=place, how="anti").is_empty()


def test_what_checkpoints_are_compared_by_is_on_the_curve(many: Facts) -> None:
    """The values that the advice names are points of the curve, and so what it marks lies there."""
    advised = many.frames["checkpoint_advice"].filter(job_id="ftjob-LossesOfEightEpochs")
    place = ["job_id", "metric", "step", "value"]
    assert advised["metric"].to_list() == ["full_valid_loss"]
    assert advised.join(many.frames["points"], on=place, how="anti").is_empty()


def test_only_what_a_restart_threw_away_is_shown_as_that(told: Facts) -> None:
    """What is drawn beside a curve are the steps of an attempt that a later one gave again."""
    thrown = told.frames["earlier"].filter(job_id=RESTARTED, attempt=1)
    assert set(thrown["step"]) == set(range(23, 29))


def test_a_report_of_chosen_jobs_tells_of_no_other(samples: Lake, told: Facts) -> None:
    """With jobs chosen, no other job is in the page; a job that is not there is refused."""
    job = told.jobs["job_id"][3]
    with samples.connect(reads()) as con:
        chosen = facts(con, [job])
    with samples.connect(reads()) as con, pytest.raises(UsageError, match="no job of that name"):
        facts(con, ["ftjob-nobody"])
    assert chosen.jobs["job_id"].to_list() == [job]
    assert {j for frame in chosen.frames.values() for j in frame["job_id"]} == {job}
    assert all(
        frame.equals(told.frames[name].filter(job_id=job)) for name, frame in chosen.frames.items()
    )
    kinds = told.kinds.filter(told.kinds["example"].is_in(chosen.kinds["example"].to_list()))
    assert chosen.kinds.height == kinds.height < told.kinds.height
    assert chosen.sources["sources"].item() == 1 < told.sources["sources"].item()
    text = "".join(page(chosen))
    assert [other for other in told.jobs["job_id"] if other in text] == [job]


def test_of_more_jobs_than_have_a_page_all_failures_are_told(
    samples: Lake, told: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why jobs failed is told of all, and that only the newest are judged is said."""
    monkeypatch.setattr("pipeline.report.gather.DETAILED", 5)
    with samples.connect(reads()) as con:
        few = facts(con)
    assert len(few.detailed) == 5 < few.jobs.height
    assert few.failures.equals(told.failures)
    note = "Only the 5 newest jobs are judged."
    assert note in lines(few) and note not in lines(told)


def test_the_model_that_was_made_is_a_checkpoint(told: Facts) -> None:
    """What the advice argues against stands in the table, with its losses."""
    last = dict(told.frames["checkpoint_advice"].select("job_id", "last_step").rows())
    rows = zip(told.detailed, details.details(told, details.all_findings(told)), strict=True)
    listed = {job: data["checkpoints"] for job, (data, _) in rows}
    assert all(step in {row.get("step") for row in listed[job]} for job, step in last.items())
    made = [row for ones in listed.values() for row in ones if row.get("is_final")]
    assert made and all(row["train_loss"] > 0 for row in made if "train_loss" in row)
    assert any("train_loss" in row for row in made)


def test_findings_are_the_verdicts_that_tripped(told: Facts) -> None:
    """What tripped is told with its evidence, and restarts beside it, the gravest first."""
    found = details.all_findings(told)
    for ones in found.values():
        assert [one.weight for one in ones] == sorted((o.weight for o in ones), reverse=True)
    tripped = told.frames["verdicts"].filter(verdict="tripped").select("job_id", "rule").rows()
    rules = {(job, one.rule) for job, ones in found.items() for one in ones}
    assert set(tripped) == {pair for pair in rules if pair[1] != "restart"}
    assert found[RESTARTED][0].words == "started over at step 23 after step 28, 6 steps lost"
    (failed,) = found["ftjob-Q2j9p6iuRrM7Xpft8XlwmwhY"]
    assert failed.weight == words.GRAVE and "must have at least 10 examples" in failed.words


def test_jobs_that_failed_alike_are_one_row(samples: Lake, told: Facts) -> None:
    """Failures are grouped by what was said, its code and the phase; every failed job is in one."""
    reasons = samples.view("failure_reasons")
    grouped = told.failures.explode("job_ids").rename({"job_ids": "job_id"})
    assert grouped["job_id"].sort().to_list() == reasons["job_id"].sort().to_list()
    joined = grouped.join(reasons, on="job_id")
    for column in ("template", "error_code", "phase"):
        assert joined[column].equals(joined[f"{column}_right"], null_equal=True)
    assert told.failures["jobs"].to_list() == sorted(told.failures["jobs"], reverse=True)


def test_bursts_of_a_kind_hold_its_events(told: Facts) -> None:
    """The bursts of a kind of problem are in order of time and come to all of its events."""
    for kind in told.kinds.to_dicts():
        assert sum(events for _, _, events in kind["bursts"]) == kind["events"]
        assert kind["bursts"][0][0] == kind["first_seen"]
        assert kind["bursts"][-1][1] == kind["last_seen"]


def test_what_a_user_fails_on_is_grave(samples: Lake) -> None:
    """The settings of a user decide which rules are grave."""
    with samples.connect(reads()) as con:
        told = facts(con, [OVERFIT], Settings(fail_on=("overfit",)))
    assert [one.weight for one in details.all_findings(told)[OVERFIT]] == [words.GRAVE]


BEST = {
    "metric": "valid_loss", "higher_is_better": False, "is_smoothed": True, "best_step": 80,
    "best_value": 0.5, "last_step": 120, "last_value": 1.0, "regret": 0.5,
}  # fmt: skip
CHOICE = {
    "metric": "valid_loss", "higher_is_better": False, "best_step": 80, "best_value": 0.5,
    "step": 80, "model_id": "ft:x", "value": 0.5, "value_step": 80, "last_step": 120,
    "last_value": 1.0, "last_value_step": 120, "gain": 0.5, "gain_share": 50.0, "checkpoints": 3,
    "evaluated": 3, "blocked": 0, "tolerance": 0.1,
}  # fmt: skip


LAST = {"last_step": 80, "last_value": 0.5, "gain": 0.0, "gain_share": 0.0}
"""Where the last checkpoint is the best."""


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {},
            "Use the checkpoint of step 80 instead of the last, of step 120."
            " Its validation loss (running median) is 0.5000, not 1.000, 50 % lower.",
        ),
        (
            {"blocked": 1, "value_step": 80},
            "Use the checkpoint of step 80 instead of the last that is not blocked, of step 120."
            " Its validation loss (running median) is 0.5000, not 1.000, 50 % lower."
            " A usage policy check blocked 1 other.",
        ),
        (
            {"step": 90, "value": 0.625, "value_step": 88},
            "Use the checkpoint of step 90 instead of the last, of step 120."
            " Its validation loss (running median, of step 88) is 0.6250, not 1.000, 50 % lower."
            " The best of all steps was step 80 (0.5000),"
            " but nothing tells of a checkpoint to use there.",
        ),
        (
            LAST,
            "Use the last checkpoint, of step 80: validation loss (running median) 0.5000,"
            " and none is better by more than noise.",
        ),
        (
            LAST | {"tolerance": 0.0, "blocked": 1},
            "Use the last checkpoint that is not blocked, of step 80:"
            " validation loss (running median) 0.5000,"
            " and none is better. A usage policy check blocked 1 other.",
        ),
        (
            LAST | {"value": 0.58, "last_value": 0.58, "checkpoints": 2, "blocked": 1},
            "Use the last checkpoint that is not blocked, of step 80:"
            " validation loss (running median) 0.5800;"
            " it is the only one to use that is told of. A usage policy check blocked 1 other.",
        ),
        (
            LAST | {"value": 0.8, "last_value": 0.8, "checkpoints": 1},
            "Use the last checkpoint, of step 80: validation loss (running median) 0.8000;"
            " it is the only one that is told of."
            " The best of all steps was step 80 (0.5000),"
            " but nothing tells of a checkpoint to use there.",
        ),
        (
            LAST | {"evaluated": 1},
            "Use the last checkpoint, of step 80: validation loss (running median) 0.5000;"
            " the others were not evaluated.",
        ),
        (
            {"last_value": None, "gain": None, "gain_share": None, "value_step": 80},
            "Use the checkpoint of step 80 instead of the last, of step 120."
            " Its validation loss (running median) is 0.5000, that of the last is no number.",
        ),
        (
            {"last_value": 0.50001, "gain": 1e-5, "gain_share": 2e-3},
            "Use the checkpoint of step 80 instead of the last, of step 120."
            " Its validation loss (running median) is 0.5000, and so is that of the last.",
        ),
        (
            {"last_value": 0.5, "last_value_step": 80, "gain": 0.0, "gain_share": 0.0},
            "Use the checkpoint of step 80 instead of the last, of step 120."
            " Its validation loss (running median) is 0.5000; the last was not evaluated.",
        ),
        (
            {"metric": "full_valid_loss", "step": 100, "value_step": 100, "step_distance": 20},
            "Use the checkpoint of step 100 instead of the last, of step 120."
            " Its full validation loss is 0.5000, not 1.000, 50 % lower."
            " By validation loss (running median) the best of all steps was step 80 (0.5000).",
        ),
        ({"step": None}, "Use none: a usage policy check blocked every checkpoint."),
    ],
)
def test_advice_says_which_checkpoint_and_what_it_gains(changes: dict[str, Any], says: str) -> None:
    """The advice names the checkpoint, its value, and what it gains over the last one."""
    advice = words.advice(BEST, {**CHOICE, **changes})
    assert advice and advice.words == says
    assert advice.gains == (not changes or "value_step" in changes)


def test_advice_without_a_checkpoint_names_the_best_step() -> None:
    """A job without checkpoints still has a best step; one without validation has no advice."""
    advice = words.advice(BEST, None)
    assert advice and advice.words == (
        "The best step was 80: validation loss (running median) 0.5000, 1.000 at the last,"
        " step 120. No event tells of a checkpoint."
    )
    assert words.advice(None, None) is None


def test_what_could_not_be_judged_says_for_want_of_what(told: Facts) -> None:
    """Rules that one thing lacks for stand together; one that kept or tripped is not among them."""
    verdict = "not applicable"
    rows: list[words.Row] = [
        {"rule": "spike", "verdict": verdict, "evidence": "no training losses"},
        {"rule": "nan", "verdict": "ok", "evidence": "nothing in 9 steps with a loss or reward"},
        {"rule": "overfit", "verdict": verdict, "evidence": "3 validation losses, 5 needed"},
        {"rule": "divergence", "verdict": verdict, "evidence": "no training losses"},
    ]
    assert words.unjudged(rows) == [
        (["spike", "divergence"], "no training losses"),
        (["overfit"], "3 validation losses, 5 needed"),
    ]
    pages = [page for page, _ in details.details(told, details.all_findings(told))]
    assert {rule for page in pages for rule in page["kept"]} > {"error", "nan", "gap"}
    assert any("no true times" in why for page in pages for _, why in page["unjudged"])


def test_stretches_of_steps_are_named_once_in_order() -> None:
    """What was found of stretches is named, in order of steps, equal ones once.

    Where there are numbers between those that are none, only the first step of these is named.
    """
    of: dict[str, list[words.Row]] = {
        "divergences": [
            {"kind": "non_finite", "first_step": 9, "last_step": 12, "points": 4},
            {"kind": "non_finite", "first_step": 9, "last_step": 12, "points": 4},
            {"kind": "non_finite", "first_step": 11, "last_step": 99, "points": 4},
            {"kind": "rising", "first_step": 5, "last_step": 8},
        ],
        "overfitting": [{"is_overfit": False, "risen_since_step": None, "last_step": 9}],
        "stalls": [{"after_step": 3, "next_step": None}],
        "attempts": [{"first_step": 1}, {"first_step": 2}],
    }
    assert words.spans(of) == [
        ("restart", 2, 2), ("stall", 3, 3), ("divergence", 5, 8),
        ("not a number", 9, 12), ("not a number", 11, 11),
    ]  # fmt: skip


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


def test_a_gap_is_of_the_dump() -> None:
    """It is a note beside what went wrong in training, unless a check fails on it."""
    rows = [{"rule": rule, "verdict": "tripped", "evidence": ""} for rule in ("gap", "spike")]
    weights = [(one.rule, one.weight) for one in words.findings(rows, [], ())]
    assert weights == [("spike", words.WARNING), ("gap", words.NOTE)]
    assert words.findings(rows, [], ["gap"])[0].weight == words.GRAVE


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


def test_markdown_of_one_job_says_which_checkpoint_to_use(tmp_path: Path) -> None:
    """That the last is the one to use is worth a line of a report on that job alone, and once."""
    runs = [(f"ftjob-Run{n}", [
        *(an_event(k, data={"step": k, "valid_loss": 1 / k - n / 9}) for k in (1, 2, 3)),
        said(4, f"New fine-tuned model created: ft:m:o::r{n}"),
    ]) for n in (1, 2)]  # fmt: skip
    with ingested(tmp_path, *runs) as lake:
        for chosen in (None, ["ftjob-Run1"], ["ftjob-Run2"]):
            with lake.connect(reads()) as con:
                text = "\n".join(lines(facts(con, chosen)))
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


def test_a_loss_that_ends_as_no_number_is_listed_so(odd: Facts) -> None:
    """The last value of a job is NaN where its training ended so, in both reports."""
    jobs = details.overview(odd, {})["jobs"]
    found = {job: (jobs["final"][n], jobs["best"][n]) for n, job in enumerate(jobs["job_id"])}
    assert found["ftjob-RewardIsInfiniteAAAAAAAA"] == ("Infinity", 0.5)
    assert found["ftjob-ComesBackFromItAAAAAAAAA"] == (1.25, 1.25)
    assert found["ftjob-EndsAsNoNumberAAAAAAAAAA"] == ("NaN", 1.25)
    assert "| training loss | nan | `1.250 @2` |" in "\n".join(lines(odd))


def test_an_empty_lake_has_a_report(tmp_path: Path) -> None:
    """A lake without jobs gives a page and Markdown that say what to do."""
    with open_lake(tmp_path / "lake") as lake:
        lake.make()
        with lake.connect(reads()) as con:
            told = facts(con)
    assert blocks("".join(page(told)))["overview"]["jobs"]["job_id"] == []
    assert "tunelog ingest" in "\n".join(lines(told))


def test_a_missing_extra_is_one_line(told: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Altair the page says what to install."""
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(LakeError, match=r"pip install 'tunelog\[report\]'"):
        next(page(told))
