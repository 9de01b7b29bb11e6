"""The views that answer what to do, in plain Python: one function a view, rows as dicts."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from statistics import fmean, median
from typing import Any

from oracle import Event
from oracle_companions import Told, checkpoint_objects, newest, of_kind, states
from oracle_curves import Row, by_job, checkpoints, loss_curves, told
from oracle_marts import moderation
from oracle_training import loss_curves_smoothed

METRICS = ("full_valid_loss", "valid_loss", "full_valid_mean_reward", "valid_mean_reward")
SAMPLED = ("valid_loss", "full_valid_mean_reward", "valid_mean_reward")
TRAINED = {"train_loss", "train_mean_token_accuracy", "train_mean_reward"}

Points = list[tuple[int, float | None, float]]
"""Step, judged value (None where it is not finite) and value, by step."""


def judged(events: list[Event], beside: Sequence[Told] = ()) -> dict[str, tuple[str, Points]]:
    """The metric by which each job is judged, and its evaluations."""
    found: dict[str, dict[str, Points]] = {}
    for (job, metric, step), raw in sorted(evaluated(events, beside).items()):
        value = raw if math.isfinite(raw) else None
        found.setdefault(job, {}).setdefault(metric, []).append((step, value, raw))
    for metrics in found.values():
        metrics |= {name: by_neighbours(metrics[name]) for name in SAMPLED if name in metrics}
    chosen = {}
    for job, metrics in found.items():
        steps = {
            name: [s for s, value, _ in metrics[name] if value is not None] for name in metrics
        }
        spans = {name: max(own) - min(own) for name, own in steps.items() if own}
        for needed in (2, 1):
            for metric in METRICS:
                is_long = needed == 1 or 2 * spans.get(metric, 0) >= max(spans.values(), default=0)
                if job not in chosen and len(steps.get(metric, [])) >= needed and is_long:
                    chosen[job] = (metric, metrics[metric])
    return chosen


def evaluated(
    events: list[Event], beside: Sequence[Told] = ()
) -> dict[tuple[str, str, int], float]:
    """The metrics of evaluations by job, metric and step, the curve's before those of objects."""
    found = {
        (row["job_id"], row["metric"], row["step"]): row["value"]
        for row in loss_curves_smoothed(events, beside=beside)
        if row["metric"] in METRICS
    }
    for one in sorted(checkpoint_objects(beside), key=age, reverse=True):
        for metric in set(METRICS) - {"valid_mean_reward"}:
            if one.get(metric) is not None and one["step"] is not None:
                found.setdefault((one["job_id"], metric, one["step"]), float(one[metric]))
    return found


def age(checkpoint: Row) -> tuple[bool, Any, str]:
    """The place of a checkpoint object in time."""
    made = checkpoint["created_at"]
    return made is not None, made or 0, checkpoint["checkpoint_id"]


