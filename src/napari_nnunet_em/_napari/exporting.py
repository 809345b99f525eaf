"""Exporting a layer or a file: what a layer holds, and what runs in the thread."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_nnunet_em._napari.comparison import layer_labels
from napari_nnunet_em._napari.placement import placed
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.export import ExportSettings, export_labels, open_source
from napari_nnunet_em.io import Volume
from napari_nnunet_em.progress import CancelToken, Events

if TYPE_CHECKING:
    from napari.layers import Layer


def layer_volume(layer: Layer) -> Volume:
    """The data of a labels or image layer with its voxel size and its place in the world; nothing is loaded.

    Rotation and shear, which no format here stores, are left out.

    Raises
    ------
    InputError
        If the layer has colours, or other axes than those of a volume or an image.
    """
    if getattr(layer, "rgb", False):
        raise InputError(
            f"The layer {layer.name!r} holds colours, which are not exported: split its channels "
            "(Layer > Split RGB) and choose one of them."
        )
    volume = layer_labels(layer).volume
    return placed(volume, layer.translate, layer.units)


def run_export(
    source: Volume | str, destination: str, settings: ExportSettings, token: CancelToken
) -> Events[Path]:
    """As `napari_nnunet_em.export.export_labels`, also from an address that `open_source` opens."""
    volume = open_source(source) if isinstance(source, str) else source
    return (yield from export_labels(volume, destination, settings, token))
