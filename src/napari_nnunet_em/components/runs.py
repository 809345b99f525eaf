"""Runs: the labelled voxels of a block as stretches along x.

Objects in microscopy are blobs, so a block has far fewer runs than voxels, and whatever is counted, kept or
painted per object costs a fraction of a pass over the voxels. Where runs of components begin and end is read
from the mask, a byte per voxel: neighbours along x always belong together, so no run holds two labels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.geometry import Box, Shape, iter_blocks

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

_PAINTED_AT_ONCE = 1 << 20
"""Voxels; Python's global lock is held meanwhile, also where the system is slow to find the memory."""


def stretches(mask: Mask) -> tuple[Integers, Integers]:
    """Find the runs of a mask.

    Parameters
    ----------
    mask : array, (z, y, x), bool
        Voxels of objects.

    Returns
    -------
    begin : array, (runs,), int64
        First voxel of each run, as an index into the raveled mask; ascending.
    length : array, (runs,), int64
        Voxels in each run; a run ends with its line.
    """
    flat, width = mask.reshape(-1), mask.shape[2]
    # With nothing before the first voxel and behind the last.
    changes = np.zeros(flat.size + 1, dtype=np.bool_)
    changes[:-1] = flat
    changes[1:] ^= flat
    edges = np.flatnonzero(changes).astype(np.int64, copy=False)
    lines = flat.reshape(math.prod(mask.shape[:2]), width)
    # Where one line ends and the next begins inside, nothing changes, but a run ends and another one begins.
    across = width * (np.flatnonzero(lines[:-1, -1] & lines[1:, 0]) + 1)
    if across.size:
        edges = np.sort(np.concatenate([edges, across, across]))
    begin = edges[::2]
    return begin, edges[1::2] - begin


def paint(
    shape: Shape, gap: NDArray[np.integer], length: NDArray[np.integer], values: NDArray[Any]
) -> NDArray[Any]:
    """Fill an array with runs.

    Parameters
    ----------
    shape : tuple of int, (z, y, x)
        Shape of the array.
    gap : array, (runs,), integer
        Voxels between the end of the run before and each run.
    length : array, (runs,), integer
        Voxels in each run.
    values : array, (runs,)
        What to write into each run; its type is that of the outcome.

    Returns
    -------
    array, (z, y, x)
        The values, and 0 outside runs.
    """
    counts = np.empty(2 * len(gap) + 1, dtype=np.intp)
    counts[0:-1:2], counts[1::2] = gap, length
    counts[-1] = 0
    counts[-1] = math.prod(shape) - counts.sum()
    alternating = np.zeros(len(counts), dtype=values.dtype)
    alternating[1::2] = values
    return np.repeat(alternating, counts).reshape(shape)


