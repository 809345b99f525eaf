"""OME-TIFF: BigTIFF in tiles, page by page."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_nnunet_em.export.blocks import in_planes
from napari_nnunet_em.export.settings import Compression
from napari_nnunet_em.export.slabs import Slab
from napari_nnunet_em.export.task import ExportTask
from napari_nnunet_em.io.staging import explained
from napari_nnunet_em.progress import Events

_TILE = 256
_NAMES = {Compression.NONE: None, Compression.GZIP: "zlib", Compression.ZSTD: "zstd"}
_NM_PER_CM = 1e7


def write_tiff(task: ExportTask) -> Events[None]:
    """Write one stack, (z, y, x) or (c, z, y, x), with voxel size and place in OME-XML.

    The resolution tags tell the size in the plane to programs that read no OME-XML.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    options: dict[str, Any] = {
        "shape": task.shape[1:],
        "dtype": task.dtype,
        "tile": (_TILE, _TILE),
        "photometric": "minisblack",
        "compression": _NAMES[task.compression],
        "compressionargs": None if task.compression is Compression.NONE else _level(task),
        "metadata": None,
        "software": False,
        **_resolution(task),
    }
    description: str | None = _ome_xml(task)

    def write_page(slab: Slab, z: int) -> None:
        nonlocal description
        file.write(_tiles(slab, z, task), description=description, **options)
        description = None  # OME-XML stands in the first page alone

    with explained(task.path), tifffile.TiffWriter(task.path, bigtiff=True) as file:
        yield from in_planes(task, write_page)


def _level(task: ExportTask) -> dict[str, int]:
    return {"level": task.settings.compression_level}


def _tiles(slab: Slab, z: int, task: ExportTask) -> Iterator[NDArray[Any]]:
    """Tiles of a page in raster order; tifffile fills up those at the edges."""
    _, height, width = task.shape
    for y in range(0, height, _TILE):
        rows = slab.rows(z, y, min(y + _TILE, height))
        for x in range(0, width, _TILE):
            yield np.ascontiguousarray(rows[:, x : x + _TILE])


def _resolution(task: ExportTask) -> dict[str, Any]:
    if task.voxel_size_nm is None:
        return {}
    _, y, x = task.voxel_size_nm
    return {"resolution": (_NM_PER_CM / x, _NM_PER_CM / y), "resolutionunit": "CENTIMETER"}


def _ome_xml(task: ExportTask) -> str:
    """OME-XML of the stack, https://www.openmicroscopy.org/Schemas/Documentation/Generated/OME-2016-06/ome.html."""
    planes = task.volume.channels * task.shape[0]
    metadata: dict[str, Any] = {"Name": task.name}
    if task.voxel_size_nm is not None and task.origin_nm is not None:
        named = list(zip("ZYX", task.voxel_size_nm, task.origin_nm, strict=True))
        for axis, size, _ in named:
            metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "nm"}
        metadata["Plane"] = _positions(task, named)
    axes, shape = ("CZYX", (task.volume.channels, *task.shape)) if task.has_channels else ("ZYX", task.shape)
    document = tifffile.OmeXml()
    document.addimage(task.dtype, shape, (planes, 1, 1, *task.shape[1:], 1), axes=axes, **metadata)
    # TIFF descriptions are ASCII.
    return str(document.tostring()).encode("ascii", "xmlcharrefreplace").decode("ascii")


def _positions(task: ExportTask, named: list[tuple[str, float, float]]) -> dict[str, list[Any]]:
    """Where each plane lies: its first pixel."""
    depth, channels = task.shape[0], task.volume.channels
    places: dict[str, list[Any]] = {}
    for axis, size, begin in named:
        along = [begin + k * size if axis == "Z" else begin for k in range(depth)] * channels
        places[f"Position{axis}"] = [float(f"{place:.12g}") for place in along]
        places[f"Position{axis}Unit"] = ["nm"] * math.prod((depth, channels))
    return places
