"""The detectors in plain Python: one function a view, rows as dicts, thresholds as numbers."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from statistics import fmean, median

from oracle import Event
from oracle_answers import Points as Judged
from oracle_answers import best_of, by_neighbours, evaluated
from oracle_companions import Told
from oracle_curves import Row, by_job, loss_curves
from oracle_marts import OUTCOMES, is_error, phase_of, phases_of
from oracle_training import SMOOTHED, loss_curves_smoothed

Points = list[tuple[int, float]]
BEGINNINGS = ("created", "validating", "queued", "running")
"""Phases that begin or resume a job."""


def curves_of(events: list[Event], metric: str) -> dict[str, Points]:
    """Step and finite value of a metric, by step, of each job."""
    curves: dict[str, Points] = defaultdict(list)
    for row in sorted(loss_curves(events), key=lambda row: row["step"]):
        if row[metric] is not None and math.isfinite(row[metric]):
            curves[row["job_id"]].append((row["step"], row[metric]))
    return curves


def loss_spikes(events: list[Event]) -> list[Row]:
    """One row per spike."""
    rows = []
    for job, points in curves_of(events, "train_loss").items():
        losses = [loss for _, loss in points]
        usual = [median(losses[max(0, n - 15) : n]) if n else None for n in range(len(losses))]
        start = usual[20] if len(losses) > 20 else usual[-1]
        begin = median(losses[:6])
        off = [(y - m) / abs(m) for y, m in zip(losses, usual, strict=True) if m]
        noise = None
        if off:
            middle, high = median(off), quantile(off, 0.8)
            steps = zip(pairwise(losses), usual[1:], strict=True)
            changes = [abs(b - a) / abs(m) for (a, b), m in steps if m]
            noise = max((high - middle) / 0.8416, quantile(changes, 0.8) / 1.2816 / math.sqrt(2))
        reach = 7 * (noise or 0)
        if off and len(losses) >= 400:
            ninth = quantile(off, 0.9)
            halvings = math.log(20 * len(losses)) / math.log(2)
            reach = max(reach, ninth + (ninth - high) * halvings)
        for n in range(6, min(20, len(losses) - 1)):
            usual[n] = max(usual[n], median(losses[n + 1 : n + 16]))
        level = abs(median(losses))
        groups: list[list[int]] = []
        heights = {}
        for n in range(6, len(losses)):
            if losses[n] - usual[n] > rise(usual[n], start, reach, level):
                heights[n] = losses[n] - usual[n]
            if losses[n] > above(usual[n], start, begin, reach, level):
                if groups and n - groups[-1][-1] <= 5:
                    groups[-1].append(n)
                else:
                    groups.append([n])
        apart = [n for n in heights if n - 1 not in heights]
        if heights and len(apart) >= 5 and len(heights) >= min(0.01 * len(losses), 20):
            usually, lowest = median(heights[n] for n in apart), min(heights.values())
            if level < 0.1 and usually > 10 * level:
                beyond = (usually - lowest) / math.log(2)
                most = max(2 * usually, lowest + beyond * math.log(100 * len(heights)))
                groups = [g for g in groups if max(losses[n] for n in g) - usual[g[0]] > most]
        for group in groups:
            first, last = group[0], group[-1]
            peak = max(group, key=lambda n: (losses[n], -n))
            spread = (noise or 0) * max(abs(usual[first]), level)
            half = (losses[peak] + usual[first]) / 2
            rows.append(
                {
                    "job_id": job,
                    "first_step": points[first][0],
                    "last_step": points[last][0],
                    "peak_step": points[peak][0],
                    "peak_loss": losses[peak],
                    "usual_loss": usual[first],
                    "threshold": above(usual[first], start, begin, reach, level),
                    "deviations": (losses[peak] - usual[first]) / spread if spread else None,
                    "points": len(group),
                    "is_recovered": last + 1 < len(losses) and losses[last + 1] <= half,
                }
            )
    return rows


def quantile(values: list[float], share: float) -> float:
    """The value that a share of the values is below, between neighbours in proportion."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    rest = ordered[min(below + 1, len(ordered) - 1)] - ordered[below]
    return ordered[below] + (place - below) * rest


def above(
    usual: float | None, start: float | None, first: float, reach: float, level: float
) -> float:
    """The loss above which a point is a spike."""
    assert usual is not None and start is not None
    leap = usual + rise(usual, start, reach, level)
    if abs(usual) < 0.05 * abs(start):
        leap = max(leap, start)
    is_learnt = max(abs(usual), abs(start)) < min(0.05 * abs(first), 0.02)
    return max(leap, first) if is_learnt else leap


def rise(usual: float | None, start: float | None, reach: float, level: float) -> float:
    """How far above the usual loss a point is a leap."""
    assert usual is not None and start is not None
    return max(0.3 * abs(start), 0.02, reach * max(abs(usual), level))


