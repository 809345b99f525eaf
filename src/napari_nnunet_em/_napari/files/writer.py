"""Saves a labels layer from napari's File > Save, as an export of it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_nnunet_em._napari.layers.placement import placed
from napari_nnunet_em._napari.layers.voxels import length_in_nm
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.export import ExportSettings, Format, Values, choose_format, export_labels
from napari_nnunet_em.io import Volume, open_volume
from napari_nnunet_em.progress import finish

_AXES = {2: "yx", 3: "zyx"}


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write one labels layer; the ending decides the format.

    A ``.zarr`` folder gets ``labels/<name>`` below a 0/1 image of the objects, because OME-Zarr wants an
    image above every label image. A folder is never replaced; a file is, since napari's dialog asks before.

    Parameters
    ----------
    path : str
        File or folder to write.
    data : array or list of arrays, (z, y, x) or (y, x), integers
        The layer's data, lazy or not; of a multiscale layer the levels, of which the first is written.
    attributes : dict
        The layer's attributes, as npe2 hands them over.

    Returns
    -------
    list of str
        What was written.

    Raises
    ------
    InputError
        If the layer has more than three axes, or no voxel size where the format needs one.
    OutputError
        If the folder exists, or it cannot be written.
    """
    target = Path(path)
    volume = _volume(data[0] if attributes.get("multiscale") else data, attributes)
    settings = ExportSettings(values=Values.LABELS, name=str(attributes.get("name") or "") or None)
    if choose_format(target, settings) is not Format.OME_ZARR:
        settings = settings.model_copy(update={"overwrite": True})
    finish(export_labels(volume, target, settings))
    return [path]


def _volume(labels: Any, attributes: dict[str, Any]) -> Volume:
    axes = _AXES.get(labels.ndim)
    if axes is None:
        raise InputError(
            f"The labels have {labels.ndim} axes, but a volume has z, y, x: "
            "split the layer (Layer > Split Stack) and save one part."
        )
    units = attributes.get("units", ())
    scale = length_in_nm(attributes.get("scale", ()), units)
    volume = open_volume(labels, axes=axes, voxel_size_nm=scale)
    return placed(volume, attributes.get("translate", ()), units)
