"""What is measured, and where its voxels lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from napari_nnunet_em.geometry import Shape
from napari_nnunet_em.measurement.values import ValueScale

PROBABILITY = "probability"
INTENSITY = "intensity"


@dataclass(frozen=True)
class Placement:
    """Where the segmented voxels lie.

    Attributes
    ----------
    voxel_size_nm : tuple of float, (z, y, x), or None
        None where it is unknown; then everything in physical units is NaN.
    origin_voxels : tuple of int, (z, y, x)
        First voxel of the segmented region inside the input volume.
    """

    voxel_size_nm: tuple[float, float, float] | None
    origin_voxels: tuple[int, int, int] = (0, 0, 0)


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
