"""Two segmentations as partitions of the voxels: variation of information and the adapted Rand error.

Both are taken from the counts of overlaps, and equal `skimage.metrics.variation_of_information` and
`skimage.metrics.adapted_rand_error` with their default arguments. Only precision and recall of the latter
change places: scikit-image 0.26 returns them the other way round than it says and than is said here
(scikit-image issue 6485).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.evaluation.overlaps import Overlaps, total_by


@dataclass(frozen=True)
class VariationOfInformation:
    """Variation of information, in bits; background counts as one more object on both sides.

    Attributes
    ----------
    split : float
        Entropy of the prediction where the truth is known, H(pred | truth): what false splits cost.
    merge : float
        Entropy of the truth where the prediction is known, H(truth | pred): what false mergers cost.
    """

    split: float
    merge: float

    @property
    def total(self) -> float:
        """Sum of both parts, 0 where the segmentations are the same up to renaming."""
        return self.split + self.merge


@dataclass(frozen=True)
class AdaptedRand:
    """Adapted Rand error, over the voxels of true objects; predicted background is one more object there.

    Each is NaN where there is no pair of voxels to judge it by.

    Attributes
    ----------
    error : float
        1 - F-score of `precision` and `recall`; 0 is best.
    precision : float
        Of the pairs of voxels that the prediction puts into one object, the share that belongs together.
    recall : float
        Of the pairs of voxels that belong together, the share that the prediction puts into one object.
    """

    error: float
    precision: float
    recall: float


def variation_of_information(overlaps: Overlaps) -> VariationOfInformation:
    """Split and merge parts of the variation of information (Meilă 2007, doi 10.1016/j.jmva.2006.11.013)."""
    truth_background = overlaps.total - int(overlaps.truth_voxels.sum())
    pred_background = overlaps.total - int(overlaps.pred_voxels.sum())
    joint = [
        (overlaps.voxels, overlaps.pred_voxels[overlaps.pred], overlaps.truth_voxels[overlaps.truth]),
        (overlaps.pred_outside, overlaps.pred_voxels, np.full(len(overlaps.pred_ids), truth_background)),
        (overlaps.truth_outside, np.full(len(overlaps.truth_ids), pred_background), overlaps.truth_voxels),
        (np.array([overlaps.background]), np.array([pred_background]), np.array([truth_background])),
    ]
    shared, pred, truth = (np.concatenate(parts).astype(np.float64) for parts in zip(*joint, strict=True))
    return VariationOfInformation(
        _conditional_entropy(shared, truth, overlaps.total),
        _conditional_entropy(shared, pred, overlaps.total),
    )


def _conditional_entropy(shared: NDArray[np.float64], given: NDArray[np.float64], total: int) -> float:
    """Entropy, in bits, of what is left open once it is known which of the `given` parts a voxel is in."""
    some = shared > 0
    terms = shared[some] * np.log2(given[some] / shared[some])
    return float(terms.sum()) / total


def adapted_rand(overlaps: Overlaps) -> AdaptedRand:
    """Adapted Rand error of the SNEMI3D contest (Arganda-Carreras et al. 2015, 10.3389/fnana.2015.00142)."""
    missed = overlaps.truth_outside
    inside_truth = total_by(overlaps.pred, overlaps.voxels, len(overlaps.pred_ids))
    together = _pairs(np.concatenate([overlaps.voxels, missed]))
    in_pred = _pairs(np.concatenate([inside_truth, [missed.sum()]]))
    in_truth = _pairs(overlaps.truth_voxels)
    return AdaptedRand(
        1 - _share(2 * together, in_pred + in_truth), _share(together, in_pred), _share(together, in_truth)
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _pairs(sizes: NDArray[np.int64]) -> float:
    """Ordered pairs of different voxels inside the parts; as floats, for their squares outgrow 64 bits."""
    parts = sizes.astype(np.float64)
    return float((parts * (parts - 1)).sum())
