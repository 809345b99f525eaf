"""How good a segmentation is, against a truth of the same voxels.

The names below are imported on first use. None of them loads torch or MONAI; the first score does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nnunet_em.lazynames import lazy_names

_LAZY = {
    "AdaptedRand": "partitions",
    "Comparison": "settings",
    "ComparisonSettings": "settings",
    "Evaluation": "comparing",
    "InstanceScores": "scores",
    "LabelImage": "opening",
    "MaskScores": "scores",
    "Meaning": "settings",
    "ObjectComparison": "comparing",
    "OverlapCounter": "counting",
    "Overlaps": "overlaps",
    "Relabel": "settings",
    "THRESHOLDS": "scores",
    "Tally": "counting",
    "VariationOfInformation": "partitions",
    "adapted_rand": "partitions",
    "class_scores": "scores",
    "compare": "comparing",
    "count_overlaps": "counting",
    "evaluate": "comparing",
    "evaluate_instances": "scores",
    "evaluate_masks": "scores",
    "evaluation_document": "report",
    "foreground_scores": "scores",
    "instance_scores": "scores",
    "open_labels": "opening",
    "variation_of_information": "partitions",
    "write_objects": "objects",
}

__all__ = [
    "THRESHOLDS",
    "AdaptedRand",
    "Comparison",
    "ComparisonSettings",
    "Evaluation",
    "InstanceScores",
    "LabelImage",
    "MaskScores",
    "Meaning",
    "ObjectComparison",
    "OverlapCounter",
    "Overlaps",
    "Relabel",
    "Tally",
    "VariationOfInformation",
    "adapted_rand",
    "class_scores",
    "compare",
    "count_overlaps",
    "evaluate",
    "evaluate_instances",
    "evaluate_masks",
    "evaluation_document",
    "foreground_scores",
    "instance_scores",
    "open_labels",
    "variation_of_information",
    "write_objects",
]

if TYPE_CHECKING:
    from napari_nnunet_em.evaluation.comparing import Evaluation, ObjectComparison, compare, evaluate
    from napari_nnunet_em.evaluation.counting import OverlapCounter, Tally, count_overlaps
    from napari_nnunet_em.evaluation.objects import write_objects
    from napari_nnunet_em.evaluation.opening import LabelImage, open_labels
    from napari_nnunet_em.evaluation.overlaps import Overlaps
    from napari_nnunet_em.evaluation.partitions import (
        AdaptedRand,
        VariationOfInformation,
        adapted_rand,
        variation_of_information,
    )
    from napari_nnunet_em.evaluation.report import evaluation_document
    from napari_nnunet_em.evaluation.scores import (
        THRESHOLDS,
        InstanceScores,
        MaskScores,
        class_scores,
        evaluate_instances,
        evaluate_masks,
        foreground_scores,
        instance_scores,
    )
    from napari_nnunet_em.evaluation.settings import Comparison, ComparisonSettings, Meaning, Relabel

__getattr__, __dir__ = lazy_names(__name__, _LAZY, __all__)
