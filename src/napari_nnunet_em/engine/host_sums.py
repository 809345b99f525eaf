"""Weighted sums of tiles in NumPy, for every runner whose logits arrive in the computer's own memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.engine.blending import gaussian_weights
from napari_nnunet_em.engine.constant_tiles import ConstantTiles
from napari_nnunet_em.engine.runner import Corner, Window
from napari_nnunet_em.geometry import Shape

if TYPE_CHECKING:
    import torch

Stack = TypeVar("Stack", "NDArray[np.float32]", "torch.Tensor")


class TilePredictor(Protocol):
    """Predicts tiles in the computer's own memory."""

    @property
    def patch(self) -> Shape:
        """Patch size, (z, y, x)."""
        ...

    @property
    def heads(self) -> int:
        """Logits per voxel."""
        ...

    @property
    def constant_answers(self) -> ConstantTiles[NDArray[np.float32]]:
        """Logits (heads, z, y, x) of tiles that hold one value per channel."""
        ...

    def predict(self, rows: NDArray[np.float32], corners: Sequence[Corner]) -> Iterator[NDArray[np.float32]]:
        """Predict tiles of some rows.

        Parameters
        ----------
        rows : array, (c, z, y, x), float32
            Normalised input, one patch deep.
        corners : sequence of (int, int)
            First (y, x) of each tile.

        Yields
        ------
        array, (heads, z, y, x), float32
            Logits of each tile, in the order of the corners; valid until the next one is asked for.
        """
        ...


class HostAccumulator:
    """Sums in NumPy; see `Accumulator`.

    Parameters
    ----------
    predictor : TilePredictor
        Predicts the tiles.
    plane : tuple of int, (y, x)
        Size of the plane.
    """

    def __init__(self, predictor: TilePredictor, plane: tuple[int, int]) -> None:
        self._predictor = predictor
        self._weights = gaussian_weights(predictor.patch)
        depth = predictor.patch[0]
        self._sums = np.zeros((predictor.heads, depth, *plane), np.float32)
        self._total = np.zeros((depth, *plane), np.float32)
        self._rows: NDArray[np.float32] | None = None

    def load(self, rows: NDArray[np.float32]) -> None:
        """Keep the rows, as they are, for the tiles that follow."""
        self._rows = rows

    def add(self, corners: Sequence[Corner]) -> None:
        """Predict tiles and add their weighted logits."""
        assert self._rows is not None
        answers = self._predictor.predict(self._rows, corners)
        for corner, logits in zip(corners, answers, strict=True):
            self._add(logits * self._weights, corner)

    def add_constant(self, values: tuple[float, ...], corners: Sequence[Corner]) -> None:
        """Add tiles that hold one value per channel."""
        weighted = self._predictor.constant_answers.get(values) * self._weights
        for corner in corners:
            self._add(weighted, corner)

    def _add(self, weighted: NDArray[np.float32], corner: Corner) -> None:
        (y, x), (_, height, width) = corner, self._predictor.patch
        where = (slice(None), slice(y, y + height), slice(x, x + width))
        self._sums[(slice(None), *where)] += weighted
        self._total[where] += self._weights

    def take(self, rows: int, window: Window) -> NDArray[np.float32]:
        """Blended logits of the first rows."""
        first = (slice(0, rows), *window)
        result: NDArray[np.float32] = self._sums[(slice(None), *first)] / self._total[first]
        return result

    def advance(self, rows: int) -> None:
        """Move on along z."""
        for stack in (*self._sums, self._total):
            move_up(stack, rows)


def move_up(stack: Stack, rows: int) -> None:
    """Drop the first `rows` of a stack (z, y, x), move the others up and fill with zeros, without a copy."""
    depth = len(stack)
    keep = max(depth - rows, 0)
    for start in range(0, keep, rows):
        # As many rows at a time as lie between source and target, so that the two never overlap.
        stop = min(start + rows, keep)
        stack[start:stop] = stack[start + rows : stop + rows]
    stack[keep:] = 0
