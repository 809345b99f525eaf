"""How good a segmentation is, against a truth of the same voxels.

Importing this loads neither torch nor MONAI; the first score does.
"""

from napari_nnunet_em.evaluation.compare import Evaluation, ObjectComparison, compare, evaluate
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
