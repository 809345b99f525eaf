"""Runs: the labelled voxels of a block as stretches along x.

Objects in microscopy are blobs, so a block has far fewer runs than voxels, and whatever is counted per
object costs a fraction of a pass over the voxels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.geometry import Box

Integers = NDArray[np.int64]


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
    """

    count: int
    label: Integers
    z: Integers
    y: Integers
    x: Integers
    length: Integers
    _starts: Integers
    _labelled: NDArray[np.bool_]

    @classmethod
    def of(cls, labels: NDArray[np.uint32], count: int, box: Box) -> Runs:
        """Cut the labels of the block at `box` into runs.

        Parameters
        ----------
        labels : array, (z, y, x), uint32
            Labels 0 to `count` of the block.
        count : int
            Number of components.
        box : Box
            Where the block lies in the volume.
        """
        _, height, width = labels.shape
        flat = labels.ravel()
        begins = np.empty(flat.size, dtype=np.bool_)
        np.not_equal(flat[1:], flat[:-1], out=begins[1:])
        begins[::width] = True  # a run ends with its line, so that it has one z and one y
        starts = np.flatnonzero(begins).astype(np.int64, copy=False)
        lengths = np.diff(starts, append=flat.size)
        label = flat[starts].astype(np.int64)
        labelled = label > 0
        line, x = np.divmod(starts[labelled], width)
        z, y = np.divmod(line, height)
        origin = box.start
        return cls(
            count,
            label[labelled],
            z + origin[0],
            y + origin[1],
            x + origin[2],
            lengths[labelled],
            starts,
            labelled,
        )

    def per_run(self, values: NDArray[np.integer]) -> Integers:
        """Sum the integers `values`, (z, y, x) of the block, over each run."""
        sums: Integers = np.add.reduceat(values.ravel(), self._starts, dtype=np.int64)
        return sums[self._labelled]

    def total(self, per_run: Integers) -> Integers:
        """Add up one number per run into one number per component, (count,).

        Exact, because the totals of one block stay far below the 2**53 that a double holds.
        """
        sums = np.bincount(self.label, weights=per_run, minlength=self.count + 1)
        return sums[1:].astype(np.int64)

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
