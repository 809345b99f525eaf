"""From rows of logits, as the sweep leaves them behind, to finished blocks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.engine.column import Column, ColumnBlock
from napari_nnunet_em.engine.output import Encoder, logits_to_cropped
from napari_nnunet_em.engine.space import ModelSpace, permute_box
from napari_nnunet_em.engine.window import RowBuffer
from napari_nnunet_em.geometry import Box

_PART_ROWS = 4


@dataclass(frozen=True)
class BlockResult:
    """A finished block.

    Attributes
    ----------
    box : Box
        Voxels of the volume.
    probabilities : array, (classes, z, y, x)
        In the volume's axes, as stored.
    classes : array, (z, y, x)
        In the volume's axes.
    """

    box: Box
    probabilities: NDArray[np.generic]
    classes: NDArray[np.unsignedinteger]


class ColumnEncoder:
    """Encodes the rows of a column a few at a time, as soon as they are there.

    Nothing here is locked: one thread at a time hands over rows, in ascending order.

    Parameters
    ----------
    space : ModelSpace
        The grids.
    encoder : Encoder
        How the result is stored.
    column : Column
        Its blocks.
    """

    def __init__(self, space: ModelSpace, encoder: Encoder, column: Column) -> None:
        self._space = space
        self._encoder = encoder
        self._rows = RowBuffer()
        self._waiting = deque(_BlockInHand(space, encoder, block) for block in column.blocks)
        window_y, window_x = column.wanted_window
        (y0, _), (x0, _) = column.plane
        self._origin = (y0 + window_y.start, x0 + window_x.start)

    def add(self, start: int, rows: NDArray[np.float32]) -> Iterator[BlockResult]:
        """Take in finished rows of the column's `wanted_window`, and yield the blocks that they complete.

        Parameters
        ----------
        start : int
            First row, in padded voxels.
        rows : array, (heads, rows, y, x), float32
            Logits, as `Encoder.encode` takes them.
        """
        self._rows.append(start, rows)
        for block in self._waiting:
            if block.next_support[0] >= self._rows.stop:
                break  # blocks are in order, so that none after it has begun
            block.encode(self._rows, self._origin)
        while self._waiting and self._waiting[0].complete:
            yield self._waiting.popleft().result()
        self._rows.drop(min((b.next_support[0] for b in self._waiting), default=self._rows.stop))


class _BlockInHand:
    """A block of which some rows are encoded."""

    def __init__(self, space: ModelSpace, encoder: Encoder, block: ColumnBlock) -> None:
        self._space, self._encoder, self._block = space, encoder, block
        self._next = block.cropped.start[0]
        self._arrays: tuple[NDArray[np.generic], NDArray[np.unsignedinteger]] | None = None

    @property
    def complete(self) -> bool:
        """Whether all rows are encoded."""
        return self._next >= self._block.cropped.stop[0]

    @property
    def next_support(self) -> tuple[int, int]:
        """Padded rows on which the next part depends."""
        if self.complete:
            return self._block.wanted.stop[0], self._block.wanted.stop[0]
        support = self._space.to_padded(self._part())
        return support.start[0], support.stop[0]

    def encode(self, rows: RowBuffer, origin: tuple[int, int]) -> None:
        """Encode what the rows suffice for; `origin` is their first (y, x) in padded voxels."""
        wanted = self._block.wanted
        y, x = (slice(wanted.start[a] - o, wanted.stop[a] - o) for a, o in zip((1, 2), origin, strict=True))
        while not self.complete and self.next_support[1] <= rows.stop:
            part = self._part()
            logits = logits_to_cropped(self._space, rows.get(*self.next_support, (y, x)), part)
            self._put(part, logits)
            self._next = part.stop[0]

    def result(self) -> BlockResult:
        """The finished block, in the volume's axes."""
        probabilities, classes = self._made()
        back = self._space.backward
        return BlockResult(
            permute_box(self._block.transposed, back),
            np.ascontiguousarray(probabilities.transpose(0, *(a + 1 for a in back))),
            np.ascontiguousarray(classes.transpose(back)),
        )

    def _part(self) -> Box:
        cropped = self._block.cropped
        stop = min(self._next + _PART_ROWS, cropped.stop[0])
        return Box((self._next, *cropped.start[1:]), (stop, *cropped.stop[1:]))

    def _made(self) -> tuple[NDArray[np.generic], NDArray[np.unsignedinteger]]:
        if self._arrays is None:
            self._arrays = self._encoder.empty(self._block.transposed.shape)
        return self._arrays

    def _put(self, part: Box, logits: NDArray[np.float32]) -> None:
        probabilities, classes = self._made()
        target = part.shift(self._space.crop.start).relative_to(self._block.transposed.start).slices
        probabilities[(slice(None), *target)], classes[target] = self._encoder.encode(logits)
