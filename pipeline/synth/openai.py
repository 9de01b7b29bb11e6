"""Streams as OpenAI's API writes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.synth.curves import epoch_ends, losses, walk
from pipeline.synth.draws import Draws
from pipeline.synth.job import Checkpoint, Event, Job, Plan, Restart
from pipeline.synth.reinforcement import Step, rewards

MODELS = {
    "gpt-4o-mini-2024-07-18": 0.5,
    "gpt-4.1-nano-2025-04-14": 0.2,
    "gpt-4.1-2025-04-14": 0.2,
    "gpt-3.5-turbo-0125": 0.1,
}
REINFORCEMENT_MODEL = "o4-mini-2025-04-16"
PROJECTS = {"acme:support-triage": 1.0, "acme:": 0.5, "personal:pricer": 1.0, "lab:sql-v2": 1.0}
CATEGORIES = (
    "harassment/threatening",
    "sexual",
    "sexual/minors",
    "propaganda",
    "hate",
    "hate/threatening",
    "illicit",
    "violence",
    "advice",
    "self-harm/intent",
    "self-harm/instructions",
    "sensitive",
)
CHECK_FAILURES = ("few_examples", "bad_format", "unsafe_file")
CANCELLED = "The job was stopped due to a cancellation request"
CANCELLING = "Fine tuning process stopping due to job cancellation"


class _Stream:
    """Events so far and the clock, with the habits of the API in one job's year."""

    def __init__(self, draws: Draws, start: int) -> None:
        self.draws = draws
        self.clock = start
        self.events: list[Event] = []
        self.object_first = draws.chance(0.7)
        self.all_empty = draws.chance(0.5)

    def say(self, message: str, wait: float = 0, level: str = "info", **more: Any) -> None:
        """Append a message `wait` seconds after the event before it."""
        self.clock += int(wait)
        null = level == "warn" or message == "Fine-tuning job started"
        data = more.get("data", None if null and not self.all_empty else {})
        kind = more.get("type", "message")
        event_id = self.draws.name(24)
        self.events.append(self.event(event_id, self.clock, message, data, kind, level))

    def event(
        self, name: str, at: int, message: str, data: Any, kind: str, level: str = "info"
    ) -> Event:
        """Make an event; SDKs that dump their models put `object` after the message."""
        called = {"object": "fine_tuning.job.event"}
        said = {"id": "ftevent-" + name, "created_at": at, "level": level, "message": message}
        first, then = (called, said) if self.object_first else (said, called)
        return {**first, **then, "data": data, "type": kind}


def build(plan: Plan, draws: Draws) -> Job:
    """Write the stream of one job.

    Args:
        plan: what is asked of it.
        draws: the job's own draws.

    Returns:
        The job, with its events oldest first.
    """
    reinforcement = plan.method == "reinforcement"
    model = REINFORCEMENT_MODEL if reinforcement else draws.pick(MODELS)
    job_id = "ftjob-" + draws.name(24)
    stream = _Stream(draws, plan.start)
    files = [f"file-{draws.name(22)}" for _ in range(1 + (reinforcement or draws.chance(0.8)))]
    stream.say(f"Created fine-tuning job: {job_id}")
    stream.say("Validating training file: " + " and validation file: ".join(files))

    def end(**truth: Any) -> Job:
        return Job(
            job_id, "openai", plan.method, plan.outcome,
            events=stream.events, failure=plan.failure, **{"total_steps": 0, **truth},
        )  # fmt: skip

    if plan.failure in CHECK_FAILURES:
        _refuse_file(stream, plan.failure)
        return end()
    stream.say("Files validated, moving job to queued state", draws.span(4, 300))
    if plan.outcome == "running" and plan.events < 4:
        return end()
    stream.say("Fine-tuning job started", draws.span(1, 600))

    whole = plan.outcome == "succeeded" or plan.failure == "unsafe_model"
    epochs = draws.between(1, 4)
    count = max(2, plan.events - (7 + epochs if whole else 5))
    order, begins = walk(draws, count, plan.restarts)
    steps = [at + 1 for at in order]
    total = steps[-1] if whole else int(steps[-1] * draws.span(1.05, 2.0)) + 1
    ends = epoch_ends(total, epochs)
    overfit_step = _train(stream, plan, steps, begins, total, ends, len(files) > 1)
    truth: dict[str, Any] = {
        "total_steps": total,
        "restarts": tuple(Restart(steps[at - 1], steps[at]) for at in begins),
        "overfit_step": overfit_step,
    }
    if plan.outcome == "cancelled":
        message = CANCELLED if draws.chance(0.8) else CANCELLING
        stream.say(message, draws.span(1, 60), "warn")
        return end(**truth)
    if plan.failure == "internal":
        data = {"error_code": "internal_error", "error_param": None}
        message = "The job failed due to an internal error."
        stream.say(message, draws.span(30, 3600), "error", data=data)
        return end(**truth)
    if plan.outcome == "running":
        return end(**truth)
    return end(**truth, **_finish(stream, plan, model, ends[:-1]))


