"""Why objects were split: heights, seeds, and the boundaries between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.geometry import Box
from napari_nnunet_em.instances.preview.flooding import Flooded
from napari_nnunet_em.instances.splitting.basins import shifted

Labels = NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class SplitEvidence:
    """What splitting saw in a view.

    Attributes
    ----------
    heights : array, (z, y, x) of the view, float32
        By what objects are told apart: the distance to the outside in nm, or a probability. 0 outside of
        objects, and in those that are too small to be split or are not split at all.
    seeds : array, (n, 3), int64
        The highest voxel of each object, (z, y, x) in voxels of the volume, where it is in the view.
    boundaries : array, (z, y, x) of the view, bool
        Voxels that touch another object across a face.
    """

    heights: NDArray[np.float32]
    seeds: NDArray[np.int64]
    boundaries: NDArray[np.bool_]


def split_evidence(view: Box, labels: Labels, floods: Sequence[Flooded]) -> SplitEvidence:
    """Put the evidence of a view together.

    Parameters
    ----------
    view : Box
        The view.
    labels : array, (z, y, x) of the view, uint32
        Its objects.
    floods : sequence of Flooded
        Those that were looked at for splitting.
    """
    heights = np.zeros(view.shape, dtype=np.float32)
    for flood in floods:
        heights.ravel()[flood.places] = flood.height
    return SplitEvidence(heights, _seeds(view, labels, heights), boundaries(labels))


def boundaries(labels: Labels) -> NDArray[np.bool_]:
    """Voxels of objects that touch another object across a face, (z, y, x)."""
    out = np.zeros(labels.shape, dtype=np.bool_)
    for step in ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
        here, there = shifted(step)
        one, other = labels[here], labels[there]
        meet = (one != other) & (one > 0) & (other > 0)
        out[here] |= meet
        out[there] |= meet
    return out


def _seeds(view: Box, labels: Labels, heights: NDArray[np.float32]) -> NDArray[np.int64]:
    inside = np.flatnonzero((labels.ravel() > 0) & (heights.ravel() > 0))
    owner, height = labels.ravel()[inside], heights.ravel()[inside]
    order = np.lexsort((inside, -height, owner))
    first = np.flatnonzero(np.diff(owner[order], prepend=0))
    found = np.stack(np.unravel_index(inside[order][first], view.shape), axis=1)
    return np.asarray(found + view.start, dtype=np.int64).reshape(-1, 3)
