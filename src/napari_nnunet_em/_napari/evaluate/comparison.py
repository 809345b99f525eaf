"""Comparing two labels layers: what runs in the thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nnunet_em._napari.layers.as_volume import stored_voxels
from napari_nnunet_em._napari.layers.marks import STORE_KEY
from napari_nnunet_em._napari.threads.graphics import load_triton_beside_opengl
from napari_nnunet_em.evaluation import ComparisonSettings, Evaluation, LabelImage, compare
from napari_nnunet_em.progress import CancelToken, Events

if TYPE_CHECKING:
    from napari.layers import Labels


def layer_labels(layer: Labels) -> LabelImage:
    """The data of a labels layer as one side of a comparison; raises as `stored_voxels`."""
    return LabelImage(stored_voxels(layer), objects=STORE_KEY in layer.metadata)


def run_comparison(
    pred: LabelImage, truth: LabelImage, settings: ComparisonSettings, token: CancelToken
) -> Events[Evaluation]:
    """As `napari_nnunet_em.evaluation.compare`, in a process that may draw with OpenGL."""
    load_triton_beside_opengl()
    return (yield from compare(pred, truth, settings, token))
