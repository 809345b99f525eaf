"""Reading objects one by one, each exactly as it is in the whole volume.

An object lies inside its bounding box, so it is the connected component of the mask inside that box
which holds its first voxel, whatever else is in the box. Nothing of this depends on blocks: they only decide
which objects are read from disk together. Objects that were linked slice by slice are looked up instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.components import Components, ComponentTable
from napari_nnunet_em.components.layout import label_block
from napari_nnunet_em.config import FillHoles, Linking
from napari_nnunet_em.geometry import Box, Shape, as_shape
from napari_nnunet_em.instances.foreground import Foreground
from napari_nnunet_em.instances.holes import filled
from napari_nnunet_em.instances.splitting.split import Piece

Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ObjectReader:
    """Reads objects, with their holes filled where that is asked for.

    Attributes
    ----------
    foreground : Foreground
        The mask.
    components : ComponentTable
        Its components.
    smallest : int
        Voxels of the smallest object.
    """

    foreground: Foreground
    components: ComponentTable
    smallest: int

    @property
    def volume(self) -> Shape:
        """Voxels of the volume."""
        return self.components.layout.shape

    def box(self, row: int) -> Box:
        """Where a component lies, with one voxel around it where the volume holds one."""
        columns = self.components.statistics
        start = as_shape([columns[f"min_{axis}"][row] for axis in "zyx"])
        stop = as_shape([columns[f"max_{axis}"][row] for axis in "zyx"])
        return Box(start, stop).grow((1, 1, 1)).intersect(Box.whole(self.volume))

    def first(self, row: int) -> Shape:
        """First voxel of a component."""
        rest, x = divmod(int(self.components.statistics["first"][row]), self.volume[2])
        z, y = divmod(rest, self.volume[1])
        return z, y, x

    def together(self, rows: Rows) -> list[Rows]:
        """Group components whose boxes are read at once: those that hardly leave their block.

        Parameters
        ----------
        rows : array, (n,), int64
            Components whose boxes begin in the same block.
        """
        if not rows.size:
            return []
        block = self.components.layout.block_shape
        home = as_shape([a // b * b for a, b in zip(self.box(int(rows[0])).start, block, strict=True)])
        reach = Box(home, as_shape([a + b for a, b in zip(home, block, strict=True)])).grow(
            [b // 4 for b in block]
        )
        near = np.array([reach.contains(self.box(int(row))) for row in rows], dtype=np.bool_)
        alone = [rows[i : i + 1] for i in np.flatnonzero(~near)]
        return [rows[near], *alone] if near.any() else alone

    def read(self, rows: Rows) -> Iterator[tuple[int, Box, Piece, bool]]:
        """Read components at once; for each its number, box, piece, and whether holes were filled in it."""
        boxes = [self.box(int(row)) for row in rows]
        window = _around(boxes)
        mask, probability = self.foreground.read(window)
        boundary = self.foreground.source.read_boundary(window)
        others = self._other_classes(window)
        labels = self._labels(window, mask)
        for row, box in zip(rows.tolist(), boxes, strict=True):
            place = tuple(f - a for f, a in zip(self.first(row), window.start, strict=True))
            part = box.relative_to(window.start).slices
            piece = labels[part] == labels[place]
            foreign = (labels[part] > 0) & ~piece
            whole = self.filled(piece, foreign if others is None else foreign | others[part])
            edge = None if boundary is None else boundary[part]
            changed = whole is not piece and bool((whole != piece).any())
            yield row, box, Piece(whole, probability[part], edge), changed

    def filled(self, piece: Mask, others: Mask) -> Mask:
        """A piece with its holes filled as the settings say."""
        settings = self.foreground.settings
        # Of linked cross-sections any may belong to an object that goes on outside of the piece.
        smallest = 1 if self.linked else self.smallest
        return filled(piece, others, settings.fill_holes, settings.connectivity, smallest)

    @property
    def linked(self) -> bool:
        """Whether objects are cross-sections linked by overlap, which need not be connected."""
        return self.foreground.settings.linking is Linking.OVERLAP

    def _labels(self, window: Box, mask: Mask) -> NDArray[np.unsignedinteger[Any]]:
        """What tells apart the objects that lie inside a window, from 1; 0 outside of objects."""
        if self.linked:
            return Components(self.foreground.mask, self.components).labels(window)
        return label_block(mask, self.foreground.settings.connectivity)[0]

    def _other_classes(self, window: Box) -> Mask | None:
        if self.foreground.settings.fill_holes is FillHoles.NONE:
            return None
        return self.foreground.source.other_classes(window)


def _around(boxes: Sequence[Box]) -> Box:
    start = as_shape(np.min([box.start for box in boxes], axis=0).tolist())
    stop = as_shape(np.max([box.stop for box in boxes], axis=0).tolist())
    return Box(start, stop)
