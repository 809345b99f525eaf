"""Where the values come from that are measured inside objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from napari_nnunet_em.geometry import Box
from napari_nnunet_em.measurement.values import ValueScale


@dataclass(frozen=True, eq=False)
class ValueSource:
    """One value per voxel of a label image, read box by box.

    Attributes
    ----------
    read : callable
        Gives the values of a box of the label image, (z, y, x).
    scale : ValueScale
        How they become integers.
    """

    read: Callable[[Box], NDArray[Any]]
    scale: ValueScale
