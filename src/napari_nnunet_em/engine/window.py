"""Rolling windows along z: the input rows the tiles need next, the logit rows a block still waits for."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.engine.preprocess import Preprocessor
from napari_nnunet_em.geometry import Box

_PIECE_BYTES = 32 << 20
_SMALLEST_PIECE = 128


class InputWindow:
    """One patch depth of preprocessed rows, (c, z, y, x), float32, which moves along z in place.

    Parameters
    ----------
    depth : int
        Rows of a patch.

    Attributes
    ----------
    data : array, (c, z, y, x), float32
        The rows.
    """

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self.data: NDArray[np.float32] = np.empty((0, 0, 0, 0), np.float32)

    def advance(self, fresh: NDArray[np.float32]) -> None:
        """Drop as many rows as are `fresh`, (c, rows, y, x), and put these last."""
        rows = fresh.shape[1]
        if rows == self._depth:
            self.data = fresh
            return
        for z in range(self._depth - rows):
            self.data[:, z] = self.data[:, z + rows]
        self.data[:, self._depth - rows :] = fresh


def read_rows(source: Preprocessor, box: Box) -> NDArray[np.float32]:
    """Preprocess a box of the padded grid, (c, z, y, x), in pieces that keep temporary arrays small."""
    channels = source.volume.channels
    rows, height, width = box.shape
    result = np.empty((channels, *box.shape), np.float32)
    side = max(_PIECE_BYTES // (4 * channels * rows * width), _SMALLEST_PIECE)
    for y in range(0, height, side):
        stop = min(y + side, height)
        z0, y0, x0 = box.start
        result[:, :, y:stop] = source.read(Box((z0, y0 + y, x0), (box.stop[0], y0 + stop, box.stop[2])))
    return result


class RowBuffer:
    """Finished rows of logits, kept until no block needs them any more."""

    def __init__(self) -> None:
        self._parts: deque[tuple[int, NDArray[np.float32]]] = deque()

    @property
    def stop(self) -> int:
        """One past the last row held."""
        if not self._parts:
            return 0
        start, rows = self._parts[-1]
        return start + int(rows.shape[1])

    def append(self, start: int, rows: NDArray[np.float32]) -> None:
        """Add rows (heads, n, y, x) that begin at `start`."""
        self._parts.append((start, rows))

    def drop(self, before: int) -> None:
        """Forget rows before `before`."""
        while self._parts and self._parts[0][0] + self._parts[0][1].shape[1] <= before:
            self._parts.popleft()

    def get(
        self, start: int, stop: int, window: tuple[slice, slice] = (slice(None), slice(None))
    ) -> NDArray[np.float32]:
        """Rows ``start`` to ``stop`` inside `window` (y, x) as (heads, rows, y, x), float32."""
        picked = [
            rows[(slice(None), slice(max(start - first, 0), stop - first), *window)]
            for first, rows in self._parts
            if first < stop and first + rows.shape[1] > start
        ]
        return picked[0] if len(picked) == 1 else np.concatenate(picked, axis=1)