def _refuse_file(stream: _Stream, failure: str | None) -> None:
    """Fail in validation, in the words of the API."""
    draws = stream.draws
    wait = draws.span(3, 120)
    prefix = "The job failed due to an invalid training file. "
    data: dict[str, Any] = {"error_code": "invalid_file_format", "error_param": "training_file"}
    if failure == "few_examples":
        data["error_code"] = "invalid_n_examples"
        count = draws.between(1, 9)
        message = f"Training file has {count} example(s), but must have at least 10 examples"
    elif failure == "unsafe_file":
        data["error_code"] = "unsafe_training_file"
        lines = sorted({draws.between(1, 2000) for _ in range(draws.between(5, 300))})
        flagged = ", ".join(map(str, lines))
        message = f"{prefix}This file failed moderation safety checks. Flagged lines: {flagged}"
    elif draws.chance(0.5):
        at = f"Example {draws.between(1, 400)}, message {draws.between(1, 4)}"
        message = f"{prefix}Invalid file format. {at} Discriminator 'role' is missing in value"
    else:
        at = f"Line {draws.between(1, 400)}"
        message = f"{prefix}Invalid file format.\n{at}: expected an object with 'messages'"
    stream.say(message, wait, "error", data=data)


def _train(
    stream: _Stream, plan: Plan, steps: list[int], begins: list[int],
    total: int, ends: list[int], validates: bool,
) -> int | None:  # fmt: skip
    """Append a metrics event per step told; give the step at which overfitting begins."""
    draws = stream.draws
    count = len(steps)
    pace = draws.span(0.3, 6.0) * (60 if plan.method == "reinforcement" else 1)
    waits = pace * (0.2 + 1.6 * draws.units(count))
    waits[0] += draws.span(30, 400)
    for begin in begins:
        waits[begin] += draws.span(120, 900)
    times = (stream.clock + np.cumsum(waits)).astype(np.int64).tolist()
    every = draws.pick({1: 0.05, 5: 0.15, 10: 0.4, 50: 0.4}) if validates else total + 1
    full = set(ends) if draws.chance(0.4) else {total}
    names = draws.names(count, 24)
    event = stream.event
    stream.clock = times[-1]
    if plan.method == "reinforcement":
        told = rewards(draws, [Step(s, total, s % 5 == 0 or s == total) for s in steps])
        stream.events += [
            event(name, at, message, data, "metrics")
            for name, at, (message, data) in zip(names, times, told, strict=True)
        ]
        return None
    curve = losses(draws, steps, total, plan.method)
    for at, step in enumerate(steps):
        loss = curve.train_loss[at]
        message = f"Step {step}/{total}: training loss={loss:.2f}"
        data: Event = {"step": step, "train_loss": loss}
        whole_set = validates and step in full
        if not (whole_set or step % every == 0):
            data["total_steps"] = total
            data["train_mean_token_accuracy"] = curve.train_accuracy[at]
            stream.events.append(event(names[at], times[at], message, data, "metrics"))
            continue
        data["valid_loss"] = curve.valid_loss[at]
        data["total_steps"] = total
        message += f", validation loss={curve.valid_loss[at]:.2f}"
        if whole_set:
            data["full_valid_loss"] = curve.full_valid_loss[at]
            message += f", full validation loss={curve.full_valid_loss[at]:.2f}"
        data["train_mean_token_accuracy"] = curve.train_accuracy[at]
        data["valid_mean_token_accuracy"] = curve.valid_accuracy[at]
        if whole_set:
            data["full_valid_mean_token_accuracy"] = curve.full_valid_accuracy[at]
        stream.events.append(event(names[at], times[at], message, data, "metrics"))
    return curve.overfit_step if validates else None


def _finish(stream: _Stream, plan: Plan, model: str, checkpoints: list[int]) -> dict[str, Any]:
    """Append checkpoints, the model and its checks; give the truth about them."""
    draws = stream.draws
    project = draws.pick(PROJECTS)
    names_ids = draws.chance(0.5)
    stream.clock += draws.between(5, 90)
    models = [
        Checkpoint(step, f"ft:{model}:{project}:{draws.name(8)}:ckpt-step-{step}")
        for step in checkpoints
    ]
    for checkpoint in models:
        suffix = f" with Snapshot ID: {checkpoint.model_id}" if names_ids else ""
        stream.say(f"Checkpoint created at step {checkpoint.step}{suffix}")
    model_id = f"ft:{model}:{project}:{draws.name(8)}"
    stream.say("New fine-tuned model created" + (f": {model_id}" if names_ids else ""))
    blocked = plan.failure == "unsafe_model"
    if blocked or not names_ids:
        stream.say("Evaluating model against our usage policies")
        results = [
            {"flagged": blocked and at == 0, "category": category, "enforcement": "blocking"}
            for at, category in enumerate(CATEGORIES)
        ]
        stream.say(
            f"Moderation checks for snapshot {model_id} {'failed' if blocked else 'passed'}.",
            draws.span(200, 1500),
            type="moderation_checks",
            data={
                "blocked": blocked,
                "results": results,
                "finetuned_model_checkpoint_id": model_id,
            },
        )
    if blocked:
        data = {"error_code": "unsafe_model", "error_param": None}
        message = "The job failed because the fine-tuned model did not pass our usage policies"
        stream.say(message, 2, "error", data=data)
        return {"checkpoints": tuple(models)}
    if not names_ids:
        message = "Usage policy evaluations completed, model is now enabled for sampling"
        stream.say(message)
    stream.say("The job has successfully completed", draws.span(1, 9))
    return {"checkpoints": tuple(models), "model_id": model_id}
