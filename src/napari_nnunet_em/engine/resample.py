"""nnU-Net's resampling as one small linear operator per axis, so that any block can be resampled alone.

nnU-Net resamples whole volumes with ``skimage.transform.resize`` (a tensor product of 1D splines with edge
padding), and along a much coarser axis with nearest neighbours. Both are separable and linear, so the rows
of each 1D operator that a block needs can be computed from the sizes alone. A cubic spline looks at all
voxels, but its weights fall by 0.27 per voxel: `_HALO` voxels leave less than 1e-8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_nnunet_em.errors import ModelError
from napari_nnunet_em.geometry import Shape, as_shape

SplineOrder = Literal[0, 1, 2, 3, 4, 5]

_HALO = 16
_ANISOTROPY_THRESHOLD = 3  # nnunetv2.configuration.ANISO_THRESHOLD


@dataclass(frozen=True)
class AxisMap:
    """Resampling along one axis.

    Attributes
    ----------
    source, target : int
        Voxels along the axis before and after.
    order : int, 0 to 5
        Spline order; 0 takes the nearest voxel.
    """

    source: int
    target: int
    order: SplineOrder

    @property
    def identity(self) -> bool:
        """Whether nothing changes along this axis."""
        return self.source == self.target

    def coordinates(self, start: int, stop: int) -> NDArray[np.float64]:
        """Where target voxels ``start`` to ``stop`` lie among the source voxels, centre to centre."""
        scale = self.source / self.target
        return np.asarray(scale * (np.arange(start, stop) + 0.5) - 0.5)

    def support(self, start: int, stop: int) -> tuple[int, int]:
        """Source voxels that target voxels ``start`` to ``stop`` depend on."""
        if self.identity:
            return start, stop
        where = self.coordinates(start, stop)
        halo = _HALO if self.order > 1 else 1
        low = int(np.floor(where[0])) - halo
        high = int(np.ceil(where[-1])) + halo + 1
        return max(low, 0), min(high, self.source)

    def weights(self, start: int, stop: int) -> NDArray[np.float32]:
        """Rows ``start`` to ``stop`` of the operator, (target, source within `support`), float32."""
        return _weights(self, start, stop)

    def nearest(self, start: int, stop: int) -> NDArray[np.intp]:
        """Index of the source voxel that each target voxel copies; only for order 0."""
        if self.identity:
            return np.arange(start, stop)
        # nnU-Net lets map_coordinates round; asking it for the index itself gives the same ties.
        index = ndimage.map_coordinates(
            np.arange(self.source, dtype=np.float64), [self.coordinates(start, stop)], order=0, mode="nearest"
        )
        return np.asarray(index).astype(np.intp)


@lru_cache(maxsize=256)
def _weights(axis: AxisMap, start: int, stop: int) -> NDArray[np.float32]:
    low, high = axis.support(start, stop)
    pad = _HALO
    basis = np.pad(np.eye(high - low), ((pad, pad), (0, 0)), mode="edge")
    if axis.order > 1:
        basis = ndimage.spline_filter1d(basis, axis.order, axis=0, mode="mirror")
    where = axis.coordinates(start, stop) - low + pad
    columns = [
        ndimage.map_coordinates(column, [where], order=axis.order, mode="nearest", prefilter=False)
        for column in basis.T
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def apply_axis(
    data: NDArray[np.float32], axis_map: AxisMap, axis: int, start: int, stop: int
) -> NDArray[np.float32]:
    """Resample one axis of a block.

    Parameters
    ----------
    data : array, (c, z, y, x), float32
        Source voxels; along `axis` exactly those of ``axis_map.support(start, stop)``.
    axis_map : AxisMap
        The whole axis.
    axis : int
        Axis of `data` (1, 2 or 3).
    start, stop : int
        Target voxels wanted.

    Returns
    -------
    array, (c, z, y, x), float32
    """
    if axis_map.identity:
        return data
    if axis_map.order == 0:
        low, _ = axis_map.support(start, stop)
        return np.take(data, axis_map.nearest(start, stop) - low, axis=axis)
    moved = np.tensordot(axis_map.weights(start, stop), data, axes=(1, axis))
    return np.ascontiguousarray(np.moveaxis(moved, 0, axis))


@dataclass(frozen=True)
class Resampling:
    """Resampling of a whole volume: one map per axis, and what the result is clipped to.

    Attributes
    ----------
    axes : tuple of AxisMap, (z, y, x)
    separate_axis : int or None
        The coarse axis that is resampled on its own, by nearest neighbours; the planes across it are
        resampled in 2D and clipped to the range of their own source plane.
    """

    axes: tuple[AxisMap, AxisMap, AxisMap]
    separate_axis: int | None

    @property
    def identity(self) -> bool:
        """Whether the shape stays, and with it every voxel."""
        return all(axis.identity for axis in self.axes)

    @property
    def overshoots(self) -> bool:
        """Whether values can leave the range of the source and are clipped back by nnU-Net."""
        return any(axis.order > 1 and not axis.identity for axis in self.axes)

    @property
    def target(self) -> Shape:
        """Shape after resampling."""
        return as_shape([axis.target for axis in self.axes])


def resampled_shape(shape: Sequence[int], spacing: Sequence[float], target: Sequence[float]) -> Shape:
    """Shape at the target spacing (``nnunetv2...default_resampling.compute_new_shape``)."""
    return as_shape([round(s / t * n) for s, t, n in zip(spacing, target, shape, strict=True)])


def separate_axis(
    force: bool | None, spacing: Sequence[float], target: Sequence[float], threshold: float
) -> int | None:
    """Which axis is so coarse that nnU-Net resamples it on its own, if any.

    The rule is that of ``nnunetv2...default_resampling.determine_do_sep_z_and_axis``: the current spacing is
    asked first, then the target spacing; two or three equally coarse axes are not separated.
    """
    chosen: Sequence[float] | None = None
    if force is None:
        for candidate in (spacing, target):
            if max(candidate) / min(candidate) > threshold:
                chosen = candidate
                break
    elif force:
        chosen = spacing
    if chosen is None:
        return None
    coarsest = [i for i, value in enumerate(chosen) if value == max(chosen)]
    return coarsest[0] if len(coarsest) == 1 else None


def make_resampling(
    function: str,
    kwargs: Mapping[str, Any],
    shapes: tuple[Shape, Shape],
    spacings: tuple[Sequence[float], Sequence[float]],
) -> Resampling:
    """Translate a resampling function of the plans.

    Parameters
    ----------
    function : str
        Name in the plans, such as ``resample_data_or_seg_to_shape``.
    kwargs : mapping
        Its keywords in the plans.
    shapes : tuple of tuple of int
        Shape before and after, (z, y, x).
    spacings : tuple of sequence of float
        Spacing before and after; only their ratios matter.

    Raises
    ------
    ModelError
        If the plans name a function that is not known here.
    """
    before, after = shapes
    if function == "no_resampling_hack":
        z, y, x = (AxisMap(n, n, 0) for n in before)
        return Resampling((z, y, x), None)
    force = kwargs.get("force_separate_z")
    threshold = kwargs.get("separate_z_anisotropy_threshold", _ANISOTROPY_THRESHOLD)
    if function == "resample_data_or_seg_to_shape":
        order, order_across = int(kwargs.get("order", 3)), int(kwargs.get("order_z", 0))
        force = kwargs.get("force_separate_z", False)
    elif function == "resample_torch_fornnunet" and kwargs.get("mode", "linear") == "linear":
        order, order_across = 1, 0
    else:
        raise ModelError(
            f"The model's plans resample with {function!r} ({dict(kwargs)}), which is not supported: only "
            "resample_data_or_seg_to_shape, resample_torch_fornnunet (linear) and "
            "no_resampling_hack are; plan the dataset with one of these."
        )
    separate = separate_axis(force, *spacings, threshold=threshold)
    orders = [order_across if axis == separate else order for axis in range(3)]
    z, y, x = (AxisMap(a, b, cast(SplineOrder, o)) for a, b, o in zip(before, after, orders, strict=True))
    return Resampling((z, y, x), separate)
