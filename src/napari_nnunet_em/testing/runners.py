"""Tile runners in NumPy whose answer is known exactly, and which count what is asked of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.engine.constant_tiles import ConstantTiles
from napari_nnunet_em.engine.host_sums import HostAccumulator
from napari_nnunet_em.engine.runner import Corner
from napari_nnunet_em.geometry import Shape


@dataclass
class PointwiseRunner:
    """A network that looks at one voxel at a time: the voxel's normalised value is its (relative) logit.

    Blending cannot change such logits, so a volume's logits are its normalised voxels. With `tilt` above 0
    the answer also depends on where in its tile a voxel lies, and blending shows.

    Attributes
    ----------
    patch : tuple of int, (z, y, x)
        Patch size.
    tilt : float
        Weight of the place inside the tile.
    batch_size : int
        Tiles the sweep hands over at once.
    tiles : int
        Tiles run so far, those that were run for `constant_tiles` among them.
    batches : int
        Calls in which they were handed over.
    constant_tiles : int
        Tiles added as holding one value throughout.
    warm_ups : int
        Calls of `warm_up`.
    """

    patch: Shape
    tilt: float = 0.0
    batch_size: int = 3
    tiles: int = 0
    batches: int = 0
    constant_tiles: int = 0
    warm_ups: int = 0
    heads: int = 1
    description: str = "a fake network for tests"
    constant_answers: ConstantTiles[NDArray[np.float32]] = field(init=False, repr=False)
    _ramp: NDArray[np.float32] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        size = int(np.prod(self.patch))
        self._ramp = np.linspace(0, 1, size, dtype=np.float32).reshape(self.patch)
        self.constant_answers = ConstantTiles(self._constant)

    def logits(self, patches: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits of tiles: (tiles, c, z, y, x) to (tiles, 1, z, y, x), float32."""
        self.tiles += len(patches)
        answer: NDArray[np.float32] = patches[:, :1] + np.float32(self.tilt) * self._ramp
        return answer

    def predict(self, rows: NDArray[np.float32], corners: Sequence[Corner]) -> Iterator[NDArray[np.float32]]:
        """Logits of tiles of some rows; see `TilePredictor`."""
        self.batches += 1
        _, height, width = self.patch
        yield from self.logits(np.stack([rows[:, :, y : y + height, x : x + width] for y, x in corners]))

    def accumulator(self, plane: tuple[int, int]) -> CountingAccumulator:
        """Start empty sums for a plane of (y, x) voxels."""
        return CountingAccumulator(self, plane)

    def warm_up(self) -> None:
        """Count that it was asked for."""
        self.warm_ups += 1

    def _constant(self, values: tuple[float, ...]) -> NDArray[np.float32]:
        patch = np.broadcast_to(np.array(values, np.float32)[:, None, None, None], (len(values), *self.patch))
        answer: NDArray[np.float32] = self.logits(patch[None])[0]
        return answer


class CountingAccumulator(HostAccumulator):
    """Sums in NumPy that tell a `PointwiseRunner` how many tiles were added as constant."""

    def __init__(self, runner: PointwiseRunner, plane: tuple[int, int]) -> None:
        super().__init__(runner, plane)
        self._runner = runner

    def add_constant(self, values: tuple[float, ...], corners: Sequence[Corner]) -> None:
        """Add tiles that hold one value per channel, and count them."""
        self._runner.constant_tiles += len(corners)
        super().add_constant(values, corners)
