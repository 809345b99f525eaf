"""Counting how often lines cross the surfaces of objects, block by block."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.geometry import Box, Shape, as_shape
from napari_nnunet_em.measurement.blockrows import BlockLabels
from napari_nnunet_em.measurement.crofton import SurfaceEstimator
from napari_nnunet_em.measurement.margins import Labels, Margins, Rim

Numbers = NDArray[np.unsignedinteger[Any]]


class CrossingCounter:
    """Adds up the crossings of objects, in units of the estimator, exactly and for any blocks.

    A block first counts as if nothing but background lay around it. What it shares with blocks that came
    before is then taken back: two crossings for each pair of voxels that belong to the same object.

    Parameters
    ----------
    shape : tuple of int, (z, y, x)
        Voxels of the whole image.
    estimator : SurfaceEstimator
        Directions and weights.
    """

    def __init__(self, shape: Shape, estimator: SurfaceEstimator) -> None:
        self._estimator = estimator
        self._margins = Margins(shape, estimator.reach)
        steps = np.array(estimator.steps)
        self._both_ways = np.concatenate([steps, -steps])

    def skip(self, box: Box) -> None:
        """Take note of a block without objects."""
        self._margins.add(box, None)

    def add(self, box: Box, labels: Labels, block: BlockLabels) -> NDArray[np.int64]:
        """Count the crossings of a block's objects, (objects,), in units.

        Parameters
        ----------
        box : Box
            The block.
        labels : array, (z, y, x)
            Its ids.
        block : BlockLabels
            The same, numbered.
        """
        numbers = block.numbers()
        units = self._alone(numbers, len(block.ids))
        for rim in self._margins.near(box):
            units -= self._shared(box, labels, numbers, rim, len(block.ids))
        self._margins.add(box, labels)
        return units[1:]

    def _alone(self, numbers: Numbers, count: int) -> NDArray[np.int64]:
        """Crossings of objects in a block around which there is nothing, (count + 1,)."""
        padded, height, width = _padded(numbers, self._estimator.reach)
        inside = np.flatnonzero(padded)
        here = padded[inside]
        units = np.zeros(count + 1, dtype=np.int64)
        for (z, y, x), weight in zip(self._estimator.steps, self._estimator.weights, strict=True):
            distance = (z * height + y) * width + x
            leaving = here[padded[distance:].take(inside) != here]
            # A line enters an object as often as it leaves it.
            units += 2 * weight * np.bincount(leaving, minlength=count + 1)
        return units

    def _shared(self, box: Box, labels: Labels, numbers: Numbers, rim: Rim, count: int) -> NDArray[np.int64]:
        """Crossings counted on both sides of pairs that belong together, (count + 1,)."""
        low = np.maximum(box.start, np.array(rim.box.start) - self._both_ways)
        high = np.minimum(box.stop, np.array(rim.box.stop) - self._both_ways)
        units = np.zeros(count + 1, dtype=np.int64)
        theirs: Labels | None = None
        for i in np.flatnonzero((low < high).all(axis=1)):
            theirs = rim.labels() if theirs is None else theirs
            ours = Box(as_shape(low[i]), as_shape(high[i]))
            here = ours.relative_to(box.start).slices
            there = ours.shift(self._both_ways[i]).relative_to(rim.box.start).slices
            same = numbers[here][labels[here] == theirs[there]]
            weight = self._estimator.weights[i % len(self._estimator.weights)]
            units += 2 * weight * np.bincount(same, minlength=count + 1)
        return units


def _padded(numbers: Numbers, reach: Shape) -> tuple[Numbers, int, int]:
    """A block laid out flat with so much background after each row and plane that no step leads into another.

    Returns
    -------
    flat : array, (n,)
        The block's rows, each with its padding, and room for the longest step after the last.
    height, width : int
        Rows of a plane and voxels of a row, padding included: a step of one row is `width` voxels.
    """
    depth, height, width = (n + r for n, r in zip(numbers.shape, (0, *reach[1:]), strict=True))
    size = depth * height * width
    flat = np.zeros(size + (reach[0] * height + reach[1]) * width + reach[2], dtype=numbers.dtype)
    room = flat[:size].reshape(depth, height, width)
    room[:, : numbers.shape[1], : numbers.shape[2]] = numbers
    return flat, height, width
