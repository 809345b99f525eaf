"""The one door: any volume into any of the formats."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Generator
from pathlib import Path

import zarr

from napari_nnunet_em.errors import Cancelled, InputError, SettingsError
from napari_nnunet_em.export.formats import choose_format
from napari_nnunet_em.export.landing import landing
from napari_nnunet_em.export.settings import ExportSettings, Format, Values
from napari_nnunet_em.export.task import ExportTask
from napari_nnunet_em.export.to_hdf5 import write_hdf5
from napari_nnunet_em.export.to_nifti import write_nifti
from napari_nnunet_em.export.to_nrrd import write_nrrd
from napari_nnunet_em.export.to_ome_zarr import write_ome_zarr
from napari_nnunet_em.export.to_tiff import write_tiff
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import Volume, open_volume
from napari_nnunet_em.io.from_zarr import is_zarr
from napari_nnunet_em.io.groups import attributes_of
from napari_nnunet_em.io.ngff import ome_attributes
from napari_nnunet_em.measurement.volumes import refuse_image_of_labels
from napari_nnunet_em.progress import CancelToken, Events, ProgressEvent

_WRITERS: dict[Format, Callable[[ExportTask], Events[None]]] = {
    Format.OME_ZARR: write_ome_zarr,
    Format.TIFF: write_tiff,
    Format.HDF5: write_hdf5,
    Format.NRRD: write_nrrd,
    Format.NIFTI: write_nifti,
}


def export_labels(
    source: Volume | str | os.PathLike[str],
    destination: str | os.PathLike[str],
    settings: ExportSettings | None = None,
    cancel: CancelToken | None = None,
) -> Generator[ProgressEvent, None, Path]:
    """Write labels, or an image, to a file of another format, block by block; both may be larger than memory.

    Use it as ``path = yield from export_labels(...)``, or exhaust it and take the value it returns.

    Parameters
    ----------
    source : Volume or path
        Anything that `open_volume` takes. Of an OME-Zarr image with labels, the labels must be named.
    destination : path
        What is written. It appears when it is complete; an export that fails or is stopped leaves nothing.
    settings : ExportSettings, optional
        Format, region, compression and the rest.
    cancel : CancelToken, optional
        Polled before each block and each plane.

    Yields
    ------
    ProgressEvent
        Of stage ``EXPORT``, after each block.

    Returns
    -------
    pathlib.Path
        What `open_volume` opens to give the same voxels back: the destination, or the labels inside an
        OME-Zarr.

    Raises
    ------
    InputError
        When the source cannot be read, or holds what the format cannot.
    SettingsError
        When the settings do not fit together, or the region does not lie in the source.
    OutputError
        When the destination cannot be written, or exists.
    Cancelled
        When `cancel` asked for it.
    """
    settings, cancel, target = (
        settings or ExportSettings(),
        cancel or CancelToken(),
        Path(destination).expanduser(),
    )
    kind = choose_format(target, settings)
    volume = source if isinstance(source, Volume) else open_source(source)
    region = _region(volume, settings)
    values = _values(volume, settings)
    name = _name(volume, settings, values)
    is_store = kind is Format.OME_ZARR
    with landing(target, volume.origin, folder=is_store, overwrite=settings.overwrite) as path:
        task = ExportTask(volume, region, kind, values, name, path, settings, cancel)
        try:
            with contextlib.closing(_WRITERS[kind](task)) as events:
                yield from events
        except Cancelled as stop:
            raise Cancelled(
                f"The export was stopped on request, and nothing was written to {target}."
            ) from stop
    return target / "labels" / name if is_store and values is Values.LABELS else target


def open_source(
    source: str | os.PathLike[str],
    axes: str | None = None,
    voxel_size_nm: tuple[float, float, float] | None = None,
) -> Volume:
    """Open what is to be exported; parameters as of `open_volume`.

    Raises
    ------
    InputError
        Also for an OME-Zarr image that has label images: it says how to name these, and how the image itself.
    """
    path = Path(source).expanduser()
    try:
        refuse_image_of_labels(path)
    except InputError as error:
        raise InputError(f"{str(error).rstrip('.')}; or {path / '0'} for the image itself.") from error
    return open_volume(source, axes=axes, voxel_size_nm=voxel_size_nm)


def _region(volume: Volume, settings: ExportSettings) -> Box:
    whole = Box.whole(volume.shape)
    region = settings.region or whole
    if region.size == 0 or not whole.contains(region):
        raise SettingsError(
            f"The region {region} does not lie inside {volume.origin}, which has {whole.stop} voxels "
            "(z, y, x): give z0:z1,y0:y1,x0:x1, each end larger than its start."
        )
    return region


def _values(volume: Volume, settings: ExportSettings) -> Values:
    fractions = volume.dtype.kind == "f"
    if settings.values is Values.LABELS and (fractions or volume.channels > 1):
        what = f"values of type {volume.dtype}" if fractions else f"{volume.channels} channels"
        raise InputError(
            f"{volume.origin} holds {what}, and labels are one whole number per voxel: export it as an image "
            "(--values image)."
        )
    if settings.values is not Values.AUTO:
        return settings.values
    if fractions or "c" in volume.axes or _is_ome_image(Path(volume.origin)):
        return Values.IMAGE
    return Values.LABELS


def _is_ome_image(path: Path) -> bool:
    """Whether this is an OME-Zarr image, or a level of one, and no label image."""
    if not (is_zarr(path) and path.is_dir()):
        return False
    level = isinstance(zarr.open(path, mode="r"), zarr.Array)
    folder = path.parent if level else path
    ome = ome_attributes(attributes_of(folder)) if is_zarr(folder) else {}
    return "multiscales" in ome and "image-label" not in ome


def _name(volume: Volume, settings: ExportSettings, values: Values) -> str:
    """A name that can be a folder everywhere: what was asked for, that of the source, or a plain word."""
    parts = Path(volume.origin).parts
    inside = parts[-1] if len(parts) > 1 and parts[-2] == "labels" else ""
    kept = re.sub(r'[/\\:*?"<>|\x00-\x1f]', "_", settings.name or inside).strip(" .")
    return kept or str(values)
