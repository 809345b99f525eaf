"""How two label images overlap, as counts of voxels: all that comparing them needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.errors import InputError

Counts = NDArray[np.int64]
Ids = NDArray[Any]
Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Voxels shared by each predicted and each true object that meet.

    Its length is that of the lists of objects and of pairs, however many voxels there are.

    Attributes
    ----------
    pred_ids, truth_ids : array, (n,) and (m,), integer
        Ids other than 0, ascending.
    pred_voxels, truth_voxels : array, (n,) and (m,), int64
        Size of each object.
    pred, truth : array, (pairs,), int64
        Places in `pred_ids` and `truth_ids` of the objects that meet.
    voxels : array, (pairs,), int64
        How many voxels they share.
    total : int
        Voxels that were compared, background included.
    pred_centroids, truth_centroids : array, (n, 3) and (m, 3), float64
        Mean (z, y, x) of each object, in voxels of the part that was compared.
    """

    pred_ids: Ids
    truth_ids: Ids
    pred_voxels: Counts
    truth_voxels: Counts
    pred: Counts
    truth: Counts
    voxels: Counts
    total: int
    pred_centroids: Points
    truth_centroids: Points

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each pair that meets, (pairs,)."""
        union = self.pred_voxels[self.pred] + self.truth_voxels[self.truth] - self.voxels
        return self.voxels / union

    @property
    def pred_outside(self) -> Counts:
        """Voxels of each predicted object that lie in no true one, (n,)."""
        return self.pred_voxels - total_by(self.pred, self.voxels, len(self.pred_ids))

    @property
    def truth_outside(self) -> Counts:
        """Voxels of each true object that lie in no predicted one, (m,)."""
        return self.truth_voxels - total_by(self.truth, self.voxels, len(self.truth_ids))

    @property
    def background(self) -> int:
        """Voxels that belong to no object on either side."""
        covered = int(self.pred_voxels.sum()) + int(self.truth_voxels.sum()) - int(self.voxels.sum())
        return self.total - covered

    def without_small(self, min_voxels: int) -> Overlaps:
        """The same where objects of fewer voxels, on both sides, are background."""
        if min_voxels <= 1:
            return self
        ours, theirs = self.pred_voxels >= min_voxels, self.truth_voxels >= min_voxels
        kept = ours[self.pred] & theirs[self.truth]
        return replace(
            self,
            pred_ids=self.pred_ids[ours],
            truth_ids=self.truth_ids[theirs],
            pred_voxels=self.pred_voxels[ours],
            truth_voxels=self.truth_voxels[theirs],
            pred=(np.cumsum(ours) - 1)[self.pred[kept]],
            truth=(np.cumsum(theirs) - 1)[self.truth[kept]],
            voxels=self.voxels[kept],
            pred_centroids=self.pred_centroids[ours],
            truth_centroids=self.truth_centroids[theirs],
        )


def total_by(place: Counts, values: Counts, count: int) -> Counts:
    """Sum of `values` by `place`, (count,); exact, which a weighted `numpy.bincount` is only below 2**53."""
    out = np.zeros(count, dtype=np.int64)
    np.add.at(out, place, values)
    return out


def check_pair(pred: NDArray[Any], truth: NDArray[Any]) -> None:
    """Refuse arrays that cannot be compared voxel by voxel."""
    if pred.shape != truth.shape or pred.size == 0:
        raise InputError(
            f"A prediction of {pred.shape} voxels cannot be compared with a truth of {truth.shape}: "
            "both must cover the same region, and at least one voxel."
        )


def check_labels(dtype: np.dtype[Any], name: str) -> None:
    """Refuse a type that cannot hold ids."""
    if dtype.kind not in "iub":
        raise InputError(
            f"The {name} holds {dtype}, which cannot be labels: give integers, or a mask of 0 and 1."
        )
