"""Smoothing and opening of masks, exact for any box that is read with its margin.

Everything is integer arithmetic over a fixed neighbourhood, so a voxel comes out the same wherever the box
around it was cut. Beyond the border of the volume a mask is mirrored when it is smoothed, and
counts as object when it is eroded: objects that the border cuts keep their cut face.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_nnunet_em.geometry import Shape, as_shape
from napari_nnunet_em.progress import CancelToken

Mask = NDArray[np.bool_]

_WEIGHT = 1 << 10  # of a kernel's middle; three axes of sums stay far below 2**53
_SIGMAS = 3.0
_VOXELS_AT_ONCE = 1 << 18
"""Smoothed between two looks at whether to stop: the widest Gaussian takes less than a tenth of a second."""
_ROUNDING = 1e-9  # so that a distance which equals the radius counts as inside


def smoothing_reach(sigma_nm: float, voxel_size_nm: Sequence[float]) -> Shape:
    """Voxels along z, y, x that smoothing looks at on either side."""
    return as_shape([math.floor(_SIGMAS * sigma_nm / size) for size in voxel_size_nm])


def smoothed(
    mask: Mask, sigma_nm: float, voxel_size_nm: Sequence[float], cancel: CancelToken | None = None
) -> Mask:
    """Where more than half of the surroundings, weighted by a Gaussian, are object.

    Parameters
    ----------
    mask : array, (z, y, x), bool
        Correct up to `smoothing_reach` around the voxels that are wanted.
    sigma_nm : float
        Width of the Gaussian, cut off at three sigma.
    voxel_size_nm : sequence of float, (z, y, x)
        Voxel size.
    cancel : CancelToken, optional
        Polled several times for each block: with a wide Gaussian one takes seconds.

    Returns
    -------
    array, (z, y, x), bool
        Masks that share no voxel share none afterwards either: only one can hold more than half.
    """
    total = 1
    weight = mask.astype(np.int64)
    for axis, (size, reach) in enumerate(
        zip(voxel_size_nm, smoothing_reach(sigma_nm, voxel_size_nm), strict=True)
    ):
        steps = np.arange(-reach, reach + 1) * size / sigma_nm
        kernel = np.rint(_WEIGHT * np.exp(-0.5 * steps**2)).astype(np.int64)
        weight = _summed(weight, kernel, axis, cancel)
        total *= int(kernel.sum())
    return 2 * weight > total


def _summed(
    weight: NDArray[np.int64], kernel: NDArray[np.int64], axis: int, cancel: CancelToken | None
) -> NDArray[np.int64]:
    """Weighted sums along one axis, a slab across another one at a time."""
    out = np.empty_like(weight)
    across = 1 if axis == 0 else 0
    thick = max(_VOXELS_AT_ONCE * weight.shape[across] // weight.size, 1)
    for start in range(0, weight.shape[across], thick):
        if cancel is not None:
            cancel.raise_if_cancelled()
        slab = (slice(None),) * across + (slice(start, start + thick),)
        ndimage.correlate1d(weight[slab], kernel, axis=axis, output=out[slab], mode="reflect")
    return out


def opening_reach(radius_nm: float, voxel_size_nm: Sequence[float]) -> Shape:
    """Voxels along z, y, x that opening looks at on either side."""
    return as_shape([2 * math.floor(radius_nm / size * (1 + _ROUNDING)) for size in voxel_size_nm])


def opened(
    mask: Mask, radius_nm: float, voxel_size_nm: Sequence[float], cancel: CancelToken | None = None
) -> Mask:
    """Every place that a ball inside the mask covers.

    Parameters
    ----------
    mask : array, (z, y, x), bool
        Correct up to `opening_reach` around the voxels that are wanted.
    radius_nm : float
        Radius of the ball.
    voxel_size_nm : sequence of float, (z, y, x)
        Voxel size.
    cancel : CancelToken, optional
        Polled for each row of the ball.
    """
    rows = list(_ball(radius_nm, voxel_size_nm))
    core = _over_ball(mask, rows, np.logical_and, outside=True, cancel=cancel)
    return _over_ball(core, rows, np.logical_or, outside=False, cancel=cancel)


def _ball(radius_nm: float, voxel_size_nm: Sequence[float]) -> Iterator[tuple[int, int, int]]:
    """A ball as rows of voxels along x: place along z and y, and half the length."""
    size_z, size_y, size_x = voxel_size_nm
    limit = radius_nm**2 * (1 + _ROUNDING)
    reach_z, reach_y, _ = (n // 2 for n in opening_reach(radius_nm, voxel_size_nm))
    for z in range(-reach_z, reach_z + 1):
        for y in range(-reach_y, reach_y + 1):
            left = limit - (z * size_z) ** 2 - (y * size_y) ** 2
            if left >= 0:
                yield z, y, math.floor(math.sqrt(left) / size_x)


def _over_ball(
    mask: Mask,
    rows: Sequence[tuple[int, int, int]],
    combine: Callable[..., object],
    *,
    outside: bool,
    cancel: CancelToken | None,
) -> Mask:
    """Combine every voxel's neighbours inside a ball by *and* or *or*."""
    reach = [max(abs(z) for z, _, _ in rows), max(abs(y) for _, y, _ in rows), 0]
    pick = ndimage.minimum_filter1d if outside else ndimage.maximum_filter1d
    out = np.full(mask.shape, outside, dtype=np.bool_)
    depth, height, _ = mask.shape
    for half in sorted({half for _, _, half in rows}):
        # All rows of one length share their pass along x; the others are shifts of it.
        line = pick(mask.view(np.uint8), 2 * half + 1, axis=2, mode="constant", cval=int(outside))
        padded = np.pad(line.view(np.bool_), [(r, r) for r in reach], constant_values=outside)
        for z, y, length in rows:
            if length == half:
                if cancel is not None:
                    cancel.raise_if_cancelled()
                top, left = reach[0] + z, reach[1] + y
                combine(out, padded[top : top + depth, left : left + height], out=out)
    return out
