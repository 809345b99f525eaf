"""Weighted sums of tiles on the device of a PyTorch runner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from napari_nnunet_em.engine.blending import gaussian_weights
from napari_nnunet_em.engine.host_sums import move_up
from napari_nnunet_em.engine.runner import Corner, Window

if TYPE_CHECKING:
    from napari_nnunet_em.engine.torch_runner import TorchRunner


class TorchAccumulator:
    """Sums on the runner's device; see `Accumulator`.

    Parameters
    ----------
    runner : TorchRunner
        Predicts the tiles.
    plane : tuple of int, (y, x)
        Size of the plane.
    """

    def __init__(self, runner: TorchRunner, plane: tuple[int, int]) -> None:
        self._runner = runner
        self._weights = torch.from_numpy(gaussian_weights(runner.patch).copy()).to(runner.device)
        depth = runner.patch[0]
        self._sums = torch.zeros((runner.heads, depth, *plane), device=runner.device)
        self._total = torch.zeros((depth, *plane), device=runner.device)
        self._rows = torch.empty(0)

    def load(self, rows: NDArray[np.float32]) -> None:
        """Move the rows to the device, once for all tiles, flips and folds."""
        # PyTorch takes writable arrays only, though nothing is written.
        self._rows = torch.from_numpy(np.require(rows, requirements="W")).to(self._runner.device)

    @torch.inference_mode()
    def add(self, corners: Sequence[Corner]) -> None:
        """Predict tiles and add their weighted logits."""
        tiles = [self._rows[(slice(None), *self._where(corner))] for corner in corners]
        for index, logits in self._runner.passes(tiles):
            where = (slice(None), *self._where(corners[index]))
            self._sums[where].addcmul_(logits, self._weights, value=self._runner.share)
        for corner in corners:
            self._total[self._where(corner)] += self._weights

    @torch.inference_mode()
    def add_constant(self, values: tuple[float, ...], corners: Sequence[Corner]) -> None:
        """Add tiles that hold one value per channel."""
        weighted = self._runner.constant_answers.get(values) * self._weights
        for corner in corners:
            self._sums[(slice(None), *self._where(corner))] += weighted
            self._total[self._where(corner)] += self._weights

    def _where(self, corner: Corner) -> tuple[slice, slice, slice]:
        (y, x), (_, height, width) = corner, self._runner.patch
        return slice(None), slice(y, y + height), slice(x, x + width)

    @torch.inference_mode()
    def take(self, rows: int, window: Window) -> NDArray[np.float32]:
        """Blended logits of the first rows."""
        first = (slice(0, rows), *window)
        blended = self._sums[(slice(None), *first)] / self._total[first]
        return np.asarray(blended.cpu().numpy())

    @torch.inference_mode()
    def advance(self, rows: int) -> None:
        """Move on along z."""
        for stack in (*self._sums, self._total):
            move_up(stack, rows)
