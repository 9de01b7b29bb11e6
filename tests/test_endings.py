"""How a job stands, where messages, objects, webhooks and cut dumps each tell a part of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dumps import A, B, an_event

from pipeline import open_lake

MODEL = "ft:gpt-4.1-mini-2025-04-14:org::CCC"


def message(number: int, words: str, **fields: Any) -> dict[str, Any]:
    """An event without metrics."""
    told = {"message": words, "data": {}, "type": "message", "id": f"ftevent-m{number:023}"}
    return an_event(number, **told | fields)


def steps(first: int, last: int, total: int = 500) -> list[dict[str, Any]]:
    """Steps, one in ten seconds."""
    return [
        an_event(n, created_at=1_700_000_000 + 10 * n, message=f"Step {n}/{total}")
        for n in range(first, last + 1)
    ]


def an_object(**fields: Any) -> dict[str, Any]:
    """A job object of job A."""
    return {"object": "fine_tuning.job", "id": A, **fields}


def later(hours: float) -> list[dict[str, Any]]:
    """Events of another job, by which the same dump goes on."""
    when = 1_700_000_000 + int(3600 * hours)
    return [message(0, f"Created fine-tuning job: {B}", created_at=when)]


def asked(folder: Path, question: str, told: list[Any], *beside: Any) -> list[tuple[Any, ...]]:
    """Ingest job A's events, what lies beside them, and a later job; ask one question."""
    (folder / f"{A}.jsonl").write_text("".join(f"{json.dumps(event)}\n" for event in told))
    (folder / f"{B}.jsonl").write_text("".join(f"{json.dumps(event)}\n" for event in later(5)))
    for number, value in enumerate(beside):
        (folder / f"beside-{number}.json").write_text(json.dumps(value))
    with open_lake(folder / "lake") as lake:
        assert not any(source.rejects for source in lake.ingest([folder]).sources)
        return lake.sql(f"{question} where job_id = '{A}'").rows()


def evaluation(step: int, when: int, **metrics: float) -> dict[str, Any]:
    """What validation says of a step, in an event of its own."""
    about = {"id": f"ftevent-v{step:023}", "created_at": 1_700_000_000 + when}
    return an_event(step, **about, message=f"Step {step}", data={"step": step, **metrics})


HOOK = {
    "object": "event", "id": "evt_1", "type": "fine_tuning.job.failed",
    "created_at": 1_700_000_500, "data": {"id": A},
}  # fmt: skip
HICCUP = message(205, "Grader timed out; retrying", level="error")
FAILED = message(406, "The job failed due to an internal error")


@pytest.mark.parametrize(
    ("told", "beside", "silent"),
    [
        (steps(1, 40), [], True),
        (steps(1, 40), [an_object(status="cancelled", finished_at=1_700_000_700)], False),
        (steps(1, 40), [an_object(status="paused")], False),
        (steps(1, 40), [an_object(status="running")], True),
        (steps(1, 40), [HOOK], False),
        (steps(1, 60), [HOOK], True),
        ([*steps(1, 20), HICCUP, *steps(21, 40)], [], True),
        ([*steps(1, 40), FAILED], [], False),
        (
            [*steps(1, 40), FAILED, message(410, "Fine-tuning job started"), *steps(42, 60)],
            [],
            True,
        ),
        # a sign of life, though of an evaluation; a step behind the end; an evaluation by accuracy
        ([*steps(1, 40), evaluation(30, 17_900, full_valid_loss=0.5)], [], False),
        (
            [*steps(1, 40), message(400, "The job has successfully completed"), *steps(41, 41)],
            [],
            False,
        ),
        ([*steps(1, 40, total=40), evaluation(20, 405, valid_mean_token_accuracy=0.5)], [], False),
    ],
)
def test_silent_is_a_job_that_nothing_ended(
    tmp_path: Path, told: list[Any], beside: list[Any], silent: bool
) -> None:
    """What ended or paused it, wherever it is told, and nothing that it went on after."""
    assert asked(tmp_path, "select kind from stalls", told, *beside) == [("silent",)] * silent


def test_a_stall_is_judged_by_times_of_training(tmp_path: Path) -> None:
    """Five steps and seven evaluations are five times, where eleven are needed."""
    late = [evaluation(n, 500 + n, valid_loss=0.5) for n in range(11, 18)]
    found = asked(
        tmp_path,
        "select verdict, evidence from (from verdicts where rule = 'stall')",
        [*steps(1, 5), *late],
    )
    assert found == [("not applicable", "5 true times of steps, 11 needed")]


def test_the_model_is_no_checkpoint(tmp_path: Path) -> None:
    """Checks of checkpoints come last, and one that was blocked ends no job."""
    told = [
        message(1, f"Created fine-tuning job: {A}"),
        message(2, f"New fine-tuned model created: {MODEL}"),
        message(3, f"Moderation checks for snapshot {MODEL} passed."),
        message(4, f"Moderation checks for snapshot {MODEL}:ckpt-step-10 failed."),
    ]
    found = asked(tmp_path, "select model_id, status, errors from jobs", told)
    assert found == [(MODEL, "running", 1)]


def test_a_check_without_payload_is_told_by_its_words(tmp_path: Path) -> None:
    """A check of the model itself that failed is an error, and blocks, in every view."""
    told = [
        message(1, f"Created fine-tuning job: {A}"),
        message(3, f"Moderation checks for snapshot {MODEL}:passed failed."),
    ]
    assert asked(tmp_path, "select status, errors from jobs", told) == [("failed", 1)]
    with open_lake(tmp_path / "lake") as lake:
        assert lake.view("moderation")["blocked"].to_list() == [True]
        assert lake.view("errors")["told_by"].to_list() == ["moderation"]
        assert lake.view("timeline")["kind"].to_list() == ["message", "error", "message"]


