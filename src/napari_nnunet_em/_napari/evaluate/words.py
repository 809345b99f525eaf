"""An evaluation in rows of name and value, as the window shows it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_nnunet_em.evaluation import Evaluation, ObjectComparison

Row = tuple[str, str, str]
"""Name, value, and what the name means."""


def score_rows(evaluation: Evaluation) -> list[Row]:
    """The scores that a person looks at first, with a sentence for each."""
    rows = []
    for scores in evaluation.masks.values():
        rows += [
            ("Dice", _text(scores.dice), "Voxels: 2 TP / (2 TP + FP + FN)."),
            ("IoU", _text(scores.iou), "Voxels: TP / (TP + FP + FN)."),
        ]
    return rows + ([] if evaluation.objects is None else _object_rows(evaluation.objects))


def _object_rows(objects: ObjectComparison) -> list[Row]:
    matched, variation, rand = objects.matched, objects.variation, objects.rand
    found, true = (matched.true_positives + n for n in (matched.false_positives, matched.false_negatives))
    at = f"at IoU above {matched.iou_threshold:g}"
    return [
        (
            "Matched",
            f"{matched.true_positives:,} of {found:,} and {true:,}",
            f"Objects of both layers, {at}.",
        ),
        ("Precision", _text(matched.precision), f"Share of the predicted objects that match, {at}."),
        ("Recall", _text(matched.recall), f"Share of the true objects that match, {at}."),
        ("F1", _text(matched.f1), "Of precision and recall; the recognition quality (RQ)."),
        (
            "AP 0.5:0.95",
            _text(objects.mean_accuracy),
            "Mean of TP / (TP + FP + FN) over these IoU, as StarDist and cellpose count it; "
            "not the detection AP of COCO.",
        ),
        (
            "Panoptic quality",
            f"{_text(matched.panoptic_quality)} (SQ {_text(matched.mean_matched_iou)})",
            "F1 times the mean IoU of the objects that match (SQ).",
        ),
        ("VI split", f"{variation.split:.3f} bit", "What false splits cost; 0 is best."),
        ("VI merge", f"{variation.merge:.3f} bit", "What false mergers cost; 0 is best."),
        ("Adapted Rand error", _text(rand.error), "Over the voxels of true objects; 0 is best."),
    ]


def _text(value: float) -> str:
    return "not defined" if math.isnan(value) else f"{value:.3f}"
