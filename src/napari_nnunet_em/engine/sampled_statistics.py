"""Statistics of a volume from samples of it: quick and provisional, for a first look at a very large volume.

What needs the whole volume is estimated: counts are scaled up, the non-zero box reaches from the outermost
sample that holds something to its empty neighbour, every plane has the range of the whole, and zeros
are holes of the non-zero mask nowhere.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.engine.moments import Moments, PlaneProfile, VolumeStatistics
from napari_nnunet_em.engine.statistics import StatisticsAccumulator, plane_area, read_checked
from napari_nnunet_em.geometry import Box, Shape, as_shape
from napari_nnunet_em.io import Volume
from napari_nnunet_em.progress import Steps

_LARGEST_SAMPLE = (16, 256, 256)
_SAMPLES = (8, 3, 3)


def sample_boxes(shape: Shape, largest: Shape = _LARGEST_SAMPLE, counts: Shape = _SAMPLES) -> list[Box]:
    """Boxes spread over a volume, one in the middle of each cell of a coarse grid, in raster order.

    Parameters
    ----------
    shape : tuple of int, (z, y, x)
        Shape of the volume.
    largest : tuple of int
        Shape of a sample, where the volume has room for it.
    counts : tuple of int
        Samples along each axis, where they do not overlap.
    """
    sides = [min(n, side) for n, side in zip(shape, largest, strict=True)]
    starts = []
    for n, side, wanted in zip(shape, sides, counts, strict=True):
        count = max(min(wanted, n // side), 1)
        # Cells of n / count voxels each, so that neighbouring samples never meet.
        starts.append([(2 * i + 1) * n // (2 * count) - side // 2 for i in range(count)])
    boxes = [
        Box(as_shape(s), as_shape([a + n for a, n in zip(s, sides, strict=True)]))
        for s in itertools.product(*starts)
    ]
    return [_inside(box, shape) for box in boxes]


def _inside(box: Box, shape: Shape) -> Box:
    over = [max(b - n, 0) - max(-a, 0) for a, b, n in zip(box.start, box.stop, shape, strict=True)]
    return box.relative_to(over)


def sample_statistics(volume: Volume, *, profile_axis: int | None = None) -> Steps[VolumeStatistics | None]:
    """Estimate the statistics of a volume from samples.

    Parameters
    ----------
    volume : Volume
        Any volume.
    profile_axis : int, optional
        Axis (0 to 2) across which planes are described.

    Yields
    ------
    tuple of int
        Samples read, and samples in all.

    Returns
    -------
    VolumeStatistics or None
        An estimate; None where all samples hold one and the same value, which tells nothing of the others.

    Raises
    ------
    InputError
        If the samples hold NaN or infinite voxels.
    """
    boxes = sample_boxes(volume.shape)
    state = StatisticsAccumulator(volume, None)
    for done, (box, data) in enumerate(read_checked(volume, boxes), 1):
        state.add(box, data)
        yield done, len(boxes)
    seen = state.result()
    sampled = sum(box.size for box in boxes)
    if _say_nothing(seen, sampled):
        return None
    bbox = _estimated_box(state.present, boxes, volume.shape)
    scale = math.prod(volume.shape) / sampled
    channels = tuple(_scaled(m, scale, bbox.size) for m in seen.channels)
    any_count = min(round(seen.any_count * scale), bbox.size)
    profile = None if profile_axis is None else _even_profile(channels, any_count, volume.shape, profile_axis)
    return VolumeStatistics(channels, any_count, bbox, profile)


def _say_nothing(statistics: VolumeStatistics, voxels: int) -> bool:
    whole = [m.with_zeros(voxels - m.count) for m in statistics.channels]
    return all(m.low == m.high for m in whole)


def _scaled(moments: Moments, scale: float, most: int) -> Moments:
    count = min(round(moments.count * scale), most)
    share = count / moments.count if moments.count else 0.0
    return replace(moments, count=count, squares=moments.squares * share)


def _estimated_box(present: Sequence[NDArray[np.bool_]], boxes: Sequence[Box], shape: Shape) -> Box:
    start, stop = [], []
    for axis, found in enumerate(present):
        empty = np.zeros(shape[axis], bool)
        for box in boxes:
            empty[box.slices[axis]] = True
        empty &= ~found
        inside = np.flatnonzero(found)
        start.append(int(np.flatnonzero(empty[: inside[0]])[-1]) + 1 if empty[: inside[0]].any() else 0)
        after = np.flatnonzero(empty[inside[-1] :])
        stop.append(int(inside[-1] + after[0]) if after.size else shape[axis])
    return Box(as_shape(start), as_shape(stop))


def _even_profile(channels: Sequence[Moments], any_count: int, shape: Shape, axis: int) -> PlaneProfile:
    """Every plane alike: with the range of the whole, and its share of the voxels."""
    planes = shape[axis]
    area = plane_area(shape, axis)
    each = [min(math.ceil(m.count / planes), area) for m in channels]
    return PlaneProfile(
        axis,
        np.repeat(np.array(each, np.int64)[:, None], planes, axis=1),
        np.repeat(np.array([m.low for m in channels])[:, None], planes, axis=1),
        np.repeat(np.array([m.high for m in channels])[:, None], planes, axis=1),
        np.full(planes, min(math.ceil(any_count / planes), area), np.int64),
    )


@dataclass(frozen=True)
class PlainMask:
    """The non-zero mask as if no zeros were enclosed, which would take a look at the whole volume.

    Attributes
    ----------
    planes : int
        Planes across the profile axis; 0 without a profile.
    """

    planes: int = 0

    @property
    def hole_count(self) -> int:
        """Hole voxels: none."""
        return 0

    @property
    def hole_counts(self) -> NDArray[np.int64] | None:
        """Hole voxels per plane, (planes,): none; None without a profile."""
        return np.zeros(self.planes, np.int64) if self.planes else None

    def of(self, _box: Box, voxels: NDArray[np.generic]) -> NDArray[np.bool_]:
        """Mask of a box of the volume, (z, y, x), bool, from its voxels, (c, z, y, x)."""
        mask: NDArray[np.bool_] = (voxels != 0).any(axis=0)
        return mask
