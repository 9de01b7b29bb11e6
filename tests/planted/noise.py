"""The noise of real loss curves, as ratios of points to the median around them.

Nothing of the real curves is kept in the project: their residuals are read where the corpus lies
beside the checkout, whenever they are wanted. Elsewhere noise is log-normal with the range of
spreads that was fitted to them (`SPREADS`).
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"

SPREADS = (0.06, 0.4)
"""Standard deviations of the logarithm of noise, from whole validation sets to batches of one."""

_LEAST_POINTS = 16
_AROUND = 7
"""Points to each side whose median a point is compared with."""

_LEARNT = 0.1
"""Usual loss below which text is learnt by heart: rounding, not noise, makes the points [1]."""

_OUTLYING = 5
"""Robust standard deviations beyond which a real point is a spike itself, and no noise."""

_MESSAGE = re.compile(
    r"Step (\d+)(?:/\d+)?: training loss=([\d.eE+-]+)(?:, validation loss=([\d.]+))?"
)
_PAYLOAD = re.compile(r"'step': (\d+)[^{}]*?'(train_loss|valid_loss)': ([\d.eE+-]+)")


def real_curves(corpus: Path = CORPUS) -> Iterator[tuple[str, Floats]]:
    """Every curve of the corpus with 16 points or more: its name and its losses by step."""
    for path in sorted(corpus.glob("*")):
        text = path.read_text(encoding="utf-8", errors="replace")
        series: dict[str, dict[int, float]] = {}
        if path.suffix == ".csv":
            for row in csv.DictReader(text.splitlines()):
                for name in ("train_loss", "valid_loss"):
                    if row.get(name):
                        series.setdefault(name, {})[int(row["step"])] = float(row[name])
        elif path.name.startswith("hf_trainer_state"):
            for row in json.loads(text)["log_history"]:
                for name in row:
                    if name.endswith("loss"):
                        series.setdefault(name, {})[int(row["step"])] = float(row[name])
        else:
            for step, train, valid in _MESSAGE.findall(text):
                series.setdefault("train", {})[int(step)] = float(train)
                if valid:
                    series.setdefault("valid", {})[int(step)] = float(valid)
            for step, name, value in _PAYLOAD.findall(text):
                series.setdefault(name, {})[int(step)] = float(value)
        for name, points in series.items():
            if len(points) >= _LEAST_POINTS:
                yield f"{path.stem} {name}", np.array([points[step] for step in sorted(points)])


def residuals(losses: Floats) -> Floats:
    """Points as ratios to the median around them, between the first fall and learning by heart."""
    count = len(losses)
    around = [losses[max(0, n - _AROUND) : n + _AROUND + 1] for n in range(count)]
    usual = np.array([np.median(points) for points in around])
    told = usual > _LEARNT
    told[:_AROUND] = False  # a median that has points on one side only follows no fall
    ratios: Floats = losses[told] / usual[told]
    reach = _OUTLYING * 1.4826 * np.median(np.abs(ratios - 1)) if len(ratios) else 0
    return ratios[ratios <= 1 + reach]


def pools(corpus: Path = CORPUS) -> list[tuple[str, Floats]]:
    """The residuals of each real curve that has enough of them; none without a corpus."""
    found = [(name, residuals(losses)) for name, losses in real_curves(corpus)]
    return [(name, ratios) for name, ratios in found if len(ratios) >= _LEAST_POINTS]


def spread(ratios: Floats) -> float:
    """Standard deviation of a point about the usual loss, as a ratio to it."""
    return float(np.std(ratios))


def draw(pool: Floats | None, count: int, random: np.random.Generator) -> tuple[Floats, float]:
    """Noise of one curve: `count` factors, and their spread.

    Stretches of eight neighbours of a pool, so that what hangs together stays so; log-normal
    factors where there is no pool.
    """
    if pool is None:
        low, high = SPREADS
        sigma = float(np.exp(random.uniform(np.log(low), np.log(high))))
        factors: Floats = np.exp(sigma * np.clip(random.standard_normal(count), -3.5, 3.5))
        return factors, spread(factors)
    begins = random.integers(0, len(pool), size=count // 8 + 1)
    places = (begins[:, None] + np.arange(8)) % len(pool)
    return pool[places.ravel()[:count]], spread(pool)
