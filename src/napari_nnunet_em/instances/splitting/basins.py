"""The catchment areas of all maxima inside an object, and how they border on each other."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import local_maxima
from skimage.segmentation import watershed

from napari_nnunet_em.config import Connectivity
from napari_nnunet_em.instances.splitting.landscape import Heights

Labels = NDArray[np.int32]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

_RANK = {Connectivity.FACES: 1, Connectivity.EDGES: 2, Connectivity.CORNERS: 3}


@dataclass(frozen=True, eq=False)
class Borders:
    """Pairs of neighbouring regions.

    Attributes
    ----------
    one, other : array, (pairs,), int64
        Labels, ``one < other``, ascending.
    pass_height : array, (pairs,), float64
        Height of the highest way across the border.
    surface_nm2 : array, (pairs,), float64
        Area of the faces they share; 0 where they meet at edges or corners only.
    """

    one: Integers
    other: Integers
    pass_height: Floats
    surface_nm2: Floats

    def renamed(self, names: Integers) -> Borders:
        """The same borders after ``label`` became ``names[label]``; what became inner vanishes."""
        one, other = names[self.one], names[self.other]
        apart = one != other
        low, high = np.minimum(one, other)[apart], np.maximum(one, other)[apart]
        return collect(low, high, self.pass_height[apart], self.surface_nm2[apart])


def collect(one: Integers, other: Integers, height: Floats, surface: Floats) -> Borders:
    """Put contacts of the same two regions together: the highest pass, and all of their surface."""
    base = int(other.max()) + 1 if other.size else 1
    keys, place = np.unique(one * base + other, return_inverse=True)
    highest = np.full(len(keys), -np.inf)
    np.maximum.at(highest, place, height)
    area = np.bincount(place, weights=surface, minlength=len(keys)).astype(np.float64)
    return Borders(keys // base, keys % base, highest, area)


def find_basins(inside: Heights, connectivity: Connectivity) -> tuple[Labels, int]:
    """Flood an object from all of its maxima.

    Parameters
    ----------
    inside : array, (z, y, x), float32
        Heights; negative outside the object.
    connectivity : Connectivity
        How its voxels join.

    Returns
    -------
    labels : array, (z, y, x), int32
        1 to `count` inside, 0 outside.
    count : int
    """
    if len(inside) > 1:
        return _flood(inside, _RANK[connectivity])
    labels, count = _flood(inside[0], min(_RANK[connectivity], 2))  # an image has fewer neighbours to ask
    return labels[np.newaxis], count


def _flood(inside: Heights, rank: int) -> tuple[Labels, int]:
    """As `find_basins`, in two or three dimensions; voxels join along up to `rank` axes at once."""
    mask = inside >= 0
    everywhere = ndimage.generate_binary_structure(inside.ndim, inside.ndim)
    seeds, count = ndimage.label(local_maxima(inside, connectivity=inside.ndim) & mask, everywhere)
    structure = ndimage.generate_binary_structure(inside.ndim, rank)
    if count < 2:
        labels, count = ndimage.label(mask, structure)
        return labels.astype(np.int32, copy=False), int(count)
    labels = watershed(-inside, seeds, connectivity=rank, mask=mask)
    labels = labels.astype(np.int32, copy=False)
    # A piece that touches a higher one only across an edge or corner has no maximum of its own.
    left = mask & (labels == 0)
    if not left.any():
        return labels, int(count)
    rest, more = ndimage.label(left, structure)
    return np.where(rest > 0, rest + count, labels).astype(np.int32), int(count + more)


def find_borders(
    labels: Labels, inside: Heights, connectivity: Connectivity, voxel_size_nm: Sequence[float]
) -> Borders:
    """Find which regions border on each other, (z, y, x) arrays as in `find_basins`."""
    ones, others, passes, surfaces = [], [], [], []
    for step in steps_to_neighbours(connectivity):
        here, there = shifted(step)
        one, other = labels[here], labels[there]
        meet = (one != other) & (one > 0) & (other > 0)
        a, b = one[meet].astype(np.int64), other[meet].astype(np.int64)
        ones.append(np.minimum(a, b))
        others.append(np.maximum(a, b))
        passes.append(np.minimum(inside[here][meet], inside[there][meet]).astype(np.float64))
        surfaces.append(np.full(len(a), face_nm2(step, voxel_size_nm)))
    return collect(*(np.concatenate(parts) for parts in (ones, others, passes, surfaces)))


def steps_to_neighbours(connectivity: Connectivity) -> Iterator[tuple[int, int, int]]:
    """One step per pair of opposite neighbours."""
    for step in itertools.product((0, 1, -1), repeat=3):
        if 0 < sum(map(abs, step)) <= _RANK[connectivity] and next(s for s in step if s) > 0:
            yield step[0], step[1], step[2]


def shifted(step: Sequence[int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where to find each voxel that has a neighbour one step on, and where to find that neighbour."""
    here = tuple(slice(max(-s, 0), -s if s > 0 else None) for s in step)
    there = tuple(slice(max(s, 0), s if s < 0 else None) for s in step)
    return here, there


def face_nm2(step: Sequence[int], voxel_size_nm: Sequence[float]) -> float:
    """Area of the face between a voxel and its neighbour; 0 for neighbours across edges and corners."""
    if sum(map(abs, step)) > 1:
        return 0.0
    return math.prod(size for size, s in zip(voxel_size_nm, step, strict=True) if not s)
