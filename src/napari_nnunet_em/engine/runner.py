"""What the sweep asks of whoever runs the network: load rows, add tiles, take finished rows.

A runner keeps the sums of its tiles wherever it likes (NumPy, a GPU); everything above it sees NumPy. For
each z start the sweep calls `load`, then `add` and `add_constant` in any number and order, then `take` and
`advance`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.geometry import Shape

Corner = tuple[int, int]
Window = tuple[slice, slice]


class Accumulator(Protocol):
    """Weighted sums of logits over one plane of a column, as many rows deep as a patch.

    Row 0 is the row at which the current tiles begin. `advance` moves on along z.
    """

    def load(self, rows: NDArray[np.float32]) -> None:
        """Hand over the input under the current tiles; once for each z start.

        Parameters
        ----------
        rows : array, (c, z, y, x), float32
            Normalised input, one patch deep, of the whole plane. It may be read until `take` returns, so
            the caller changes it only after that.
        """
        ...

    def add(self, corners: Sequence[Corner]) -> None:
        """Predict tiles of the loaded rows and add their weighted logits.

        Parameters
        ----------
        corners : sequence of (int, int)
            First (y, x) of each tile in the plane.
        """
        ...

    def add_constant(self, values: tuple[float, ...], corners: Sequence[Corner]) -> None:
        """Add tiles whose whole input is one value for each channel, as blank borders are.

        The network sees the same input in all of them, so that it is run once for each `values`, and its
        answer is reused: the sums are those of `add`.

        Parameters
        ----------
        values : tuple of float
            The value of each channel.
        corners : sequence of (int, int)
            First (y, x) of each tile in the plane.
        """
        ...

    def take(self, rows: int, window: Window) -> NDArray[np.float32]:
        """Blended logits of the first rows.

        Parameters
        ----------
        rows : int
            How many.
        window : tuple of slice, (y, x)
            Part of the plane; tiles must have covered all of it.

        Returns
        -------
        array, (heads, rows, y, x), float32
            The caller's own.
        """
        ...

    def advance(self, rows: int) -> None:
        """Drop the first `rows` rows and make room for as many after the last, in place."""
        ...


class TileRunner(Protocol):
    """Runs a network, its flips and its folds on tiles.

    For models with classes (softmax) the logits are relative to those of the background: head 0 of the
    network is subtracted from the others and dropped. Softmax does not change by that, and a third or more of
    the memory is saved. Models with regions (sigmoid) keep all heads.
    """

    @property
    def patch(self) -> Shape:
        """Patch size, (z, y, x)."""
        ...

    @property
    def heads(self) -> int:
        """Logits per voxel: one less than the network's outputs where they are relative."""
        ...

    @property
    def batch_size(self) -> int:
        """Tiles the sweep should hand over at once."""
        ...

    @property
    def description(self) -> str:
        """What runs where and how, for log and provenance."""
        ...

    def accumulator(self, plane: tuple[int, int]) -> Accumulator:
        """Start empty sums for a plane of (y, x) voxels."""
        ...

    def warm_up(self) -> None:
        """Do what the first tile would have to wait for, such as compiling; may be left out.

        Another thread may call it, while the volume is being read.
        """
        ...
