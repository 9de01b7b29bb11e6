"""Whole jobs as dumps hold them: clean ones, and ones with one fault each.

How large a fault is, is told in what a person needs to see it on the curve: `visibility` 1 is the
least that stands out (the `*_SIGHT` constants, argued in docs/detectors.md), 2 is twice that.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from planted.noise import Floats, draw

CLOCK = 1_800_000_000
"""When the last event of the lake happens [s since 1970]."""

KINDS = ("spike", "divergence", "overfit", "gap", "silent", "restart", "nan", "collapse", "fade")

NOISE_SIGHT = {"spike": 10.0, "divergence": 4.0, "overfit": 5.0, "collapse": 4.0, "fade": 5.0}
"""Spreads of the noise, in the usual loss there, that a fault rises at least, or a reward falls."""

AXIS_SIGHT = 0.35
"""Share of an axis from zero to the greatest value that a fault of the training loss rises, or a
training reward falls."""

RATIO_SIGHT = {"divergence": 1.5, "overfit": 0.6, "collapse": 0.6, "fade": 0.5}
"""How far from the best, as a ratio, the loss rises or the reward falls at least."""

STALL_SIGHT = (3600.0, 30.0)
"""A pause lasts at least so long [s], and so many usual steps [1]."""

Event = dict[str, Any]


COUNTS = (24, 400)
"""Points of a curve: Azure logs every tenth step, so that a few dozen are usual."""


@dataclass
class Job:
    """A job and what was planted in it.

    Attributes:
        visibility: size of the fault, in the least that a person sees.
        place: step at which it begins (of a pause or restart: the step before).
        end: last step of it.
    """

    job_id: str
    events: list[Event] = field(repr=False)
    kind: str | None = None
    visibility: float = 0.0
    place: int = 0
    end: int = 0
    newest_first: bool = False


@dataclass
class Curve:
    """Losses or rewards by step, before they become events; `stood`: silence at the end [s]."""

    base: Floats
    train: Floats
    valid: dict[int, float]
    spread: float
    valid_spread: float
    stood: float = 0.0
    is_reward: bool = False


REWARD_SPREADS = (0.01, 0.15)
"""Standard deviations of a mean reward: of many samples a step, and of half a dozen."""


def rewarded(random: np.random.Generator, count: int, every: int) -> Curve:
    """A mean reward that rises to a ceiling, or hardly, with noise that hangs together."""
    low, high = sorted(random.uniform(0.05, 0.95, size=2))
    pace = count * random.uniform(0.05, 0.5)
    base: Floats = high - (high - low) / (1 + np.arange(count) / pace)
    spread = math.exp(random.uniform(*np.log(REWARD_SPREADS)))
    kept = random.uniform(0, 0.5)
    draws = np.clip(random.standard_normal(count), -3.5, 3.5)
    noise = np.zeros(count)
    for n in range(count):
        noise[n] = kept * noise[n - 1] + math.sqrt(1 - kept**2) * draws[n]
    valid_spread = math.exp(random.uniform(*np.log(REWARD_SPREADS)))
    evaluated = range(every, count + 1, every)
    errors = valid_spread * np.clip(random.standard_normal(len(evaluated)), -3.5, 3.5)
    valid = {
        step: float(0.95 * base[step - 1] + error)
        for step, error in zip(evaluated, errors, strict=True)
    }
    return Curve(base, base + spread * noise, valid, spread, valid_spread, is_reward=True)


def curve(random: np.random.Generator, pools: Sequence[Floats], count: int, every: int) -> Curve:
    """A loss that falls to a floor with noise, and a validation loss at some of its steps."""
    start = math.exp(random.uniform(math.log(0.5), math.log(5)))
    floor = start * random.uniform(0.1, 0.9)
    decay = count * random.uniform(0.02, 0.3)
    base: Floats = floor + (start - floor) / (1 + np.arange(count) / decay)
    factors, spread = draw(chosen(random, pools), count, random)
    evaluated = range(every, count + 1, every)
    noise, valid_spread = draw(chosen(random, pools), len(evaluated), random)
    above = random.uniform(0.9, 1.5)
    valid = {
        step: float(above * base[step - 1] * ratio)
        for step, ratio in zip(evaluated, noise, strict=True)
    }
    return Curve(base, base * factors, valid, spread, valid_spread)


def chosen(random: np.random.Generator, pools: Sequence[Floats]) -> Floats | None:
    """One pool, or none where there is no corpus."""
    return pools[random.integers(len(pools))] if pools else None


def made(seed: int, number: int, kind: str | None, pools: Sequence[Floats]) -> Job:
    """One job, by its seed and number: clean, or with a fault of a kind."""
    random = np.random.default_rng([seed, number])
    count = int(math.exp(random.uniform(*np.log(COUNTS))))
    every = int(random.integers(1, max(2, min(20, count // 10))))
    if kind in ("collapse", "fade") or (kind is None and random.random() < 0.3):
        own = rewarded(random, count, every)
    else:
        own = curve(random, pools, count, every)
    visibility = math.exp(random.uniform(math.log(0.25), math.log(8)))
    job = Job(f"ftjob-{seed % 10**6:06d}{number:018d}", [], kind, visibility)
    pace = math.exp(random.uniform(0, math.log(60)))
    seconds = pace * np.exp(0.3 * random.standard_normal(count))
    pauses = random.random(count) < 0.01
    seconds[pauses] += random.uniform(0, 300, size=int(pauses.sum()))
    plant(job, own, seconds, random)
    write(job, own, seconds, random)
    return job


def onset(random: np.random.Generator, count: int) -> tuple[int, int]:
    """The point before which all is well, and over how many the loss leaves for good.

    From then on it stays for six points at least.
    """
    at = int(random.integers(6, count - 8))
    return at, int(random.integers(1, min(15, count - at - 6)))


def plant(job: Job, own: Curve, seconds: Floats, random: np.random.Generator) -> None:
    """Put the job's fault into its curve or its times."""
    count = len(own.train)
    axis = float(max(own.train))
    if job.kind == "spike":
        at, width = int(random.integers(8, count - 3)), int(random.integers(1, 4))
        least = max(NOISE_SIGHT["spike"] * own.spread * own.base[at], AXIS_SIGHT * axis)
        own.train[at : at + width] += job.visibility * least
        job.place, job.end = at + 1, at + width
    elif job.kind == "divergence":
        at, ramp = onset(random, count)
        best = float(min(own.base[: at + 1]))
        least = max(
            RATIO_SIGHT["divergence"] * best,
            NOISE_SIGHT["divergence"] * own.spread * best,
            AXIS_SIGHT * axis,
        )
        rise = np.clip((np.arange(count) - at) / ramp, 0, 1)
        own.train *= 1 + rise * job.visibility * least / own.base
        job.place, job.end = at + 1, count
    elif job.kind == "collapse":
        at, ramp = onset(random, count)
        best = float(max(own.base[: at + 1]))
        least = max(
            RATIO_SIGHT["collapse"] * best,
            NOISE_SIGHT["collapse"] * own.spread,
            AXIS_SIGHT * axis,
        )
        fall = np.clip((np.arange(count) - at) / ramp, 0, 1)
        own.train += fall * (best - own.base - job.visibility * least)
        job.place, job.end = at + 1, count
    elif job.kind in ("overfit", "fade"):
        steps = sorted(own.valid)
        turn = int(random.integers(len(steps) // 5, max(len(steps) // 5 + 1, len(steps) - 5)))
        best = own.base[steps[turn] - 1]
        job.place, job.end = steps[turn], steps[-1]
    if job.kind == "fade":
        least = max(RATIO_SIGHT["fade"] * best, NOISE_SIGHT["fade"] * own.valid_spread)
        for n, step in enumerate(steps[turn:]):
            fallen = n / (len(steps) - 1 - turn)
            own.valid[step] += 0.95 * (best - own.base[step - 1]) - fallen * job.visibility * least
    elif job.kind == "overfit":
        band = math.exp(NOISE_SIGHT["overfit"] * own.valid_spread) - 1
        least = max(RATIO_SIGHT["overfit"], band)
        for n, step in enumerate(steps[turn:]):
            risen = n / (len(steps) - 1 - turn)
            own.valid[step] *= (1 + risen * job.visibility * least) * best / own.base[step - 1]
    elif job.kind in ("gap", "silent"):
        least = max(STALL_SIGHT[0], STALL_SIGHT[1] * float(np.median(seconds)))
        at = int(random.integers(1, count - 1)) if job.kind == "gap" else count - 1
        own.stood = job.visibility * least
        seconds[at] += job.visibility * least if job.kind == "gap" else 0
        job.place = job.end = at if job.kind == "gap" else count
    elif job.kind == "restart":
        at = int(random.integers(10, count))
        job.place, job.end = at, int(random.integers(max(1, at - 50), at + 1))
    elif job.kind == "nan":
        at = int(random.integers(0, count))
        own.train[at] = random.choice([math.nan, math.inf])
        job.place = job.end = at + 1


def write(job: Job, own: Curve, seconds: Floats, random: np.random.Generator) -> None:
    """Make the job's events out of its curve and its times."""
    order = list(range(1, len(own.train) + 1))
    if job.kind == "restart":
        order = [*order[: job.place], *range(job.end, len(own.train) + 1)]
    running = job.kind == "silent" or (job.kind is None and random.random() < 0.1)
    waits = [seconds[step - 1] for step in order]
    after = 0.0
    if running:
        after = own.stood or float(seconds[-1])
    begin = CLOCK - 100 - int(after) - sum(waits)
    total = len(own.train) + (50 if running else 0)
    events = [told(job, 0, begin - 60, f"Created fine-tuning job: {job.job_id}")]
    events.append(told(job, 1, begin - 30, "Fine-tuning job started"))
    clock = begin
    for place, step in enumerate(order):
        clock += waits[place]
        value = float(own.train[step - 1])
        data: Event = {"step": step, "total_steps": total}
        if own.is_reward:
            data["train_mean_reward"] = value
            words = f"Step {step}/{total} , train mean reward={value:.2f}"
        else:
            data["train_loss"] = value
            words = f"Step {step}/{total}: training loss={value:.2f}"
        if step in own.valid and own.is_reward:
            data["full_valid_mean_reward"] = own.valid[step]
        elif step in own.valid:
            data["valid_loss"] = own.valid[step]
            words += f", validation loss={own.valid[step]:.2f}"
        events.append(told(job, place + 2, clock, words, data))
    if not running:
        for step in (len(own.train) // 2, len(own.train)):
            text = f"Checkpoint created at step {step}"
            events.append(told(job, len(events), clock + 20, text))
        text = "The job has successfully completed"
        events.append(told(job, len(events), clock + 50, text))
    job.newest_first = bool(random.random() < 0.5)
    job.events = events[::-1] if job.newest_first else events


def told(job: Job, number: int, when: float, words: str, data: Event | None = None) -> Event:
    """One event of the API."""
    return {
        "object": "fine_tuning.job.event",
        "id": f"ftevent-{job.job_id[6:18]}{job.job_id[-6:]}{number:06d}",
        "created_at": int(when),
        "level": "info",
        "message": words,
        "type": "metrics" if data else "message",
        "data": data or {},
    }


def dump(jobs: Sequence[Job], folder: Path) -> list[Path]:
    """Write the jobs one after another as JSON lines, a file for each direction of time."""
    last = Job("ftjob-" + "clock".ljust(24, "0"), [])
    last.events = [
        told(last, 0, CLOCK - 1, f"Created fine-tuning job: {last.job_id}"),
        told(last, 1, CLOCK, "The job has successfully completed"),
    ]
    paths = []
    for newest_first in (False, True):
        own = [job for job in [*jobs, last] if job.newest_first == newest_first]
        path = folder / ("newest-first.jsonl" if newest_first else "oldest-first.jsonl")
        events = (event for job in own for event in job.events)
        path.write_text("".join(f"{json.dumps(event)}\n" for event in events), encoding="utf-8")
        paths.append(path)
    return paths