def divergences(events: list[Event]) -> list[Row]:
    """One row per metric that is no number somewhere, and per run far worse than the best."""
    rows = []
    odd: dict[tuple[str, str], Points] = defaultdict(list)
    for row in sorted(loss_curves(events), key=lambda row: row["step"]):
        for metric in SMOOTHED:
            if row[metric] is not None and not math.isfinite(row[metric]):
                odd[row["job_id"], metric].append((row["step"], row[metric]))
    for (job, metric), found in odd.items():
        rows.append(
            finding(job, "non_finite", metric, [step for step, _ in found], found[0][1], None)
        )
    curves: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in loss_curves_smoothed(events, 0.9):
        if row["smoothed"] is not None:
            curves[row["job_id"]][row["metric"]].append(row)
    for job, told in curves.items():
        points = told["train_loss"]
        if points and len(points) >= len(told["train_mean_reward"]):
            noise = usual_noise([point["value"] for point in points])
            for steps, worst, limit, back in runs(points, max(1, 3 * noise), 0.02, noise):
                rows.append(finding(job, "rising", "train_loss", steps, worst, limit, back))
        elif points := told["train_mean_reward"]:
            lost = [{**point, **{k: -point[k] for k in ("value", "smoothed")}} for point in points]
            changes = [abs(a["value"] - b["value"]) for a, b in pairwise(points)]
            noise = math.sqrt(math.pi) / 2 * fmean(changes or [0.0])
            if len(points) >= 80:
                y = [point["value"] for point in points]
                far = [abs(y[n] - (y[n - 10] + y[n + 10]) / 2) for n in range(10, len(y) - 10)]
                noise = max(noise, median(far) / (math.sqrt(1.5) * 0.6745))
            for steps, worst, limit, back in runs(lost, 0.5, 3 * noise, noise, of_peak=False):
                row = finding(job, "falling", "train_mean_reward", steps, -worst, -limit, back)
                rows.append(row)
    return rows


def runs(
    points: list[Row], share: float, rise: float, noise: float, *, of_peak: bool = True
) -> Iterator[tuple[list[int], float, float, bool]]:
    """Steps, worst, least threshold, and whether it is over, of each run worse than the best.

    By a share of the best, and by `rise`: a long one, or one at the end that most of the last
    points are in.
    """
    limits = []
    least = math.inf
    for point in points[4:]:
        least = min(least, point["smoothed"])
        limits.append(least + max(share * abs(least), rise, 0.25 * abs(points[4]["smoothed"])))
    judged = list(zip(points[4:], limits, strict=True))
    ending = median(point["value"] for point in points[-7:])
    last = len(judged)
    values = [point["value"] for point, _ in judged]
    usual = [median(values[max(0, n - 6) : n + 1]) for n in range(len(values))]
    lows = [n for n, value in enumerate(usual) if value <= limits[-1]]
    between = range(lows[0], lows[-1] + 1) if lows else ()
    peaks = [usual[n] for n in between if not beyond(judged[n][0]["smoothed"], limits[n])]
    peaks = [peak + noise / 2 * (abs(peak) if of_peak else 1) for peak in peaks]
    if len(points) >= 12 and beyond(ending, limits[-1]) and all(ending > peak for peak in peaks):
        over = [n for n, (point, limit) in enumerate(judged) if beyond(point["value"], limit)]
        last = min((n for n in over if n >= len(judged) - 7), default=last)
    found: list[list[int]] = [[]]
    for n, (point, limit) in enumerate(judged):
        if n >= last or beyond(point["smoothed"], limit):
            found[-1].append(n)
        elif found[-1]:
            found.append([])
    kept: list[tuple[list[int], float, float]] = []
    for run in found:
        own = [judged[n] for n in run]
        limit = min((limit for _, limit in own), default=0)
        high = [point["smoothed"] for point, limit in own if beyond(point["smoothed"], limit)]
        worst = max(high, default=ending)
        ends = bool(run) and run[-1] >= last
        stays = len(run) >= 15 and beyond(median(point["value"] for point, _ in own), limit)
        if ends or stays:
            if kept and run[0] - kept[-1][0][-1] <= 15:
                before, worse, lower = kept.pop()
                run, worst, limit = [*before, *run], max(worst, worse), min(limit, lower)
            kept.append((run, worst, limit))
    for run, worst, limit in kept:
        over = run[-1] < len(judged) - 1 or ending <= limits[-1]
        yield [judged[n][0]["step"] for n in run], worst, limit, over


def usual_noise(values: list[float]) -> float:
    """Standard deviation of the noise relative to the values, by differences of neighbours."""
    ratios = [0 if a == b else 2 * abs(a - b) / (abs(a) + abs(b)) for a, b in pairwise(values)]
    return math.sqrt(math.pi) / 2 * fmean(ratios) if ratios else 0.0


