"""Comparing two labels layers: what runs in the thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nnunet_em._napari.graphics import load_triton_beside_opengl
from napari_nnunet_em._napari.layerdata import layer_voxel_size, level_zero
from napari_nnunet_em._napari.live import STORE_KEY
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.evaluation import ComparisonSettings, Evaluation, LabelImage, compare
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.progress import CancelToken, Events

if TYPE_CHECKING:
    from napari.layers import Labels


def layer_labels(layer: Labels) -> LabelImage:
    """The data of a labels layer as one side of a comparison; nothing is loaded.

    Raises
    ------
    InputError
        If the layer has other axes than those of a volume or an image.
    """
    data = level_zero(layer)
    axes = {2: "yx", 3: "zyx"}.get(data.ndim)
    if axes is None:
        raise InputError(
            f"The layer {layer.name!r} has {data.ndim} axes, but a volume has z, y, x: "
            "split it (Layer > Split Stack) and choose one part."
        )
    known = layer_voxel_size(layer)
    volume = open_volume(data, axes=axes)
    if known.voxel_size_nm is not None:  # else what the array itself states, where it is a stored one
        volume = volume.with_voxel_size(known.voxel_size_nm, known.source)
    return LabelImage(volume, objects=STORE_KEY in layer.metadata)


def run_comparison(
    pred: LabelImage, truth: LabelImage, settings: ComparisonSettings, token: CancelToken
) -> Events[Evaluation]:
    """As `napari_nnunet_em.evaluation.compare`, in a process that may draw with OpenGL."""
    load_triton_beside_opengl()
    return (yield from compare(pred, truth, settings, token))
