"""Job objects, checkpoint objects, webhooks and result rows, drawn by hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

TIMES = st.integers(1_700_000_000, 1_700_000_012)
KEY = "wandb-local-0123456789abcdef0123456789abcdef01234567"
"""A tracker's key, as it lies in job objects; no lake may hold it."""
PLANTED = {
    "integrations": [{"type": "wandb", "wandb": {"project": "p", "api_key": KEY}}],
    "metadata": {"token": KEY},
    "note": KEY,
    "organization_id": None,
}
_SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "n_epochs": st.sampled_from([3, 1, "auto"]),
        "batch_size": st.sampled_from([8, "auto"]),
        "learning_rate_multiplier": st.sampled_from([1.8, 0.5, "auto"]),
    },
)
_METHODS = st.sampled_from(["supervised", "dpo", "reinforcement"]).flatmap(
    lambda name: st.fixed_dictionaries(
        {"type": st.just(name)},
        optional={name: st.fixed_dictionaries({"hyperparameters": _SETTINGS})},
    )
)
_STATUSES = ["validating_files", "queued", "running", "paused", "succeeded", "failed", "cancelled"]
NUMBERS = st.sampled_from([0.5, 0.25, 1, 0.00002, 3.63265])


@st.composite
def job_objects(draw: st.DrawFn, job: str) -> dict[str, Any]:
    """A job object in one state; one field besides its id at least."""
    fields = st.fixed_dictionaries(
        {},
        optional={
            "status": st.sampled_from(_STATUSES),
            "model": st.sampled_from(["gpt-4o-mini-2024-07-18", "gpt-4.1"]),
            "fine_tuned_model": st.sampled_from(["ft:a", "ft:b"]),
            "created_at": TIMES,
            "finished_at": TIMES,
            "method": _METHODS,
            "hyperparameters": _SETTINGS,
            "training_file": st.just("file-training1"),
            "result_files": st.sampled_from([[], ["file-results1"], ["file-results2"]]),
            "trained_tokens": st.sampled_from([0, 8000]),
            "seed": st.sampled_from([0, 7]),
            "error": st.sampled_from(
                [{"code": None}, {"code": "server_error", "param": None, "message": "It broke"}]
            ),
        },
    )
    return {"object": "fine_tuning.job", "id": job, "seed": 1} | draw(fields)


@st.composite
def checkpoint_objects(draw: st.DrawFn, job: str) -> dict[str, Any]:
    """A checkpoint object."""
    fields = st.fixed_dictionaries(
        {"id": st.sampled_from(["ftckpt_1", "ftckpt_2"]), "step_number": st.integers(1, 9)},
        optional={
            "created_at": TIMES,
            "fine_tuned_model_checkpoint": st.just("ft:a:ckpt-step-1"),
            "metrics": st.dictionaries(
                st.sampled_from(["valid_loss", "full_valid_loss", "train_mean_token_accuracy"]),
                NUMBERS,
                min_size=1,
            ),
        },
    )
    return {"object": "fine_tuning.job.checkpoint", "fine_tuning_job_id": job} | draw(fields)


@st.composite
def webhooks(draw: st.DrawFn, job: str) -> dict[str, Any]:
    """A webhook body."""
    kind = draw(st.sampled_from(["succeeded", "failed", "cancelled"]))
    body = {"object": "event", "type": f"fine_tuning.job.{kind}", "data": {"id": job}}
    return body | draw(st.fixed_dictionaries({"created_at": TIMES}, optional={"id": st.just("e")}))


@st.composite
def result_rows(draw: st.DrawFn) -> dict[str, Any]:
    """A row of a result file, under the names of events."""
    names = ["train_loss", "valid_loss", "train_mean_token_accuracy", "scores/g/x y/reward"]
    numbers = draw(st.dictionaries(st.sampled_from(names), NUMBERS, min_size=1))
    return {"step": draw(st.integers(1, 9))} | numbers
