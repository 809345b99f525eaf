"""How the output is cut into chunks, blocks and columns, from the memory budget."""

from __future__ import annotations

import math
from dataclasses import dataclass

from napari_nnunet_em.engine.space import ModelSpace, permute
from napari_nnunet_em.engine.window import MAX_SLAB_ROWS
from napari_nnunet_em.geometry import Shape, as_shape

CHUNK_ROWS = 16
CHUNK_SIDE = 256
# Thin stacks are cut into at least this many blocks along z, so that results appear and are kept early.
_FEWEST_BLOCKS = 8
# The interpreter, torch and the network's own activations, before any working buffer.
_BASE_BYTES = 1.2e9
_SMALLEST_BUDGET = 0.25e9


@dataclass(frozen=True)
class Layout:
    """Chunks and blocks of the output, (z, y, x) in the volume's axes.

    Attributes
    ----------
    chunk_shape : tuple of int
        Chunks of the stored arrays.
    block_shape : tuple of int
        Blocks, a whole number of chunks along each axis; all blocks of a column share one cross-section.
    """

    chunk_shape: Shape
    block_shape: Shape


def bytes_per_column_voxel(space: ModelSpace, channels: int, heads: int, chunk_rows: int) -> float:
    """Working memory of a sweep per (y, x) voxel of its cross-section, in bytes."""
    depth = space.grid.patch[0]
    sums = (heads + 1) * depth * 4 * 2  # and once more while they move on
    slab = min(chunk_rows, MAX_SLAB_ROWS)
    window = channels * (depth + slab) * 4 * 3  # kept rows, fresh rows, and what normalising makes
    rows = heads * (depth + CHUNK_ROWS) * 4
    return sums + window + rows + CHUNK_ROWS * (heads + 1)


def choose_layout(
    region_shape: Shape, space: ModelSpace, *, channels: int, heads: int, chunk_rows: int, max_ram_gb: float
) -> Layout:
    """Choose chunks and blocks so that one column stays within the memory budget.

    Parameters
    ----------
    region_shape : tuple of int, (z, y, x)
        What is written, in the volume's axes.
    space : ModelSpace
        The grids; columns run along the model's first axis.
    channels, heads : int
        Inputs and outputs of the network per voxel.
    chunk_rows : int
        Chunk size of the input along the model's first axis.
    max_ram_gb : float
        Memory budget in GB (1e9 bytes).

    Returns
    -------
    Layout
    """
    shape = permute(region_shape, space.forward)
    chunk = as_shape([_chunk_rows(shape[0]), min(CHUNK_SIDE, shape[1]), min(CHUNK_SIDE, shape[2])])
    budget = max(max_ram_gb * 1e9 - _BASE_BYTES, _SMALLEST_BUDGET)
    area = budget / bytes_per_column_voxel(space, channels, heads, chunk_rows)
    # The column is counted in the model's voxels, and reaches a patch beyond what it writes.
    scale = [m.target / m.source for m in space.forth.axes]
    side_y = max(math.sqrt(area) - space.grid.patch[1], 1) / scale[1]
    side_x = max(math.sqrt(area) - space.grid.patch[2], 1) / scale[2]
    block = as_shape([chunk[0], _multiple(chunk[1], side_y, shape[1]), _multiple(chunk[2], side_x, shape[2])])
    return Layout(permute(chunk, space.backward), permute(block, space.backward))


def _chunk_rows(length: int) -> int:
    """A power of two that cuts thin stacks into several blocks."""
    rows = CHUNK_ROWS
    while rows > 1 and rows * _FEWEST_BLOCKS >= 2 * length:
        rows //= 2
    return min(rows, length)


def _multiple(chunk: int, wanted: float, length: int) -> int:
    """Chunks times a power of two that stays below `wanted`, or just covers `length`."""
    count = 1
    while chunk * count < length and chunk * count * 2 <= wanted:
        count *= 2
    return chunk * count
