"""What the report says of a job in words: verdicts that tripped, restarts, which model to use."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.figures import count, significant

Row = Mapping[str, Any]

METRICS = {
    "full_valid_loss": "full validation loss",
    "valid_loss": "validation loss",
    "train_loss": "training loss",
    "full_valid_mean_reward": "full validation reward",
    "valid_mean_reward": "validation reward",
    "train_mean_reward": "training reward",
}
"""The metrics by which steps and jobs are compared, in words."""

GRAVE, WARNING, NOTE = 2, 1, 0

_EQUAL = 1e-9
"""Share of a value up to which a gain is none."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person should know about a job.

    Attributes:
        rule: a rule of the view `verdicts` that tripped, or restart.
        weight: `GRAVE`, `WARNING` or `NOTE`.
        words: the evidence, in which messages of events may be quoted.
    """

    rule: str
    weight: int
    words: str


@dataclass(frozen=True, slots=True)
class Advice:
    """Which checkpoint to use.

    Attributes:
        words: one or two sentences.
        model_id: the model to use it by, None where nothing names it.
        step: its step, None where there is none to use [step].
        gains: whether it is another one than the last, and better.
        is_blocked: whether a usage policy check blocked any, so that the last may be of no use.
    """

    words: str
    model_id: str | None = None
    step: int | None = None
    gains: bool = False
    is_blocked: bool = False


def findings(
    verdicts: Sequence[Row], attempts: Sequence[Row], fail_on: Collection[str]
) -> list[Finding]:
    """All that was found in a job, the gravest first.

    Args:
        verdicts: rows of the view `verdicts` of the job.
        attempts: its rows of the view `attempts`, in order.
        fail_on: rules whose tripping is grave.
    """
    found = [
        Finding(row["rule"], _weight(row["rule"], fail_on), row["evidence"])
        for row in verdicts
        if row["verdict"] == "tripped"
    ]
    found += _restarts(attempts)
    return sorted(found, key=lambda finding: -finding.weight)


def _weight(rule: str, fail_on: Collection[str]) -> int:
    if rule in fail_on:
        return GRAVE
    return NOTE if rule == "gap" else WARNING  # a gap is one of the dump, not of the training


def _restarts(attempts: Sequence[Row]) -> Iterator[Finding]:
    for row in attempts[1:]:
        lost = row["steps_lost"]
        gone = f", {count(lost, 'step')} lost" if lost else ""
        words = f"started over at step {row['first_step']} after step {row['after_step']}{gone}"
        yield Finding("restart", NOTE, words)


def unjudged(verdicts: Sequence[Row]) -> list[tuple[list[str], str]]:
    """Rules that could not be judged, and for want of what; those of one reason together.

    Args:
        verdicts: rows of the view `verdicts` of one job.
    """
    rules: dict[str, list[str]] = {}
    for row in verdicts:
        if row["verdict"] == "not applicable":
            rules.setdefault(row["evidence"], []).append(row["rule"])
    return [(names, reason) for reason, names in rules.items()]


def spans(of: Mapping[str, Sequence[Row]]) -> list[tuple[str, int, int]]:
    """What holds for a stretch of steps: its name, first and last step, in order.

    Args:
        of: rows of one job, by the view: divergences, overfitting, stalls, attempts.
    """
    found = [_divergence(row) for row in of["divergences"]]
    found += [
        ("overfitting", row["risen_since_step"], row["last_step"])
        for row in of["overfitting"]
        if row["is_overfit"]
    ]
    found += [
        ("stall", row["after_step"], row["next_step"] or row["after_step"]) for row in of["stalls"]
    ]
    found += [("restart", row["first_step"], row["first_step"]) for row in of["attempts"][1:]]
    return sorted({span for span in found if span[1] is not None}, key=lambda span: span[1:])


def _divergence(row: Row) -> tuple[str, int, int]:
    first, last = row["first_step"], row["last_step"]
    if row["kind"] != "non_finite":
        return "divergence", first, last
    # where there are numbers between, it is none of the stretch that holds
    return "not a number", first, last if row["points"] > last - first else first


def advice(best: Row | None, choice: Row | None) -> Advice | None:
    """Which checkpoint to use and what that gains; None where nothing tells.

    Args:
        best: the job's row of `best_steps`, None where it was never validated.
        choice: its row of `checkpoint_advice`, None where it has no checkpoint either.
    """
    if best is None:
        return None
    how = ["running median"] * best["is_smoothed"]
    judged_by = _noted(METRICS[best["metric"]], how)
    if choice is None:
        told = f"The best step was {best['best_step']}: {judged_by}"
        told += f" {significant(best['best_value'])}"
        if best["regret"]:
            told += f", {significant(best['last_value'])} at the last, step {best['last_step']}"
        return Advice(f"{told}. No event tells of a checkpoint.")
    if choice["step"] is None:
        return Advice("Use none: a usage policy check blocked every checkpoint.", is_blocked=True)
    is_other = choice["metric"] != best["metric"]
    if is_other:
        how = []
    if choice["value_step"] not in (None, choice["step"]):
        how.append(f"of step {choice['value_step']}")
    words = _choice(choice, _noted(METRICS[choice["metric"]], how), judged_by * is_other)
    return Advice(
        words, choice["model_id"], choice["step"], _gains(choice), is_blocked=choice["blocked"] > 0
    )


def _noted(text: str, notes: Sequence[str]) -> str:
    return f"{text} ({', '.join(notes)})" if notes else text


def _differ(one: float | None, other: float | None, tolerance: float) -> bool:
    if one is None or other is None:
        return one is not other
    return abs(one - other) > max(_EQUAL * abs(one), tolerance)


def _gains(choice: Row) -> bool:
    """Whether it is better than the last by as much as can be seen, or that one has no number."""
    value, last = choice["value"], choice["last_value"]
    if value is None or choice["step"] == choice["last_step"]:
        return False
    return last is None or significant(value) != significant(last)


def _choice(choice: Row, metric: str, judged_by: str) -> str:
    """Which one to use, by a metric, and which step is best by another, if any."""
    step, last, value = choice["step"], choice["last_step"], choice["value"]
    which = " that is not blocked" * bool(choice["blocked"])
    if step == last:
        words = f"Use the last checkpoint{which}, of step {step}"
        words += f": {metric} {significant(value)}" if value is not None else ""
        words += f"{_rivals(choice)}."
    else:
        words = f"Use the checkpoint of step {step} instead of the last{which}, of step {last}."
        if value is None:
            pass
        elif choice["last_value_step"] != last and not _gains(choice):
            words += f" Its {metric} is {significant(value)}; the last was not evaluated."
        elif choice["last_value"] is None:
            words += f" Its {metric} is {significant(value)}, that of the last is no number."
        elif _gains(choice):
            share = choice["gain_share"]
            less = "higher" if choice["higher_is_better"] else "lower"
            much = f", {share:.0f} % {less}" if share is not None and share >= 1 else ""
            of = f" of step {choice['last_value_step']}" * (choice["last_value_step"] != last)
            words += f" Its {metric} is {significant(value)}, not"
            words += f" {significant(choice['last_value'])}{of}{much}."
        else:
            words += f" Its {metric} is {significant(value)}, and so is that of the last."
    at = f"step {choice['best_step']} ({significant(choice['best_value'])})"
    if judged_by:
        words += f" By {judged_by} the best of all steps was {at}." * (choice["step_distance"] > 0)
    elif _differ(choice["best_value"], value, choice["tolerance"]):
        # Azure's events tell of none: its checkpoints may be there all the same
        words += f" The best of all steps was {at}, but nothing tells of a checkpoint to use there."
    if choice["blocked"]:
        words += f" A usage policy check blocked {count(choice['blocked'], 'other')}."
    return words


def _rivals(choice: Row) -> str:
    if choice["checkpoints"] - choice["blocked"] == 1:
        return "; it is the only one" + " to use" * bool(choice["blocked"]) + " that is told of"
    if choice["evaluated"] < 2:
        return "; the others were not evaluated" if choice["evaluated"] else "; none was evaluated"
    return ", and none is better" + " by more than noise" * bool(choice["tolerance"])
