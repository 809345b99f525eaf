"""Numbers, and with them colours, that stay with objects while settings change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.geometry import Box
from napari_nnunet_em.instances.linking import Overlaps

Labels = NDArray[np.uint32]

_STEP = (1, 4, 4)


def kept_numbers(labels: Labels, box: Box, count: int, last: tuple[Labels, Box] | None) -> Labels:
    """Give each object the number of the one with which it shares most.

    Parameters
    ----------
    labels : array, (z, y, x), uint32
        Objects 1 to `count`.
    box : Box
        Where they are.
    count : int
        Number of objects.
    last : tuple of array and Box, or None
        Labels of before, and where they were.

    Returns
    -------
    array, (count + 1,), uint32
        New number of each object; no two are the same.
    """
    numbers = np.zeros(count + 1, dtype=np.uint32)
    taken: set[int] = {0}
    for new, old in _pairs(labels, box, last) if last else ():
        if not numbers[new] and old not in taken:
            numbers[new] = old
            taken.add(old)
    unnamed = np.flatnonzero(numbers[1:] == 0) + 1
    free = np.setdiff1d(np.arange(1, len(taken) + len(unnamed) + 1), list(taken), assume_unique=True)
    numbers[unnamed] = free[: len(unnamed)]
    return numbers


def _pairs(labels: Labels, box: Box, last: tuple[Labels, Box]) -> list[list[int]]:
    """Pairs of new and old numbers, those that share most first; counted on a part of the voxels."""
    shared = box.intersect(last[1])
    if not shared.size:
        return []
    steps = tuple(slice(None, None, step) for step in _STEP)
    new = labels[shared.relative_to(box.start).slices][steps].ravel()
    old = last[0][shared.relative_to(last[1].start).slices][steps].ravel()
    found = Overlaps.between(new, old)
    order = np.lexsort((found.other, found.one, -found.pixels))
    pairs: list[list[int]] = (np.stack([found.one, found.other], axis=1)[order] + 1).tolist()
    return pairs