def by_neighbours(points: Points) -> Points:
    """Each finite value as the median of it and those beside it, if there are nine; of 48, means.

    The medians are averaged over a 24th of all to each side.
    """
    finite = [value for _, value, _ in points if value is not None]
    if len(finite) < 9:
        return points
    middles = [median(three) for three in zip(finite, finite[1:], finite[2:], strict=False)]
    middles = [middles[0], *middles, middles[-1]]
    if (reach := len(finite) // 24) > 1:
        middles = [fmean(middles[max(0, n - reach) : n + reach + 1]) for n in range(len(finite))]
    judged = iter(middles)
    return [(step, None if value is None else next(judged), raw) for step, value, raw in points]


def cost(metric: str, value: float) -> float:
    """A value so turned that lower is better."""
    return -value if metric.endswith("reward") else value


def near(value: float, least: float) -> bool:
    """Whether a value is as good as the least, to nine digits."""
    return value <= least + 1e-9 * abs(least)


def apart(value: float, other: float) -> float:
    """How far two values are apart, 0 where they are equal to nine digits."""
    return 0 if abs(value - other) <= 1e-9 * abs(other) else abs(value - other)


def best_of(metric: str, points: Points) -> tuple[int, float]:
    """Step and judged value of the best evaluation: of those as good the best by itself."""
    finite = [(step, value, raw) for step, value, raw in points if value is not None]
    least = min(cost(metric, value) for _, value, _ in finite)
    _, step, best = min(
        (cost(metric, raw) if metric in SAMPLED and len(finite) >= 9 else 0, step, value)
        for step, value, raw in finite
        if near(cost(metric, value), least)
    )
    return step, best


def best_steps(events: list[Event], beside: Sequence[Told] = ()) -> list[Row]:
    """One row per job that was validated."""
    rows = []
    for job, (metric, points) in judged(events, beside).items():
        finite = [value for _, value, _ in points if value is not None]
        step, best = best_of(metric, points)
        last_step, last, raw = points[-1]
        regret = None if last is None else apart(last, best)
        rows.append(
            {
                "job_id": job,
                "metric": metric,
                "higher_is_better": metric.endswith("reward"),
                "is_smoothed": metric in SAMPLED and len(finite) >= 9,
                "best_step": step,
                "best_value": best,
                "last_step": last_step,
                "last_value": raw if last is None else last,
                "regret": regret,
                "regret_share": 100 * regret / abs(best) if best and regret is not None else None,
                "evaluations": len(finite),
                "tolerance": tolerance(metric, points),
            }
        )
    return rows


def tolerance(metric: str, points: Points) -> float:
    """How far two judged values may be apart by chance."""
    finite = [raw for _, value, raw in points if value is not None]
    if metric not in SAMPLED or len(finite) < 9:
        return 0
    off = [abs(b - (a + c) / 2) for a, b, c in zip(finite, finite[1:], finite[2:], strict=False)]
    noise = median(off) / (math.sqrt(1.5) * 0.6745)
    return 2 * noise / math.sqrt(max(1, len(finite) // 24))


def checkpoint_advice(events: list[Event], beside: Sequence[Told] = ()) -> list[Row]:
    """One row per job that was validated and has checkpoints."""
    bests = {row["job_id"]: row for row in best_steps(events, beside)}
    rows = []
    for job, (metric, points) in judged(events, beside).items():
        own = by_job(event for event in events if event.job_id == job)[job]
        about = [told for told in beside if told.job == job]
        named = candidates(own, about)
        best, room = bests[job], tolerance(metric, points)
        losses = whole_losses(about)
        usable = {row["step"] for row in named if not row["is_blocked"]}
        if metric == "valid_loss" and len(usable) > 1 and usable <= losses.keys():
            metric, room = "full_valid_loss", 0
            points = [(step, value, value) for step, value in sorted(losses.items())]
        found = [candidate(c, points) for c in named]
        if not found:
            continue
        open_ = [row for row in found if not row["is_blocked"]]
        known = [cost(metric, row["value"]) for row in open_ if row["value"] is not None]

        def order(
            row: Row, known: list[float] = known, best: Row = best, metric: str = metric
        ) -> tuple[int, ...]:
            value = row["value"]
            as_good = value is not None and near(cost(metric, value), min(known))
            distance = abs(row["step"] - best["best_step"])
            return not as_good, row["model_id"] is None, distance, row["step"]

        advised: Row = min(open_, key=order, default={})
        last: Row = max(open_, key=lambda row: row["step"], default={})
        if last.get("value") is not None and (last["model_id"] or not advised["model_id"]):
            is_near = cost(metric, last["value"]) <= min(known) + room
            advised = last if is_near else advised
        both = advised.get("value") is not None and last.get("value") is not None
        gain = apart(advised["value"], last["value"]) if both else None
        rows.append(
            {name: best[name] for name in ("job_id", "higher_is_better")}
            | {"metric": metric}
            | {name: best[name] for name in ("best_step", "best_value")}
            | {name: advised.get(name) for name in ("step", "model_id", "value", "value_step")}
            | {
                f"last_{name}": last.get(name)
                for name in ("step", "model_id", "value", "value_step")
            }
            | {
                "step_distance": abs(advised["step"] - best["best_step"]) if advised else None,
                "gain": gain,
                "gain_share": 100 * gain / abs(last["value"])
                if gain is not None and last["value"]
                else None,
                "tolerance": room,
                "evaluated": len({r["value_step"] for r in open_ if r["value"] is not None}),
                "checkpoints": len(found),
                "blocked": len(found) - len(open_),
            }
        )
    return rows


def whole_losses(beside: Sequence[Told]) -> dict[int, float]:
    """The losses on the whole validation set that the newest checkpoint objects tell, by step."""
    told = [
        (one["step"], one.get("full_valid_loss"))
        for one in sorted(checkpoint_objects(beside), key=age)
    ]
    return {
        step: float(loss) for step, loss in told if None not in (step, loss) and math.isfinite(loss)
    }


def candidates(own: list[Event], beside: Sequence[Told]) -> list[Row]:
    """The checkpoints of a job by step, the model it made as that of its last step.

    A dump may end before the job did: of the steps told, planned and kept the last is the greatest.
    """
    models: dict[int, tuple[tuple[bool, Any, str], str] | None] = {}
    final: int | None = None
    for row in checkpoints(own, beside):
        if row["step"] is not None:
            models.setdefault(row["step"], None)
            if row["model_id"]:
                time = row["told_at"] or row["created_at"]
                claim = ((time is None, time or 0, row["model_id"]), row["model_id"])
                models[row["step"]] = max(models[row["step"]] or claim, claim)
    made = [event for event in own if event.lifecycle in ("model", "succeeded")]
    objects = of_kind(beside, "job")
    model = newest(
        [state for about in objects.values() for state in states(about)], "fine_tuned_model"
    )
    steps = [row["step"] for row in loss_curves(own, beside)]
    if (made or model) and steps:
        final = max([*steps, *models, *planned(own)])
        names = [
            re.search(r"(?:model created|Uploaded model): *(\S+)", event.message) for event in made
        ]
        named = [name[1] for name in names if name] + [model] * bool(model)
        models.setdefault(final, None)
        if named:
            models[final] = ((True, 0, named[-1]), named[-1])
    checked = verdicts(own)
    rows = []
    for step, claim in models.items():
        model = claim[1] if claim else None
        about = [
            (name, blocked)
            for name, of_step, blocked in checked
            if name is None
            or name == model
            or of_step == step
            or (of_step is None and step == final)
        ]
        names_ = [name for name, _ in about if name is not None]
        rows.append(
            {
                "step": step,
                "model_id": model or max(names_, default=None),
                "is_blocked": any(blocked for _, blocked in about),
            }
        )
    return rows


def planned(own: list[Event]) -> list[int]:
    """The last step that a job plans, by the greatest step that tells it, or nothing."""
    totals, trained = [], []
    for event in own:
        spoken = told(event) or (event.step, event.total_steps, event.metrics)
        step, total, numbers = spoken
        if step is not None and total is not None and total > 0:
            totals.append((step, total))
        if step is not None and numbers.keys() & TRAINED:
            trained.append(step)
    return [max(totals)[1] - (min(trained, default=1) == 0)] if totals else []


def verdicts(own: list[Event]) -> list[tuple[str | None, int | None, bool]]:
    """Of each checked model: its id, the step in it, whether the check blocked it."""
    found = []
    for row in moderation(own):
        step = re.search(r":ckpt-step-([0-9]+)$", row["model_id"] or "")
        found.append((row["model_id"], int(step[1]) if step else None, bool(row["blocked"])))
    return found


def candidate(checkpoint: Row, points: Points) -> Row:
    """A checkpoint with the metric's value at its step, or at the last evaluation before."""
    before = [(step, value) for step, value, _ in points if step <= checkpoint["step"]]
    step, value = before[-1] if before else (None, None)
    return checkpoint | {"value": value, "value_step": step}
