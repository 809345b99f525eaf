"""What is known of a whole volume: plain values that merge exactly and survive JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.geometry import Box, as_shape


@dataclass(frozen=True)
class Moments:
    """Count, mean, sum of squared deviations and range of some values.

    Moments of two sets merge exactly (Chan, Golub and LeVeque 1979), in float64.
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Moments:
        """Moments of an array of any shape."""
        if values.size == 0:
            return cls()
        mean = float(values.mean())
        return cls(
            values.size, mean, float(np.square(values - mean).sum()), float(values.min()), float(values.max())
        )

    @classmethod
    def of_histogram(cls, values: NDArray[np.int64], counts: NDArray[np.int64]) -> Moments:
        """Moments of integers `values` that occur `counts` times."""
        present = counts > 0
        values, counts = values[present], counts[present]
        if values.size == 0:
            return cls()
        count = int(counts.sum())
        mean = float((values * counts).sum() / count)
        squares = float((np.square(values - mean) * counts).sum())
        return cls(count, mean, squares, float(values[0]), float(values[-1]))

    def merge(self, other: Moments) -> Moments:
        """Moments of both sets together."""
        if not self.count or not other.count:
            return self if self.count else other
        count = self.count + other.count
        delta = other.mean - self.mean
        return Moments(
            count,
            self.mean + delta * other.count / count,
            self.squares + other.squares + delta * delta * self.count * other.count / count,
            min(self.low, other.low),
            max(self.high, other.high),
        )

    def with_zeros(self, count: int) -> Moments:
        """Moments after `count` more values that are 0."""
        return self.merge(Moments(count, 0.0, 0.0, 0.0, 0.0)) if count else self

    @property
    def std(self) -> float:
        """Population standard deviation, as ``numpy.std``."""
        return math.sqrt(self.squares / self.count) if self.count else 0.0


@dataclass(frozen=True)
class PlaneProfile:
    """Per plane across one axis: what is needed to know each plane's range of values.

    Attributes
    ----------
    axis : int
        The axis, 0 to 2, in the order of the volume.
    counts : array, (c, planes), int64
        Non-zero voxels of each channel.
    lows, highs : array, (c, planes), float64
        Range of the non-zero voxels; inf and -inf where there are none.
    any_counts : array, (planes,), int64
        Voxels where any channel is non-zero.
    """

    axis: int
    counts: NDArray[np.int64]
    lows: NDArray[np.float64]
    highs: NDArray[np.float64]
    any_counts: NDArray[np.int64]


@dataclass(frozen=True)
class VolumeStatistics:
    """Statistics of a whole volume.

    Attributes
    ----------
    channels : tuple of Moments
        Moments of the non-zero voxels of each channel.
    any_count : int
        Voxels where any channel is non-zero.
    bbox : Box or None
        Smallest box of all such voxels, in the volume's axes; None when there are none.
    profile : PlaneProfile or None
        Ranges per plane, where asked for.
    """

    channels: tuple[Moments, ...]
    any_count: int
    bbox: Box | None
    profile: PlaneProfile | None

    def document(self) -> dict[str, Any]:
        """The statistics as plain JSON values; floats survive exactly."""
        profile = None
        if self.profile is not None:
            profile = {
                k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in vars(self.profile).items()
            }
        return {
            "channels": [asdict(m) for m in self.channels],
            "any_count": self.any_count,
            "bbox": None if self.bbox is None else [self.bbox.start, self.bbox.stop],
            "profile": profile,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> VolumeStatistics:
        """Rebuild statistics from `document`."""
        bbox, profile = document["bbox"], document["profile"]
        return cls(
            tuple(Moments(**m) for m in document["channels"]),
            document["any_count"],
            None if bbox is None else Box(as_shape(bbox[0]), as_shape(bbox[1])),
            None
            if profile is None
            else PlaneProfile(
                profile["axis"],
                np.array(profile["counts"], np.int64),
                np.array(profile["lows"], np.float64),
                np.array(profile["highs"], np.float64),
                np.array(profile["any_counts"], np.int64),
            ),
        )
