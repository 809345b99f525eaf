"""In which order the blocks of a sweep are predicted where somebody looks at one place of the volume.

The column nearest to that place comes first. It is begun at the layer of blocks that holds the place and
swept to its end; then it is begun again at its first block and swept up to that layer. The voxels are those
of one sweep from end to end: each has seen the same tiles, added in the same order. What it costs are the
tiles that reach across the layer's first row, which both parts run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from napari_nnunet_em.engine.column import Column
from napari_nnunet_em.engine.space import ModelSpace
from napari_nnunet_em.geometry import Box, Shape

# A column is begun in its midst where the rows of tiles that the place need not wait for are more than this
# many times those that are run twice. In a stack not much deeper than the patch they never are: there most
# rows of tiles reach every slice, and what is looked at appears soon anyway.
_WORTH = 3


def nearest_first(space: ModelSpace, columns: Sequence[Sequence[Box]], near: Shape) -> list[list[Box]]:
    """Order the blocks of some columns by their distance from a voxel.

    Parameters
    ----------
    space : ModelSpace
        The grids; columns run along the model's first axis.
    columns : sequence of sequence of Box
        Voxels of the volume, column by column, as `column_boxes` cuts them; some blocks, or all of a column,
        may be missing (they were finished earlier).
    near : tuple of int, (z, y, x)
        A voxel of the volume, or a place outside it.

    Returns
    -------
    list of list of Box
        The same blocks for `Sweep.run`: the nearest column, in two parts where that is worth it, then the
        others by their distance. No part is empty.
    """
    waiting = sorted((list(c) for c in columns if c), key=lambda boxes: distance_to_column(near, boxes))
    return [*_begun_near(space, waiting[0], near), *waiting[1:]] if waiting else []


def _begun_near(space: ModelSpace, boxes: Sequence[Box], near: Shape) -> list[list[Box]]:
    """A column in the parts in which it is swept; of blocks that end together the nearest comes first."""
    axis = space.forward[0]
    ordered = sorted(boxes, key=lambda box: (box.start[axis], distance_to_column(near, [box])))
    before = [box for box in ordered if box.stop[axis] <= near[axis]]
    behind = ordered[len(before) :]
    skipped, first = (set(Column.of(space, part).starts) for part in (before, behind))
    if behind and len(skipped - first) > _WORTH * len(skipped & first):
        return [behind, before]
    return [ordered]


def distance_to_column(voxel: Shape, boxes: Sequence[Box]) -> float:
    """Distance in voxels from a voxel to the nearest of a column's boxes; 0 inside."""
    return min(
        math.hypot(*(max(a - v, v - b + 1, 0) for v, a, b in zip(voxel, box.start, box.stop, strict=True)))
        for box in boxes
    )
