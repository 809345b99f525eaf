"""Splitting one object that is small enough to be held in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_nnunet_em.components.layout import label_block
from napari_nnunet_em.config import InstanceSettings, SplitMethod
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box, as_shape
from napari_nnunet_em.instances.sizes import smallest_object_voxels
from napari_nnunet_em.instances.splitting.basins import (
    Borders,
    Floats,
    Labels,
    find_basins,
    find_borders,
)
from napari_nnunet_em.instances.splitting.joining import NeckRule, join_by_necks, part_names, summits
from napari_nnunet_em.instances.splitting.landscape import Heights, heights

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Piece:
    """What is split: an object with one voxel around it, or as much of one as the volume holds.

    Attributes
    ----------
    mask : array, (z, y, x), bool
        The object. What lies beyond the array is unknown and no outside.
    probability : array, (z, y, x), uint8 or float
        As stored.
    boundary : array, (z, y, x), or None
        Probability of the boundary class.
    """

    mask: Mask
    probability: NDArray[Any]
    boundary: NDArray[Any] | None = None


@dataclass(frozen=True, eq=False)
class Parts:
    """Parts of a piece, and their borders.

    Attributes
    ----------
    labels : array, (z, y, x), int32
        1 to n, some of which may be missing, and 0 outside.
    borders : Borders
        Of the parts.
    """

    labels: Labels
    borders: Borders

    def joined(self, names: NDArray[np.int64]) -> Parts:
        """The same after ``label`` became ``names[label]``."""
        return Parts(names.astype(np.int32)[self.labels], self.borders.renamed(names))


@dataclass(frozen=True, eq=False)
class Basins:
    """A piece flooded from all of its maxima: what cutting starts from, whatever the strength or depth.

    Attributes
    ----------
    labels : array, (z, y, x), int32
        1 to n inside, and 0 outside.
    borders : Borders
        Of the basins.
    summit : array, (n + 1,), float64
        Highest height in each basin, by label.
    heights : array, (z, y, x), float32
        At least 0 inside, and -1 outside.
    """

    labels: Labels
    borders: Borders
    summit: Floats
    heights: Heights


def flood(piece: Piece, settings: InstanceSettings, voxel_size_nm: Sequence[float]) -> Basins:
    """Flood a piece, the first and longest half of splitting it."""
    inside = heights(settings.split, piece.mask, piece.probability, piece.boundary, voxel_size_nm)
    labels, count = find_basins(inside, settings.connectivity)
    borders = find_borders(labels, inside, settings.connectivity, voxel_size_nm)
    return Basins(labels, borders, summits(labels, inside, count), inside)


def cut_at_necks(piece: Piece, settings: InstanceSettings, voxel_size_nm: Sequence[float]) -> Parts:
    """Cut a piece at its necks; parts may be smaller than the minimum size."""
    basins = flood(piece, settings, voxel_size_nm)
    names = join_by_necks(basins.summit, basins.borders, NeckRule.of(settings))
    return Parts(basins.labels, basins.borders).joined(names)


def split_piece(
    piece: Piece, settings: InstanceSettings, voxel_size_nm: Sequence[float], smallest: int
) -> Labels:
    """Split one object: array, (z, y, x), int32, 1 to n in order of first voxels and 0 outside."""
    basins = flood(piece, settings, voxel_size_nm)
    voxels = np.bincount(basins.labels.ravel(), minlength=len(basins.summit)).astype(np.int64)
    names = part_names(basins.summit, basins.borders, voxels, NeckRule.of(settings), smallest)
    return in_raster_order(names.astype(np.int32)[basins.labels])


def in_raster_order(labels: NDArray[np.signedinteger[Any]]) -> Labels:
    """Number labels from 1 in the order in which raster order meets them; 0 stays."""
    first = first_places(labels)
    found = np.flatnonzero(first >= 0)
    names = np.zeros(len(first), dtype=np.int32)
    names[found[np.argsort(first[found])]] = np.arange(1, len(found) + 1)
    numbered: Labels = names[labels]
    return numbered


def first_places(labels: NDArray[np.signedinteger[Any]]) -> NDArray[np.int64]:
    """Where in the raveled array each label comes first, (largest label + 1,); -1 for 0 and absent ones."""
    flat = labels.ravel()
    places = np.flatnonzero(flat)
    first = np.full(int(flat.max(initial=0)) + 1, -1, dtype=np.int64)
    first[flat[places[::-1]]] = places[::-1]  # the last to be written is the first in raster order
    return first


def split_object(
    mask: NDArray[np.bool_],
    probability: NDArray[Any],
    settings: InstanceSettings,
    voxel_size_nm: Sequence[float],
    boundary: NDArray[Any] | None = None,
) -> NDArray[np.int32]:
    """Split what touches in a mask held in memory, as a job would.

    Parameters
    ----------
    mask : array, (z, y, x), bool
        Voxels of objects: one, or several that do not touch, each of which is split by itself. Objects that
        touch the border of the array are taken to go on beyond it.
    probability : array, (z, y, x), uint8 or float
        Probability of the class, as stored.
    settings : InstanceSettings
        How to split, connectivity and minimum size.
    voxel_size_nm : sequence of float, (z, y, x)
        Voxel size.
    boundary : array, (z, y, x), uint8 or float, optional
        Probability of the boundary class, as stored.

    Returns
    -------
    array, (z, y, x), int32
        1 to n in order of first voxels, and 0 outside the mask. Objects that lie inside the array come out
        as they would in any larger array. Nothing is dropped.

    Raises
    ------
    InputError
        When the shapes differ.
    """
    given = [mask, probability] if boundary is None else [mask, probability, boundary]
    if mask.ndim != 3 or len({array.shape for array in given}) > 1:
        raise InputError(
            f"A mask of {mask.shape} voxels cannot be split with a probability of {probability.shape}: "
            "both must be (z, y, x) of the same shape."
        )
    components, _ = label_block(mask, settings.connectivity)
    if settings.split is SplitMethod.NONE:
        return in_raster_order(components.astype(np.int64))
    smallest = smallest_object_voxels(settings, voxel_size_nm)
    out, count = np.zeros(mask.shape, dtype=np.int64), 0
    for number, found in enumerate(ndimage.find_objects(components.astype(np.int64)), start=1):
        own = Box(as_shape([s.start for s in found]), as_shape([s.stop for s in found]))
        box = own.grow((1, 1, 1)).intersect(Box.whole(mask.shape))
        where = box.slices
        edge = None if boundary is None else boundary[where]
        piece = Piece(components[where] == number, probability[where], edge)
        labels = split_piece(piece, settings, voxel_size_nm, smallest)
        out[where][labels > 0] = labels[labels > 0] + count
        count += int(labels.max())
    return in_raster_order(out)
