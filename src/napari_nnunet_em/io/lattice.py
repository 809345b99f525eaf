"""How the voxels of a pyramid level lie over those of the full resolution."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from napari_nnunet_em.geometry import Box, Shape, as_shape

Floats = tuple[float, float, float]

_AXES = range(3)
_NOTHING = 1e-6


@dataclass(frozen=True)
class Lattice:
    """A regular grid of voxels laid over another one; everything is (z, y, x), in voxels of the other.

    Attributes
    ----------
    first : tuple of float
        Centre of its first voxel, from the centre of the other's first voxel.
    step : tuple of float
        Distance of its voxels, which is also their size.
    """

    first: Floats = (0.0, 0.0, 0.0)
    step: Floats = (1.0, 1.0, 1.0)

    @classmethod
    def between(
        cls,
        fine: Sequence[int],
        coarse: Sequence[int],
        sizes: Sequence[float] | None = None,
        places: Sequence[float] | None = None,
    ) -> Lattice:
        """A grid of `coarse` voxels over one of `fine`: as stated, where that fits, else from the numbers.

        Parameters
        ----------
        fine, coarse : sequence of int, (z, y, x)
            Voxels of both. From these alone a coarse voxel stands for a whole number of fine ones, the last
            ones cut short or left out; where that does not explain them, both grids end at the same edge.
        sizes : sequence of float, (z, y, x), optional
            Size of a coarse voxel in fine ones, as stated.
        places : sequence of float, (z, y, x), optional
            Where the first voxel is stated to lie. Zeros state nothing: many programs leave this out, and
            both grids then begin at the same edge, as napari draws them.
        """
        step = [_step(n, m) for n, m in zip(fine, coarse, strict=True)]
        if sizes is not None:
            axes = zip(fine, coarse, sizes, step, strict=True)
            step = [s if n != m and abs(m - n / s) < 1 else guess for n, m, s, guess in axes]
        first = [(s - 1) / 2 for s in step]
        if places is not None and any(abs(place) > _NOTHING for place in places):
            first = [p if abs(p - f) <= s / 2 else f for p, f, s in zip(places, first, step, strict=True)]
        return cls(_three(first), _three(step))

    def begun_at(self, voxel: Sequence[float]) -> Lattice:
        """The same grid, beginning at another of its voxels."""
        return Lattice(_three([self.first[i] + self.step[i] * voxel[i] for i in _AXES]), self.step)

    def covering(self, box: Box, shape: Sequence[int]) -> Box:
        """The voxels of this grid, of `shape` in all, that a box of the other one touches; at least one.

        Beyond the last voxel, which a pyramid may leave out, that last one is taken.
        """
        start = [math.floor(round(self._edge(box.start[i], i), 6)) for i in _AXES]
        stop = [math.ceil(round(self._edge(box.stop[i], i), 6)) for i in _AXES]
        start = [min(max(a, 0), n - 1) for a, n in zip(start, shape, strict=True)]
        stop = [max(min(b, n), a + 1) for a, b, n in zip(start, stop, shape, strict=True)]
        return Box(as_shape(start), as_shape(stop))

    def nearest(self, voxel: Sequence[int], shape: Sequence[int]) -> Shape:
        """The voxel of this grid, of `shape` in all, that a voxel of the other one lies in."""
        inside = [math.floor(self._edge(voxel[i] + 0.5, i)) for i in _AXES]
        return as_shape([min(max(v, 0), n - 1) for v, n in zip(inside, shape, strict=True)])

    def _edge(self, place: float, axis: int) -> float:
        """An edge between voxels of the other grid (0: before its first), counted in voxels of this one."""
        return (place - 0.5 - self.first[axis]) / self.step[axis] + 0.5


def _step(fine: int, coarse: int) -> float:
    whole = round(fine / coarse)
    return float(whole) if coarse in (fine // whole, -(-fine // whole)) else fine / coarse


def _three(values: Sequence[float]) -> Floats:
    z, y, x = (float(v) for v in values)
    return z, y, x


def nearest_size(sizes: Sequence[Sequence[float]], wanted: Mapping[int, float]) -> int:
    """Which of several voxel sizes is nearest to the one wanted; of equally near ones the first.

    Parameters
    ----------
    sizes : sequence of (z, y, x)
        Voxel sizes, in any unit.
    wanted : mapping from int to float
        Size along some of the axes 0 (z), 1 and 2, in the same unit.
    """

    def distance(index: int) -> float:
        return round(sum(abs(math.log(sizes[index][axis] / size)) for axis, size in wanted.items()), 9)

    return min(range(len(sizes)), key=distance)
