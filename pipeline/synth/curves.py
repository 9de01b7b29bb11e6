"""Which steps are told, and the losses and accuracies there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.synth.draws import Draws, Floats
from pipeline.synth.job import Method

LEAST_LOSS = 2.0**-20
"""Half-precision trainers tell tiny losses in multiples of this [1]."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Metrics, one value for each step told, in the order in which the steps are told.

    Attributes:
        overfit_step: step with the least noise-free validation loss, where it rises later; or None.
    """

    train_loss: list[float]
    train_accuracy: list[float]
    valid_loss: list[float]
    valid_accuracy: list[float]
    full_valid_loss: list[float]
    full_valid_accuracy: list[float]
    overfit_step: int | None


def walk(draws: Draws, count: int, restarts: int) -> tuple[list[int], list[int]]:
    """Lay out the order in which steps are told when training falls back.

    Args:
        draws: source of the places and lengths of the falls.
        count: how many steps are told in all, those told again included.
        restarts: how many falls there are; fewer where `count` has no room.

    Returns:
        Ordinals of the steps (0, 1, 2, ...) in the order told, and the positions in that list
        at which a new attempt begins.
    """
    restarts = min(restarts, count // 8)
    again = [draws.between(1, max(1, count // (8 * restarts))) for _ in range(restarts)]
    reach = count - sum(again)
    order: list[int] = []
    begins: list[int] = []
    begin = 0
    for fall, length in enumerate(again):
        low = reach * (1 + 2 * fall) // (1 + 2 * restarts)
        end = draws.between(low, low + reach // (1 + 2 * restarts))
        end = max(end, length, begin + length)
        order.extend(range(begin, end))
        begins.append(len(order))
        begin = end - length
    order.extend(range(begin, reach))
    return order, begins


def epoch_ends(total: int, epochs: int, stride: int = 1) -> list[int]:
    """List the last step of each epoch, on the grid of the steps that are told [step]."""
    ends = {max(1, total * epoch // epochs // stride * stride) for epoch in range(1, epochs)}
    return [*sorted(ends - {total}), total]


def losses(draws: Draws, steps: Sequence[int], total: int, method: Method) -> Curve:
    """Draw a loss curve: decay to a floor with noise; some overfit, some learn by heart.

    Args:
        draws: source of shape and noise.
        steps: the steps told, in the order told [step].
        total: steps planned [step].
        method: preference curves start at ln 2, the loss of a coin's toss.

    Returns:
        Training losses are single-precision numbers, as trainers tell them.
    """
    count = len(steps)
    x = np.array(steps, dtype=np.float64) / total
    shape = draws.pick({"learns": 0.6, "overfits": 0.25, "by_heart": 0.15})
    start = 0.6931 if method == "preference" else draws.span(1.4, 4.5)
    floor = start * (draws.span(0.02, 0.1) if shape != "learns" else draws.span(0.2, 0.6))
    decay = draws.span(0.02, 0.2)
    train = floor + (start - floor) / (1.0 + x / decay)
    valid_floor = start * draws.span(0.25, 0.6)
    valid = valid_floor + (start - valid_floor) / (1.0 + x / decay)
    overfit_step = None
    if shape != "learns":
        late = np.maximum(0.0, x - draws.span(0.2, 0.5))
        valid = valid + start * draws.span(0.3, 1.2) * late * late
        least = int(np.argmin(valid))
        overfit_step = steps[least] if valid[-1] > valid[least] * 1.1 else None

    sigma = draws.span(0.04, 0.22)
    train_loss = train * (1.0 + sigma * draws.noise(count))
    valid_loss = valid * (1.0 + 0.5 * sigma * draws.noise(count))
    full_valid_loss = valid * (1.0 + 0.004 * draws.noise(count))
    if shape == "by_heart":
        tiny = np.floor(3.0 + 6.0 * draws.units(count)) * LEAST_LOSS
        learnt = (x > draws.span(0.3, 0.6)) & (draws.units(count) < 0.97)
        train_loss = np.where(learnt, tiny, train_loss)
    batch = draws.pick({0: 0.5, 4: 0.1, 8: 0.3, 24: 0.1})
    return Curve(
        train_loss=_single(train_loss),
        train_accuracy=_single(_accuracy(draws, train_loss, batch)),
        valid_loss=valid_loss.tolist(),
        valid_accuracy=_accuracy(draws, valid_loss, batch).tolist(),
        full_valid_loss=full_valid_loss.tolist(),
        full_valid_accuracy=_accuracy(draws, full_valid_loss, 200).tolist(),
        overfit_step=overfit_step,
    )


def _accuracy(draws: Draws, loss: Floats, tokens: int) -> Floats:
    """Tell the share of `tokens` predicted right; 0: of 8 to 31, another number each time [1]."""
    count = np.floor(8.0 + 24.0 * draws.units(len(loss))) if tokens == 0 else float(tokens)
    share = 1.0 / (1.0 + 0.4 * loss) + 0.02 * draws.noise(len(loss))
    share = np.where(loss < 0.01, 1.0, share)
    right: Floats = np.minimum(1.0, np.maximum(0.0, np.floor(share * count + 0.5) / count))
    return right


def _single(values: Floats) -> list[float]:
    """Round to single precision."""
    rounded: list[float] = values.astype(np.float32).astype(np.float64).tolist()
    return rounded
