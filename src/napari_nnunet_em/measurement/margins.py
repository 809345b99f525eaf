"""The rims of finished blocks, kept as long as blocks beside them are still to come."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.geometry import Box, Shape, as_shape

Labels = NDArray[np.integer[Any]]


@dataclass(eq=False)
class Rim:
    """A slab of labels at the edge of a finished block.

    Attributes
    ----------
    box : Box
        Its voxels.
    packed : bytes or None
        Its labels, compressed: a front across a whole slice of a large volume stays small. None where there
        is no object.
    dtype : numpy.dtype
        Type of the labels.
    """

    box: Box
    packed: bytes | None
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, box: Box, labels: Labels) -> Rim:
        """Keep the labels of a slab, (z, y, x)."""
        packed = zlib.compress(labels.tobytes(), level=1) if labels.any() else None
        return cls(box, packed, labels.dtype)

    def labels(self) -> Labels:
        """The labels, (z, y, x)."""
        assert self.packed is not None  # rims without objects are never asked
        return np.frombuffer(zlib.decompress(self.packed), dtype=self.dtype).reshape(self.box.shape)


class Margins:
    """Rims of the blocks added so far, as far as blocks to come can be their neighbours.

    Blocks may come in any order and be of any shape, as long as they do not overlap.

    Parameters
    ----------
    shape : tuple of int, (z, y, x)
        Voxels of the whole image.
    reach : tuple of int, (z, y, x)
        How far apart two voxels can be and still be neighbours, along each axis.
    """

    def __init__(self, shape: Shape, reach: Shape) -> None:
        self._whole = Box.whole(shape)
        self._reach = reach
        self._rims: list[Rim] = []
        # As arrays, so that a block finds its neighbours among thousands of rims at once.
        self._starts = np.empty((0, 3), dtype=np.int64)
        self._stops = np.empty((0, 3), dtype=np.int64)
        self._missing = np.empty(0, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._rims)

    def near(self, box: Box) -> list[Rim]:
        """Rims with objects in them that have neighbours in the box."""
        grown = box.grow(self._reach)
        close = np.flatnonzero(self._shared(grown))
        return [self._rims[i] for i in close if self._rims[i].packed is not None]

    def add(self, box: Box, labels: Labels | None) -> None:
        """Keep the rims of a finished block, and drop those that nobody will ask for any more.

        Parameters
        ----------
        box : Box
            The block.
        labels : array, (z, y, x), or None
            Its labels; None where there is no object.
        """
        self._missing -= self._shared(box, self._reach)
        new = [
            Rim.of(part, labels[part.relative_to(box.start).slices])
            if labels is not None
            else Rim(part, None, np.dtype(np.uint32))
            for part in _rim_boxes(box, self._reach)
        ]
        missing = [self._still_missing(rim.box, box) for rim in new]
        self._rims += new
        self._starts = np.concatenate([self._starts, [rim.box.start for rim in new]])
        self._stops = np.concatenate([self._stops, [rim.box.stop for rim in new]])
        self._missing = np.concatenate([self._missing, missing])
        self._drop()

    def _drop(self) -> None:
        keep = self._missing > 0
        self._rims = [rim for rim, stays in zip(self._rims, keep.tolist(), strict=True) if stays]
        self._starts, self._stops = self._starts[keep], self._stops[keep]
        self._missing = self._missing[keep]

    def _still_missing(self, rim: Box, block: Box) -> int:
        """Voxels in reach of a new rim whose blocks have not come yet.

        Voxels of finished blocks that are in reach of an unfinished one are in rims, and the new block was
        unfinished until now: so the rims there are know everything.
        """
        reached = rim.grow(self._reach).intersect(self._whole)
        return reached.size - reached.intersect(block).size - int(self._shared(reached).sum())

    def _shared(self, box: Box, grow: Shape = (0, 0, 0)) -> NDArray[np.int64]:
        """Voxels that a box shares with each rim, grown by `grow`."""
        low = np.maximum(self._starts - np.array(grow), np.array(box.start))
        high = np.minimum(self._stops + np.array(grow), np.array(box.stop))
        shared: NDArray[np.int64] = np.prod(np.maximum(high - low, 0), axis=1)
        return shared


def _rim_boxes(box: Box, reach: Shape) -> Iterator[Box]:
    """Cut what lies within `reach` of a box's faces into slabs that do not overlap."""
    start, stop = list(box.start), list(box.stop)
    for axis, margin in enumerate(reach):
        near, far = start[axis] + margin, stop[axis] - margin
        if near >= far:  # all of it is rim
            yield Box(as_shape(start), as_shape(stop))
            return
        for low, high in ((start[axis], near), (far, stop[axis])):
            yield Box(
                as_shape([*start[:axis], low, *start[axis + 1 :]]),
                as_shape([*stop[:axis], high, *stop[axis + 1 :]]),
            )
        start[axis], stop[axis] = near, far
