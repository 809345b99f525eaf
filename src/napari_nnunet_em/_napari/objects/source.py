"""From an image layer to the probability that its objects are made from, and to the job that makes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_nnunet_em._napari.layers.lazy_views import FixedAxes
from napari_nnunet_em._napari.layers.marks import STORE_KEY, is_result
from napari_nnunet_em._napari.layers.voxels import level_zero
from napari_nnunet_em._napari.segment.job_file import address_of
from napari_nnunet_em._napari.segment.request import layer_channels, layer_volume, source_path
from napari_nnunet_em._napari.threads.graphics import load_triton_beside_opengl
from napari_nnunet_em.errors import InputError, NnunetEmError
from napari_nnunet_em.instances import ClassProbability
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.io.from_hdf5 import split_address
from napari_nnunet_em.pipeline.label_job import volume_probability
from napari_nnunet_em.pipeline.stored import stored_class, stored_input, stored_job

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Image, Layer

    from napari_nnunet_em.config import Job
    from napari_nnunet_em.io import Volume


@dataclass(frozen=True, eq=False)
class ObjectSource:
    """What the objects of a layer are made from.

    Attributes
    ----------
    source : ClassProbability
        The probability.
    voxel_size_nm : tuple of float, (z, y, x), or None
        None where it is unknown.
    class_name : str
        What the objects are; empty where that is unknown.
    store : pathlib.Path or None
        The output of a job of ours that the layer shows.
    volume : Volume or None
        The layer's data, where it shows something else.
    """

    source: ClassProbability
    voxel_size_nm: tuple[float, float, float] | None
    class_name: str = ""
    store: Path | None = None
    volume: Volume | None = None


def job_store(layer: Layer) -> Path | None:
    """The output of a prediction of ours that a layer shows; None for any other layer."""
    noted = layer.metadata.get(STORE_KEY) or source_path(layer)
    if noted is None or (not (Path(noted) / ".zattrs").exists() and not (Path(noted) / "zarr.json").exists()):
        return None
    try:
        stored_job(Path(noted))
    except NnunetEmError:
        return None
    return Path(noted)


def object_source(
    layer: Image, store: Path | None, voxel_size_nm: tuple[float, float, float] | None
) -> ObjectSource:
    """What the objects of a layer are made from; no voxel is read.

    Parameters
    ----------
    layer : napari.layers.Image
        A probability.
    store : pathlib.Path or None
        From `job_store`.
    voxel_size_nm : sequence of float, (z, y, x), or None
        For layers that are not ours: None where it is unknown.

    Raises
    ------
    NnunetEmError
        If the layer is no probability, or its store cannot be opened.
    """
    if store is not None:
        data = level_zero(layer)
        if isinstance(data, FixedAxes) and data.channel_count > 1:
            load_triton_beside_opengl()  # how several classes exclude each other is asked of the model
        found = stored_class(store, data.channel if isinstance(data, FixedAxes) else 0)
        return ObjectSource(found.source, found.voxel_size_nm, found.name, store)
    volume = layer_volume(layer, 1, voxel_size_nm)
    return ObjectSource(volume_probability(volume), volume.voxel_size_nm, volume=volume)


def segmented_volume(job: Job, layers: Iterable[Layer]) -> Volume | None:
    """The volume that a job segmented, where its path does not lead there; None leaves it to the job.

    Parameters
    ----------
    job : Job
        As stored. One of a window names a layer, or the file that was opened, which may hold several volumes.
    layers : iterable of Layer
        Those of the viewer. A layer of the same name is taken as it is, for the job itself checks its
        content; among others, which may have been given another name since, the one with the same voxels.

    Raises
    ------
    InputError
        If it is neither a file nor a layer.
    """
    given, path = stored_input(job.store), job.input.path
    in_file = Path(path).exists()
    if _opens(job, given["shape"]) if in_file else split_address(path) is not None:
        return None
    address = address_of(job, given["content"]) if in_file else None
    if address is not None:
        return open_volume(address, axes=job.input.axes)
    volume = _volume_of_layer(job, layers, given)
    if volume is None and not in_file:
        raise InputError(
            f"The image {path!r} that was segmented is needed to measure its objects, and it is "
            "neither a file nor a layer of this window: open it again."
        )
    return volume


def _opens(job: Job, shape: list[int]) -> bool:
    """Whether the path of a job leads to a volume of this shape and of one channel; no voxels are read.

    Of several channels a window may have segmented one, so that only voxels can tell.
    """
    try:
        volume = open_volume(job.input.path, axes=job.input.axes).at_level(job.input.level)
    except (NnunetEmError, OSError):
        return False
    return volume.channels == 1 and list(volume.shape) == shape


def _volume_of_layer(job: Job, layers: Iterable[Layer], given: dict[str, Any]) -> Volume | None:
    images = [x for x in layers if x._type_string == "image" and not is_result(x)]
    for layer in sorted(images, key=lambda x: x.name != job.input.path):
        try:
            volume = layer_volume(layer, layer_channels(layer), job.input.voxel_size_nm, job.input.level)
        except InputError:
            continue  # it has colours, say, or no such level
        fits = list(volume.shape) == given["shape"]
        if fits and (layer.name == job.input.path or volume.fingerprint() == given["content"]):
            return volume
    return None
