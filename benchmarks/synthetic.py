"""Masks of any size with a known number of objects, generated box by box from hashes: nothing is stored."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.geometry import Box, Shape

Mask = NDArray[np.bool_]


def draws(cells: NDArray[np.uint64], count: int) -> NDArray[np.float64]:
    """Numbers from 0 to below 1 that depend on the cell alone, (cells, count), by splitmix64."""
    z = cells[:, None] * np.uint64(count) + np.arange(count, dtype=np.uint64)
    z *= np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) / 2.0**53


@dataclass(frozen=True)
class Organelles:
    """Blobs like mitochondria, and threads that wind through the whole volume.

    Space is cut into cells that fit no block. Most hold one ellipsoid, placed and sized by a hash. Every
    eighth row along y holds threads that run along x; those of the first row are joined, end to end, into
    one that passes through every layer of blocks. Nothing else touches. A tenth of the voxels is inside.
    """

    shape: Shape
    cell: Shape = (30, 60, 60)

    @property
    def cells(self) -> Shape:
        """Whole cells along z, y and x."""
        z, y, x = (n // c for n, c in zip(self.shape, self.cell, strict=True))
        return z, y, x

    @property
    def count(self) -> int:
        """Number of objects, with any connectivity."""
        z, y, x = self.cells
        threads = -(-y // 8)
        return z * x * (y - threads) + z * (threads - 1) + 1

    def read(self, box: Box) -> Mask:
        """Voxels of a box, (z, y, x) bool."""
        mask = np.zeros(box.shape, dtype=np.bool_)
        for cz, cy in self._rows(box):
            if cy % 8 == 0:
                self._thread(mask, box, cz, cy)
            else:
                self._blobs(mask, box, cz, cy)
        return mask

    def _rows(self, box: Box) -> Iterator[tuple[int, int]]:
        spans = [
            range(a // c, min(-(-b // c), n))
            for a, b, c, n in zip(box.start, box.stop, self.cell, self.cells, strict=True)
        ]
        return itertools.product(spans[0], spans[1])

    def _blobs(self, mask: Mask, box: Box, cz: int, cy: int) -> None:
        columns = np.arange(
            box.start[2] // self.cell[2], min(-(-box.stop[2] // self.cell[2]), self.cells[2]), dtype=np.uint64
        )
        cells = np.uint64((cz * self.cells[1] + cy) * self.cells[2]) + columns
        for cx, draw in zip(columns.tolist(), draws(cells, 6), strict=True):
            radius = np.array((8, 16, 16)) + draw[:3] * (3, 8, 8)
            middle = (np.array((cz, cy, cx)) + 0.5) * self.cell + (draw[3:] - 0.5) * (6, 10, 10)
            whole = Box(
                tuple(np.floor(middle - radius).astype(int)), tuple(np.ceil(middle + radius).astype(int))
            )
            part = whole.intersect(box)
            if part.size:
                z, y, x = (
                    ((np.arange(a, b) - m) / r) ** 2
                    for a, b, m, r in zip(part.start, part.stop, middle, radius, strict=True)
                )
                inside = z[:, None, None] + (y[:, None] + x) <= 1
                mask[part.relative_to(box.start).slices] |= inside

    def _thread(self, mask: Mask, box: Box, cz: int, cy: int) -> None:
        corner = (cz * self.cell[0], cy * self.cell[1], 0)
        reach = (corner[0] + self.cell[0], corner[1] + self.cell[1], self.shape[2])
        part = Box(corner, reach).intersect(box)
        if part.size:
            z, y, x = np.ogrid[part.slices]
            away_z = (z - corner[0] - 15).astype(np.float32) - 8 * np.cos(x / 80, dtype=np.float32)
            away_y = (y - corner[1] - 30).astype(np.float32) - 16 * np.sin(x / 110, dtype=np.float32)
            mask[part.relative_to(box.start).slices] |= away_z**2 + away_y**2 <= 25
        if cy == 0:
            for lower in (cz - 1, cz):
                self._join(mask, box, lower)

    def _join(self, mask: Mask, box: Box, cz: int) -> None:
        """A bar between the thread of a layer of cells and the next, at alternating ends."""
        if not 0 <= cz < self.cells[0] - 1:
            return
        at = self.shape[2] - 6 if cz % 2 == 0 else 0
        low = cz * self.cell[0]
        bar = Box((low + 7, 9, at), (low + self.cell[0] + 23, 51, at + 6)).intersect(box)
        if bar.size:
            mask[bar.relative_to(box.start).slices] = True


@dataclass(frozen=True)
class Specks:
    """One little box of 2 to 4 voxels a side in every 6 x 6 x 6 voxels, none touching another."""

    shape: Shape
    cell: int = 6

    @property
    def count(self) -> int:
        """Number of objects, with any connectivity."""
        return math.prod(n // self.cell for n in self.shape)

    def read(self, box: Box) -> Mask:
        """Voxels of a box, (z, y, x) bool."""
        cells = [n // self.cell for n in self.shape]
        place = [np.arange(a, b) for a, b in zip(box.start, box.stop, strict=True)]
        span = [np.unique(p // self.cell) for p in place]
        number = (span[0][:, None, None] * cells[1] + span[1][:, None]) * cells[2] + span[2]
        draw = draws(number.ravel().astype(np.uint64), 6).reshape(*number.shape, 6)
        side = 2 + (draw[..., :3] * 3).astype(np.int64)
        begin = (draw[..., 3:] * (6 - side)).astype(np.int64)
        whole = [s < n for s, n in zip(span, cells, strict=True)]
        real = whole[0][:, None, None] & whole[1][:, None] & whole[2]
        mask = np.ones(box.shape, dtype=np.bool_)
        which = [p // self.cell - s[0] for p, s in zip(place, span, strict=True)]
        for axis in range(3):
            within = (place[axis] % self.cell).reshape([-1 if a == axis else 1 for a in range(3)])
            first = begin[..., axis].take(which[axis], axis)
            inside = (within >= first) & (within < first + side[..., axis].take(which[axis], axis))
            inside &= real.take(which[axis], axis)
            for other in range(3):
                if other != axis:
                    inside = inside.take(which[other], other)
            mask &= inside
        return mask


@dataclass(frozen=True)
class AsProbability:
    """A mask as a stored array of probabilities, 0 or 255, so that the real passes can run over it."""

    mask: Organelles | Specks
    on_read: Callable[[Callable[[], Mask]], Mask]
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.uint8))

    @property
    def shape(self) -> Shape:
        """Voxels along z, y and x."""
        return self.mask.shape

    def __getitem__(self, key: tuple[slice, slice, slice]) -> NDArray[np.uint8]:
        """Voxels of a box."""
        box = Box(tuple(s.start for s in key), tuple(s.stop for s in key))
        return self.on_read(lambda: self.mask.read(box)).view(np.uint8) * np.uint8(255)
