"""What a job holds in memory while it predicts: the one place where that is counted.

Three things add up: the process with its network at work, the buffers of the sweep, which follow from the
cross-section of its column, and the decoded chunks of the input.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property

from napari_nnunet_em.engine.space import ModelSpace
from napari_nnunet_em.geometry import Shape

# The interpreter with PyTorch, OpenVINO, nnU-Net and zarr loaded, and threads that have worked a little.
BASE_BYTES = 1_200_000_000
# Weights as they are read, as the network holds them, and as OpenVINO packs them anew.
_WEIGHT_COPIES = 3
# Feature maps of the first stage that a U-Net holds at once: its skip connection, the two halves of the
# decoder's input, and what convolutions need beside them. Measured on four networks (docs/how-to/plan.md).
_FEATURE_MAPS = 7
# Pieces that are being normalised, and a block that is being written with its pyramid: usually, and at most.
_PASSING_BYTES = 100_000_000
_PASSING_PER_VOXEL = 30
_MOST_PASSING_BYTES = 300_000_000
# Share of a device's memory that batches of tiles may take (engine/torch_runner.py); the sums get the rest.
_BATCH_SHARE = 0.25
_FLOAT = 4


@dataclass(frozen=True)
class NetworkMemory:
    """Memory of a process whose network is at work, before any buffer of a sweep.

    Attributes
    ----------
    weights_bytes : int
        Weights of all folds as they are stored.
    feature_bytes : int
        Output of the network's first convolution for one batch, in float32.
    on_device : bool
        Whether the network runs in the memory of a device of its own.
    """

    weights_bytes: int
    feature_bytes: int
    on_device: bool = False

    @property
    def host_bytes(self) -> int:
        """RAM of the whole process."""
        features = 0 if self.on_device else _FEATURE_MAPS * self.feature_bytes
        return BASE_BYTES + _WEIGHT_COPIES * self.weights_bytes + features

    def device_bytes(self, whole: float) -> int:
        """What weights and batches may take of a device with `whole` bytes."""
        return int(self.weights_bytes + _BATCH_SHARE * whole) if self.on_device else 0


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
    chunk_shape : tuple of int
        Chunks of the input in the transposed order; (0, 0, 0) where it is not stored in chunks.
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
    chunk_shape: Shape
    item_bytes: int
    sums_on_device: bool = False

    @property
    def _depth(self) -> int:
        return self.space.grid.patch[0]

    @cached_property
    def step(self) -> int:
        """Rows by which the sweep moves on, at most."""
        starts = self.space.grid.starts[0]
        return max((b - a for a, b in itertools.pairwise(starts)), default=self._depth)

    def host_bytes(self, plane: tuple[int, int]) -> int:
        """RAM of a sweep over a plane of (y, x) voxels of the padded grid, without the cache of chunks.

        It is what buffers can take when writing is so slow that as many rows wait for it as may.
        """
        # Being encoded, waiting, and just taken: the last rows of a column are a whole depth at once.
        return self._buffers(plane, 2 * self.step + self._depth) + _MOST_PASSING_BYTES

    def usual_bytes(self, plane: tuple[int, int]) -> int:
        """RAM of the same sweep when writing keeps up; on a GPU it does not always."""
        if self.sums_on_device:
            return self.host_bytes(plane)
        block_voxels = math.prod(plane) * self.block_rows
        return self._buffers(plane, self.step) + min(_PASSING_BYTES, _PASSING_PER_VOXEL * block_voxels)

    def _buffers(self, plane: tuple[int, int], taken: int) -> int:
        sums = 0 if self.sums_on_device else (self.heads + 1) * self._depth
        # The window, rows that it is taking in, and rows read ahead: at the end of a column a whole window
        # of the next one. A column alone may be swept in two parts; where the second begins, a window of
        # each is held and nothing else.
        one, several = max(2 * self.step, self._depth), self.step + self._depth
        window = self.channels * (self._depth + (one if self._whole(plane) else several))
        # And rows on which voxels still to come depend, where logits are resampled.
        rows = self.heads * (taken + self._halo_rows())
        # The layer of blocks that fills up, and those that the rows after it begin.
        blocks = (self.block_rows + taken) * self.stored_bytes * self._stored_per_padded()
        return int(math.prod(plane) * (_FLOAT * (sums + window + rows) + blocks))

    def device_bytes(self, plane: tuple[int, int]) -> int:
        """Memory of the device for sums, weights of tiles, rows and their successors over a plane."""
        if not self.sums_on_device:
            return 0
        return math.prod(plane) * self._depth * _FLOAT * (2 * self.heads + 1 + 2 * self.channels)

    def cache_bytes(self, plane: tuple[int, int]) -> int:
        """Decoded chunks under one position of the sweep; with less, chunks are decoded for every step."""
        if not self.chunk_shape[0]:
            return 0
        sides = [
            _covered(math.ceil(side * axis.source / axis.target), chunk, axis.source)
            for side, axis, chunk in zip(plane, self.space.forth.axes[1:], self.chunk_shape[1:], strict=True)
        ]
        return math.prod(sides) * self._chunk_rows * self.channels * self.item_bytes

    @cached_property
    def _chunk_rows(self) -> int:
        """Rows of the chunks that one step touches."""
        axis = self.space.forth.axes[0]
        reach = 0 if axis.identity else 2 * (16 if axis.order > 1 else 1)
        rows = math.ceil(self.step * axis.source / axis.target) + reach
        return _covered(rows, self.chunk_shape[0], axis.source)

    def _halo_rows(self) -> int:
        """Rows of logits that wait because voxels that are still to come depend on them too."""
        axis = self.space.back.axes[0]
        return 0 if axis.identity else axis.support(0, 1)[1] * 2 + 4

    def _whole(self, plane: tuple[int, int]) -> bool:
        return tuple(plane) == tuple(self.space.grid.shape[1:])

    def _stored_per_padded(self) -> float:
        """Voxels of the volume for each of the padded grid, in a plane."""
        return math.prod(axis.source / axis.target for axis in self.space.forth.axes[1:])


def _covered(length: int, chunk: int, whole: int) -> int:
    """Voxels of the chunks that a run of `length` voxels touches, wherever it begins."""
    chunks = -(-(length - 1) // chunk) + 1
    return min(chunks * chunk, whole)
