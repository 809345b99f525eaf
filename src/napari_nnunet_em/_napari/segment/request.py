"""From what the form holds to what the pipeline takes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nnunet_em import io
from napari_nnunet_em._napari.layers.placement import placed
from napari_nnunet_em._napari.layers.voxels import KnownSize, layer_shape, layer_voxel_size, level_zero
from napari_nnunet_em.errors import InputError, NnunetEmError

if TYPE_CHECKING:
    from napari.layers import Image, Layer

    from napari_nnunet_em.config import Job
    from napari_nnunet_em.geometry import Shape
    from napari_nnunet_em.io import Lattice, Volume


@dataclass(frozen=True)
class Request:
    """A job that a window is about to run.

    Attributes
    ----------
    job : Job
        What the pipeline does.
    volume : Volume
        Data of the layer, at the level and with the voxel size of the form.
    layer : napari.layers.Image
        The layer itself.
    class_names : tuple of str
        Foreground classes of the model.
    near : tuple of int, (z, y, x), or None
        The voxel of the volume that the user looks at; what is near it is done first.
    """

    job: Job
    volume: Volume
    layer: Image
    class_names: tuple[str, ...]
    near: Shape | None = None

    @property
    def place(self) -> Lattice:
        """Where the voxels of the result lie among those of the layer's full resolution."""
        region = self.job.prediction.region
        own = self.volume.lattice(self.volume.level)
        return own if region is None else own.begun_at(region.start)

    @property
    def title(self) -> str:
        """A few words for the activity dock."""
        return f"{', '.join(self.class_names)} in {self.layer.name}"


def layer_volume(
    layer: Image, channels: int, voxel_size_nm: tuple[float, float, float] | None, level: int = 0
) -> Volume:
    """The data of a layer as a volume; nothing is loaded.

    Parameters
    ----------
    layer : napari.layers.Image
        Grey values, (z, y, x) or (y, x), or (c, z, y, x) for a model with several channels.
    channels : int
        Channels that the model expects; 1 where a layer is not meant for a model.
    voxel_size_nm : tuple of float (z, y, x)
        From the form; of the voxels of `level`.
    level : int
        Level of the layer's pyramid; 0 is its full resolution.

    Raises
    ------
    InputError
        If the layer has colours, another number of axes or channels, or no such level.
    """
    data = level_zero(layer)
    if layer.rgb:
        raise InputError(
            f"The layer {layer.name!r} holds colours, but electron micrographs are grey: "
            "split its channels (Layer > Split RGB) and choose one of them."
        )
    axes = {2: "yx", 3: "zyx", 4: "czyx"}.get(data.ndim)
    if axes is None:
        raise InputError(
            f"The layer {layer.name!r} has {data.ndim} axes, but a volume has z, y, x: "
            "split it (Layer > Split Stack) and choose one part."
        )
    if axes == "czyx" and data.shape[0] != channels:
        wanted = "one channel is" if channels == 1 else f"the model's {channels} channels are"
        raise InputError(
            f"The layer {layer.name!r} has {data.shape[0]} entries along its first axis, but {wanted} "
            "needed: split it (Layer > Split Stack) and choose one part."
        )
    volume = io.open_volume(list(layer.data) if level and layer.multiscale else data, axes=axes)
    volume = volume.at_level(level).with_voxel_size(voxel_size_nm, "entered in napari")
    volume = placed(volume, layer.translate[-3:], layer.units[-3:])
    return dataclasses.replace(volume, origin=source_path(layer) or f"napari layer {layer.name!r}")


def layer_channels(layer: Layer) -> int:
    """As many as the layer has, for a job that was begun on its volume, so that they fit."""
    shape = level_zero(layer).shape
    return int(shape[0]) if len(shape) == 4 else 1


def source_path(layer: Layer) -> str | None:
    """The file or folder that a layer was read from, where it still exists."""
    path = layer.source.path
    return str(path) if path and Path(str(path)).exists() else None


def known_voxel_size(layer: Layer) -> KnownSize:
    """The voxel size that the layer states, or else its file, whose metadata napari's readers drop."""
    stated = layer_voxel_size(layer)
    path = source_path(layer)
    if stated.voxel_size_nm is not None or path is None:
        return stated
    try:
        volume = io.open_volume(path)
    except (NnunetEmError, OSError):
        # The file is a format or a collection that only napari's reader knows.
        return stated
    if volume.voxel_size_nm is None or tuple(volume.shape) != layer_shape(layer):
        return stated
    return KnownSize(volume.voxel_size_nm, volume.voxel_size_source)
