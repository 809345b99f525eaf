"""Which voxels a preview covers: plain functions of boxes, without a window."""

from __future__ import annotations

import math
from dataclasses import dataclass

from napari_nnunet_em.geometry import Box, Shape, as_shape

MOST_VOXELS = 24_000_000
"""Voxels of the largest preview: what is answered while a slider moves."""


@dataclass(frozen=True)
class PreviewBox:
    """The part of a volume that is previewed.

    Attributes
    ----------
    box : Box
        Voxels, (z, y, x).
    complete : bool
        Whether it holds all that is on the canvas.
    """

    box: Box
    complete: bool


def preview_box(
    visible: Box, axis: int, slices: int, shape: Shape, most_voxels: int = MOST_VOXELS
) -> PreviewBox:
    """What is on the canvas, with some slices before and behind, cut down to its middle where it is large.

    Parameters
    ----------
    visible : Box
        On the canvas: one slice across `axis`.
    axis : int
        Axis that the slider goes through: 0, 1 or 2.
    slices : int
        Slices on either side.
    shape : tuple of int, (z, y, x)
        Voxels of the volume.
    most_voxels : int
        Voxels of the largest preview.
    """
    margin = [0, 0, 0]
    margin[axis] = slices
    box = visible.grow(margin).intersect(Box.whole(shape))
    if box.size <= most_voxels:
        return PreviewBox(box, complete=True)
    share = math.sqrt(most_voxels / box.size)
    start, stop = list(box.start), list(box.stop)
    for across in {0, 1, 2} - {axis}:
        length = max(int((stop[across] - start[across]) * share), 1)
        start[across] = (start[across] + stop[across] - length) // 2
        stop[across] = start[across] + length
    return PreviewBox(Box(as_shape(start), as_shape(stop)), complete=False)