@dataclass(frozen=True)
class Runs:
    """Stretches of equal labels along x inside one block.

    Attributes
    ----------
    count : int
        Number of components in the block; labels go from 1 to `count`.
    label : array, (runs,), int64
        Label of each run, never 0.
    z, y, x : array, (runs,), int64
        First voxel of each run, in voxels of the whole volume.
    length : array, (runs,), int64
        Voxels in each run.
    begin : array, (runs,), int64
        First voxel of each run, as an index into the raveled block.
    mask : array, (z, y, x), bool
        The voxels of all runs.
    """

    count: int
    label: Integers
    z: Integers
    y: Integers
    x: Integers
    length: Integers
    begin: Integers
    mask: Mask

    @classmethod
    def of(cls, labels: NDArray[np.unsignedinteger[Any]], count: int, box: Box) -> Runs:
        """Cut any labels of the block at `box` into runs; labels may meet along x.

        Parameters
        ----------
        labels : array, (z, y, x), unsigned integer
            Labels 0 to `count` of the block.
        count : int
            Number of labels.
        box : Box
            Where the block lies in the volume.
        """
        flat = labels.ravel()
        begins = np.empty(flat.size, dtype=np.bool_)
        np.not_equal(flat[1:], flat[:-1], out=begins[1:])
        begins[:: labels.shape[2]] = True  # a run ends with its line, so that it has one z and one y
        begin = np.flatnonzero(begins).astype(np.int64, copy=False)
        length = np.diff(begin, append=flat.size)
        labelled = flat[begin] > 0
        return cls._at(begin[labelled], length[labelled], labels, labels > 0, (count, box))

    @classmethod
    def of_components(cls, mask: Mask, labels: NDArray[np.uint32], count: int, box: Box) -> Runs:
        """Cut the components of a mask into runs, the same as `of` gives for their labels, but faster.

        Parameters
        ----------
        mask : array, (z, y, x), bool
            Where `labels` is not 0.
        labels, count, box
            As for `of`; `labels` are connected components, so that none meets another along x.
        """
        begin, length = stretches(mask)
        return cls._at(begin, length, labels, mask, (count, box))

    @classmethod
    def _at(
        cls,
        begin: Integers,
        length: Integers,
        labels: NDArray[np.unsignedinteger[Any]],
        mask: Mask,
        where: tuple[int, Box],
    ) -> Runs:
        count, box = where
        _, height, width = labels.shape
        line, x = np.divmod(begin, width)
        z, y = np.divmod(line, height)
        label = labels.ravel()[begin].astype(np.int64)
        origin = box.start
        return cls(count, label, z + origin[0], y + origin[1], x + origin[2], length, begin, mask)

    def painted(self, numbers: NDArray[Any], box: Box) -> NDArray[Any]:
        """Fill a box with a number for each component.

        Parameters
        ----------
        numbers : array, (count + 1,)
            By label; entry 0 is 0.
        box : Box
            In voxels of the whole volume; not empty.

        Returns
        -------
        array, (z, y, x) of the box, type of `numbers`
        """
        out = np.empty(box.shape, dtype=numbers.dtype)
        _, height, width = box.shape
        for band in iter_blocks(box.shape, (1, min(height, max(_PAINTED_AT_ONCE // width, 1)), width)):
            out[band.write.slices] = self._lines(numbers, band.write.shift(box.start))
        return out

    def _lines(self, numbers: NDArray[Any], box: Box) -> NDArray[Any]:
        """As `painted`, for lines of one slice."""
        low, high = np.searchsorted(self.z, (box.start[0], box.stop[0]))
        part = slice(*low + np.searchsorted(self.y[low:high], (box.start[1], box.stop[1])))
        first = np.maximum(self.x[part], box.start[2])
        last = np.minimum(self.x[part] + self.length[part], box.stop[2])
        inside = first < last
        line = (self.y[part] - box.start[1]) * box.shape[2] - box.start[2]
        begin, end = (line + first)[inside], (line + last)[inside]
        gap = begin.copy()
        gap[1:] -= end[:-1]
        return paint(box.shape, gap, end - begin, numbers[self.label[part][inside]])

    def per_run(self, values: NDArray[np.integer], how: np.ufunc = np.add) -> Integers:
        """Combine the integers `values`, (z, y, x) of the block, over each run.

        `how` is ``np.add``, ``np.minimum`` or ``np.maximum``. Only voxels inside runs are looked at, so the
        rest may hold anything.
        """
        if not len(self.begin):
            return np.zeros(0, dtype=np.int64)
        inside = values.ravel()[self.mask.ravel()]
        first = np.cumsum(self.length) - self.length
        dtype = np.int64 if how is np.add else values.dtype
        combined: Integers = how.reduceat(inside, first, dtype=dtype).astype(np.int64, copy=False)
        return combined

    def total(self, per_run: Integers) -> Integers:
        """Add up one number per run into one number per component, (count,)."""
        out = np.zeros(self.count + 1, dtype=np.int64)
        np.add.at(out, self.label, per_run)
        return out[1:]

    def smallest(self, per_run: Integers) -> Integers:
        """Smallest number over the runs of each component, (count,)."""
        out = np.full(self.count + 1, np.iinfo(np.int64).max, dtype=np.int64)
        np.minimum.at(out, self.label, per_run)
        return out[1:]

    def largest(self, per_run: Integers) -> Integers:
        """Largest number over the runs of each component, (count,)."""
        out = np.full(self.count + 1, np.iinfo(np.int64).min, dtype=np.int64)
        np.maximum.at(out, self.label, per_run)
        return out[1:]
