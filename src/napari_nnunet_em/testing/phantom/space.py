"""Positions: a smooth warp of space, and voxels seen from a reference point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_nnunet_em.testing.phantom.hashing import Floats, hash_coordinates, normal, uniform

Field = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_STREAM_WARP = 4


@dataclass(frozen=True)
class Warp:
    """A sum of five sine waves that displaces every point, so that membranes curve.

    Attributes
    ----------
    wave : array, (5, 3), float64
        Wave vectors in radians per nm.
    phase : array, (5,), float64
        In radians.
    shift_nm : array, (5, 3), float64
        Direction and amplitude of the displacement.
    """

    wave: Floats
    phase: Floats
    shift_nm: Floats

    @classmethod
    def of(cls, seed: int) -> Warp:
        """The warp that belongs to a seed."""
        words = hash_coordinates(seed, _STREAM_WARP, np.arange(5)[:, None], np.arange(7))
        bell = normal(words)
        return cls(bell[:, :3] / 700.0, 2 * np.pi * uniform(words[:, 6]), bell[:, 3:6] * 90.0)

    @property
    def reach_nm(self) -> Floats:
        """The farthest any point is moved along z, y and x: array, (3,), float64."""
        reach: Floats = np.abs(self.shift_nm).sum(axis=0)
        return reach

    def displacement_nm(self, axes_nm: Sequence[Floats]) -> Field:
        """Displacement of the points of a grid.

        Parameters
        ----------
        axes_nm : three arrays, (z,), (y,) and (x,), float64

        Returns
        -------
        array, (3, z, y, x), float32
            Displacement along z, y and x in nm.
        """
        out = np.zeros((3, *(len(a) for a in axes_nm)), np.float32)
        for wave, phase, shift_nm in zip(self.wave, self.phase, self.shift_nm, strict=True):
            height = _plane_wave(axes_nm, wave, phase)
            for axis in range(3):
                out[axis] += height * np.float32(shift_nm[axis])
        return out


def _plane_wave(axes_nm: Sequence[Floats], wave: Floats, phase: float) -> Field:
    """``sin(wave . point + phase)`` on a grid, by the angle-sum rule from sines of single coordinates."""
    z, y, x = (a * k for a, k in zip(axes_nm, wave, strict=True))
    z = z + phase
    (sz, cz), (sy, cy), (sx, cx) = (
        (np.sin(a).astype(np.float32), np.cos(a).astype(np.float32)) for a in (z, y, x)
    )
    sine = sy[:, None] * cx + cy[:, None] * sx
    cosine = cy[:, None] * cx - sy[:, None] * sx
    wave_height: Field = sz[:, None, None] * cosine + cz[:, None, None] * sine
    return wave_height


@dataclass(frozen=True)
class Space:
    """Warped positions of the voxels of a tile, kept relative to a reference to stay exact in float32.

    Attributes
    ----------
    axes_nm : three arrays, (z,), (y,) and (x,), float64
        Positions before the warp.
    displacement_nm : array, (3, z, y, x), float32
    """

    axes_nm: Sequence[Floats]
    displacement_nm: Field

    def bounds_nm(self) -> tuple[Floats, Floats]:
        """Corners of a box of space around all voxels: two arrays, (3,), float64."""
        shift = self.displacement_nm.reshape(3, -1)
        first, last = (np.array([a[i] for a in self.axes_nm]) for i in (0, -1))
        return first + shift.min(axis=1), last + shift.max(axis=1)

    def relative_nm(self, reference_nm: Floats) -> list[Field]:
        """Offsets along z, y and x of all voxels from a point: three arrays, (z, y, x), float32."""
        lines = [(a - r).astype(np.float32) for a, r in zip(self.axes_nm, reference_nm, strict=True)]
        shapes = ((-1, 1, 1), (1, -1, 1), (1, 1, -1))
        return [self.displacement_nm[i] + lines[i].reshape(shapes[i]) for i in range(3)]

    def points(self, mask: Mask) -> Points:
        """The voxels where `mask`, (z, y, x), is true."""
        index = np.nonzero(mask)
        return Points([a[i] for a, i in zip(self.axes_nm, index, strict=True)], self.displacement_nm[:, mask])


@dataclass(frozen=True)
class Points:
    """Warped positions of n voxels.

    Attributes
    ----------
    axes_nm : three arrays, (n,), float64
    displacement_nm : array, (3, n), float32
    """

    axes_nm: Sequence[Floats]
    displacement_nm: Field

    def relative_nm(self, reference_nm: Floats) -> list[Field]:
        """Offsets along z, y and x from a point: three arrays, (n,), float32."""
        offsets = zip(self.axes_nm, reference_nm, self.displacement_nm, strict=True)
        return [(a - r).astype(np.float32) + d for a, r, d in offsets]


def dot(z: Sequence[Field], y: Sequence[Field], x: Sequence[Field]) -> Field:
    """Sum of three products, always in this order, so that no box rounds differently."""
    total: Field = z[0] * z[1] + y[0] * y[1] + x[0] * x[1]
    return total
