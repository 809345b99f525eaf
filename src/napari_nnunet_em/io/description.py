"""What there is to say about a volume without reading it."""

from __future__ import annotations

import math

from napari_nnunet_em.io.volume import Volume
from napari_nnunet_em.io.voxel_size import VoxelSizeNm


def describe(volume: Volume) -> dict[str, object]:
    """The facts of a volume as plain JSON values.

    Returns
    -------
    dict
        ``origin``; ``axes`` and ``shape`` of the array, in the order c, z, y, x; ``dtype``;
        ``chunks`` (z, y, x); ``voxel_size_nm`` (z, y, x) or None; ``voxel_size_source``; ``levels``, the
        shape of each level of the pyramid, and ``level_sizes_nm``, its voxel size (z, y, x) or None;
        ``bytes``, uncompressed, of the full resolution.
    """
    shape = [int(n) for n in volume.array.shape]
    return {
        "origin": volume.origin,
        "axes": volume.axes,
        "shape": shape,
        "dtype": volume.dtype.name,
        "chunks": list(volume.chunks),
        "voxel_size_nm": _plain(volume.voxel_size_nm),
        "voxel_size_source": volume.voxel_size_source,
        "levels": [[int(n) for n in level.shape] for level in volume.levels],
        "level_sizes_nm": [_plain(volume.size_of(number)) for number in range(len(volume.levels))],
        "bytes": math.prod(shape) * volume.dtype.itemsize,
    }


def _plain(size: VoxelSizeNm | None) -> list[float] | None:
    return None if size is None else list(size)
