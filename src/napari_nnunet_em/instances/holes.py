"""Filling the holes of one object."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_nnunet_em.components.layout import label_block
from napari_nnunet_em.config import Connectivity, FillHoles

Mask = NDArray[np.bool_]


def filled(piece: Mask, others: Mask, how: FillHoles, connectivity: Connectivity, smallest: int) -> Mask:
    """Close the cavities of one object that hold nothing else.

    Parameters
    ----------
    piece : array, (z, y, x), bool
        The object. A cavity is background, joined across faces, that reaches no border of the array.
    others : array, (z, y, x), bool
        Voxels of other objects and classes.
    how : FillHoles
        Cavities of the volume, or of each slice.
    connectivity : Connectivity
        How voxels of `others` join.
    smallest : int
        Voxels from which on a piece of `others` is an object; a cavity that holds one stays as it is. So
        no two objects ever fill the same voxel.

    Returns
    -------
    array, (z, y, x), bool
        The object and its cavities.
    """
    if how is FillHoles.NONE:
        return piece
    across = ndimage.generate_binary_structure(3, 1)
    if how is FillHoles.SLICES:
        across[[0, 2]] = False
    outside, _ = ndimage.label(~piece, across)
    open_ones = np.unique(np.concatenate([[0], *(edge.ravel() for edge in _edges(outside, how))]))
    closed = ~piece & ~np.isin(outside, open_ones)
    if not closed.any():
        return piece
    taken = np.unique(outside[closed & _objects(others, connectivity, smallest)])
    return piece | (closed & ~np.isin(outside, taken))


def _edges(array: NDArray[Any], how: FillHoles) -> list[NDArray[Any]]:
    """Outermost planes through which a cavity would be open."""
    axes = (1, 2) if how is FillHoles.SLICES else (0, 1, 2)
    # An image has no outside above and below its one slice.
    deep = [axis for axis in axes if array.shape[axis] > 1]
    return [np.take(array, end, axis=axis) for axis in deep for end in (0, -1)]


def _objects(others: Mask, connectivity: Connectivity, smallest: int) -> Mask:
    """Pieces of `others` that are large enough, or cut by the border of the array, so that they may be."""
    labels, count = label_block(others, connectivity)
    if not count:
        return others
    large = np.bincount(labels.ravel(), minlength=count + 1) >= smallest
    for edge in _edges(labels, FillHoles.VOLUME):
        large[np.unique(edge)] = True
    large[0] = False
    return large[labels]
