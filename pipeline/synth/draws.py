"""Random draws that are the same on every machine and with every numpy version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
Floats = NDArray[np.float64]

_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_ALPHANUMERIC = bytes(_LETTERS[byte % len(_LETTERS)] for byte in range(256))


class Draws:
    """A stream of draws told by its key alone.

    `RandomState` is frozen by numpy's compatibility policy, `Generator` is not. Everything drawn
    is made of uniform numbers by + - * / and comparison, which round alike on every processor.
    """

    def __init__(self, *key: int) -> None:
        """Seed the stream.

        Args:
            key: whole numbers of any size, not negative; another key is another stream.
        """
        words = [part >> shift & 0xFFFFFFFF for part in key for shift in (0, 32)]
        self._state = np.random.RandomState(words)

    def unit(self) -> float:
        """Draw one number in [0, 1)."""
        return float(self._state.random_sample())

    def units(self, count: int) -> Floats:
        """Draw `count` numbers in [0, 1)."""
        drawn: Floats = self._state.random_sample(count)
        return drawn

    def noise(self, count: int) -> Floats:
        """Draw `count` numbers of mean 0 and variance 1, nearly normal, within 3.47 of 0."""
        a, b, c, d = self._state.random_sample((4, count))
        bell: Floats = (a + b + c + d - 2.0) * 1.7320508075688772
        return bell

    def span(self, low: float, high: float) -> float:
        """Draw one number in [low, high)."""
        return low + (high - low) * self.unit()

    def between(self, low: int, high: int) -> int:
        """Draw one whole number from low to high, both included."""
        return low + int(self.unit() * (high - low + 1))

    def chance(self, share: float) -> bool:
        """Tell whether something that happens in `share` of all cases happens."""
        return self.unit() < share

    def pick(self, weights: Mapping[T, float]) -> T:
        """Draw one key of `weights`, in proportion to its weight."""
        options = list(weights)
        mark = self.unit() * sum(weights.values())
        for option in options[:-1]:
            mark -= weights[option]
            if mark < 0:
                return option
        return options[-1]

    def names(self, count: int, length: int) -> list[str]:
        """Draw `count` texts of `length` letters and digits, as in OpenAI's ids."""
        text = self._state.bytes(count * length).translate(_ALPHANUMERIC).decode("ascii")
        return [text[at : at + length] for at in range(0, count * length, length)]

    def name(self, length: int) -> str:
        """Draw one text of `length` letters and digits."""
        return self.names(1, length)[0]

    def uuid(self) -> str:
        """Draw the 32 hexadecimal digits of a version 4 UUID, as in Azure's ids."""
        digits = self._state.bytes(16).hex()
        return f"{digits[:12]}4{digits[13:16]}{'89ab'[int(digits[16], 16) % 4]}{digits[17:]}"
