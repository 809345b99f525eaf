"""HDF5 in chunks, with axes and voxel size as ilastik, Fiji, CREMI and this program read them."""

from __future__ import annotations

import json
from typing import Any

import h5py

from napari_nnunet_em.export.blocks import CHUNK_SHAPE, in_blocks
from napari_nnunet_em.export.settings import Compression
from napari_nnunet_em.export.task import ExportTask
from napari_nnunet_em.io.staging import explained
from napari_nnunet_em.progress import Events

_NM_PER_UM = 1e3
# The flags of vigra's axes, which ilastik stores: channels 1, space 2.
_CHANNEL, _SPACE = 1, 2


def write_hdf5(task: ExportTask) -> Events[None]:
    """Write one dataset, ``/<name>``, (z, y, x) or (c, z, y, x).

    Its attributes: ``axistags`` (ilastik), ``element_size_um`` (Fiji, ilastik), and ``resolution`` and
    ``offset`` in nm, (z, y, x) (CREMI).

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    axes = "czyx" if task.has_channels else "zyx"
    with explained(task.path), h5py.File(task.path, "w-") as file:
        dataset = file.create_dataset(task.name, dtype=task.dtype, **_storage(task))
        dataset.attrs.update(_attributes(task, axes))
        for letter, dim in zip(axes, dataset.dims, strict=True):
            dim.label = letter

        def write(box: Any, data: Any) -> None:
            dataset[(..., *box.slices)] = data if "c" in axes else data[0]

        yield from in_blocks(task, write)


def _storage(task: ExportTask) -> dict[str, Any]:
    chunks = tuple(min(c, n) for c, n in zip(CHUNK_SHAPE, task.shape, strict=True))
    leading = ((task.volume.channels,), (1,)) if task.has_channels else ((), ())
    packing: dict[str, Any] = {}
    if task.compression is not Compression.NONE:
        # Bytes of like significance lie together, which packs large labels far better.
        packing = {"compression": str(task.compression), "shuffle": True}
    if task.compression is Compression.GZIP:
        packing["compression_opts"] = task.settings.compression_level
    return {"shape": (*leading[0], *task.shape), "chunks": (*leading[1], *chunks), **packing}


def _attributes(task: ExportTask, axes: str) -> dict[str, Any]:
    tags = [
        {
            "key": letter,
            "typeFlags": _CHANNEL if letter == "c" else _SPACE,
            "resolution": 0,
            "description": "",
        }
        for letter in axes
    ]
    attributes: dict[str, Any] = {"axistags": json.dumps({"axes": tags})}
    if task.voxel_size_nm is not None:
        attributes["element_size_um"] = [v / _NM_PER_UM for v in task.voxel_size_nm]
        attributes["resolution"] = task.voxel_size_nm
        attributes["offset"] = task.origin_nm
    return attributes
