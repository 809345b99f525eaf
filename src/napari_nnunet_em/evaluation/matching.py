"""Which predicted object is which true one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching

from napari_nnunet_em.evaluation.overlaps import Counts, Overlaps

_DENSE_ENTRIES = 1 << 20


def match(overlaps: Overlaps, threshold: float) -> Counts:
    """Pair predicted and true objects one to one.

    Parameters
    ----------
    overlaps : Overlaps
        Of two label images.
    threshold : float
        A pair counts when its IoU is above it.

    Returns
    -------
    array, (matches,), int64
        Places in the pairs of `overlaps`, ascending.

    Notes
    -----
    An object cannot share more than half of its union with two others, so from 0.5 on there is nothing to
    choose. Below, the pairs with the largest sum of IoU are chosen among all that overlap, and those above
    the threshold count; this is the rule of MONAI's panoptic quality.
    """
    iou = overlaps.iou
    chosen = np.arange(len(iou)) if threshold >= 0.5 else _assign(overlaps, iou)
    return chosen[iou[chosen] > threshold]


def _assign(overlaps: Overlaps, iou: NDArray[np.float64]) -> Counts:
    """Pairs of the one-to-one assignment with the largest sum of IoU.

    Objects that share no chain of overlaps cannot compete, so each such group is solved for itself.
    """
    n, m = len(overlaps.pred_ids), len(overlaps.truth_ids)
    graph = coo_array((iou, (overlaps.pred, overlaps.truth + n)), shape=(n + m, n + m))
    _, group = connected_components(graph, directed=False)
    order = np.argsort(group[overlaps.pred], kind="stable")
    ends = np.flatnonzero(np.diff(group[overlaps.pred[order]])) + 1
    chosen = [_assign_group(pairs, overlaps, iou) for pairs in np.split(order, ends)]
    return np.sort(np.concatenate(chosen))


def _assign_group(pairs: Counts, overlaps: Overlaps, iou: NDArray[np.float64]) -> Counts:
    """The same for the pairs of one group."""
    rows, row = np.unique(overlaps.pred[pairs], return_inverse=True)
    columns, column = np.unique(overlaps.truth[pairs], return_inverse=True)
    if len(rows) * len(columns) > _DENSE_ENTRIES:
        return pairs[_assign_sparse(row, column, iou[pairs])]
    score = np.zeros((len(rows), len(columns)))
    pair = np.full(score.shape, -1, dtype=np.int64)
    score[row, column] = iou[pairs]
    pair[row, column] = pairs
    found = pair[linear_sum_assignment(score, maximize=True)]
    return found[found >= 0]


def _assign_sparse(row: Counts, column: Counts, iou: NDArray[np.float64]) -> Counts:
    """The same for a group so large that a dense matrix would not fit: places in the pairs of the group.

    Every row may also take a column of its own that costs as much as an IoU of 0, because the solver wants
    an edge for each row. Costs lie from 1 to 2, since it takes 0 for no edge.
    """
    count, width = int(row.max()) + 1, int(column.max()) + 1
    alone = np.arange(count)
    cost = coo_array(
        (
            np.concatenate([2 - iou, np.full(count, 2.0)]),
            (np.concatenate([row, alone]), np.concatenate([column, width + alone])),
        ),
        shape=(count, width + count),
    ).tocsr()
    _, taken = min_weight_full_bipartite_matching(cost)
    return np.flatnonzero(taken[row] == column)
