"""What a sweep holds in memory, from the cross-section of its column: the one place where that is counted."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from napari_nnunet_em.engine.space import ModelSpace

# The interpreter, PyTorch or OpenVINO, nnU-Net and a network at work, before any buffer of the sweep.
BASE_BYTES = 1_200_000_000
# Pieces that are being normalised, and a block that is being written with its pyramid.
_PASSING_BYTES = 250_000_000
_FLOAT = 4


@dataclass(frozen=True)
class SweepMemory:
    """Memory of a sweep.

    Attributes
    ----------
    space : ModelSpace
        The grids.
    channels, heads : int
        Inputs of the network, and the logits that its runner keeps, per voxel.
    stored_bytes : int
        Of the output, per voxel of the volume: probabilities and classes.
    block_rows : int
        Rows of a block of the output.
    chunk_rows : int
        Rows of a chunk of the input along the model's first axis.
    item_bytes : int
        Of one stored value of the input.
    sums_on_device : bool
        Whether sums and input of the tiles live in the memory of a device of its own.
    """

    space: ModelSpace
    channels: int
    heads: int
    stored_bytes: int
    block_rows: int
    chunk_rows: int
    item_bytes: int
    sums_on_device: bool = False

    @property
    def step(self) -> int:
        """Rows by which the sweep moves on, at most."""
        starts = self.space.grid.starts[0]
        steps = [b - a for a, b in itertools.pairwise(starts)]
        return max([*steps, 1]) if steps else self.space.grid.patch[0]

    def host_bytes(self, plane: tuple[int, int]) -> int:
        """RAM of a sweep over a plane of (y, x) voxels of the padded grid, without the cache of chunks."""
        depth = self.space.grid.patch[0]
        sums = 0 if self.sums_on_device else (self.heads + 1) * depth * _FLOAT
        window = 2 * self.channels * depth * _FLOAT  # and the rows of the next column, read ahead
        # Just taken, being encoded, and waiting for more rows (where logits are resampled).
        rows = self.heads * _FLOAT * (2 * self.step + min(self.block_rows, depth))
        # The layer of blocks that fills up, while the one before is written.
        blocks = 1.5 * self.block_rows * self.stored_bytes * self._stored_per_padded()
        return int(math.prod(plane) * (sums + window + rows + blocks)) + _PASSING_BYTES

    def device_bytes(self, plane: tuple[int, int]) -> int:
        """Memory of the device for sums, weights and input of a plane of (y, x) voxels."""
        if not self.sums_on_device:
            return 0
        depth = self.space.grid.patch[0]
        return math.prod(plane) * depth * _FLOAT * (self.heads + 1 + self.channels)

    def cache_bytes(self, plane: tuple[int, int]) -> int:
        """Decoded chunks under one position of the sweep; with less, chunks are decoded for every step."""
        ratio = self.space.forth.axes[0].source / self.space.forth.axes[0].target
        rows = (math.ceil(self.step * ratio / self.chunk_rows) + 1) * self.chunk_rows
        voxels = math.prod(plane) * self._stored_per_padded() * min(rows, self.space.shape[0])
        return int(voxels * self.channels * self.item_bytes)

    def _stored_per_padded(self) -> float:
        """Voxels of the volume for each of the padded grid, in a plane."""
        return math.prod(axis.source / axis.target for axis in self.space.forth.axes[1:])
