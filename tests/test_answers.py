"""Best steps, checkpoints and comparisons against their oracle, on jobs that were validated."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import duckdb
import oracle
import oracle_runs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle_lake import ANSWERS, comparable, files, rows, table
from strategies import examples

from pipeline import views

VALUES = st.sampled_from([0.25, 0.5, 0.5, 0.75, 1.5, 1e-7, 0.0, -0.5, math.nan, math.inf])
METRICS = ("full_valid_loss", "valid_loss", "full_valid_mean_reward", "valid_mean_reward")


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The views over events that a test gives."""
    with duckdb.connect() as con:
        views.create(con, files(tmp_path_factory.mktemp("lake")), only=[*ANSWERS, "compare"])
        con.register("given_events", table([]))
        con.execute("create or replace view lake_events as from given_events")
        yield con


@st.composite
def jobs(draw: st.DrawFn) -> list[oracle.Event]:
    """Jobs of a few evaluations, with checkpoints, a model and checks of them, or without."""
    events = []
    for job in draw(st.sampled_from([["ftjob-a"], ["ftjob-a", "ftjob-b"]])):
        metrics = draw(st.lists(st.sampled_from(METRICS), min_size=1, max_size=2, unique=True))
        raws: list[dict[str, Any]] = []
        last = draw(st.integers(1, 12))
        for step in range(1, last + 1):
            data = {"step": step, "train_loss": 0.5}
            for metric in metrics:
                if draw(st.booleans()):
                    data[metric] = draw(VALUES)
            raws.append({"message": f"Step {step}/{last}", "type": "metrics", "data": data})
        for step in draw(st.lists(st.integers(1, 13), max_size=3)):
            named = f" with Snapshot ID: ft:m:ckpt-step-{step}" if draw(st.booleans()) else ""
            raws.append({"message": f"Checkpoint created at step {step}{named}"})
        made = draw(st.sampled_from(["", "New fine-tuned model created", "Job succeeded."]))
        if made:
            named = ": ft:m" if made.startswith("New") and draw(st.booleans()) else ""
            raws.append({"message": f"{made}{named}"})
        checked = ["ft:m", "ft:m:ckpt-step-2", "ft:m:ckpt-step-7", None]
        for model in draw(st.lists(st.sampled_from(checked), max_size=2)):
            verdict = draw(st.sampled_from(["passed", "failed"]))
            subject = f"snapshot {model} " if model else ""
            data = {"blocked": verdict == "failed", "finetuned_model_checkpoint_id": model}
            told = {"data": data} if draw(st.booleans()) else {}
            raws.append({"message": f"Moderation checks for {subject}{verdict}."} | told)
        for number, raw in enumerate(raws):
            about = {"id": f"ftevent-{number:024}", "created_at": 1_700_000_000 + number}
            events.append(oracle.event({"level": "info"} | about | raw, job, number))
    return events


@examples(15)
@given(events=jobs())
def test_answers_equal_the_oracle(
    con: duckdb.DuckDBPyConnection, events: list[oracle.Event]
) -> None:
    """Whatever was evaluated, kept and checked, the answers are those of plain Python."""
    con.register("given_events", table(events))
    for view, answer in ANSWERS.items():
        found, wanted = comparable(rows(con, f"from {view}"), answer(events))
        assert found == wanted, view


def test_of_two_evaluations_the_better_is_best(con: duckdb.DuckDBPyConnection) -> None:
    """So few are not smoothed, or both would be the same."""
    for metric, values, best, regret in (
        ("valid_loss", (0.75, 0.25), 2, 0), ("valid_loss", (0.25, 0.75), 1, 0.5),
        ("valid_mean_reward", (0.25, 0.75), 2, 0), ("valid_mean_reward", (0.75, 0.25), 1, 0.5),
    ):  # fmt: skip
        events = [
            oracle.event(
                {"id": f"ftevent-{step:024}", "created_at": 1_700_000_000 + step, "level": "info",
                 "message": f"Step {step}", "data": {"step": step, metric: value}},
                "ftjob-a", step,
            )
            for step, value in enumerate(values, start=1)
        ]  # fmt: skip
        con.register("given_events", table(events))
        (found,) = rows(con, "select best_step, regret from best_steps")
        assert found == {"best_step": best, "regret": regret}


@examples(5)
@given(events=jobs())
def test_any_two_jobs_compare(con: duckdb.DuckDBPyConnection, events: list[oracle.Event]) -> None:
    """The jobs named are compared, in the order named, also one with itself or with none."""
    con.register("given_events", table(events))
    for pair in (("ftjob-a", "ftjob-b"), ("ftjob-b", "ftjob-a"), ("ftjob-a", "ftjob-a")):
        found = rows(con, f"from compare('{pair[0]}', '{pair[1]}')")
        left, right = comparable(found, oracle_runs.compared(events, *pair))
        assert left == right, pair
