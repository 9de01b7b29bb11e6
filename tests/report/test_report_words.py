"""The words of a report: advice on checkpoints, what was found, what could not be judged."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.report import details, words
from pipeline.report.gather import Facts

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


def test_a_gap_is_of_the_dump() -> None:
    """It is a note beside what went wrong in training, unless a check fails on it."""
    rows = [{"rule": rule, "verdict": "tripped", "evidence": ""} for rule in ("gap", "spike")]
    weights = [(one.rule, one.weight) for one in words.findings(rows, [], ())]
    assert weights == [("spike", words.WARNING), ("gap", words.NOTE)]
    assert words.findings(rows, [], ["gap"])[0].weight == words.GRAVE
