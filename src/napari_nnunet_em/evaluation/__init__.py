"""How good a segmentation is, against a truth of the same voxels.

Importing this loads neither torch nor MONAI; the first score does.
"""

from napari_nnunet_em.evaluation.overlaps import Overlaps
from napari_nnunet_em.evaluation.scores import (
    InstanceScores,
    MaskScores,
    evaluate_instances,
    evaluate_masks,
)

__all__ = ["InstanceScores", "MaskScores", "Overlaps", "evaluate_instances", "evaluate_masks"]
