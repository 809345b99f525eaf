"""Rolling windows along z: the input rows the tiles need next, the logit rows a block still waits for."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.engine.preprocess import Preprocessor
from napari_nnunet_em.geometry import Box

MAX_SLAB_ROWS = 64


class InputWindow:
    """Preprocessed rows of one plane of the padded grid, read once each, in slabs that follow the chunks.

    Parameters
    ----------
    source : Preprocessor
        Where rows come from.
    plane : tuple of (int, int)
        First and one-past-last y, and x, of the plane.
    slab_end : callable
        From the last row needed (exclusive) to the row up to which to read.
    """

    def __init__(
        self,
        source: Preprocessor,
        plane: tuple[tuple[int, int], tuple[int, int]],
        slab_end: Callable[[int], int],
    ) -> None:
        self._source = source
        self._plane = plane
        self._slab_end = slab_end
        self._start = self._stop = 0
        self._data: NDArray[np.float32] | None = None

    def rows(self, start: int, stop: int) -> NDArray[np.float32]:
        """Rows ``start`` to ``stop`` as (c, rows, y, x), float32; `start` never goes back."""
        if self._data is None or start >= self._stop:
            self._data, self._start, self._stop = None, start, start
        if stop > self._stop:
            self._extend(start, self._slab_end(stop))
        assert self._data is not None
        return self._data[:, start - self._start : stop - self._start]

    def _extend(self, start: int, stop: int) -> None:
        (y0, y1), (x0, x1) = self._plane
        fresh = self._source.read(Box((self._stop, y0, x0), (stop, y1, x1)))
        if self._data is not None:
            fresh = np.concatenate([self._data[:, start - self._start :], fresh], axis=1)
        self._data, self._start, self._stop = fresh, start, stop


def chunk_aligned_end(source: Preprocessor) -> Callable[[int], int]:
    """Make the rule by which an `InputWindow` reads ahead to the end of a chunk of the storage."""
    space = source.space
    chunk = source.volume.chunks[space.forward[0]]
    ratio = space.forth.axes[0].source / space.forth.axes[0].target
    first, pad, last = space.crop.start[0], space.pad_low[0], space.grid.shape[0]

    def end(stop: int) -> int:
        stored = first + math.ceil((stop - pad) * ratio)
        aligned = math.ceil(stored / chunk) * chunk
        ahead = math.floor((aligned - first) / ratio) + pad
        return min(max(stop, min(ahead, stop + MAX_SLAB_ROWS)), last)

    return end


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

    def get(self, start: int, stop: int) -> NDArray[np.float32]:
        """Rows ``start`` to ``stop`` as (heads, rows, y, x), float32."""
        picked = [
            rows[:, max(start - first, 0) : stop - first]
            for first, rows in self._parts
            if first < stop and first + rows.shape[1] > start
        ]
        return picked[0] if len(picked) == 1 else np.concatenate(picked, axis=1)
