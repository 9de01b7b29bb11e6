"""Lakes without ingest: Parquet files and generated streams from the oracle's events."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import oracle
import oracle_answers
import oracle_companions
import oracle_curves
import oracle_detectors
import oracle_jobs
import oracle_marts
import oracle_runs
import oracle_stories
import oracle_training
import oracle_verdicts
import pyarrow as pa
import pyarrow.parquet as pq
import strategies_companions
from engine import fetched
from hypothesis import strategies as st
from oracle_companions import Told, without

from pipeline.contract import TABLES

ANSWERS = {
    "best_steps": oracle_answers.best_steps,
}
"""What to do; tried on jobs that were validated, too (test_answers)."""

MARTS = {
    "events": oracle_marts.rows_of_events,
    "metrics": oracle_curves.metrics,
    "metric_keys": oracle_curves.metric_keys,
    "loss_curves": oracle_curves.loss_curves,
    "attempts": oracle_training.attempts,
    "loss_curve_attempts": oracle_training.loss_curve_attempts,
    "loss_curves_smoothed": oracle_training.loss_curves_smoothed,
    "warnings": oracle_marts.warnings,
    "errors": oracle_marts.errors,
    "error_timeline": oracle_stories.error_timeline,
    "error_bursts": oracle_stories.error_bursts,
    "failure_reasons": oracle_stories.failure_reasons,
    "timeline": oracle_stories.timeline,
    "leaderboard": oracle_runs.leaderboard,
    "throughput": oracle_runs.throughput,
    "reward_gaps": oracle_runs.reward_gaps,
    "compare": oracle_runs.compare,
    "jobs": oracle_jobs.jobs,
    "job_phases": oracle_marts.job_phases,
    "checkpoints": oracle_curves.checkpoints,
    "moderation": oracle_marts.moderation,
    "data_quality": oracle_curves.data_quality,
    "unattributed_events": oracle_marts.unattributed_events,
    **ANSWERS,
    "verdicts": oracle_verdicts.verdicts,
}

WITH_COMPANIONS = {
    "jobs": oracle_jobs.jobs,
    "loss_curves": oracle_curves.loss_curves,
    "checkpoints": oracle_curves.checkpoints,
    "best_steps": oracle_answers.best_steps,
    "checkpoint_advice": oracle_answers.checkpoint_advice,
    "data_quality": oracle_curves.data_quality,
    "failure_reasons": oracle_stories.failure_reasons,
    "overfitting": oracle_detectors.overfitting,
    "companions": lambda _, beside: oracle_companions.companions(beside),
    "result_points": lambda _, beside: oracle_companions.result_points(beside),
}
"""Those that look beside the events too."""

DETECTORS = {
    "loss_spikes": oracle_detectors.loss_spikes,
    "divergences": oracle_detectors.divergences,
    "overfitting": oracle_detectors.overfitting,
    "stalls": oracle_detectors.stalls,
}
"""Need curves of some length, and are tried on such (test_detectors)."""


def table(events: list[oracle.Event]) -> pa.Table:
    """The oracle's events in the columns of the contract."""
    rows = [
        {
            "job_id": event.job_id,
            "event_id": event.event_id,
            "created_at": event.created_at,
            "level": event.level,
            "type": event.type,
            "message": event.message,
            "step": event.step,
            "total_steps": event.total_steps,
            **event.metrics,
            "other_metrics": list(event.other.items()) or None,
            "data": None if event.data is oracle.ABSENT else json.dumps(event.data),
            "misfits": event.misfits or None,
            "object": "fine_tuning.job.event",
            "dialect": event.dialect,
            "stream_id": event.job_id,
            "source_id": "source",
            "position": abs(event.ordinal),
            "offset": 0,
            "ordinal": event.ordinal,
        }
        for event in events
    ]
    return pa.Table.from_pylist(rows, schema=TABLES["events"])


def companion_table(beside: list[Told]) -> pa.Table:
    """What is told beside events in the columns of the contract."""
    rows = [
        row | {"source_id": "source", "position": 0, "offset": 0}
        for row in oracle_companions.companions(beside)
    ]
    return pa.Table.from_pylist(rows, schema=TABLES["companions"])


def files(folder: Path, **tables: pa.Table) -> dict[str, list[str]]:
    """A lake's tables as Parquet files, empty where not given."""
    paths = {}
    for name, schema in TABLES.items():
        path = folder / f"{name}.parquet"
        pq.write_table(tables.get(name, schema.empty_table()), path)
        paths[name] = [str(path)]
    return paths


