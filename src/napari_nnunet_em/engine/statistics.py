"""One streaming pass over a volume: all that nnU-Net's preprocessing wants to know of the whole.

Zeros are kept apart from all other values. nnU-Net crops to the box of non-zero voxels and may normalise
inside the non-zero mask only; how many zeros lie in the box or in the mask is known at the end of the pass,
and can then be merged in exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box, Shape, as_shape, iter_blocks
from napari_nnunet_em.io import Volume
from napari_nnunet_em.progress import Steps

_BLOCK_BYTES = 16 << 20
_HISTOGRAM_BITS = 16


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


class _Accumulator:
    """The running state of the pass."""

    def __init__(self, volume: Volume, profile_axis: int | None) -> None:
        self._channels = volume.channels
        kind, bits = volume.dtype.kind, volume.dtype.itemsize * 8
        self._integer = kind in "biu" and bits <= _HISTOGRAM_BITS
        self._low = int(np.iinfo(volume.dtype).min) if kind == "i" and self._integer else 0
        self._histograms = np.zeros((self._channels, 1 << bits if self._integer else 0), np.int64)
        self._moments = [Moments() for _ in range(self._channels)]
        self._present = [np.zeros(n, bool) for n in volume.shape]
        self._any_count = 0
        self._profile: PlaneProfile | None = None
        if profile_axis is not None:
            planes = volume.shape[profile_axis]
            shape = (self._channels, planes)
            self._profile = PlaneProfile(
                profile_axis,
                np.zeros(shape, np.int64),
                np.full(shape, np.inf),
                np.full(shape, -np.inf),
                np.zeros(planes, np.int64),
            )

    def add(self, box: Box, data: NDArray[np.generic]) -> None:
        """Take in the voxels of `box`, (c, z, y, x) in the volume's dtype."""
        values = data if self._integer else data.astype(np.float32, copy=False)
        nonzero = values != 0
        present = nonzero.any(axis=0)
        self._any_count += int(np.count_nonzero(present))
        for axis in range(3):
            others = tuple(a for a in range(3) if a != axis)
            self._present[axis][box.slices[axis]] |= present.any(axis=others)
        for channel in range(self._channels):
            if self._integer:
                self._histograms[channel] += np.bincount(
                    values[channel].ravel().astype(np.int64) - self._low, minlength=self._histograms.shape[1]
                )
            else:
                chosen = values[channel][nonzero[channel]].astype(np.float64)
                self._moments[channel] = self._moments[channel].merge(Moments.of(chosen))
        if self._profile is not None:
            self._add_profile(self._profile, box, values, nonzero, present)

    def _add_profile(
        self,
        profile: PlaneProfile,
        box: Box,
        values: NDArray[np.generic],
        nonzero: NDArray[np.bool_],
        present: NDArray[np.bool_],
    ) -> None:
        others = tuple(a for a in range(3) if a != profile.axis)
        channel_axes = tuple(a + 1 for a in others)
        planes = box.slices[profile.axis]
        profile.any_counts[planes] += np.count_nonzero(present, axis=others)
        profile.counts[:, planes] += np.count_nonzero(nonzero, axis=channel_axes)
        floats = values.astype(np.float32)
        low = np.where(nonzero, floats, np.inf).min(axis=channel_axes)
        high = np.where(nonzero, floats, -np.inf).max(axis=channel_axes)
        profile.lows[:, planes] = np.minimum(profile.lows[:, planes], low)
        profile.highs[:, planes] = np.maximum(profile.highs[:, planes], high)

    def result(self) -> VolumeStatistics:
        moments = self._moments
        if self._integer:
            values = np.arange(self._histograms.shape[1], dtype=np.int64) + self._low
            counts = np.where(values == 0, 0, self._histograms)
            moments = [Moments.of_histogram(values, c) for c in counts]
        bbox = None
        if self._any_count:
            found = [np.flatnonzero(p) for p in self._present]
            bbox = Box(as_shape([f[0] for f in found]), as_shape([f[-1] + 1 for f in found]))
        return VolumeStatistics(tuple(moments), self._any_count, bbox, self._profile)


def statistics_block_shape(volume: Volume) -> Shape:
    """Blocks of about 16 MiB that follow the chunks of the storage, (z, y, x)."""
    target = max(_BLOCK_BYTES // (volume.dtype.itemsize * volume.channels), 1)
    block = [min(c, n) for c, n in zip(volume.chunks, volume.shape, strict=True)]
    for axis in (2, 1, 0):
        room = target // math.prod(block)
        if room > 1:
            block[axis] = min(block[axis] * room, volume.shape[axis])
    return as_shape(block)


def collect_statistics(volume: Volume, *, profile_axis: int | None = None) -> Steps[VolumeStatistics]:
    """Read a volume once and gather its statistics.

    Parameters
    ----------
    volume : Volume
        Any volume; values are taken as nnU-Net takes them, that is as float32.
    profile_axis : int, optional
        Axis (0 to 2) across which to gather the range of every plane.

    Yields
    ------
    tuple of int
        Blocks done, and blocks in all.

    Returns
    -------
    VolumeStatistics

    Raises
    ------
    InputError
        If the volume holds NaN or infinite voxels, or one and the same value everywhere.
    """
    boxes = [b.write for b in iter_blocks(volume.shape, statistics_block_shape(volume))]
    state = _Accumulator(volume, profile_axis)
    for done, (box, data) in enumerate(_read_checked(volume, boxes), 1):
        state.add(box, data)
        yield done, len(boxes)
    statistics = state.result()
    _refuse_constant(volume, statistics)
    return statistics


def _read_checked(volume: Volume, boxes: list[Box]) -> Iterator[tuple[Box, NDArray[np.generic]]]:
    floating = volume.dtype.kind == "f"
    for box in boxes:
        data = volume.read(box)
        if floating:
            bad = ~np.isfinite(data)
            if bad.any():
                where = np.argwhere(bad)[0][1:] + box.start
                raise InputError(
                    f"{volume.origin} holds {int(bad.sum())} voxels that are NaN or infinite (the first at "
                    f"z, y, x = {', '.join(map(str, where))}); replace them by numbers, for example by "
                    "numpy.nan_to_num, since one of them spoils the normalisation of the whole volume."
                )
        yield box, data


def _refuse_constant(volume: Volume, statistics: VolumeStatistics) -> None:
    voxels = math.prod(volume.shape)
    whole = [m.with_zeros(voxels - m.count) for m in statistics.channels]
    if all(m.low == m.high for m in whole):
        raise InputError(
            f"Every voxel of {volume.origin} has the same value ({whole[0].low:g}), so there is nothing to "
            "segment; check that the right dataset, channel and file were chosen."
        )


def plane_area(shape: Shape, axis: int) -> int:
    """Voxels in one plane across `axis`."""
    return math.prod(n for a, n in enumerate(shape) if a != axis)
