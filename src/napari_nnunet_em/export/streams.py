"""Formats that are a header and then every voxel, x fastest: written from end to end, packed or not."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import BinaryIO, cast

import numpy as np

from napari_nnunet_em.export.blocks import in_planes
from napari_nnunet_em.export.settings import Compression
from napari_nnunet_em.export.slabs import Slab
from napari_nnunet_em.export.task import ExportTask
from napari_nnunet_em.io.staging import explained
from napari_nnunet_em.progress import Events

_ROWS_BYTES = 1 << 23


def write_stream(
    task: ExportTask, write_header: Callable[[BinaryIO], object], *, packed_header: bool
) -> Events[None]:
    """Write a header, then channel after channel, plane after plane, little-endian.

    Parameters
    ----------
    task : ExportTask
        What goes out.
    write_header : callable
        Writes the header to a file that is open.
    packed_header : bool
        Whether the header is packed with the voxels, as in NIfTI, or stands before them, as in NRRD.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    with explained(task.path), task.path.open("xb") as file:
        if task.compression is Compression.NONE:
            write_header(file)
            yield from _write_voxels(task, file)
            return
        if not packed_header:
            write_header(file)
        level = task.settings.compression_level
        with gzip.GzipFile(filename="", mode="wb", compresslevel=level, fileobj=file, mtime=0) as packed:
            stream = cast("BinaryIO", packed)
            if packed_header:
                write_header(stream)
            yield from _write_voxels(task, stream)


def _write_voxels(task: ExportTask, stream: BinaryIO) -> Events[None]:
    _, height, width = task.shape
    little = task.dtype.newbyteorder("<")
    step = max(_ROWS_BYTES // (width * task.dtype.itemsize), 1)

    def write_plane(slab: Slab, z: int) -> None:
        for y in range(0, height, step):
            rows = slab.rows(z, y, min(y + step, height))
            stream.write(np.ascontiguousarray(rows, dtype=little).data)

    yield from in_planes(task, write_plane)
