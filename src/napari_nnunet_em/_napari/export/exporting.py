"""Exporting a layer or a file: what a layer holds, and what runs in the thread."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_nnunet_em._napari.layers.as_volume import stored_voxels
from napari_nnunet_em._napari.layers.placement import placed
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
    volume = placed(stored_voxels(layer), layer.translate, layer.units)
    if volume.origin_nm is None and volume.voxel_size_nm is not None:
        volume = dataclasses.replace(volume, origin_nm=_counted_origin(layer, volume.voxel_size_nm))
    in_memory = volume.origin == "memory"
    return dataclasses.replace(volume, origin=f"The layer {layer.name!r}") if in_memory else volume


def left_out(layer: Layer) -> str:
    """What is said where a layer is drawn in another way than any of the files can state; mostly nothing."""
    plain = np.eye(layer.ndim)
    straight = np.array_equal(layer.rotate, plain) and not np.any(layer.shear)
    kept = np.array_equal(layer.affine.affine_matrix, np.eye(layer.ndim + 1)) and np.all(layer.scale > 0)
    if straight and kept:
        return ""
    return (
        "This layer is rotated, sheared, mirrored or moved by a transform, which a file does not keep: "
        "voxels are written as they are stored, at the layer's scale and translation."
    )


def _counted_origin(layer: Layer, voxel_size_nm: tuple[float, float, float]) -> tuple[float, float, float]:
    """Where a layer begins whose scale has no unit: its translation, counted in its voxels."""
    voxels = [0.0, *(t / s for t, s in zip(layer.translate, layer.scale, strict=True))][-3:]
    z, y, x = (v * size for v, size in zip(voxels, voxel_size_nm, strict=True))
    return z, y, x


def run_export(
    source: Volume | str, destination: str, settings: ExportSettings, token: CancelToken
) -> Events[Path]:
    """As `napari_nnunet_em.export.export_labels`, also from an address that `open_source` opens."""
    volume = open_source(source) if isinstance(source, str) else source
    return (yield from export_labels(volume, destination, settings, token))
