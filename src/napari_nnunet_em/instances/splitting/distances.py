"""How far each voxel of an object is from its outside: exact, and without stopping a window.

Python's lock is not held while arrays are worked on here, which it is for the whole of other, otherwise
faster, implementations. The box around a large object is nearly empty as a rule, so its distances are found
axis by axis for its own voxels alone; where an object is thick and fills its box, SciPy looks at all voxels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_nnunet_em.components.runs import stretches

Mask = NDArray[np.bool_]
Squares = NDArray[np.float64]

_LOOKS_PER_VOXEL = 6
"""Looks at two neighbours in the time in which SciPy takes in one voxel of the box."""


def distances(mask: Mask, voxel_size_nm: Sequence[float]) -> NDArray[np.float32]:
    """Distance of each voxel to the nearest one outside of the mask.

    Parameters
    ----------
    mask : array, (z, y, x), bool
        The object. What lies beyond the array is unknown and no outside.
    voxel_size_nm : sequence of float, (z, y, x)
        Voxel size.

    Returns
    -------
    array, (z, y, x), float32
        In nm; 0 outside of the mask. Without any outside in the array all distances are 1.
    """
    out = np.zeros(mask.shape, dtype=np.float32)
    if mask.all():
        return np.ones_like(out)
    square = _along_lines(mask, voxel_size_nm[2])
    looks = np.sqrt(np.minimum(square, _diagonal(mask, voxel_size_nm))).sum() / min(voxel_size_nm[:2])
    if looks > _LOOKS_PER_VOXEL * mask.size:
        square = _everywhere(mask, voxel_size_nm)
    else:
        square = _axis_by_axis(mask, square, voxel_size_nm)
    out[mask] = np.sqrt(square)
    return out


def _diagonal(mask: Mask, voxel_size_nm: Sequence[float]) -> float:
    return float(sum((n * size) ** 2 for n, size in zip(mask.shape, voxel_size_nm, strict=True)))


def _along_lines(mask: Mask, size_nm: float) -> Squares:
    """Squared distance to the nearest outside on the same line along x, for each voxel inside, (v,)."""
    begin, length = stretches(mask)
    width = mask.shape[2]
    step = np.arange(int(length.sum())) - np.repeat(np.cumsum(length) - length, length)
    left = np.where(np.repeat(begin % width == 0, length), np.inf, step + 1.0)
    right = np.where(
        np.repeat((begin + length) % width == 0, length), np.inf, np.repeat(length, length) - step
    )
    square: Squares = (np.minimum(left, right) * size_nm) ** 2
    return square


def _axis_by_axis(mask: Mask, square: Squares, voxel_size_nm: Sequence[float]) -> Squares:
    """Squared distances in the volume from those along x, for each voxel inside, (v,)."""
    places = np.flatnonzero(mask)
    field = np.zeros(mask.size, dtype=np.float64)
    for axis in (1, 0):
        field[places] = square
        line = _Axis.of(mask, axis)
        active, at, own = np.arange(len(places)), places, square
        for step in range(1, line.count):
            offset = (step * voxel_size_nm[axis]) ** 2
            # Whatever is farther along this axis alone than something known cannot be nearer.
            far = own > offset
            active, at, own = active[far], at[far], own[far]
            if not active.size:
                break
            near = np.minimum(line.look(field, at, -step), line.look(field, at, step))
            own = np.minimum(own, near + offset)
            square[active] = own
    return square


@dataclass(frozen=True)
class _Axis:
    """Lines of voxels along one axis of an array: `count` voxels each, `stride` apart when raveled.

    Attributes
    ----------
    closed : bool
        Whether all ends of the lines lie outside of the object, so that nobody looks farther than there.
    """

    stride: int
    count: int
    closed: bool

    @classmethod
    def of(cls, mask: Mask, axis: int) -> _Axis:
        """Those of an object."""
        ends = mask.take((0, -1), axis=axis)
        return cls(math.prod(mask.shape[axis + 1 :]), mask.shape[axis], not ends.any())

    def look(self, field: Squares, places: NDArray[np.int64], step: int) -> Squares:
        """The values some steps on from places, (n,); infinite beyond the array, where all is unknown."""
        there = places + step * self.stride
        if self.closed:
            return field[there]
        place = places // self.stride % self.count + step
        inside = (place >= 0) & (place < self.count)
        return np.where(inside, field[np.where(inside, there, 0)], np.inf)


def _everywhere(mask: Mask, voxel_size_nm: Sequence[float]) -> Squares:
    """Squared distances for each voxel inside, (v,), from the nearest outside of every voxel."""
    nearest = ndimage.distance_transform_edt(
        mask, sampling=voxel_size_nm, return_distances=False, return_indices=True
    )
    inside = np.nonzero(mask)
    square = np.zeros(len(inside[0]), dtype=np.float64)
    for axis in (2, 1, 0):
        square += ((nearest[axis][inside] - inside[axis]) * voxel_size_nm[axis]) ** 2
    return square
