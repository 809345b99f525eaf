"""Scores of masks and of objects, out of the counts of their overlaps.

The formulas are MONAI's (`monai.metrics`), on counts that are gathered here: MONAI's own panoptic quality
keeps one full-size mask per object, which 300 objects in 16 x 512 x 512 voxels turn into 10 GB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.evaluation.counting import count_in_blocks, count_overlaps
from napari_nnunet_em.evaluation.matching import match
from napari_nnunet_em.evaluation.overlaps import Ids, Overlaps, check_pair

THRESHOLDS = tuple(percent / 100 for percent in range(50, 100, 5))
"""The IoU thresholds over which the field averages: 0.5, 0.55, ..., 0.95."""


@dataclass(frozen=True)
class MaskScores:
    """How well one mask agrees with another, voxel by voxel.

    Attributes
    ----------
    dice, iou, precision, recall : float
        From 0 to 1. Where nothing is predicted and nothing is there, all are 1; where only one of both is
        empty, all are 0.
    true_positives, false_positives, false_negatives : int
        Voxels.
    """

    dice: float
    iou: float
    precision: float
    recall: float
    true_positives: int
    false_positives: int
    false_negatives: int

    @classmethod
    def of_counts(cls, true_positives: int, false_positives: int, false_negatives: int) -> MaskScores:
        """Scores from numbers of voxels."""
        rates = _rates(true_positives, false_positives, false_negatives)
        return cls(
            dice=rates["f1 score"],
            iou=rates["threat score"],
            precision=rates["precision"],
            recall=rates["sensitivity"],
            true_positives=true_positives,
            false_positives=false_positives,
            false_negatives=false_negatives,
        )


@dataclass(frozen=True)
class InstanceScores:
    """How well predicted objects agree with true ones, where they match one to one.

    Attributes
    ----------
    iou_threshold : float
        Objects match when their IoU is above it.
    precision, recall, f1 : float
        Over objects, from 0 to 1; 1 where there are no objects on either side, 0 where only one has none.
        `f1` is the recognition quality (RQ) of panoptic quality.
    accuracy : float
        Matched objects over all objects, TP / (TP + FP + FN): "accuracy" in StarDist, "AP" in cellpose and
        in the 2018 Data Science Bowl. It is not the detection AP of COCO, which ranks objects by confidence.
    true_positives, false_positives, false_negatives : int
        Objects: matched, predicted only, true only.
    mean_matched_iou : float
        Mean IoU of the matched objects, the segmentation quality (SQ) of panoptic quality; 0 without any.
    panoptic_quality : float
        ``f1 * mean_matched_iou``; 1 where there are no objects at all.
    matched_pred_ids, matched_truth_ids : array, (true_positives,), integer
        Ids that belong together.
    matched_iou : array, (true_positives,), float64
        Their IoU.
    """

    iou_threshold: float
    precision: float
    recall: float
    f1: float
    accuracy: float
    true_positives: int
    false_positives: int
    false_negatives: int
    mean_matched_iou: float
    panoptic_quality: float
    matched_pred_ids: Ids = field(repr=False, compare=False)
    matched_truth_ids: Ids = field(repr=False, compare=False)
    matched_iou: NDArray[np.float64] = field(repr=False, compare=False)


def evaluate_masks(pred: NDArray[Any], truth: NDArray[Any]) -> MaskScores:
    """Compare two masks in memory voxel by voxel.

    Parameters
    ----------
    pred, truth : array, same shape
        Anything but 0 is inside, so label images serve as well.

    Raises
    ------
    InputError
        When the shapes differ or there are no voxels.
    """
    check_pair(pred, truth)
    return foreground_scores(count_in_blocks(pred, truth, as_masks=True))


def evaluate_instances(
    pred: NDArray[np.integer[Any]], truth: NDArray[np.integer[Any]], iou: float = 0.5
) -> InstanceScores:
    """Compare two label images in memory object by object.

    Parameters
    ----------
    pred, truth : array, same shape, integer
        Labels, 0 is background. Ids need not agree between the two, nor be consecutive.
    iou : float
        Objects match when their intersection over union is above it.

    Raises
    ------
    InputError
        When the shapes differ, there are no voxels, or a label image does not hold integers.
    SettingsError
        When `iou` is not at least 0 and below 1.
    """
    check_threshold(iou)
    return instance_scores(count_overlaps(pred, truth), iou)


def check_threshold(iou: float) -> None:
    """Refuse what cannot be a threshold."""
    if not 0 <= iou < 1:
        raise SettingsError(
            f"The IoU threshold {iou} makes no sense: choose one from 0 to below 1, such as 0.5."
        )


def foreground_scores(overlaps: Overlaps) -> MaskScores:
    """Scores of all objects together against background."""
    both = int(overlaps.voxels.sum())
    return MaskScores.of_counts(
        both, int(overlaps.pred_voxels.sum()) - both, int(overlaps.truth_voxels.sum()) - both
    )


def class_scores(overlaps: Overlaps) -> dict[int, MaskScores]:
    """Scores of each class, where labels are classes: same value, same class.

    Returns
    -------
    dict from int to MaskScores
        Every value other than 0 of either image, ascending.
    """
    ours = dict(zip(overlaps.pred_ids.tolist(), overlaps.pred_voxels.tolist(), strict=True))
    theirs = dict(zip(overlaps.truth_ids.tolist(), overlaps.truth_voxels.tolist(), strict=True))
    same = overlaps.pred_ids[overlaps.pred] == overlaps.truth_ids[overlaps.truth]
    values = overlaps.pred_ids[overlaps.pred[same]].tolist()
    both = dict(zip(values, overlaps.voxels[same].tolist(), strict=True))
    scores = {}
    for value in sorted({*ours, *theirs}):
        shared = both.get(value, 0)
        scores[value] = MaskScores.of_counts(
            shared, ours.get(value, 0) - shared, theirs.get(value, 0) - shared
        )
    return scores


def instance_scores(overlaps: Overlaps, iou: float, *, pairs: bool = True) -> InstanceScores:
    """Scores of objects that match where their IoU is above a threshold; `pairs` lists who matches whom."""
    matches = match(overlaps, iou)
    matched_iou = overlaps.iou[matches]
    listed = slice(None) if pairs else slice(0)
    true_positives = len(matches)
    false_positives = len(overlaps.pred_ids) - true_positives
    false_negatives = len(overlaps.truth_ids) - true_positives
    rates = _rates(true_positives, false_positives, false_negatives)
    quality = float(matched_iou.mean()) if true_positives else 0.0
    nothing = true_positives + false_positives + false_negatives == 0
    return InstanceScores(
        iou_threshold=iou,
        precision=rates["precision"],
        recall=rates["sensitivity"],
        f1=rates["f1 score"],
        accuracy=rates["threat score"],
        true_positives=true_positives,
        false_positives=false_positives,
        false_negatives=false_negatives,
        mean_matched_iou=quality,
        panoptic_quality=1.0 if nothing else rates["f1 score"] * quality,
        matched_pred_ids=overlaps.pred_ids[overlaps.pred[matches[listed]]],
        matched_truth_ids=overlaps.truth_ids[overlaps.truth[matches[listed]]],
        matched_iou=matched_iou[listed],
    )


def _rates(true_positives: int, false_positives: int, false_negatives: int) -> Mapping[str, float]:
    """MONAI's rates, with a number also where nothing is divided by nothing."""
    import torch  # noqa: PLC0415 - heavy, and only needed here
    from monai.metrics import compute_confusion_matrix_metric  # noqa: PLC0415 - heavy, and only needed here

    counts = torch.tensor([true_positives, false_positives, 0, false_negatives], dtype=torch.float64)
    undefined = 1.0 if not counts.any() else 0.0
    rates = {}
    for name in ("precision", "sensitivity", "f1 score", "threat score"):
        rate = float(compute_confusion_matrix_metric(name, counts))
        rates[name] = undefined if np.isnan(rate) else rate
    return rates
