"""How the output is cut into chunks, blocks and columns, from the memory budget.

Wide columns predict few tiles twice and read little twice, and need more memory. Of the cross-sections that
stay within the budget the one that takes the fewest tiles is chosen.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from napari_nnunet_em.engine.memory import BASE_BYTES, SweepMemory
from napari_nnunet_em.engine.space import ModelSpace, permute, permute_box
from napari_nnunet_em.geometry import Box, Shape, as_shape

CHUNK_ROWS = 16
CHUNK_SIDE = 256
BLOCK_SIDE = 1024
# Thin stacks are cut into at least this many blocks along z, so that results appear and are kept early.
_FEWEST_BLOCKS = 8
_SMALLEST_BUDGET = 0.25e9


@dataclass(frozen=True)
class Layout:
    """Chunks, blocks and columns of the output, (z, y, x) in the volume's axes.

    Attributes
    ----------
    chunk_shape : tuple of int
        Chunks of the stored arrays.
    block_shape : tuple of int
        Blocks, what is written at once: a whole number of chunks along each axis.
    column_shape : tuple of int
        Cross-section of a column, whole blocks along each axis; along the model's first axis one block,
        since columns reach through the whole region.
    """

    chunk_shape: Shape
    block_shape: Shape
    column_shape: Shape


@dataclass(frozen=True)
class Budget:
    """Memory that a sweep may take.

    Attributes
    ----------
    ram_bytes : float
        Of the whole process.
    device_bytes : float or None
        Of a device with memory of its own, for sums and input of tiles; None without one.
    process_bytes : float
        What the process takes of `ram_bytes` before the sweep.
    """

    ram_bytes: float
    device_bytes: float | None = None
    process_bytes: float = BASE_BYTES

    @property
    def sweep_bytes(self) -> float:
        """What is left for the buffers of the sweep."""
        return max(self.ram_bytes - self.process_bytes, _SMALLEST_BUDGET)

    def allows(self, memory: SweepMemory, plane: tuple[int, int]) -> bool:
        """Whether a sweep over a plane stays within the budget."""
        if memory.host_bytes(plane) + memory.cache_bytes(plane) > self.sweep_bytes:
            return False
        return self.device_bytes is None or memory.device_bytes(plane) <= self.device_bytes

    def cache_bytes(self, memory: SweepMemory, plane: tuple[int, int]) -> int:
        """What chunks may take beside the sweep: all that is left, and what it cannot do without."""
        return int(max(self.sweep_bytes - memory.host_bytes(plane), memory.cache_bytes(plane)))


def block_rows(region: Box, space: ModelSpace) -> int:
    """Rows of a block: a power of two that cuts thin stacks into several blocks."""
    length = permute(region.shape, space.forward)[0]
    rows = CHUNK_ROWS
    while rows > 1 and rows * _FEWEST_BLOCKS >= 2 * length:
        rows //= 2
    return min(rows, length)


def choose_layout(region: Box, memory: SweepMemory, budget: Budget) -> Layout:
    """Choose chunks, blocks and columns.

    Parameters
    ----------
    region : Box
        What is written, in voxels of the volume.
    memory : SweepMemory
        What a column takes.
    budget : Budget
        What it may take; where even a single chunk across takes more, that is what is chosen.

    Returns
    -------
    Layout
    """
    space = memory.space
    inside = permute_box(region, space.forward)
    rows, height, width = inside.shape
    chunk = as_shape([min(memory.block_rows, rows), min(CHUNK_SIDE, height), min(CHUNK_SIDE, width)])
    block, column = _choose(chunk, inside, memory, budget)
    back = space.backward
    return Layout(*(permute((chunk[0], *side), back) for side in (chunk[1:], block, column)))


def _choose(
    chunk: Shape, region: Box, memory: SweepMemory, budget: Budget
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Sides (y, x) of blocks and of columns, in the transposed volume."""
    space = memory.space
    extent = region.shape[1:]
    for block in _block_sides(chunk[1:], extent):
        ranks = []
        tiles_y, tiles_x = (
            {
                width: tile_rows(space, axis, region, width)
                for width in _widths(block[axis - 1], extent[axis - 1])
            }
            for axis in (1, 2)
        )
        for column in itertools.product(tiles_y, tiles_x):
            plane = column_plane(space, region, column)
            if budget.allows(memory, plane):
                ranks.append((tiles_y[column[0]] * tiles_x[column[1]], math.prod(plane), column))
        if ranks:
            return block, min(ranks)[2]
    return chunk[1:], chunk[1:]


def _block_sides(chunk: tuple[int, int], extent: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Sides of blocks from the largest that is worth writing at once down to a chunk."""
    largest = [_power_multiple(c, n) for c, n in zip(chunk, extent, strict=True)]
    shrink = 1
    while True:
        y, x = (max(side // shrink, c) for side, c in zip(largest, chunk, strict=True))
        yield y, x
        if (y, x) == tuple(chunk):
            return
        shrink *= 2


def _power_multiple(chunk: int, length: int) -> int:
    """Chunks times a power of two, up to `BLOCK_SIDE` or until they cover `length`."""
    side = chunk
    while side < length and side * 2 <= BLOCK_SIDE:
        side *= 2
    return side


def _widths(block: int, length: int) -> list[int]:
    """Widths of columns, whole blocks that cut a length as evenly as can be."""
    blocks = -(-length // block)
    return sorted({-(-blocks // count) * block for count in range(1, blocks + 1)})


def column_plane(space: ModelSpace, region: Box, column: tuple[int, int]) -> tuple[int, int]:
    """Extent (y, x) in the padded grid of the tiles that the widest column of a region needs.

    Parameters
    ----------
    space : ModelSpace
        The grids.
    region : Box
        What is written, in the transposed volume.
    column : tuple of int, (y, x)
        Cross-section.
    """
    sides = []
    for axis, width in zip((1, 2), column, strict=True):
        scale = space.forth.axes[axis].target / space.forth.axes[axis].source
        inner = math.ceil(min(width, region.shape[axis]) * scale)
        sides.append(min(inner + 2 * space.grid.patch[axis], space.grid.shape[axis]))
    return sides[0], sides[1]


def tile_rows(space: ModelSpace, axis: int, region: Box, width: int) -> int:
    """Tile starts along an axis, summed over the columns that a region is cut into.

    Parameters
    ----------
    space : ModelSpace
        The grids.
    axis : int
        1 or 2.
    region : Box
        What is written, in the transposed volume.
    width : int
        Of a column along `axis`.
    """
    stop = region.stop[axis]
    starts = range(region.start[axis], stop, width)
    return sum(len(space.tiles_for(axis, start, min(start + width, stop))) for start in starts)
