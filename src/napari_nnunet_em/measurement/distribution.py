"""How the sizes of objects are distributed, in steps of equal ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ONE_SIZE = 2.0
"""Objects that are all of one size get an axis from half of it to twice that."""


@dataclass(frozen=True)
class LogScale:
    """An axis of sizes on which equal steps are equal ratios.

    Attributes
    ----------
    low, high : float
        Its ends, above 0.
    bins : int
        Number of steps.
    """

    low: float
    high: float
    bins: int = 60

    @classmethod
    def over(cls, sizes: NDArray[Any], bins: int = 60) -> LogScale | None:
        """The axis from the smallest to the largest size; None where no object has a size.

        Parameters
        ----------
        sizes : array, (objects,)
            Sizes; those that are empty or 0 do not count.
        bins : int
            Number of steps.
        """
        known = sizes[sizes > 0]
        if not len(known):
            return None
        low, high = float(known.min()), float(known.max())
        return cls(low, high, bins) if low < high else cls(low / _ONE_SIZE, high * _ONE_SIZE, bins)

    def count(self, sizes: NDArray[Any]) -> NDArray[np.int64]:
        """Objects in each step, (bins,); those outside, empty or 0 are not counted."""
        inside = sizes[(sizes >= self.low) & (sizes <= self.high)].astype(np.float64)
        step = np.minimum((self._fractions(inside) * self.bins).astype(np.intp), self.bins - 1)
        return np.bincount(step, minlength=self.bins).astype(np.int64)

    def fraction(self, size: float) -> float:
        """Where a size above 0 lies, from 0 (`low`) to 1 (`high`)."""
        return math.log(size / self.low) / math.log(self.high / self.low)

    def size(self, fraction: float) -> float:
        """The size at a place of the axis; the inverse of `fraction`."""
        return self.low * math.pow(self.high / self.low, fraction)

    def decades(self) -> list[float]:
        """Powers of ten on the axis."""
        first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
        return [10.0**power for power in range(first, last + 1)]

    def ticks(self) -> list[float]:
        """What is written at the axis: its powers of ten, or its ends where it has fewer than two of them."""
        decades = self.decades()
        return decades if len(decades) > 1 else [self.low, self.high]

    def range(self, start: float, stop: float) -> tuple[float, float]:
        """The sizes between two places of the axis, rounded outwards to three digits.

        Parameters
        ----------
        start, stop : float
            Places from 0 to 1, in any order.
        """
        low, high = sorted((min(max(start, 0.0), 1.0), min(max(stop, 0.0), 1.0)))
        return _rounded(self.size(low), math.floor), _rounded(self.size(high), math.ceil)

    def _fractions(self, sizes: NDArray[np.float64]) -> NDArray[np.float64]:
        fractions: NDArray[np.float64] = np.log(sizes / self.low) / math.log(self.high / self.low)
        return fractions


def _rounded(size: float, towards: Any) -> float:
    digits = 2 - math.floor(math.log10(size))
    # Nine further digits are noise of the logarithm, not part of the size.
    scaled = round(size * 10.0**digits, 9)
    return float(f"{towards(scaled)}e{-digits}")
