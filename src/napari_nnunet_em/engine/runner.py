"""What the sweep asks of whoever runs the network: add tiles, take finished rows.

A runner keeps the sums of its tiles wherever it likes (NumPy, a GPU); everything above it sees NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.geometry import Shape


class Accumulator(Protocol):
    """Weighted sums of logits over one plane of a column, as many rows deep as a patch.

    Row 0 is the row at which the current tiles begin. `advance` moves on along z.
    """

    def add(self, patches: NDArray[np.float32], corners: Sequence[tuple[int, int]]) -> None:
        """Predict tiles and add their weighted logits.

        Parameters
        ----------
        patches : array, (tiles, c, z, y, x), float32
            Normalised input, one patch per tile.
        corners : sequence of (int, int)
            First (y, x) of each tile in the plane.
        """
        ...

    def take(self, rows: int, window: tuple[slice, slice]) -> NDArray[np.float32]:
        """Blended logits of the first `rows` rows inside `window` (y, x), as (heads, rows, y, x) float32."""
        ...

    def advance(self, rows: int) -> None:
        """Drop the first `rows` rows and make room for as many after the last."""
        ...


class TileRunner(Protocol):
    """Runs a network, its flips and its folds on tiles."""

    @property
    def patch(self) -> Shape:
        """Patch size, (z, y, x)."""
        ...

    @property
    def heads(self) -> int:
        """Outputs of the network per voxel."""
        ...

    @property
    def batch_size(self) -> int:
        """Tiles the sweep should hand over at once."""
        ...

    @property
    def description(self) -> str:
        """What runs where, for log and provenance."""
        ...

    def accumulator(self, plane: tuple[int, int]) -> Accumulator:
        """Start empty sums for a plane of (y, x) voxels."""
        ...
