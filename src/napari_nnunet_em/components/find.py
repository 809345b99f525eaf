"""Components of a plain mask: both passes behind one small door."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.components.finder import ComponentFinder
from napari_nnunet_em.components.layout import Layout, as_connectivity
from napari_nnunet_em.components.table import ComponentTable, Labels
from napari_nnunet_em.geometry import Block, Box, as_shape, iter_blocks
from napari_nnunet_em.progress import CancelToken

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Components:
    """Components together with the volume they were found in, for the second pass.

    Attributes
    ----------
    source : callable
        Gives the voxels of a box, (z, y, x) bool, the same in each call.
    table : ComponentTable
        What was found.
    """

    source: Callable[[Box], Mask]
    table: ComponentTable

    def select(self, keep: Mask) -> Components:
        """Keep some components only; see `ComponentTable.select`."""
        return Components(self.source, self.table.select(keep))

    def relabel(self, block: Block) -> Labels:
        """Final labels of one of ``table.layout.blocks()``; reads voxels only where nothing is remembered."""
        return self.table.labels(block, self.source)

    def labels(self, box: Box) -> Labels:
        """Final labels of any box inside the volume, (z, y, x); labels each block that it meets anew."""
        out = np.zeros(box.shape, dtype=self.table.dtype)
        for block in _blocks_meeting(self.table.layout, box):
            both = block.write.intersect(box)
            part = self.relabel(block)[both.relative_to(block.write.start).slices]
            out[both.relative_to(box.start).slices] = part
        return out

    def mask(self, box: Box) -> Mask:
        """Whether each voxel of any box inside the volume belongs to a component, (z, y, x) bool."""
        return self.labels(box) > 0


def _blocks_meeting(layout: Layout, box: Box) -> list[Block]:
    """Blocks of a layout that share voxels with a box."""
    first = as_shape([a // b for a, b in zip(box.start, layout.block_shape, strict=True)])
    last = as_shape([-(-a // b) for a, b in zip(box.stop, layout.block_shape, strict=True)])
    blocks = []
    for place in iter_blocks([b - a for a, b in zip(first, last, strict=True)], (1, 1, 1)):
        index = as_shape([a + i for a, i in zip(first, place.index, strict=True)])
        start = as_shape([i * b for i, b in zip(index, layout.block_shape, strict=True)])
        own = Box((0, 0, 0), layout.extent(index)).shift(start)
        blocks.append(Block(index, own, own))
    return blocks


def find_components(
    source: Callable[[Box], Mask],
    shape: Sequence[int],
    block_shape: Sequence[int],
    connectivity: int,
    *,
    on_block: Callable[[Block], None] | None = None,
    cancel: CancelToken | None = None,
) -> Components:
    """Find the connected components of a boolean volume that need not fit into memory.

    Parameters
    ----------
    source : callable
        Gives the voxels of a box, (z, y, x) bool; it must give the same each time.
    shape, block_shape : sequence of int, (z, y, x)
        Voxels of the volume and of a block. Blocks decide memory and speed, never the outcome. The
        labelling holds Python's global lock, so blocks of a few million voxels keep a window alive.
    connectivity : int
        6, 18 or 26.
    on_block : callable, optional
        Called with each finished block.
    cancel : CancelToken, optional
        Polled before each block.

    Returns
    -------
    Components
        Numbered 1 to n in the order in which raster order meets them, as `scipy.ndimage.label` does.

    Raises
    ------
    Cancelled
        When `cancel` asked for it.
    SettingsError
        For another connectivity, or an empty block shape.
    OutputError
        When the scratch folder is full.
    """
    layout = Layout(as_shape(shape), as_shape(block_shape), as_connectivity(connectivity))
    with ComponentFinder(layout, remember=True) as finder:
        for block in layout.blocks():
            if cancel is not None:
                cancel.raise_if_cancelled()
            finder.add(block, source(block.write))
            if on_block is not None:
                on_block(block)
        return Components(source, finder.finish())