def rows(con: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    """A query's rows as dicts."""
    return fetched(con, query).to_pylist()


def comparable(
    found: list[dict[str, Any]], wanted: list[dict[str, Any]]
) -> tuple[list[str], list[str]]:
    """Both as sorted text, of the columns the oracle computes."""
    columns = sorted(wanted[0]) if wanted else []

    def text(row: dict[str, Any]) -> str:
        return repr([(name, plain(row[name])) for name in columns])

    return sorted(map(text, found)), sorted(map(text, wanted))


def plain(value: Any) -> Any:
    """A value as it is compared: instants as seconds, whole numbers as integers, 10 digits."""
    if isinstance(value, datetime):
        return int(value.astimezone(UTC).timestamp())
    if isinstance(value, int | float) and not isinstance(value, bool):
        # the last digits depend on the order in which numbers are added
        value = float(f"{value:.10g}") if isinstance(value, float) else value
        return int(value) if math.isfinite(value) and value == int(value) else float(value)
    return value


MESSAGES = [
    "Created fine-tuning job: ftjob-AAAAAAAAAAAAAAAAAAAAAAAA",
    "Validating training file: file-abc123def and validation file: file-uvw456xyz",
    "Files validated, moving job to queued state",
    "Fine-tuning job started",
    "Checkpoint created at step 2",
    "Checkpoint created at step 1 with Snapshot ID: ft:gpt-4o:org::abc:ckpt-step-1",
    "New fine-tuned model created: ft:gpt-4o-mini-2024-07-18:org::A1b2C3d4",
    "Evaluating model against our usage policies before enabling",
    "Moderation checks for snapshot ft:gpt-4o:org::abc passed.",
    "Usage policy evaluations completed, model is now enabled for sampling",
    "The job has successfully completed",
    "The job was stopped due to a cancellation request",
    "The job failed due to an invalid training file. Example 100, message 2 of 'data/a.jsonl'",
    "This file failed moderation safety checks. Flagged lines: 4, 13, 14, 18, 35 ...",
    "Training file file-AbCdEf123456 has 5 example(s), but must have at least 10 examples",
    "Can't read \"my file\" at /mnt/data/x.csv, http://a.b/c?d=1: it's gone\nby 0x1f or 1.5e-06%",
    "Job enqueued. Waiting for jobs ahead to complete.",
    "Preprocessing completed for file training file.",
    "Job started.",
    "Job queued, waiting for GPUs.",
    "Training started.",
    "Created results file: file-697f5d7ff2b14ced8258a9c152973400",
    "Job succeeded.",
    "Job canceled.",
    "Model Evaluation Passed.",
    "This model is unable to be deployed. It scores above acceptable thresholds for [Violence].",
    "Training tokens billed: 8000",
    "something nobody knows",
    "The user’s key „a “b”, «c» nor ‘l’été’ isn’t at ‘d’s",
    "",
]

STEPS = [
    "Step {n}/9: training loss=0.73",
    "Step {n}/9: training loss=1.25, validation loss=1.46, full validation loss=1.12",
    "Step {n}: training loss=3.8E-06",
    "Step {n}/9: training loss=nan, validation loss=inf",
    "Step {n}/9 , train mean reward=0.42, full validation mean reward=0.68",
    "Step {n}",
    "Step by step",
]

NUMBERS = st.sampled_from([0.5, 1, 0.25, 2.5, 1e-6, math.nan, math.inf, -math.inf])

VALUES = st.one_of(
    NUMBERS, NUMBERS, NUMBERS, st.sampled_from(["0.75", "x", True, None, [1, 2], {"a": 1}])
)

METRIC_DATA = st.dictionaries(
    st.sampled_from(
        [
            "train_loss",
            "valid_loss",
            "full_valid_loss",
            "train_mean_reward",
            "full_valid_mean_reward",
            "valid_mean_token_accuracy",
            "mean_unresponsive_rewards",
            "reasoning_tokens_mean",
            "rewards/chosen",
            "epoch",
            "a/b",
        ]
    ),
    VALUES,
    max_size=4,
)

GRADER_ERRORS = {
    "errors": {
        "graders": [
            {"name": "train_g", "train_other_error_mean": 0.25, "valid_other_error_mean": 0.5},
            {"name": "b", "train_sample_parse_error_mean": 0.125, "train_other_error_mean": 1},
        ]
    }
}

BARE = st.sampled_from([oracle.ABSENT, None, {}])


@st.composite
def raw_events(draw: st.DrawFn) -> dict[str, Any]:
    """An event of the API, mostly as real ones are."""
    kind = draw(st.sampled_from(["message", "message", "metrics", "metrics", "step", "moderation"]))
    number = draw(st.integers(1, 9))
    data: Any = draw(BARE)
    message = draw(st.sampled_from(MESSAGES))
    if kind != "message":
        message = draw(st.sampled_from(STEPS)).format(n=number)
    if kind == "metrics":
        data = {"step": number} | draw(METRIC_DATA)
        extras = [{}, {"total_steps": 9}, {"step": "5"}, {"step": "five"}, GRADER_ERRORS]
        data |= draw(st.sampled_from(extras))
    if kind == "moderation":
        message = draw(
            st.sampled_from([MESSAGES[8], "Moderation checks for snapshot ft:b blocked."])
        )
        flags = draw(st.lists(st.booleans(), max_size=2))
        data = {
            "blocked": draw(st.booleans()),
            "results": [
                {"category": f"c{i}", "flagged": flag, "enforcement": "blocking"}
                for i, flag in enumerate(flags)
            ],
            "finetuned_model_checkpoint_id": "ft:b",
        }
        data = draw(st.sampled_from([data, data, None]))
    level = draw(st.sampled_from(["info"] * 8 + ["warn", "error", "WARN", "fatal"]))
    if level == "error" and data == {}:
        data = {"error_code": "invalid_n_examples", "error_param": "training_file"}
    kinds = {"message": "message", "step": "message", "moderation": "moderation_checks"}
    raw = {
        "object": "fine_tuning.job.event",
        "created_at": 1_700_000_000 + draw(st.integers(0, 12)),
        "level": level,
        "message": message,
        "type": draw(st.sampled_from([kinds.get(kind, kind)] * 6 + [None, "strange"])),
    }
    return raw if data is oracle.ABSENT else raw | {"data": data}


@st.composite
def restarts(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Metrics of a job that trains a few times, each from any step on and with any stride."""
    raws, time = [], 1_700_000_000
    for _ in range(draw(st.integers(2, 4))):
        step, stride = draw(st.integers(1, 9)), draw(st.integers(1, 4))
        for _ in range(draw(st.integers(1, 4))):
            text = f"Step {step}/30: training loss=0.{draw(st.integers(10, 99))}"
            name = draw(st.sampled_from(["train_loss"] * 4 + ["valid_loss"]))
            data = {"step": step, name: draw(NUMBERS)} if draw(st.integers(0, 4)) else {}
            raws.append({"created_at": time, "level": "info", "message": text, "data": data})
            step += stride
            time += draw(st.sampled_from([0, 1, 1, 1]))
    return raws


@st.composite
def lakes(draw: st.DrawFn) -> list[oracle.Event]:
    """The events of up to three jobs, in any order."""
    events = []
    for job in draw(st.sampled_from([["ftjob-a"], ["ftjob-a", "ftjob-b", "unattributed-c"]])):
        azure = draw(st.booleans())
        raws = draw(st.lists(raw_events(), min_size=1, max_size=14))
        raws += draw(st.one_of(st.just([]), restarts()))
        for position, raw in enumerate(raws):
            digits = f"{position:032x}" if azure else f"{position:024d}"
            events.append(oracle.event(raw | {"id": f"ftevent-{digits}"}, job, position))
    return events


@st.composite
def lakes_with_companions(draw: st.DrawFn) -> tuple[list[oracle.Event], list[Told]]:
    """The events of some jobs and what is told beside them, of jobs without events too."""
    events, beside = draw(lakes()), []
    for job in ("ftjob-a", "ftjob-d"):
        for kind, made in (
            ("job", strategies_companions.job_objects(job)),
            ("checkpoint", strategies_companions.checkpoint_objects(job)),
            ("outcome", strategies_companions.webhooks(job)),
            ("result", strategies_companions.result_rows()),
        ):
            values = draw(st.lists(made, max_size=4 if kind == "result" else 2))
            beside += [Told(job, kind, without(value)) for value in values]
    return events, beside
