"""Any box of the model's padded input, read, normalised and resampled on its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.engine.moments import PlaneProfile, VolumeStatistics
from napari_nnunet_em.engine.normalize import Normalizer
from napari_nnunet_em.engine.resample import apply_axis
from napari_nnunet_em.engine.space import ModelSpace, permute_box
from napari_nnunet_em.engine.statistics import plane_area
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import Volume


class MaskReader(Protocol):
    """The non-zero mask of a volume with its holes filled, readable box by box."""

    @property
    def hole_count(self) -> int:
        """Hole voxels of the whole volume."""
        ...

    @property
    def hole_counts(self) -> NDArray[np.int64] | None:
        """Hole voxels per plane across the profile axis, (planes,); None without a profile."""
        ...

    def of(self, box: Box, voxels: NDArray[np.generic]) -> NDArray[np.bool_]:
        """Mask of a box of the volume, (z, y, x), from its voxels, (c, z, y, x)."""
        ...


@dataclass(frozen=True)
class ValueRange:
    """Range of the normalised, cropped volume, to which splines that overshoot are clipped.

    Attributes
    ----------
    low, high : array, (c, planes) or (c, 1), float32
        Per plane across the separate axis, or one value for the whole volume.
    """

    low: NDArray[np.float32]
    high: NDArray[np.float32]


@dataclass(frozen=True)
class Preprocessor:
    """Reads boxes of the padded grid as the network wants them.

    Attributes
    ----------
    volume : Volume
        Where voxels come from.
    space : ModelSpace
        How the volume lies in the model's voxels.
    normalizers : tuple of Normalizer
        One per channel.
    mask : MaskReader or None
        The non-zero mask, where a normaliser is masked.
    value_range : ValueRange or None
        What resampled values are clipped to; None where nothing overshoots.
    """

    volume: Volume
    space: ModelSpace
    normalizers: tuple[Normalizer, ...]
    mask: MaskReader | None = None
    value_range: ValueRange | None = None

    def read(self, box: Box) -> NDArray[np.float32]:
        """Read a box of the padded grid.

        Parameters
        ----------
        box : Box
            Padded voxels, (z, y, x) in the transposed order.

        Returns
        -------
        array, (c, z, y, x), float32
            Normalised and resampled; 0 in the padding, as ``pad_nd_image`` in nnU-Net.
        """
        result = np.zeros((self.volume.channels, *box.shape), np.float32)
        inside = box.intersect(self.space.data_box)
        if inside.size:
            target = inside.relative_to(box.start).slices
            result[(slice(None), *target)] = self._resampled(inside.relative_to(self.space.pad_low))
        return result

    def _resampled(self, box: Box) -> NDArray[np.float32]:
        if self.space.forth.identity:
            return self._normalized(box)
        source = self.space.to_cropped(box)
        data = self._normalized(source)
        separate = self.space.forth.separate_axis
        for axis in (a for a in (2, 1, 0) if a != separate):
            data = self._along(data, axis, box)
        data = self._clip(data, source)
        if separate is not None:
            data = self._along(data, separate, box)
        return data

    def _along(self, data: NDArray[np.float32], axis: int, box: Box) -> NDArray[np.float32]:
        return apply_axis(data, self.space.forth.axes[axis], axis + 1, box.start[axis], box.stop[axis])

    def _clip(self, data: NDArray[np.float32], source: Box) -> NDArray[np.float32]:
        if self.value_range is None:
            return data
        low, high = self.value_range.low, self.value_range.high
        shape = [data.shape[0], 1, 1, 1]
        separate = self.space.forth.separate_axis
        if separate is not None:
            planes = source.slices[separate]
            low, high = low[:, planes], high[:, planes]
            shape[separate + 1] = low.shape[1]
        return np.clip(data, low.reshape(shape), high.reshape(shape))

    def _normalized(self, box: Box) -> NDArray[np.float32]:
        """Normalise a box of cropped voxels, (c, z, y, x) in the transposed order."""
        stored = permute_box(box.shift(self.space.crop.start), self.space.backward)
        data = self.volume.read(stored)
        mask = None if self.mask is None else self.mask.of(stored, data)
        result = np.stack([n.apply(c, mask) for n, c in zip(self.normalizers, data, strict=True)])
        return result.transpose(0, *(axis + 1 for axis in self.space.forward))


def make_value_range(
    space: ModelSpace,
    statistics: VolumeStatistics,
    normalizers: tuple[Normalizer, ...],
    mask: MaskReader | None,
) -> ValueRange | None:
    """Range to which nnU-Net's resampling clips, from the statistics of the whole volume.

    ``skimage.transform.resize`` clips what it returns to the range of what it was given: the whole volume,
    or each plane alone where the coarse axis is resampled separately.
    """
    if not space.forth.overshoots:
        return None
    if space.forth.separate_axis is None:
        return _whole_range(space, statistics, normalizers, mask)
    assert statistics.profile is not None  # the caller gathers it wherever an axis is separate
    return _plane_ranges(space, statistics.profile, normalizers, mask)


def _whole_range(
    space: ModelSpace,
    statistics: VolumeStatistics,
    normalizers: tuple[Normalizer, ...],
    mask: MaskReader | None,
) -> ValueRange:
    voxels = space.crop.size
    holes = 0 if mask is None else mask.hole_count
    bounds = [
        _bounds(n, (m.low, m.high), m.count, statistics.any_count + holes, voxels)
        for n, m in zip(normalizers, statistics.channels, strict=True)
    ]
    low, high = np.array(bounds, np.float32).T
    return ValueRange(low[:, None], high[:, None])


def _plane_ranges(
    space: ModelSpace, profile: PlaneProfile, normalizers: tuple[Normalizer, ...], mask: MaskReader | None
) -> ValueRange:
    separate = space.forth.separate_axis
    assert separate is not None
    area = plane_area(space.crop.shape, separate)
    first, last = space.crop.start[separate], space.crop.stop[separate]
    holes = np.zeros_like(profile.any_counts) if mask is None else mask.hole_counts
    assert holes is not None
    low = np.zeros((len(normalizers), last - first), np.float32)
    high = np.zeros_like(low)
    for channel, normalizer in enumerate(normalizers):
        for plane in range(first, last):
            low[channel, plane - first], high[channel, plane - first] = _bounds(
                normalizer,
                (profile.lows[channel, plane], profile.highs[channel, plane]),
                int(profile.counts[channel, plane]),
                int(profile.any_counts[plane] + holes[plane]),
                area,
            )
    return ValueRange(low, high)


def _bounds(
    normalizer: Normalizer, grey: tuple[float, float], nonzero: int, inside: int, voxels: int
) -> tuple[float, float]:
    """Normalised range of `voxels` voxels, `nonzero` of them within `grey`, `inside` of them in the mask.

    Zeros inside the mask are normalised; outside it they stay 0 when the normaliser is masked.
    """
    reach = inside if normalizer.masked else voxels
    values = [normalizer.value(v) for v in grey] if nonzero else []
    if reach > nonzero:
        values.append(normalizer.value(0.0))
    if voxels > reach:
        values.append(0.0)
    return min(values), max(values)
