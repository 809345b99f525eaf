"""A first answer for the slice on screen: its cross-sections, split as those of an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_nnunet_em.geometry import Box, as_shape
from napari_nnunet_em.instances.preview.stages import Stages
from napari_nnunet_em.instances.splitting.split import Piece, split_piece

Labels = NDArray[np.uint32]


def split_slice(
    stages: Stages, labels: Labels, slice_box: Box, splittable: NDArray[np.bool_], smallest: int
) -> Labels:
    """Split the objects of one slice by their cross-sections alone.

    Parameters
    ----------
    stages : Stages
        What is known.
    labels : array, (1, y, x), uint32
        Numbers of the objects in the slice.
    slice_box : Box
        Where the slice is, in voxels of the region.
    splittable : array, (largest number + 1,), bool
        Which objects are to be split.
    smallest : int
        Voxels of the smallest object, from which follows the smallest cross-section.

    Returns
    -------
    array, (1, y, x), uint32
        The first part of each object keeps its number, the others have numbers that are new.
    """
    out = labels.copy()
    foreground = stages.foreground()
    probability = foreground.read(slice_box)[1]
    boundary = foreground.source.read_boundary(slice_box)
    area = round(smallest ** (2 / 3))
    count = len(splittable) - 1
    for number, found in enumerate(ndimage.find_objects(labels.astype(np.int32)), start=1):
        if found is None or not splittable[number]:
            continue
        stages.cancel.raise_if_cancelled()
        box = Box(as_shape([s.start for s in found]), as_shape([s.stop for s in found]))
        where = box.grow((0, 1, 1)).intersect(Box.whole(labels.shape)).slices
        edge = None if boundary is None else boundary[where]
        piece = Piece(labels[where] == number, probability[where], edge)
        parts = split_piece(piece, stages.settings, foreground.size_nm, area)
        more = parts > 1
        out[where][more] = parts[more] + (count - 1)
        count += max(int(parts.max()) - 1, 0)
    return out
