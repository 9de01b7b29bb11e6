"""What a report asks of a lake: messages, kinds of errors, failures, checkpoints, findings."""

from __future__ import annotations

import polars as pl
import pytest
from dumps import an_event
from report_lakes import GOLDEN, OVERFIT, RESTARTED, WHOLE_SET, ingested, said

from pipeline.cli.report_markdown import lines
from pipeline.errors import UsageError
from pipeline.lake.lake import Lake
from pipeline.report import details, words
from pipeline.report.gather import Facts, facts, reads
from pipeline.report.page import page
from pipeline.settings import Settings


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
