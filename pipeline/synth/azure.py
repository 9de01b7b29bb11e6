"""Streams as Azure's API writes them.

No real example of a failed Azure job is known: the words of its failures are supposed.
"""

from __future__ import annotations

from typing import Any

from pipeline.synth.curves import epoch_ends, losses, walk
from pipeline.synth.draws import Draws
from pipeline.synth.job import Checkpoint, Event, Job, Plan, Restart

MODELS = {"gpt-4o-mini-2024-07-18": 0.6, "gpt-4.1-mini-2025-04-14": 0.3, "gpt-35-turbo-0613": 0.1}
EPOCH_OF_TICKS = 62_135_596_800
"""Seconds from year 1 to 1970."""
TICKS = 10_000_000
""".NET ticks in a second."""
FIELD_ORDERS = {
    ("id", "created_at", "level", "message", "object", "data", "type"): 0.5,
    ("id", "created_at", "level", "message", "object", "type", "data"): 0.3,
    ("id", "created_at", "level", "message", "data", "type", "object"): 0.2,
}
CLOCK = 1
"""Marks the draws of a start time: jobs submitted together run in step."""


def metrics_id(created_at: int) -> str:
    """Make the id of a metrics event, which is its time stamp in .NET ticks written twice.

    Args:
        created_at: time stamp of the event [s since 1970].
    """
    ticks = f"{(created_at + EPOCH_OF_TICKS) * TICKS:016x}"
    return f"ftevent-{ticks[-2]}{ticks[:-1]}{ticks}"


def build(plan: Plan, draws: Draws) -> Job:
    """Write the stream of one job.

    Args:
        plan: what is asked of it.
        draws: the job's own draws.

    Returns:
        The job, with its events oldest first; none of them names it.
    """
    job_key = draws.uuid()
    model = draws.pick(MODELS)
    fields = draws.pick(FIELD_ORDERS)
    bare = fields[-1] == "object"
    waits = Draws(plan.seed, CLOCK, plan.start)
    files = ["training file", "validation file"][: 1 + draws.chance(0.8)]
    results = f"file-{draws.uuid()}"
    events: list[Event] = []
    clock = plan.start

    def tell(event_id: str, message: str, level: str, data: Any, kind: str) -> None:
        event = {
            "id": event_id,
            "created_at": clock,
            "level": level,
            "message": message,
            "object": "fine_tuning.job.event",
            "data": data,
            "type": kind,
        }
        # The newest API leaves data out of messages; older ones send null.
        events.append({key: event[key] for key in fields if not (bare and event[key] is None)})

    def say(message: str, wait: float = 0, level: str = "info") -> None:
        nonlocal clock
        clock += int(wait)
        tell(f"ftevent-{draws.uuid()}", message, level, None, "message")

    def end(**truth: Any) -> Job:
        return Job(
            f"ftjob-{job_key}", "azure", plan.method, plan.outcome,
            events=events, failure=plan.failure, **{"total_steps": 0, **truth},
        )  # fmt: skip

    say("Job enqueued. Waiting for jobs ahead to complete.")
    if plan.outcome == "running" and plan.events < 4:
        return end()
    for file in files:
        say(f"Preprocessing running for file {file}.", waits.span(5, 90))
    if plan.failure == "bad_format":
        say("Preprocessing failed for file training file.", waits.span(5, 240), "error")
        say("Job failed.", 1, "error")
        return end()
    for file in files:
        say(f"Preprocessing completed for file {file}.", waits.span(5, 240))
    say("Job started.", waits.span(1, 5))
    say("Data Import started.", waits.span(1, 5))
    say("Finetuning started.", waits.span(20, 60))
    say("Job queued, waiting for GPUs.", waits.span(200, 600))
    say("Training started.", waits.span(60, 300))
    say(f"Created results file: {results}", waits.span(300, 1200))

    count = max(2, plan.events - len(events) - 4)
    order, begins = walk(draws, count, plan.restarts)
    last = 10 * max(order) - draws.between(0, 9) if draws.chance(0.5) else 10 * max(order)
    steps = [max(1, min(10 * at, max(2, last))) for at in order]
    whole = plan.outcome == "succeeded"
    total = steps[-1] if whole else int(steps[-1] * draws.span(1.05, 2.0)) + 1
    ends = epoch_ends(total, draws.between(1, 4), stride=10)
    curve = losses(draws, steps, total, plan.method)
    base = clock
    for at, step in enumerate(steps):
        if at in begins:
            # Time stamps are base + step, so a new attempt has to begin after the last one's end.
            base = clock + draws.between(120, 900)
        clock = base + step
        loss = curve.train_loss[at]
        data: Event = {
            "step": step,
            "train_loss": loss,
            "train_mean_token_accuracy": _number(curve.train_accuracy[at]),
        }
        if len(files) > 1 and step > 1:
            data["valid_loss"] = curve.valid_loss[at]
            data["valid_mean_token_accuracy"] = _number(curve.valid_accuracy[at])
            if step in ends:
                data["full_valid_loss"] = curve.full_valid_loss[at]
                data["full_valid_mean_token_accuracy"] = _number(curve.full_valid_accuracy[at])
        message = f"Step {step}: training loss={_dotnet(loss)}"
        tell(metrics_id(clock), message, "info", data, "metrics")

    truth: dict[str, Any] = {
        "total_steps": total,
        "restarts": tuple(Restart(steps[at - 1], steps[at]) for at in begins),
        "overfit_step": curve.overfit_step if len(files) > 1 else None,
    }
    if plan.outcome == "cancelled":
        say("Job canceled.", draws.span(20, 300))
        return end(**truth)
    if plan.failure:
        say("Job failed.", draws.span(20, 300), "error")
        return end(**truth)
    if plan.outcome == "running":
        return end(**truth)

    say("Job succeeded.", draws.span(600, 2200))
    if draws.chance(0.3):
        say("Postprocessing started.", draws.span(0, 5))
    say("Model Evaluation Passed.", draws.span(5, 220))
    say(f"Completed results file: {results}", draws.span(0, 3))
    hours = model == "gpt-35-turbo-0613"
    billed = (
        f"hours billed: {(clock - base) / 3600:.3f}" if hours else f"tokens billed: {total * 1000}"
    )
    say(f"Training {billed}")
    tuned = f"{model}.ft-{job_key}"
    checkpoints = tuple(Checkpoint(step, f"{tuned}:ckpt-step-{step}") for step in ends[:-1])
    return end(**truth, checkpoints=checkpoints, model_id=tuned)


def _dotnet(value: float) -> str:
    """Write a number as .NET does: 3.8E-06."""
    return repr(value).replace("e", "E")


def _number(value: float) -> float:
    """Make whole numbers integers: Azure writes an accuracy of 1 as 1."""
    return int(value) if value == int(value) else value
