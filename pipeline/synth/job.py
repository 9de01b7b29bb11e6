"""What is asked of a synthetic job, and the job with the truth about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Event = dict[str, Any]
Dialect = Literal["openai", "azure"]
Method = Literal["supervised", "preference", "reinforcement"]
Outcome = Literal["succeeded", "failed", "cancelled", "running"]
Failure = Literal["few_examples", "bad_format", "unsafe_file", "internal", "unsafe_model"]

JOB_ID_FIELD = "fine_tuning_job_id"
"""Field that names the job beside an event or a checkpoint."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of one job.

    Attributes:
        seed: seed of the whole stream of jobs.
        index: ordinal of the job in it.
        events: about how many events the job is to have.
        start: when the job is created [s since 1970].
        failure: why it fails; None unless the outcome is failed.
        restarts: how many times training falls back to an earlier step.
    """

    seed: int
    index: int
    events: int
    start: int
    dialect: Dialect
    method: Method
    outcome: Outcome
    failure: Failure | None
    restarts: int


@dataclass(frozen=True, slots=True)
class Restart:
    """Training fell from `after_step` back to `back_to_step`, which it then gave again."""

    after_step: int
    back_to_step: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model that can be deployed as it was after `step`."""

    step: int
    model_id: str


@dataclass(frozen=True, slots=True)
class Job:
    """One job: its events as a dump would hold them, and what is true of it.

    Attributes:
        job_id: as the API would name it.
        dialect: whose API wrote the events.
        method: supervised, preference or reinforcement.
        outcome: how it ended, or running.
        total_steps: steps planned [step]; 0 where training never began.
        events: oldest first, in the field order of the dialect.
        restarts: where training fell back, in order of time.
        overfit_step: step with the least noise-free validation loss [step], where it rises later.
        checkpoints: the intermediate models, in order of step.
        model_id: the tuned model; None unless the job succeeded.
        failure: why it failed; None unless it did.
    """

    job_id: str
    dialect: Dialect
    method: Method
    outcome: Outcome
    total_steps: int
    events: list[Event] = field(repr=False)
    restarts: tuple[Restart, ...] = ()
    overfit_step: int | None = None
    checkpoints: tuple[Checkpoint, ...] = ()
    model_id: str | None = None
    failure: Failure | None = None

    @property
    def curve(self) -> dict[int, dict[str, Any]]:
        """The payload of each step, that of the last attempt where a step was given again."""
        latest = {e["data"]["step"]: e["data"] for e in self.events if e["type"] == "metrics"}
        return dict(sorted(latest.items()))
