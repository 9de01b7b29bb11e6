"""Rewards and the nested payloads of reinforcement jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from pipeline.synth.draws import Draws

GRADER = {"name": "Answer Grader", "type": "score_model"}
FORMAT_GRADER = {"name": "format/strict", "type": "string_check"}
GRADER_MODEL = "gpt-4o-2024-08-06"
ERRORS = ("other_error", "sample_parse_error", "invalid_variable_error")


class Step(NamedTuple):
    """A step told: its number, the steps planned, and whether validation runs there."""

    step: int
    total: int
    validates: bool


def rewards(draws: Draws, steps: Sequence[Step]) -> list[tuple[str, dict[str, Any]]]:
    """Draw message and payload of each step: rewards rise to a ceiling, reasoning grows longer.

    Args:
        draws: source of shape and noise.
        steps: the steps told, in the order told.

    Returns:
        (message, data) per step, keys in the API's order.
    """
    low, high = draws.span(0.1, 0.4), draws.span(0.55, 0.95)
    pace = draws.span(0.1, 0.4)
    tokens, growth = draws.span(600, 2500), draws.span(0.1, 1.2)
    noise = draws.noise(4 * len(steps)).tolist()
    told = []
    for at, (step, total, validates) in enumerate(steps):
        x = step / total
        jitter = noise[4 * at : 4 * at + 4]
        reward = high - (high - low) / (1.0 + x / pace)
        mean_tokens = tokens * (1.0 + growth * x)
        train = {
            "reward": min(1.0, max(0.0, reward + 0.03 * jitter[0])),
            "tokens": round(mean_tokens * (1.0 + 0.05 * jitter[1]) * 512) / 512,
        }
        valid = {
            "reward": min(1.0, max(0.0, round((0.95 * reward + 0.02 * jitter[2]) * 200) / 200)),
            "tokens": round(mean_tokens * (1.0 + 0.03 * jitter[3]) * 20) / 20,
        }
        sides = {"train": train, "valid": valid} if validates else {"train": train}
        told.append((_message(step, total, sides), _payload(step, total, sides)))
    return told


def _message(step: int, total: int, sides: dict[str, dict[str, float]]) -> str:
    text = f"Step {step}/{total} , train mean reward={sides['train']['reward']:.2f}"
    if "valid" not in sides:
        return text
    reward = sides["valid"]["reward"]
    return (
        f"{text}, full validation mean reward={reward:.2f}, full validation mean parse error=0.00"
    )


def _payload(step: int, total: int, sides: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Nest the figures as the API does; sides without validation leave its keys out."""
    train, valid = sides["train"], sides.get("valid")
    counts = {"train": 512, "valid": 20}
    spent = {
        side: {"prompt": 241 * counts[side], "completion": 139 * counts[side]} for side in sides
    }
    usage: dict[str, Any] = {**GRADER, "model": GRADER_MODEL}
    usage |= {f"{side}_{kind}_tokens_mean": float(spent[side][kind]) / counts[side]
              for kind in ("prompt", "completion") for side in sides}  # fmt: skip
    usage |= {f"{side}_{kind}_tokens_count": float(spent[side][kind])
              for kind in ("prompt", "completion") for side in sides}  # fmt: skip
    samples = {f"{side}_reasoning_tokens_mean": sides[side]["tokens"] for side in sides}
    samples |= {
        f"{side}_reasoning_tokens_count": sides[side]["tokens"] * counts[side] for side in sides
    }
    reward_means = {f"{side}_reward_mean": sides[side]["reward"] for side in sides}
    data: dict[str, Any] = {
        "step": step,
        "usage": {"graders": [usage], "samples": samples},
        "errors": {
            "graders": [
                GRADER
                | {
                    f"{side}_{error}_{unit}": 0.0
                    for error in ERRORS
                    for unit in ("mean", "count")
                    for side in sides
                }
            ]
        },
        "scores": {
            "graders": [
                GRADER | reward_means,
                FORMAT_GRADER | {f"{side}_reward_mean": 1.0 for side in sides},
            ],
            **reward_means,
        },
        "timing": {
            "step": {
                "sampling": train["tokens"] / 16,
                "training": 402.5,
                "full_iteration": 402.5 + train["tokens"] / 16,
            },
            "graders": [GRADER | {f"{side}_execution_latency_mean": 2.75 for side in sides}],
        },
        "total_steps": total,
        "train_mean_reward": train["reward"],
        "reasoning_tokens_mean": train["tokens"],
        "completion_tokens_mean": train["tokens"] + 46.0,
    }
    if valid:
        data["timing"]["step"] = {"eval": 101.75, **data["timing"]["step"]}
        data["full_valid_mean_reward"] = valid["reward"]
    data["mean_unresponsive_rewards"] = 0.0
    data["model_graders_token_usage"] = {
        GRADER_MODEL: {
            f"{name}_{kind}_tokens": spent[side][kind]
            if side in spent and kind in spent[side]
            else 0
            for kind in ("cached", "prompt", "completion")
            for name, side in (("eval", "valid"), ("train", "train"))
        }
    }
    if valid:
        data["full_valid_mean_parse_error"] = 0.0
        data["valid_reasoning_tokens_mean"] = valid["tokens"]
    return data
