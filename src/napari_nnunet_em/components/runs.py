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

from napari_nnunet_em.geometry import Box, Shape

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]


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
    lines, width = math.prod(mask.shape[:2]), mask.shape[2]
    # An empty voxel before the first line and one behind each: a run then always begins and ends.
    fenced = np.zeros(1 + lines * (width + 1), dtype=np.bool_)
    fenced[1:].reshape(lines, width + 1)[:, :width] = mask.reshape(lines, width)
    edges = np.flatnonzero(fenced[1:] != fenced[:-1]).astype(np.int64, copy=False)
    begin = edges[::2]
    return begin - begin // (width + 1), edges[1::2] - begin


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
