"""Counting overlaps block by block: memory grows with objects that meet, never with voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.evaluation.overlaps import (
    Counts,
    Ids,
    Overlaps,
    Points,
    check_labels,
    check_pair,
    total_by,
)
from napari_nnunet_em.geometry import Shape, iter_blocks

BLOCK_VOXELS = 1 << 22
"""Voxels counted at once; a block takes about 20 bytes for each while it is counted."""

_PENDING_ROWS = 1 << 18


@dataclass(frozen=True, eq=False)
class Tally:
    """What was counted for each pair of labels that meet, background (0) included.

    Attributes
    ----------
    pred, truth : array, (pairs,), integer
        Their labels; ascending by `pred`, then by `truth`.
    sums : array, (pairs, 4), int64
        Number of voxels, and the sums of their z, y and x.
    """

    pred: Ids
    truth: Ids
    sums: Counts

    @classmethod
    def of_rows(cls, pred: Ids, truth: Ids, sums: Counts) -> Self:
        """Rows in any order, with repetitions."""
        order = _order(pred, truth)
        pred, truth = pred[order], truth[order]
        new = np.ones(len(pred), dtype=np.bool_)
        new[1:] = (pred[1:] != pred[:-1]) | (truth[1:] != truth[:-1])
        first = np.flatnonzero(new)
        total = np.empty((len(first), sums.shape[1]), dtype=np.int64)
        for column in range(sums.shape[1] if len(first) else 0):
            total[:, column] = np.add.reduceat(sums[order, column], first)
        return cls(pred[first], truth[first], total)

    @classmethod
    def of_block(cls, pred: NDArray[Any], truth: NDArray[Any], start: Shape = (0, 0, 0)) -> Self:
        """Count one block.

        Parameters
        ----------
        pred, truth : array, (z, y, x), integer or bool
            Labels of the same voxels.
        start : tuple of int, (z, y, x)
            First voxel of the block in the part that is compared.
        """
        _, height, width = pred.shape
        ours, theirs = pred.reshape(-1), truth.reshape(-1)
        # Stretches along x in which both labels stay the same: far fewer than voxels.
        begins = np.empty(ours.size, dtype=np.bool_)
        np.not_equal(ours[1:], ours[:-1], out=begins[1:])
        begins[1:] |= theirs[1:] != theirs[:-1]
        begins[::width] = True
        starts = np.flatnonzero(begins).astype(np.int64, copy=False)
        length = np.diff(starts, append=ours.size)
        # Background on both sides is most of a volume: it is what is left over, and need not be sorted.
        some = (ours[starts] != 0) | (theirs[starts] != 0)
        starts, length = starts[some], length[some]
        line, x = np.divmod(starts, width)
        z, y = np.divmod(line, height)
        sum_x = length * (2 * (x + start[2]) + length - 1) // 2
        sums = np.stack([length, length * (z + start[0]), length * (y + start[1]), sum_x], axis=1)
        background = np.array([[ours.size - length.sum(), 0, 0, 0]])
        return cls.of_rows(
            np.append(ours[starts], ours.dtype.type(0)),
            np.append(theirs[starts], theirs.dtype.type(0)),
            np.concatenate([sums, background]),
        )


def _order(pred: Ids, truth: Ids) -> Counts:
    """Order of rows by `pred`, then by `truth`; equal rows in any order."""
    narrow = all(ids.dtype.kind in "ub" and ids.dtype.itemsize <= 4 for ids in (pred, truth))
    if not narrow:
        return np.lexsort((truth, pred))
    # One key of 64 bits sorts several times faster than two keys one after the other.
    key = (pred.astype(np.uint64) << np.uint64(32)) | truth.astype(np.uint64)
    return np.argsort(key)


@dataclass
class OverlapCounter:
    """Adds up the tallies of blocks.

    Attributes
    ----------
    ignore : sequence of int
        Voxels with these labels in the truth are left out of everything.
    """

    ignore: Sequence[int] = ()
    _parts: list[Tally] = field(default_factory=list, repr=False)
    _pending: int = field(default=0, repr=False)

    def add(self, tally: Tally) -> None:
        """Take what was counted in a block; each block once, in any order."""
        ignored = np.zeros(len(tally.truth), dtype=np.bool_)
        for label in self.ignore:
            ignored |= tally.truth == label
        kept = ~ignored
        self._parts.append(Tally(tally.pred[kept], tally.truth[kept], tally.sums[kept]))
        self._pending += int(np.count_nonzero(kept))
        # Merging when a quarter has come on top keeps both the peak and the number of merges low.
        if self._pending > max(_PENDING_ROWS, len(self._parts[0].pred) // 4):
            self._merge()

    def finish(self) -> Overlaps:
        """All that was counted."""
        self._merge()
        return _overlaps(self._parts[0])

    def _merge(self) -> None:
        self._parts = [Tally.of_rows(*self._take())]
        self._pending = 0

    def _take(self) -> tuple[Ids, Ids, Counts]:
        """All rows, which are forgotten here: what holds them twice decides the peak of memory."""
        parts, self._parts = self._parts, []
        return (
            np.concatenate([part.pred for part in parts]),
            np.concatenate([part.truth for part in parts]),
            np.concatenate([part.sums for part in parts]),
        )


def count_overlaps(pred: NDArray[Any], truth: NDArray[Any]) -> Overlaps:
    """Count the overlaps of two label images in memory.

    Parameters
    ----------
    pred, truth : array, same shape, integer
        Labels; 0 is background. Ids need not be consecutive. Where the images do not have two or three
        axes, centroids are along the raveled image.

    Raises
    ------
    InputError
        When the shapes differ, there are no voxels, or a label image does not hold integers.
    """
    check_pair(pred, truth)
    check_labels(pred.dtype, "prediction")
    check_labels(truth.dtype, "truth")
    return count_in_blocks(pred, truth)


def count_in_blocks(pred: NDArray[Any], truth: NDArray[Any], *, as_masks: bool = False) -> Overlaps:
    """The same, where anything but 0 may be taken as the one label 1."""
    axes = pred.shape if pred.ndim == 3 else (1, *pred.shape) if pred.ndim == 2 else (1, 1, pred.size)
    ours, theirs = pred.reshape(axes), truth.reshape(axes)
    counter = OverlapCounter()
    for block in iter_blocks(axes, _slab(axes)):
        parts = [labels[block.write.slices] for labels in (ours, theirs)]
        a, b = [part != 0 for part in parts] if as_masks else parts
        counter.add(Tally.of_block(np.ascontiguousarray(a), np.ascontiguousarray(b), block.write.start))
    return counter.finish()


def _slab(shape: Sequence[int]) -> tuple[int, int, int]:
    """About `BLOCK_VOXELS` voxels of an array in memory, whole lines where they fit."""
    x = min(shape[2], BLOCK_VOXELS)
    y = max(min(shape[1], BLOCK_VOXELS // x), 1)
    return max(BLOCK_VOXELS // (x * y), 1), y, x


def _overlaps(tally: Tally) -> Overlaps:
    """Objects, sizes and pairs out of the table of all pairs, background included."""
    pred_ids, row = np.unique(tally.pred, return_inverse=True)
    truth_ids, column = np.unique(tally.truth, return_inverse=True)
    pred_sums, truth_sums = (
        np.stack([total_by(place, tally.sums[:, k], len(ids)) for k in range(4)], axis=1)
        for place, ids in ((row, pred_ids), (column, truth_ids))
    )
    ours, theirs = pred_ids != 0, truth_ids != 0
    both = ours[row] & theirs[column]
    return Overlaps(
        pred_ids=pred_ids[ours],
        truth_ids=truth_ids[theirs],
        pred_voxels=pred_sums[ours, 0],
        truth_voxels=truth_sums[theirs, 0],
        pred=(np.cumsum(ours) - 1)[row[both]],
        truth=(np.cumsum(theirs) - 1)[column[both]],
        voxels=tally.sums[both, 0],
        total=int(tally.sums[:, 0].sum()),
        pred_centroids=_centroids(pred_sums[ours]),
        truth_centroids=_centroids(truth_sums[theirs]),
    )


def _centroids(sums: Counts) -> Points:
    return sums[:, 1:] / sums[:, :1]
