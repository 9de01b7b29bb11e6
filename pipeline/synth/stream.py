"""One job, or any number of them one after another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pipeline.synth import azure, openai
from pipeline.synth.draws import Draws
from pipeline.synth.job import Dialect, Failure, Job, Method, Outcome, Plan

START = 1_735_689_600
"""When the first job is created: 2025-01-01 [s since 1970]."""

DIALECTS: dict[Dialect, float] = {"openai": 0.65, "azure": 0.35}
METHODS: dict[Method, float] = {"supervised": 0.75, "preference": 0.15, "reinforcement": 0.1}
OUTCOMES: dict[Outcome, float] = {
    "succeeded": 0.7,
    "failed": 0.12,
    "cancelled": 0.08,
    "running": 0.1,
}
FAILURES: dict[Dialect, dict[Failure, float]] = {
    "openai": {
        "few_examples": 0.2,
        "bad_format": 0.3,
        "unsafe_file": 0.1,
        "internal": 0.3,
        "unsafe_model": 0.1,
    },
    "azure": {"bad_format": 0.5, "internal": 0.5},
}
RESTARTS = {0: 0.9, 1: 0.07, 2: 0.03}
LONGEST_REINFORCEMENT = 80
"""Reinforcement jobs take few steps; a drawn one gets no more events than this."""

_SPEC, _JOB = 0, 2


def job(
    seed: int,
    index: int = 0,
    *,
    events: int = 120,
    start: int = START,
    dialect: Dialect = "openai",
    method: Method = "supervised",
    outcome: Outcome = "succeeded",
    failure: Failure | None = None,
    restarts: int = 0,
) -> Job:
    """Make one job.

    Args:
        seed: of the whole stream of jobs.
        index: ordinal of the job in it; with the seed it tells all draws.
        events: about how many events; jobs that fail in validation have fewer.
        start: when the job is created [s since 1970].
        dialect: whose API writes the events.
        method: reinforcement needs the dialect openai, Azure's payload being unknown.
        outcome: succeeded, failed, cancelled or running.
        failure: why it fails; drawn where the outcome is failed and this is None.
        restarts: how many times training falls back; fewer than asked in a very short job.

    Returns:
        The job; equal arguments give equal jobs.

    Raises:
        ValueError: a method or failure that the dialect has not.
    """
    if dialect == "azure" and method == "reinforcement":
        raise ValueError("job: method reinforcement, not known of Azure: use dialect openai")
    kinds: dict[Failure, float] = FAILURES[dialect] if outcome == "failed" else {}
    if failure is None and kinds:
        drawn = Draws(seed, _SPEC, index, 1).pick(kinds)
        failure = drawn
    if failure is not None and failure not in kinds:
        raise ValueError(f"job: failure {failure} in a {outcome} {dialect} job: use another")
    plan = Plan(seed, index, events, start, dialect, method, outcome, failure, restarts)
    build = openai.build if dialect == "openai" else azure.build
    return build(plan, Draws(seed, _JOB, index))


def jobs(
    seed: int,
    jobs: int,
    *,
    events: int | None = None,
    dialect: Dialect | Literal["mixed"] = "mixed",
    method: Method | Literal["mixed"] = "mixed",
    outcome: Outcome | Literal["mixed"] = "mixed",
    start: int = START,
) -> Iterator[Job]:
    """Make jobs one after another, in memory that does not grow.

    Some Azure jobs are submitted together with the one before: their metrics share event ids.

    Args:
        seed: equal seeds (and arguments) give equal jobs.
        jobs: how many.
        events: how many events in all, met within a few; None for 40 to 400 a job.
        dialect: of all jobs, or mixed.
        method: of all jobs, or mixed.
        outcome: of all jobs, or mixed.
        start: when the first job is created [s since 1970].

    Yields:
        The jobs, in order of creation.
    """
    left = events
    clock = start
    azure_clock = None
    for index in range(jobs):
        draws = Draws(seed, _SPEC, index)
        clock += draws.between(60, 1200)
        last = index == jobs - 1
        whose = draws.pick(DIALECTS) if dialect == "mixed" else dialect
        if dialect == "mixed" and method == "reinforcement":
            whose = "openai"
        how = draws.pick(METHODS) if method == "mixed" else method
        ends = draws.pick(OUTCOMES) if outcome == "mixed" else outcome
        size = draws.between(40, 400)
        if left is not None:
            # Jobs that end early leave their share to the rest, so the last one has to be able
            # to take it.
            fair = left / (jobs - index)
            size = left if last else int(fair * draws.span(0.4, 1.6))
            if last and outcome == "mixed":
                ends = "succeeded"
        if method == "mixed" and how == "reinforcement":
            if whose == "azure" or (last and left is not None):
                how = "supervised"
            size = min(size, LONGEST_REINFORCEMENT) if how == "reinforcement" else size
        begins = clock
        if whose == "azure":
            if azure_clock is not None and draws.chance(0.15):
                begins = azure_clock
            azure_clock = begins
        made = job(
            seed,
            index,
            events=size,
            start=begins,
            dialect=whose,
            method=how,
            outcome=ends,
            restarts=draws.pick(RESTARTS),
        )
        if left is not None:
            left = max(0, left - len(made.events))
        yield made
