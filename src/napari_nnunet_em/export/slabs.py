"""Whole planes, a few at a time, in memory or packed on disk."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.export.task import ExportTask
from napari_nnunet_em.geometry import Box, Shape
from napari_nnunet_em.io.scratch import ScratchArray, remove_scratch

_SLAB_BYTES = 1 << 28
_CHUNK_SIDE = 512
_LEAST_SIDE = 64


class Slab(Protocol):
    """Planes of some channels; boxes and rows count from its first voxel."""

    def write(self, box: Box, data: NDArray[Any]) -> None:
        """Take voxels in, (c, z, y, x)."""
        ...

    def read(self, box: Box, channel: int) -> NDArray[Any]:
        """Give voxels of one channel back, (z, y, x)."""
        ...

    def rows(self, z: int, start: int, stop: int) -> NDArray[Any]:
        """Give rows of one plane of the first channel back, (y, x); fast from the first row to the last."""
        ...


class _InMemory:
    def __init__(self, channels: int, shape: Shape, dtype: np.dtype[Any]) -> None:
        self._voxels = np.empty((channels, *shape), dtype)

    def write(self, box: Box, data: NDArray[Any]) -> None:
        self._voxels[(slice(None), *box.slices)] = data

    def read(self, box: Box, channel: int) -> NDArray[Any]:
        return self._voxels[(channel, *box.slices)]

    def rows(self, z: int, start: int, stop: int) -> NDArray[Any]:
        return self._voxels[0, z, start:stop]


class _OnDisk:
    """Chunks of one plane, on the grid of the pieces that are written, so that each is written once."""

    def __init__(self, array: ScratchArray, shape: Shape, pad: Shape, side: int) -> None:
        self._array = array
        self._shape = shape
        self._pad = pad
        self._side = side
        self._strip: tuple[tuple[int, int], NDArray[Any]] | None = None

    def write(self, box: Box, data: NDArray[Any]) -> None:
        self._array.write(box.shift(self._pad), data)

    def read(self, box: Box, channel: int) -> NDArray[Any]:
        return self._array.read(box.shift(self._pad), channel)

    def rows(self, z: int, start: int, stop: int) -> NDArray[Any]:
        parts = []
        row = start
        while row < stop:
            first, strip = self._strip_at(z, row)
            end = min(first + len(strip), stop)
            parts.append(strip[row - first : end - first])
            row = end
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _strip_at(self, z: int, row: int) -> tuple[int, NDArray[Any]]:
        """The rows of the chunks that hold a row, and the first of them; kept for the rows that follow."""
        _, height, width = self._shape
        index = (row + self._pad[1]) // self._side
        first = max(index * self._side - self._pad[1], 0)
        if self._strip is None or self._strip[0] != (z, index):
            last = min((index + 1) * self._side - self._pad[1], height)
            self._strip = (z, index), self.read(Box((z, first, 0), (z + 1, last, width)), 0)[0]
        return first, self._strip[1]


@contextlib.contextmanager
def open_slab(task: ExportTask, channels: int, shape: Shape, piece: Shape) -> Iterator[Slab]:
    """Room for planes: memory where they fit, else the disk that the destination is on.

    Parameters
    ----------
    task : ExportTask
        Where it is written, and as what.
    channels : int
        Channels that are held at a time.
    shape : tuple of int, (z, y, x)
        Voxels of each.
    piece : tuple of int, (z, y, x)
        The grid of the source on which it is filled.

    Raises
    ------
    OutputError
        If the disk is full or refuses.
    """
    if channels * math.prod(shape) * task.dtype.itemsize <= _SLAB_BYTES:
        yield _InMemory(channels, shape, task.dtype)
        return
    folder = task.path.with_name("slab")
    start = task.region.start
    sides = [_scratch_side(p, a % p + n) for p, a, n in zip(piece, start, shape, strict=True)]
    pad = (0, start[1] % piece[1], start[2] % piece[2])
    padded = (shape[0], shape[1] + pad[1], shape[2] + pad[2])
    try:
        array = ScratchArray.open(folder, channels, padded, (1, sides[1], sides[2]), task.dtype)
        yield _OnDisk(array, shape, pad, sides[1])
    finally:
        remove_scratch(folder)


def _scratch_side(piece: int, length: int) -> int:
    """Side of the chunks: about `_CHUNK_SIDE`, and pieces are made of whole ones."""
    if piece >= length:
        return min(_CHUNK_SIDE, length)
    fitting = max(side for side in range(1, _CHUNK_SIDE + 1) if piece % side == 0)
    return fitting if fitting >= _LEAST_SIDE else piece
