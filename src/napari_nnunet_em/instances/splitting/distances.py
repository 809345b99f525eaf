"""How far each voxel of an object is from its outside: exact, and without stopping a window.

Python's lock is not held while arrays are worked on here, which it is for the whole of other, otherwise
faster, implementations. The box around a large object is nearly empty as a rule, so its distances are found
axis by axis for its own voxels alone; where an object is thick and fills its box, SciPy looks at all voxels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_nnunet_em.components.runs import stretches

Mask = NDArray[np.bool_]
Squares = NDArray[np.float64]

_LOOKS_PER_VOXEL = 4
"""Looks at a neighbour in the time in which SciPy takes in one voxel of the box."""


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
    depth, height, width = mask.shape
    for stride, count, size in ((width, height, voxel_size_nm[1]), (width * height, depth, voxel_size_nm[0])):
        field[places] = square
        place_on_axis = places // stride % count
        active = np.arange(len(places))
        for step in range(1, count):
            offset = (step * size) ** 2
            # Whatever is farther along this axis alone than something known cannot be nearer.
            active = active[square[active] > offset]
            if not active.size:
                break
            for sign in (-1, 1):
                there = place_on_axis[active] + sign * step
                own = active[(there >= 0) & (there < count)]
                near = field[places[own] + sign * step * stride] + offset
                square[own] = np.minimum(square[own], near)
    return square


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
