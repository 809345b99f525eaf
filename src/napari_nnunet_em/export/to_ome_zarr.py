"""OME-Zarr 0.4 and 0.5, with a pyramid, and with coloured image-label metadata for labels."""

from __future__ import annotations

from typing import Any

import fastremap
import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.export.blocks import BLOCK_SHAPE, CHUNK_SHAPE, in_blocks
from napari_nnunet_em.export.colors import MOST_COLORS, label_colors
from napari_nnunet_em.export.settings import Compression, Values
from napari_nnunet_em.export.task import ExportTask
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import Kind, MultiscaleSink, SinkSpec
from napari_nnunet_em.io.ngff import STAND_IN
from napari_nnunet_em.progress import Events


def write_ome_zarr(task: ExportTask) -> Events[None]:
    """Write the image at the root; or labels as ``labels/<name>``, with a 0/1 image of them at the root.

    OME-Zarr wants an image above every label image; the 0/1 image stands in for it.

    Raises
    ------
    InputError
        When the source states no voxel size.
    OutputError
        When the store cannot be written.
    """
    if task.values is Values.IMAGE:
        sink = MultiscaleSink.create(task.path, "", _spec(task, Kind.IMAGE, task.dtype))
        channels = task.has_channels
        yield from in_blocks(task, lambda box, data: sink.write(box, data if channels else data[0]))
        return
    name = f"labels/{task.name}"
    image = MultiscaleSink.create(task.path, "", _spec(task, Kind.IMAGE, np.dtype(np.uint8), task.name))
    labels = MultiscaleSink.create(task.path, name, _spec(task, Kind.LABELS, task.dtype))
    seen: set[int] = set()

    def write(box: Box, data: NDArray[Any]) -> None:
        if len(seen) <= MOST_COLORS:
            seen.update(fastremap.unique(data).tolist())
        labels.write(box, data[0])
        image.write(box, (data[0] != 0).astype(np.uint8))

    yield from in_blocks(task, write)
    if len(seen - {0}) <= MOST_COLORS:
        labels.color_labels(label_colors(seen))


def _spec(task: ExportTask, kind: Kind, dtype: np.dtype[Any], stands_for: str | None = None) -> SinkSpec:
    if task.voxel_size_nm is None or task.origin_nm is None:
        raise InputError(
            f"{task.volume.origin} states no voxel size, and OME-Zarr stores one: state it "
            "(--voxel-size-nm); the dock Export labels in napari has a field for it."
        )
    packed = task.compression is Compression.ZSTD
    plain = kind is Kind.LABELS or stands_for is not None
    return SinkSpec(
        shape=task.shape,
        dtype=dtype,
        voxel_size_nm=task.voxel_size_nm,
        origin_nm=task.origin_nm,
        chunk_shape=CHUNK_SHAPE,
        block_shape=BLOCK_SHAPE,
        kind=kind,
        channels=task.volume.channels if task.has_channels and not plain else 0,
        channel_names=() if stands_for is None else (stands_for,),
        ome_zarr_version=task.settings.ome_zarr_version,
        compression_level=task.settings.compression_level if packed else None,
        attributes={} if stands_for is None else {STAND_IN: stands_for},
    )
