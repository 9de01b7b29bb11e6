"""By what a job is judged wherever jobs are listed, validation or training, and what it took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

LABELS = {
    "full_valid_loss": "full",
    "valid_loss": "valid",
    "train_loss": "train",
    "full_valid_mean_reward": "full reward",
    "valid_mean_reward": "valid reward",
    "train_mean_reward": "train reward",
}
"""What lists of jobs call a metric."""

NEWEST_FIRST = "coalesce(created_at, first_event_at, ended_at) desc nulls last, job_id"
"""In which order jobs are listed, of the columns of `jobs`."""

_TRAINED = {"train_loss": "train_loss", "train_mean_reward": "train_reward"}
"""Metric -> what the columns of `jobs` call it."""


class Measured(NamedTuple):
    """How well a job did.

    Attributes:
        metric: by which it is judged.
        best: its best value.
        best_step: the step of that.
        final: its last value, NaN or infinite where that is none.
        is_smoothed: whether these are running medians of evaluations.
    """

    metric: str
    best: float
    best_step: int
    final: float
    is_smoothed: bool


def measured_by(job: Mapping[str, Any], best: Mapping[str, Any] | None) -> Measured | None:
    """How well a job did, None where it gave no losses or rewards.

    Its validation, as `best_steps` has it; the training loss or reward where it has none.

    Args:
        job: its row of `jobs`.
        best: its row of `best_steps`, None where it was never validated.
    """
    if best is not None:
        names = ("metric", "best_value", "best_step", "last_value", "is_smoothed")
        return Measured(*(best[name] for name in names))
    for metric, name in _TRAINED.items():
        if job[f"final_{name}"] is not None:
            told = (job[f"best_{name}"], job[f"best_{name}_step"], job[f"last_{name}"])
            return Measured(metric, *told, is_smoothed=False)
    return None


def took(job: Mapping[str, Any]) -> tuple[float | None, bool]:
    """How long a job took from creation to end [s], None where nothing tells of any time.

    And whether that is the least it took: as long as its events span, for they lack begin or end.

    Args:
        job: its row of `jobs`.
    """
    whole: float | None = job["total_seconds"]
    return (job["seen_seconds"], True) if whole is None else (whole, False)
