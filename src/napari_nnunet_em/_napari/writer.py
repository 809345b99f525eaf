"""Saves a labels layer as OME-Zarr, block by block."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_nnunet_em._napari.placement import length_in_nm
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import as_shape, iter_blocks
from napari_nnunet_em.io import Kind, MultiscaleSink, SinkSpec
from napari_nnunet_em.io.spec import STAND_IN

_BLOCK = (64, 512, 512)
_CHUNK = (32, 256, 256)


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write one labels layer to a new ``.zarr`` folder: ``labels/<name>`` below a 0/1 image of the objects.

    OME-Zarr wants an image above every label image; the 0/1 image stands in for it.

    Parameters
    ----------
    path : str
        Folder to create.
    data : array or list of arrays, (z, y, x) or (y, x), integers
        The layer's data, lazy or not; of a multiscale layer the levels, of which the first is written.
    attributes : dict
        The layer's attributes, as npe2 hands them over.

    Returns
    -------
    list of str
        The folder written.

    Raises
    ------
    InputError
        If the layer has no voxel size or more than three axes.
    OutputError
        If the folder exists or cannot be written.
    """
    labels = data[0] if attributes.get("multiscale") else data
    if labels.ndim not in (2, 3):
        raise InputError(
            f"The labels have {labels.ndim} axes, but OME-Zarr labels of a volume have z, y, x: "
            "split the layer (Layer > Split Stack) and save one part."
        )
    name = _safe_name(str(attributes.get("name") or "labels"))
    spec = _spec(labels, attributes)
    store = Path(path)
    stand_in = MultiscaleSink.create(store, "", _image_spec(spec, name))
    sink = MultiscaleSink.create(store, f"labels/{name}", spec)
    for block in iter_blocks(spec.shape, spec.block_shape):
        slices = block.write.slices[-labels.ndim :]
        part = np.asarray(labels[slices]).reshape(block.write.shape).astype(spec.dtype, copy=False)
        sink.write(block.write, part)
        stand_in.write(block.write, (part != 0).astype(np.uint8))
    return [str(store)]


def _spec(labels: Any, attributes: dict[str, Any]) -> SinkSpec:
    shape = as_shape((1,) * (3 - labels.ndim) + tuple(labels.shape))
    scale = length_in_nm(attributes.get("scale", ()), attributes.get("units", ()))
    origin = length_in_nm(attributes.get("translate", ()), attributes.get("units", ()))
    if scale is None:
        raise InputError(
            "The labels have no voxel size, and OME-Zarr stores one: give the layer a scale with a unit of "
            "length, for example layer.scale = (40, 8, 8) and layer.units = 'nm' in the console, and save "
            "again."
        )
    dtype = np.dtype(labels.dtype)
    return SinkSpec(
        shape=shape,
        dtype=np.dtype(np.uint8) if dtype.kind == "b" else dtype,
        voxel_size_nm=_three(scale, scale[-2]),
        origin_nm=_three(origin or (0.0, 0.0), 0.0),
        chunk_shape=_CHUNK,
        block_shape=_BLOCK,
        kind=Kind.LABELS,
    )


def _image_spec(spec: SinkSpec, name: str) -> SinkSpec:
    return SinkSpec(
        shape=spec.shape,
        dtype=np.dtype(np.uint8),
        voxel_size_nm=spec.voxel_size_nm,
        origin_nm=spec.origin_nm,
        chunk_shape=spec.chunk_shape,
        block_shape=spec.block_shape,
        channel_names=(name,),
        attributes={STAND_IN: name},
    )


def _three(values: Sequence[float], missing: float) -> tuple[float, float, float]:
    z, y, x = values if len(values) == 3 else (missing, *values)
    return z, y, x


def _safe_name(name: str) -> str:
    """The layer's name as the name of a folder."""
    kept = "".join(c if c.isalnum() or c in " -_." else "_" for c in name).strip(" .")
    return kept or "labels"
