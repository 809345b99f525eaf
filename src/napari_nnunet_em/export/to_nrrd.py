"""NRRD, a plain header and then the voxels: https://teem.sourceforge.net/nrrd/format.html.

The library pynrrd writes arrays that are whole in memory; the header is a dozen lines, so it is written here.
"""

from __future__ import annotations

from typing import BinaryIO

from napari_nnunet_em.export.settings import Compression
from napari_nnunet_em.export.streams import write_stream
from napari_nnunet_em.export.task import ExportTask
from napari_nnunet_em.progress import Events

_TYPES = {"float32": "float", "float64": "double"}


def write_nrrd(task: ExportTask) -> Events[None]:
    """Write one volume, axes x, y, z and, for several channels, c; sizes and place in nm.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """

    def write_header(file: BinaryIO) -> None:
        file.write(_header(task).encode("ascii"))

    yield from write_stream(task, write_header, packed_header=False)


def _header(task: ExportTask) -> str:
    sizes = [*reversed(task.shape), *([task.volume.channels] if task.has_channels else [])]
    lines = [
        # The version of the format that brought space directions and units.
        "NRRD0004",
        f"type: {_TYPES.get(task.dtype.name, task.dtype.name)}",
        f"dimension: {len(sizes)}",
        f"sizes: {' '.join(map(str, sizes))}",
        f"encoding: {'raw' if task.compression is Compression.NONE else 'gzip'}",
        "endian: little",
        f"kinds: domain domain domain{' list' if task.has_channels else ''}",
        *_space(task),
        f"content: {task.values}",
    ]
    return "\n".join([*lines, "", ""])


def _space(task: ExportTask) -> list[str]:
    if task.voxel_size_nm is None or task.origin_nm is None:
        return []
    z, y, x = task.voxel_size_nm
    vectors = [f"({x!r},0,0)", f"(0,{y!r},0)", f"(0,0,{z!r})", *(["none"] if task.has_channels else [])]
    return [
        "space dimension: 3",
        'space units: "nm" "nm" "nm"',
        f"space directions: {' '.join(vectors)}",
        f"space origin: ({','.join(repr(o) for o in reversed(task.origin_nm))})",
    ]