def beyond(value: float, limit: float) -> bool:
    """Whether a value is above a limit by more than rounding does."""
    return value > limit + 1e-9 * abs(limit)


def finding(
    job: str,
    kind: str,
    metric: str,
    steps: list[int],
    worst: float,
    threshold: float | None,
    is_recovered: bool | None = None,
) -> Row:
    """A row of `divergences`."""
    return {
        "job_id": job,
        "kind": kind,
        "metric": metric,
        "first_step": steps[0],
        "last_step": steps[-1],
        "points": len(steps),
        "worst": worst,
        "threshold": threshold,
        "is_recovered": is_recovered,
    }


def overfitting(events: list[Event], beside: Sequence[Told] = ()) -> list[Row]:
    """One row per job with enough evaluations."""
    needed = {"full_valid_loss": 2, "valid_loss": 5}
    needed |= {"full_valid_mean_reward": 5, "valid_mean_reward": 5}
    given: dict[str, dict[str, Points]] = {name: {} for name in needed}
    for (job, metric, step), value in sorted(evaluated(events, beside).items()):
        if math.isfinite(value):
            given[metric].setdefault(job, []).append((step, value))
    rows = []
    for job in {event.job_id for event in events} | {told.job for told in beside}:
        enough = [
            verdict(name, given[name][job])
            for name, least in needed.items()
            if len(given[name].get(job, [])) >= least
        ]
        if enough:
            rows.append({"job_id": job} | max(enough, key=lambda row: row["is_overfit"]))
    return rows


