"""The labelled voxels of a block as stretches along x.

Objects in microscopy are blobs, so a block has far fewer stretches than voxels, and most of what is summed
per object costs a fraction of a pass over the voxels. Unlike the runs of `components`, two of these may
touch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import fastremap
import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LabelRuns:
    """Stretches of equal labels along x inside one block, in raster order.

    Attributes
    ----------
    count : int
        Number of objects in the block; they are numbered from 1 to `count`.
    number : array, (runs,), int64
        Object of each run.
    z, y, x : array, (runs,), int64
        First voxel of each run, in voxels of the block.
    length : array, (runs,), int64
        Voxels in each run.
    """

    count: int
    number: Integers
    z: Integers
    y: Integers
    x: Integers
    length: Integers

    @classmethod
    def of(cls, labels: NDArray[np.integer[Any]]) -> tuple[Integers, Self]:
        """Cut the labels of a block, (z, y, x), into runs.

        Returns
        -------
        ids : array, (count,), int64
            Label of each object, ascending.
        runs : LabelRuns
        """
        _, height, width = labels.shape
        flat = labels.ravel()
        begins = np.empty(flat.size, dtype=np.bool_)
        np.not_equal(flat[1:], flat[:-1], out=begins[1:])
        begins[::width] = True  # a run ends with its line, so that it has one z and one y
        starts = np.flatnonzero(begins)
        lengths = np.diff(starts, append=flat.size)
        label = flat[starts].astype(np.int64)
        inside = label != 0
        ids, number = fastremap.unique(label[inside], return_inverse=True)
        line, x = np.divmod(starts[inside].astype(np.int64, copy=False), width)
        z, y = np.divmod(line, height)
        return ids, cls(len(ids), number.astype(np.int64) + 1, z, y, x, lengths[inside].astype(np.int64))

    def total(self, per_run: Integers) -> Integers:
        """Add up one number per run into one per object, (count,); exact for totals of less than 2**53."""
        sums = np.bincount(self.number, weights=per_run, minlength=self.count + 1)
        return sums[1:].astype(np.int64)

    def smallest(self, per_run: NDArray[Any]) -> NDArray[Any]:
        """Smallest number over the runs of each object, (count,)."""
        return self._over(np.minimum, per_run)

    def largest(self, per_run: NDArray[Any]) -> NDArray[Any]:
        """Largest number over the runs of each object, (count,)."""
        return self._over(np.maximum, per_run)

    def _over(self, ufunc: np.ufunc, per_run: NDArray[Any]) -> NDArray[Any]:
        # Every object has a run: whichever of its numbers is written last is where to begin.
        out = np.empty(self.count + 1, dtype=per_run.dtype)
        out[self.number] = per_run
        ufunc.at(out, self.number, per_run)
        return out[1:]