def test_an_object_without_time_leaves_what_events_tell(tmp_path: Path) -> None:
    """Failed objects often lack finished_at: when and in which phase is told by the events."""
    told = [
        message(1, f"Created fine-tuning job: {A}"),
        message(2, "Validating training file: file-abc"),
        message(30, "Training file has 5 example(s), but must have at least 10", level="error"),
    ]
    broken = an_object(status="failed", error={"code": "invalid_n_examples", "message": "few"})
    question = "select epoch(failed_at) - 1_700_000_000, phase, error_code from failure_reasons"
    assert asked(tmp_path, question, told, broken) == [(30.0, "validating", "invalid_n_examples")]


def test_the_last_phase_is_that_of_a_failure_at_no_known_time(tmp_path: Path) -> None:
    """Where neither events nor object date the failure, the phase is the last that is told."""
    told = [message(1, "Fine-tuning job started"), *steps(1, 3)]
    broken = an_object(status="failed", error={"code": "server_error", "message": "sorry"})
    question = "select failed_at, phase from failure_reasons"
    assert asked(tmp_path, question, told, broken) == [(None, "running")]


def test_the_reason_is_what_says_more_than_that_it_failed(tmp_path: Path) -> None:
    """Azure's last message is the bare failure; the one before it tells why."""
    told = [
        message(1, "Preprocessing failed for file training file.", level="error"),
        message(2, "Job failed.", level="error"),
    ]
    found = asked(tmp_path, "select message from failure_reasons", told)
    assert found == [("Preprocessing failed for file training file.",)]


def test_the_newest_page_tells_no_start(tmp_path: Path) -> None:
    """The first step of a dump is the start of training only where the dump begins before it."""
    question = "select epoch(started_at) - 1_700_000_000, run_seconds from jobs"
    done = message(1000, "The job has successfully completed", created_at=1_700_001_005)
    assert asked(tmp_path, question, [*steps(83, 100), done]) == [(None, None)]
    begun = message(0, f"Created fine-tuning job: {A}")
    assert asked(tmp_path, question, [begun, *steps(83, 100), done]) == [(830.0, 175.0)]


def test_evaluations_told_late_are_no_restarts_and_no_pace(tmp_path: Path) -> None:
    """The evaluation of each step comes after the next step: one attempt, at the steps' pace."""
    late = [
        an_event(n, id=f"ftevent-v{n:023}", created_at=1_700_000_000 + 10 * n + 13,
                 message=f"Step {n}", data={"step": n, "full_valid_loss": 0.6})
        for n in range(1, 20)
    ]  # fmt: skip
    found = asked(tmp_path, "select attempt, steps, events from attempts", [*steps(1, 20), *late])
    assert found == [(1, 20, 39)]
    with open_lake(tmp_path / "lake") as lake:
        pace = lake.sql(
            "select seconds_per_step, recent_seconds_per_step, timed_gaps from throughput"
        )
        assert pace.rows() == [(10.0, 10.0, 19)]
        curve = lake.view("loss_curves")
        assert curve.filter(pl.col("full_valid_loss") == 0.6).height == 19


def test_a_step_told_twice_is_one(tmp_path: Path) -> None:
    """Its accuracy in an event of its own, two seconds later: the pace is that of the steps."""
    again = [evaluation(n, 10 * n + 2, train_mean_token_accuracy=0.5) for n in range(1, 21)]
    question = "select seconds_per_step, timed_gaps from throughput"
    assert asked(tmp_path, question, [*steps(1, 20), *again]) == [(10.0, 19)]


def test_what_is_planned_is_told_by_the_attempt_that_counts(tmp_path: Path) -> None:
    """A restart with a shorter plan has fewer steps left."""
    first, second = (
        [event | {"data": event["data"] | {"total_steps": total}} for event in steps(begin, end)]
        for begin, end, total in ((1, 40, 100), (21, 40, 60))
    )
    again = [
        event
        | {
            "id": f"{event['id'][:-3]}abc"[:30] + f"{n:02}",
            "created_at": event["created_at"] + 1000,
        }
        for n, event in enumerate(second)
    ]
    question = "select total_steps, steps_left from throughput"
    assert asked(tmp_path, question, [*first, *again]) == [(60, 20)]


def test_an_object_tells_the_method_everywhere(tmp_path: Path) -> None:
    """A preference job sends the metrics of a supervised one: it is compared with none such."""
    paired = an_object(method={"type": "dpo", "dpo": {}}, status="running")
    (tmp_path / "first.jsonl").write_text(
        "".join(
            f"{json.dumps(event)}\n"
            for event in [
                message(1, f"Created fine-tuning job: {B}", created_at=1_600_000_000),
                *(event | {"created_at": event["created_at"] - 10**8} for event in steps(1, 3)),
            ]
        )
    )
    third = "ftjob-" + "D" * 24
    (tmp_path / f"{third}.jsonl").write_text(
        "".join(
            f"{json.dumps(event | {'created_at': event['created_at'] + 10**6})}\n"
            for event in steps(1, 3)
        )
    )
    (tmp_path / f"{A}.jsonl").write_text("".join(f"{json.dumps(event)}\n" for event in steps(1, 3)))
    (tmp_path / "object.json").write_text(json.dumps(paired))
    with open_lake(tmp_path / "lake") as lake:
        lake.ingest([tmp_path])
        methods = dict(lake.sql("select job_id, method from jobs").rows())
        assert methods == {A: "preference", B: "supervised", third: "supervised"}
        assert lake.sql("select distinct job_a, job_b from compare").rows() == [(B, third)]
        assert dict(lake.sql("select job_id, method from leaderboard").rows()) == methods