def verdict(metric: str, points: Points) -> Row:
    """What `overfitting` says of one curve."""
    is_full, is_reward = metric == "full_valid_loss", metric.endswith("reward")
    alike: Judged = [(step, value, value) for step, value in points]
    best_step, _ = best_of(metric, alike if is_full else by_neighbours(alike))
    points = [(step, -value) for step, value in points] if is_reward else points
    losses = [loss for _, loss in points]
    span = (
        1
        if is_full
        else max(3, min(6, math.floor(0.33 * len(losses))), math.floor(0.1 * len(losses)))
    )
    threes = list(zip(losses, losses[1:], losses[2:], strict=False))
    bumps = [b - (a + c) / 2 for a, b, c in threes]
    off = [abs(bump) for bump in bumps]
    ratios = [
        0 if a == b == c else 3 * d / (abs(a) + abs(b) + abs(c))
        for (a, b, c), d in zip(threes, off, strict=True)
    ]
    middle = math.sqrt(1.5) * 0.6745
    if is_full:
        noise = 0.1 * abs(min(losses))
        if len(losses) >= 8:
            noise = abs(median(losses)) * median(ratios) / middle
    elif is_reward:
        fives = [losses[n - 2 : n + 3] for n in range(2, len(losses) - 2)]
        farther = fmean(
            0 if min(five) == max(five) else abs(five[2] - fmean(five)) for five in fives
        )
        farther *= min(1, len(losses) / 14)
        noise = max(math.sqrt(math.pi / 3) * fmean(off), math.sqrt(math.pi / 1.6) * farther)
    else:
        above = fmean(r if bump > 0 else 0 for r, bump in zip(ratios, bumps, strict=True))
        few, full = len(losses) / (len(losses) - 2), min(1, len(losses) / 14)
        far = max(fmean(ratios) * full, 2 * above * few)
        noise = math.sqrt(math.pi / 3) * abs(median(losses)) * far
        if early := bumps[: max(0, len(losses) // 2 - 1)]:
            noise = max(noise, quantile(early, 0.85) / math.sqrt(1.5) / 1.0364)
    middles = [median(losses[n - 2 : n + 1]) if n > 1 else math.nan for n in range(len(losses))]
    best = math.inf
    excesses: list[float | None] = []
    since: list[int] = []
    error = limit = math.nan
    for n in range(span - 1, len(losses)):
        error = losses[n] if is_full else fmean(middles[n - span + 3 : n + 1])
        best = min(best, error)
        told = -best if is_reward else best
        excesses.append(100 * (error - best) / told if told > 0 else None)
        limit = best + max(
            abs(best) * 0.2, 0.05, (7 if is_reward else 6) * noise / math.sqrt(max(span, 3))
        )
        since = [*since, points[n][0]] if error > limit else []
    last = excesses[-1]
    below = [n for n in range(span - 1, len(losses)) if losses[n] <= limit]
    if since and below and below[-1] + 1 < len(losses):
        since_step = min(since[0], points[below[-1] + 1][0])
    else:
        since_step = since[0] if since else None
    bands = ((100, "severe"), (50, "marked"))
    names = [name for limit, name in bands if last is not None and last > limit]
    far = not (is_full and len(losses) >= 8) and error - best > 1.5 * (limit - best)
    long = len(since) >= 2 or min(losses[-3:]) > limit or far
    is_overfit = error > limit and median(losses[-span:]) > limit and long
    is_overfit = is_overfit and since_step is not None and best_step < since_step
    return {
        "is_overfit": is_overfit,
        "severity": "none"
        if not is_overfit
        else names[0]
        if names
        else "mild"
        if best
        else "severe",
        "metric": metric,
        "evaluations": len(losses),
        "best_step": best_step,
        "best_value": -best if is_reward else best,
        "last_step": points[-1][0],
        "last_value": -error if is_reward else error,
        "threshold": -limit if is_reward else limit,
        "generalisation_loss": last,
        "worst_generalisation_loss": max((e for e in excesses if e is not None), default=None),
        "persistence": len(since),
        "risen_since_step": since_step,
        "noise": noise,
    }


def told_steps(event: Event) -> int | None:
    """The steps that a job plans, as an event tells them in its payload, else in its message."""
    said = re.match(r"Step [0-9]+/([0-9]{1,15})\b", event.message, re.ASCII)
    return int(said[1]) if said and event.total_steps is None else event.total_steps


def stalls(events: list[Event]) -> list[Row]:
    """One row per standstill."""
    rows = []
    clock = max(event.time for event in events)
    for job, own in by_job(events).items():
        steps = beginnings([e for e in steps_of(own) if not e.synthetic])
        pairs = [(a, b) for a, b in pairwise(steps) if a.order_step != b.order_step]
        gaps = [after.time - before.time for before, after in pairs]
        ahead = [after.order_step - before.order_step for before, after in pairs]
        if len(gaps) < 10:
            continue
        usual = median(gaps)
        limit = max(20 * usual, 1800)
        stride = median([d for d in ahead if d > 0] or [1])
        stops = [
            (a, b, gap - usual * max((d if d > 0 else stride) / stride - 1, 0))
            for (a, b), gap, d in zip(pairs, gaps, ahead, strict=True)
        ]
        rows += [stall(job, "gap", a, b, gap, usual, limit) for a, b, gap in stops if gap > limit]
        told = [e for e in own if e.lifecycle not in ("step", "checkpoint", "other") or error(e)]
        over = [n for n, e in enumerate(told) if e.lifecycle in OUTCOMES]
        again = [n for n, phase in enumerate(phases_of(told)) if phase in BEGINNINGS]
        ended = bool(over) and (not again or again[-1] < over[-1])
        ended |= any(
            e.time >= steps[-1].time
            and (
                (is_error(e) is not None and e.lifecycle not in OUTCOMES)
                or phase_of(e) == "finalising"
            )
            for e in told
        )
        planned = [total for e in steps if (total := told_steps(e)) is not None]
        ahead_of_all = any(e.order_step == 0 for e in steps)
        if not ended and (not planned or steps[-1].order_step < planned[-1] - ahead_of_all):
            spoke = [event for event in own if event.lifecycle == "step"]
            silent = clock - max(event.time for event in [*spoke, *told])
            if limit < silent < 259_200:
                rows.append(stall(job, "silent", steps[-1], None, silent, usual, limit))
                rows[-1]["until"] = datetime.fromtimestamp(clock, UTC)
    return rows


def steps_of(own: list[Event]) -> list[Event]:
    """Events of steps, but for evaluations alone where others tell of training."""
    valid = {"valid_loss", "full_valid_loss", "valid_mean_reward", "full_valid_mean_reward"}
    valid |= {"valid_mean_token_accuracy", "full_valid_mean_token_accuracy"}
    train = {"train_loss", "train_mean_token_accuracy", "train_mean_reward"}
    steps = [event for event in own if event.lifecycle == "step"]
    told = [e for e in steps if not valid & e.metrics.keys() or train & e.metrics.keys()]
    return told or steps


def beginnings(marks: list[Event]) -> list[Event]:
    """The first events of steps, and the last event of all."""
    before = [None, *(event.order_step for event in marks)]
    return [
        event
        for number, (event, step) in enumerate(zip(marks, before, strict=False), start=1)
        if event.order_step != step or number == len(marks)
    ]


def error(event: Event) -> bool:
    """Whether an event has the level of an error."""
    return event.level.lower() == "error"


def stall(
    job: str, kind: str, before: Event, after: Event | None, gap: float, usual: float, limit: float
) -> Row:
    """A row of `stalls`."""
    return {
        "job_id": job,
        "kind": kind,
        "after_step": before.order_step,
        "next_step": after.order_step if after else None,
        "after_step_at": before.created_at,
        "until": after.created_at if after else None,
        "seconds": float(gap),
        "usual_seconds": float(usual),
        "threshold": float(limit),
    }
