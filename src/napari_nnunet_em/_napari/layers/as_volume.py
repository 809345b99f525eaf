"""A layer as a volume that is read block by block. Without a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nnunet_em._napari.layers.voxels import layer_voxel_size, level_zero
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.io import open_volume

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_nnunet_em.io import Volume


def stored_voxels(layer: Layer) -> Volume:
    """The voxels of a layer with their size, at full resolution and without a place; nothing is loaded.

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
    return volume
