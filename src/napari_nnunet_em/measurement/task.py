"""What is measured, and where its voxels lie."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from napari_nnunet_em.geometry import Shape
from napari_nnunet_em.measurement.values import ValueScale

PROBABILITY = "probability"
INTENSITY = "intensity"

_EXACT = 1e-6
"""Of a voxel: what floating point adds to whole ones."""


@dataclass(frozen=True)
class Placement:
    """Where the segmented voxels lie.

    Attributes
    ----------
    voxel_size_nm : tuple of float, (z, y, x), or None
        None where it is unknown; then everything in physical units is NaN.
    origin_voxels : tuple of int, (z, y, x)
        First voxel, counted from where the coordinates begin.
    rest_nm : tuple of float, (z, y, x)
        What its centre lies beyond those whole voxels.
    """

    voxel_size_nm: tuple[float, float, float] | None
    origin_voxels: tuple[int, int, int] = (0, 0, 0)
    rest_nm: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @classmethod
    def at(
        cls,
        voxel_size_nm: tuple[float, float, float] | None,
        origin_nm: tuple[float, float, float] | None,
    ) -> Placement:
        """Where a label image lies that states its place.

        Parameters
        ----------
        voxel_size_nm : tuple of float, (z, y, x), or None
            Without it, the place is not known either.
        origin_nm : tuple of float, (z, y, x), or None
            Centre of the first voxel; None for 0.
        """
        if voxel_size_nm is None or origin_nm is None:
            return cls(voxel_size_nm)
        steps = [o / s for o, s in zip(origin_nm, voxel_size_nm, strict=True)]
        # Halves are rounded up, not to even numbers: all regions of one volume are then on one grid.
        z, y, x = (math.floor(step + 0.5) for step in steps)
        rest = [
            0.0 if abs(step - whole) < _EXACT else (step - whole) * size
            for step, whole, size in zip(steps, (z, y, x), voxel_size_nm, strict=True)
        ]
        return cls(voxel_size_nm, (z, y, x), (rest[0], rest[1], rest[2]))


@dataclass(frozen=True)
class MeasureTask:
    """What is measured.

    Attributes
    ----------
    shape : tuple of int, (z, y, x)
        Voxels of the label image.
    placement : Placement
        Voxel size and origin.
    scales : mapping from str to ValueScale
        Which values will be given with each block, out of `PROBABILITY` and `INTENSITY`.
    """

    shape: Shape
    placement: Placement
    scales: Mapping[str, ValueScale] = field(default_factory=dict)
