"""Tile runners in NumPy whose answer is known exactly, and which count what is asked of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.engine.blending import gaussian_weights
from napari_nnunet_em.geometry import Shape


@dataclass
class PointwiseRunner:
    """A network that looks at one voxel at a time: head 0 says 0, head 1 the voxel's normalised value.

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
        Tiles run so far.
    """

    patch: Shape
    tilt: float = 0.0
    batch_size: int = 3
    tiles: int = 0
    heads: int = 2
    description: str = "a fake network for tests"
    _ramp: NDArray[np.float32] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        size = int(np.prod(self.patch))
        self._ramp = np.linspace(0, 1, size, dtype=np.float32).reshape(self.patch)

    def logits(self, patches: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits of tiles: (tiles, c, z, y, x) to (tiles, 2, z, y, x), float32."""
        self.tiles += len(patches)
        answer = patches[:, 0] + np.float32(self.tilt) * self._ramp
        return np.stack([np.zeros_like(answer), answer], axis=1)

    def accumulator(self, plane: tuple[int, int]) -> NumpyAccumulator:
        """Start empty sums for a plane of (y, x) voxels."""
        return NumpyAccumulator(self, plane)


class NumpyAccumulator:
    """Weighted sums in NumPy; the plainest accumulator there can be."""

    def __init__(self, runner: PointwiseRunner, plane: tuple[int, int]) -> None:
        self._runner = runner
        self._weights = gaussian_weights(runner.patch)
        depth = runner.patch[0]
        self._sums = np.zeros((runner.heads, depth, *plane), np.float32)
        self._total = np.zeros((depth, *plane), np.float32)

    def add(self, patches: NDArray[np.float32], corners: Sequence[tuple[int, int]]) -> None:
        """Predict tiles and add their weighted logits; see `Accumulator`."""
        _, height, width = self._runner.patch
        for logits, (y, x) in zip(self._runner.logits(patches), corners, strict=True):
            where = (slice(None), slice(y, y + height), slice(x, x + width))
            self._sums[(slice(None), *where)] += logits * self._weights
            self._total[where] += self._weights

    def take(self, rows: int, window: tuple[slice, slice]) -> NDArray[np.float32]:
        """Blended logits of the first rows; see `Accumulator`."""
        first = (slice(0, rows), *window)
        result: NDArray[np.float32] = self._sums[(slice(None), *first)] / self._total[first]
        return result

    def advance(self, rows: int) -> None:
        """Move on along z; see `Accumulator`."""
        for sums in (self._sums, self._total[None]):
            kept = sums[:, rows:].copy()
            sums[:] = 0
            sums[:, : kept.shape[1]] = kept
