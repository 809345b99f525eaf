"""Arrays that are open already: NumPy, dask, Zarr, h5py, and the data of a napari layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import h5py
import zarr

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.io.finding import ArrayLike, Finding
from napari_nnunet_em.io.from_hdf5 import find_hdf5_dataset
from napari_nnunet_em.io.from_zarr import find_zarr_array, image_of_levels


def find_array(source: Any) -> Finding:
    """Describe an array, or a pyramid of arrays with the full resolution first.

    Parameters
    ----------
    source : array-like or sequence of array-like
        Anything with ``shape``, ``dtype`` and indexing by slices; napari's multiscale data are such a
        sequence.

    Raises
    ------
    InputError
        For anything else, and for levels that are no pyramid.
    """
    if isinstance(source, zarr.Array):
        return find_zarr_array(source)
    if isinstance(source, h5py.Dataset):
        return find_hdf5_dataset(source)
    if isinstance(source, Sequence) and not isinstance(source, str | bytes):
        return _find_pyramid(source)
    if not _is_array(source):
        raise InputError(
            f"A {type(source).__name__} cannot be opened as a volume: give a path, an array "
            "(NumPy, dask, Zarr, h5py), or a list of the levels of a pyramid."
        )
    return Finding(source, "memory")


def _is_array(source: Any) -> bool:
    return all(hasattr(source, name) for name in ("shape", "dtype", "__getitem__"))


def _find_pyramid(levels: Sequence[Any]) -> Finding:
    if not levels or not all(_is_array(level) for level in levels):
        kinds = ", ".join(sorted({type(level).__name__ for level in levels})) or "nothing"
        raise InputError(
            f"A list that holds {kinds} cannot be opened as a volume: its entries must be arrays, the levels "
            "of a pyramid with the full resolution first; wrap plain numbers in numpy.asarray."
        )
    arrays: list[ArrayLike] = list(levels)
    first = find_array(arrays[0])
    for level in arrays[1:]:
        smaller = len(level.shape) == len(first.array.shape) and all(
            a <= b for a, b in zip(level.shape, first.array.shape, strict=True)
        )
        if not smaller or level.dtype != first.array.dtype:
            raise InputError(
                f"The arrays in the list are no pyramid: after {first.array.shape} {first.array.dtype} comes "
                f"{level.shape} {level.dtype}, but each level must have as many axes, be no larger, and have "
                "the same data type; if they are slices, stack them with numpy.stack."
            )
    levels, size, place = tuple(arrays), first.voxel_size, first.origin_nm
    image = image_of_levels(levels)
    return Finding(
        first.array,
        "memory",
        first.axes,
        levels,
        size,
        origin_nm=place,
        level_sizes=() if image is None else image.voxel_sizes[: len(levels)],
        level_origins_nm=() if image is None else image.origins_nm[: len(levels)],
    )
