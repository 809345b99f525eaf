"""The cells of the phantom: where they are, and what mitochondrion each one holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.testing.phantom.hashing import (
    Floats,
    hash_coordinates,
    normal,
    uniform,
    uniform_between,
)
from napari_nnunet_em.testing.phantom.style import PhantomStyle

_STREAM_CENTRES = 1
_STREAM_UNIFORM = 2
_STREAM_NORMAL = 3

CELLS_PER_AXIS = 1024
"""Cells are numbered uniquely inside this many along each axis, half of them on either side of 0."""

_REACH = 2
"""Lattice cells around a point among which its two nearest centres always are (centres keep 0.1 cells
from the walls, so a third cell is at least 2.1 cells away and the second nearest at most 1.9)."""


@dataclass(frozen=True)
class Cells:
    """A table of cells; all arrays have one row per cell.

    Attributes
    ----------
    centre_nm : array, (n, 3), float64
    ids : array, (n,), uint32
        Unique in the domain of the phantom, never 0.
    tone : array, (n,), float64
        Relative brightness, -1 to 1.
    occupied : array, (n,), bool
        Whether the cell holds a mitochondrion.
    middle_nm : array, (n, 3), float64
        Middle of the mitochondrion.
    axis, bend : array, (n, 3), float64
        Its direction (unit length), and its curvature across it in 1/nm.
    radius_nm, half_length_nm, cristae_nm, phase : array, (n,), float64
        Its sizes, and phase of its cristae in radians.
    """

    centre_nm: Floats
    ids: npt.NDArray[np.uint32]
    tone: Floats
    occupied: npt.NDArray[np.bool_]
    middle_nm: Floats
    axis: Floats
    bend: Floats
    radius_nm: Floats
    half_length_nm: Floats
    cristae_nm: Floats
    phase: Floats

    @classmethod
    def around(cls, seed: int, style: PhantomStyle, low_nm: Floats, high_nm: Floats) -> Cells:
        """All cells that can be nearest or second nearest to a point between two corners, each (3,) in nm.

        Raises
        ------
        SettingsError
            Where the corners lie outside the domain in which ids are unique.
        """
        lattice = _lattice(np.floor(low_nm / style.cell_nm), np.floor(high_nm / style.cell_nm))
        z, y, x = (lattice[:, i, None] for i in range(3))
        place = uniform(hash_coordinates(seed, _STREAM_CENTRES, z, y, x, np.arange(3)))
        even = hash_coordinates(seed, _STREAM_UNIFORM, z, y, x, np.arange(7))
        bell = normal(hash_coordinates(seed, _STREAM_NORMAL, z, y, x, np.arange(9)))
        axis = bell[:, :3] / np.linalg.norm(bell[:, :3], axis=1, keepdims=True)
        across = bell[:, 3:6] - np.sum(bell[:, 3:6] * axis, axis=1, keepdims=True) * axis
        centre_nm = (lattice + 0.1 + 0.8 * place) * style.cell_nm
        return cls(
            centre_nm=centre_nm,
            ids=_numbers(lattice),
            tone=uniform_between(even[:, 0], (-1.0, 1.0)),
            occupied=uniform(even[:, 1]) < style.mitochondrion_share,
            middle_nm=centre_nm + 90.0 * bell[:, 6:9],
            axis=axis,
            bend=across * uniform_between(even[:, 2], (0.0, 0.0006))[:, None],
            radius_nm=uniform_between(even[:, 3], style.radius_nm),
            half_length_nm=uniform_between(even[:, 4], style.half_length_nm),
            cristae_nm=uniform_between(even[:, 5], style.cristae_nm),
            phase=uniform_between(even[:, 6], (0.0, 2 * np.pi)),
        )

    def near(self, low_nm: Floats, high_nm: Floats) -> npt.NDArray[np.intp]:
        """Rows, ascending, of the cells that can be nearest or second nearest inside a box of space."""
        outside = np.maximum(np.maximum(low_nm - self.centre_nm, self.centre_nm - high_nm), 0.0)
        farthest = np.maximum(np.abs(self.centre_nm - low_nm), np.abs(self.centre_nm - high_nm))
        bound = np.partition(np.sum(farthest**2, axis=1), 1)[1]
        # A thousandth more than needed, so that float32 distances never prefer a cell that was left out.
        return np.flatnonzero(np.sum(outside**2, axis=1) <= 1.001 * bound)


def _lattice(first: Floats, last: Floats) -> npt.NDArray[np.int64]:
    """Lattice points needed for cells `first` to `last`: array, (n, 3), int64, in raster order."""
    low = first.astype(np.int64) - _REACH
    high = last.astype(np.int64) + _REACH + 1
    half = CELLS_PER_AXIS // 2
    if (low < -half).any() or (high > half).any():
        raise SettingsError(
            f"The box reaches cells {low.tolist()} to {high.tolist()} of the phantom, outside of the "
            f"{CELLS_PER_AXIS} per axis that can be numbered: choose a box nearer to the origin."
        )
    axes = [np.arange(a, b) for a, b in zip(low, high, strict=True)]
    return np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")], axis=1)


def _numbers(lattice: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
    """Number cells from 1, in raster order over the whole domain."""
    z, y, x = (lattice + CELLS_PER_AXIS // 2).T
    numbers: npt.NDArray[np.int64] = (z * CELLS_PER_AXIS + y) * CELLS_PER_AXIS + x + 1
    return numbers.astype(np.uint32)
