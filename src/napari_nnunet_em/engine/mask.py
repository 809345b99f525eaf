"""nnU-Net's non-zero mask with its holes filled, exact for the whole volume and readable box by box.

``nnunetv2.preprocessing.cropping.create_nonzero_mask`` fills the holes of the mask with
``scipy.ndimage.binary_fill_holes``: zeros that are not connected, across faces, to the border of the volume
count as inside. Whether a zero is such a hole can depend on voxels far away, so the zeros' components are
found over the whole volume, block by block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.components import ComponentFinder, Components, Layout
from napari_nnunet_em.config import Connectivity
from napari_nnunet_em.engine.statistics import statistics_block_shape
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import Volume
from napari_nnunet_em.progress import Steps


@dataclass(frozen=True)
class NonzeroMask:
    """The filled non-zero mask.

    Attributes
    ----------
    holes : Components
        The holes.
    hole_count : int
        Voxels in holes.
    hole_counts : array, (planes,), int64, or None
        Voxels in holes per plane across the axis that was asked for.
    """

    holes: Components
    hole_count: int
    hole_counts: NDArray[np.int64] | None

    def of(self, box: Box, voxels: NDArray[np.generic]) -> NDArray[np.bool_]:
        """Mask of a box of the volume, (z, y, x), bool, from its voxels, (c, z, y, x)."""
        mask: NDArray[np.bool_] = (voxels != 0).any(axis=0)
        if self.hole_count:
            mask |= self.holes.mask(box)
        return mask


def find_mask(volume: Volume, profile_axis: int | None) -> Steps[NonzeroMask]:
    """Find the holes of the non-zero mask in one pass, and a second where planes are counted.

    Parameters
    ----------
    volume : Volume
        The volume; a voxel is zero where all its channels are.
    profile_axis : int or None
        Axis of the volume across which hole voxels are counted per plane.

    Yields
    ------
    tuple of int
        Blocks done, and blocks in all.

    Returns
    -------
    NonzeroMask
    """
    layout = Layout(volume.shape, statistics_block_shape(volume), Connectivity.FACES)
    with ComponentFinder(layout, remember=True) as finder:
        for done, block in enumerate(layout.blocks(), 1):
            finder.add(block, _zeros(volume, block.write))
            yield done, layout.count
        table = finder.finish()
    holes = Components(lambda box: _zeros(volume, box), table.select(~table.touches_border))
    count = int(holes.table.voxels.sum())
    counts = None
    if profile_axis is not None:
        counts = np.zeros(volume.shape[profile_axis], np.int64)
        others = tuple(a for a in range(3) if a != profile_axis)
        for block in layout.blocks() if count else ():
            filled = holes.relabel(block) > 0
            counts[block.write.slices[profile_axis]] += np.count_nonzero(filled, axis=others)
    return NonzeroMask(holes, count, counts)


def _zeros(volume: Volume, box: Box) -> NDArray[np.bool_]:
    result: NDArray[np.bool_] = (volume.read(box) == 0).all(axis=0)
    return result
