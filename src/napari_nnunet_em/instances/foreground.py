"""Which voxels belong to objects: the threshold, and what smooths and cleans its mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.config import InstanceSettings
from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.geometry import Box, Shape, as_shape
from napari_nnunet_em.instances.morphology import opened, opening_reach, smoothed, smoothing_reach
from napari_nnunet_em.instances.source import ClassProbability
from napari_nnunet_em.progress import CancelToken

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Foreground:
    """The mask of one class, for any box: the same voxels whatever box they are read in.

    Attributes
    ----------
    source : ClassProbability
        Stored probabilities.
    settings : InstanceSettings
        Threshold, smoothing and opening.
    voxel_size_nm : tuple of float, (z, y, x), or None
        None where it is unknown.
    """

    source: ClassProbability
    settings: InstanceSettings
    voxel_size_nm: tuple[float, float, float] | None

    def __post_init__(self) -> None:
        if self.voxel_size_nm is None and (self.settings.smooth_nm or self.settings.open_nm):
            raise SettingsError(
                "Outlines cannot be smoothed or cleaned over a length in nm because the voxel size is "
                "unknown: give the voxel size, or set smooth_nm and open_nm to 0."
            )

    @property
    def size_nm(self) -> Sequence[float]:
        """Voxel size, (z, y, x), in nm, or of unit cubes where it is unknown."""
        return self.voxel_size_nm or (1.0, 1.0, 1.0)

    @property
    def reach(self) -> Shape:
        """Voxels along z, y and x around a box that its mask depends on."""
        settings = self.settings
        smooth = smoothing_reach(settings.smooth_nm, self.size_nm)
        opening = opening_reach(settings.open_nm, self.size_nm)
        return as_shape([a + b for a, b in zip(smooth, opening, strict=True)])

    def read(self, box: Box, cancel: CancelToken | None = None) -> tuple[Mask, NDArray[Any]]:
        """Voxels of objects, and their probabilities as stored, both (z, y, x) of the box.

        Parameters
        ----------
        box : Box
            Voxels of the volume that are wanted.
        cancel : CancelToken, optional
            Polled while outlines are smoothed and thin parts removed, which may take seconds.
        """
        around = box.grow(self.reach).intersect(Box.whole(self.source.shape))
        mask, probability = self.source.read(around, self.settings.threshold)
        if self.settings.smooth_nm:
            mask = smoothed(mask, self.settings.smooth_nm, self.size_nm, cancel)
        if self.settings.open_nm:
            mask = opened(mask, self.settings.open_nm, self.size_nm, cancel)
        part = box.relative_to(around.start).slices
        return np.ascontiguousarray(mask[part]), probability[part]

    def mask(self, box: Box, cancel: CancelToken | None = None) -> Mask:
        """Voxels of objects, (z, y, x) of the box, bool; parameters as of `read`."""
        return self.read(box, cancel)[0]
