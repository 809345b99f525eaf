"""Exporting a layer or a file: what a layer holds, and what runs in the thread."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em._napari.layers.as_volume import stored_voxels
from napari_nnunet_em._napari.layers.placement import placed
from napari_nnunet_em._napari.layers.voxels import KnownSize, VoxelSizeNm
from napari_nnunet_em._napari.segment.request import known_voxel_size
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.export import ExportSettings, export_labels
from napari_nnunet_em.io import Volume
from napari_nnunet_em.progress import CancelToken, Events

if TYPE_CHECKING:
    from napari.layers import Layer


def layer_volume(layer: Layer, voxel_size_nm: VoxelSizeNm | None = None) -> Volume:
    """The data of a labels or image layer with its voxel size and its place in the world; nothing is loaded.

    Rotation, shear and mirroring, which no format here stores, are left out; see `left_out`.

    Parameters
    ----------
    layer : napari.layers.Layer
        The layer.
    voxel_size_nm : tuple of float, (z, y, x), or None
        From the form; None where the layer's own counts.

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
    volume = placed(stored_voxels(layer), _translation(layer), layer.units)
    if voxel_size_nm is not None:
        volume = volume.with_voxel_size(voxel_size_nm, "entered in napari")
    if volume.origin_nm is None and volume.voxel_size_nm is not None:
        volume = dataclasses.replace(volume, origin_nm=_counted_origin(layer, volume.voxel_size_nm))
    in_memory = volume.origin == "memory"
    return dataclasses.replace(volume, origin=f"The layer {layer.name!r}") if in_memory else volume


def stated_size(layer: Layer) -> KnownSize:
    """The voxel size that a layer states, or its array, or its file."""
    try:
        volume = layer_volume(layer)
    except InputError:  # which is said when it is to be exported
        return KnownSize(None, "")
    if volume.voxel_size_nm is None:
        return known_voxel_size(layer)
    return KnownSize(volume.voxel_size_nm, volume.voxel_size_source)


def left_out(layer: Layer) -> str:
    """What is said where a layer is drawn in another way than any of the files can state; mostly nothing."""
    straight = np.array_equal(layer.rotate, np.eye(layer.ndim)) and not np.any(layer.shear)
    if straight and _only_moves(layer) and np.all(layer.scale > 0):
        return ""
    return (
        "This layer is rotated, sheared, mirrored or scaled by a transform, which a file does not keep: "
        "voxels are written as they are stored, at the layer's scale and translation."
    )


def _only_moves(layer: Layer) -> bool:
    """Whether the affine transform of a layer, which comes after all others, is a translation or nothing."""
    return np.array_equal(layer.affine.linear_matrix, np.eye(layer.ndim))


def _translation(layer: Layer) -> NDArray[np.float64]:
    """Where the first voxel of a layer lies, in its own units; a transform counts where it only moves."""
    moved = np.asarray(layer.affine.translate) if _only_moves(layer) else 0.0
    return np.asarray(layer.translate + moved, dtype=np.float64)


def _counted_origin(layer: Layer, voxel_size_nm: tuple[float, float, float]) -> tuple[float, float, float]:
    """Where a layer begins whose scale has no unit: its translation, counted in its voxels."""
    voxels = [0.0, *(t / s for t, s in zip(_translation(layer), layer.scale, strict=True))][-3:]
    z, y, x = (v * size for v, size in zip(voxels, voxel_size_nm, strict=True))
    return z, y, x


def run_export(
    source: Volume | partial[Volume], destination: str, settings: ExportSettings, token: CancelToken
) -> Events[Path]:
    """As `napari_nnunet_em.export.export_labels`, also of what is still to be opened."""
    volume = source if isinstance(source, Volume) else source()
    return (yield from export_labels(volume, destination, settings, token))
