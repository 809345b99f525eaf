"""How two label images overlap, as counts of voxels: all that comparing instances needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from napari_nnunet_em.errors import InputError

Counts = NDArray[np.int64]
Ids = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Voxels shared by each predicted and each true object that meet.

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
    """

    pred_ids: Ids
    truth_ids: Ids
    pred_voxels: Counts
    truth_voxels: Counts
    pred: Counts
    truth: Counts
    voxels: Counts

    @classmethod
    def of(cls, pred: NDArray[np.integer[Any]], truth: NDArray[np.integer[Any]]) -> Overlaps:
        """Count the overlaps of two label images.

        Parameters
        ----------
        pred, truth : array, same shape, integer
            Labels; 0 is background. Ids need not be consecutive.

        Raises
        ------
        InputError
            When the shapes differ or a label image does not hold integers.
        """
        check_pair(pred, truth)
        for name, labels in (("prediction", pred), ("truth", truth)):
            if labels.dtype.kind not in "iub":
                raise InputError(
                    f"The {name} holds {labels.dtype}, which cannot be instance labels: make it integers."
                )
        ours, theirs, counts = _runs(pred.ravel(), truth.ravel())
        pred_ids, row = np.unique(ours, return_inverse=True)
        truth_ids, column = np.unique(theirs, return_inverse=True)
        table = coo_array((counts, (row, column)), shape=(len(pred_ids), len(truth_ids))).tocsr()
        pred_voxels: Counts = np.asarray(table.sum(axis=1))
        truth_voxels: Counts = np.asarray(table.sum(axis=0))
        foreground = table[pred_ids != 0][:, truth_ids != 0].tocoo()
        return cls(
            pred_ids[pred_ids != 0],
            truth_ids[truth_ids != 0],
            pred_voxels[pred_ids != 0],
            truth_voxels[truth_ids != 0],
            foreground.row.astype(np.int64),
            foreground.col.astype(np.int64),
            foreground.data,
        )

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each pair that meets, (pairs,)."""
        union = self.pred_voxels[self.pred] + self.truth_voxels[self.truth] - self.voxels
        return self.voxels / union


def check_pair(pred: NDArray[Any], truth: NDArray[Any]) -> None:
    """Refuse arrays that cannot be compared voxel by voxel."""
    if pred.shape != truth.shape or pred.size == 0:
        raise InputError(
            f"A prediction of {pred.shape} voxels cannot be compared with a truth of {truth.shape}: "
            "both must cover the same region, and at least one voxel."
        )


def _runs(pred: Ids, truth: Ids) -> tuple[Ids, Ids, Counts]:
    """Stretches in which both labels stay the same: far fewer than voxels."""
    begins = np.ones(pred.size, dtype=np.bool_)
    begins[1:] = (pred[1:] != pred[:-1]) | (truth[1:] != truth[:-1])
    starts = np.flatnonzero(begins)
    return pred[starts], truth[starts], np.diff(starts, append=pred.size).astype(np.int64)
