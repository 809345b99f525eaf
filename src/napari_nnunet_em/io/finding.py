"""What the module of a format found, before axes and voxel size are settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from napari_nnunet_em.io.voxel_size import StoredVoxelSize


class ArrayLike(Protocol):
    """A lazy n-dimensional array: zarr, h5py, dask, NumPy, or a view of ours."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent along each axis."""
        ...

    @property
    def dtype(self) -> Any:
        """Data type of the elements."""
        ...

    def __getitem__(self, key: Any, /) -> Any: ...


@dataclass(frozen=True, eq=False)
class Finding:
    """An array as it is stored, with what its metadata say about it.

    Attributes
    ----------
    array : ArrayLike
        The array at full resolution, axes in stored order.
    origin : str
        Where it came from, in the words used for messages and in `Volume.origin`.
    axes : str or None
        One lower-case letter per stored axis: z, y, x, c, t, s (colour samples), or q (unnamed).
        None when the metadata do not name the axes.
    levels : tuple of ArrayLike
        Pyramid with `array` first; empty when there is none.
    voxel_size : StoredVoxelSize or None
        Voxel size the metadata state.
    chunks : tuple of int or None
        Chunk in stored order, where the array's own chunk is not the unit worth reading.
    origin_nm : tuple of (float or None), or None
        Where the metadata place the first voxel along each stored axis; None where they place nothing.
    level_sizes, level_origins_nm : tuple
        Voxel size and `origin_nm` of each level, where the metadata state them; else empty.
    """

    array: ArrayLike
    origin: str
    axes: str | None = None
    levels: tuple[ArrayLike, ...] = ()
    voxel_size: StoredVoxelSize | None = None
    chunks: tuple[int, ...] | None = None
    origin_nm: tuple[float | None, ...] | None = None
    level_sizes: tuple[StoredVoxelSize | None, ...] = ()
    level_origins_nm: tuple[tuple[float | None, ...] | None, ...] = ()
