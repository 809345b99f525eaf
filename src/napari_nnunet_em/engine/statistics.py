"""One streaming pass over a volume: all that nnU-Net's preprocessing wants to know of the whole.

Zeros are kept apart from all other values. nnU-Net crops to the box of non-zero voxels and may normalise
inside the non-zero mask only; how many zeros lie in the box or in the mask is known at the end of the pass,
and can then be merged in exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.engine.moments import Moments, PlaneProfile, VolumeStatistics
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box, Shape, as_shape, iter_blocks
from napari_nnunet_em.io import Volume
from napari_nnunet_em.progress import Steps
from napari_nnunet_em.quantities import count

_BLOCK_BYTES = 16 << 20
_HISTOGRAM_BITS = 16


class StatisticsAccumulator:
    """The running state of the pass.

    Parameters
    ----------
    volume : Volume
        The volume.
    profile_axis : int or None
        Axis across which the range of every plane is gathered.
    """

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

    @property
    def present(self) -> tuple[NDArray[np.bool_], ...]:
        """For each axis, at which of its positions a voxel that is not zero was seen, (positions,)."""
        return tuple(self._present)

    def result(self) -> VolumeStatistics:
        """The statistics of what was taken in."""
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
    state = StatisticsAccumulator(volume, profile_axis)
    for done, (box, data) in enumerate(read_checked(volume, boxes), 1):
        state.add(box, data)
        yield done, len(boxes)
    statistics = state.result()
    _refuse_constant(volume, statistics)
    return statistics


def read_checked(volume: Volume, boxes: Sequence[Box]) -> Iterator[tuple[Box, NDArray[np.generic]]]:
    """Read boxes one after the other, (c, z, y, x) each.

    Raises
    ------
    InputError
        If one of them holds NaN or infinite voxels.
    """
    floating = volume.dtype.kind == "f"
    for box in boxes:
        data = volume.read(box)
        if floating:
            bad = ~np.isfinite(data)
            if bad.any():
                where = np.argwhere(bad)[0][1:] + box.start
                raise InputError(
                    f"{volume.origin} holds {count(int(bad.sum()), 'voxel that is', 'voxels that are')} "
                    f"NaN or infinite (the first at "
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
