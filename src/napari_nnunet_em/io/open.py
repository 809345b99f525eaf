"""One door for everything that can be segmented."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.io.candidates import is_supported
from napari_nnunet_em.io.finding import ArrayLike, Finding
from napari_nnunet_em.io.from_folder import find_folder, find_picture, is_picture
from napari_nnunet_em.io.from_hdf5 import find_hdf5, is_hdf5, split_address
from napari_nnunet_em.io.from_memory import find_array
from napari_nnunet_em.io.from_n5 import find_n5, is_n5
from napari_nnunet_em.io.from_nifti import find_nifti, is_nifti
from napari_nnunet_em.io.from_nrrd import find_nrrd, is_nrrd
from napari_nnunet_em.io.from_tiff import find_tiff, is_tiff
from napari_nnunet_em.io.from_zarr import find_zarr, is_zarr
from napari_nnunet_em.io.layout import settle_layout
from napari_nnunet_em.io.volume import Volume
from napari_nnunet_em.io.voxel_size import (
    GIVEN,
    UNKNOWN,
    caller_voxel_size,
    stored_origin,
    stored_voxel_size,
)

_KINDS = "OME-Zarr, Zarr, N5, HDF5 (file.h5:/dataset), TIFF, NRRD, NIfTI, or a folder of 2D slices"

_FILES: tuple[tuple[Callable[[Path], bool], Callable[[Path], Finding]], ...] = (
    (is_tiff, find_tiff),
    (is_hdf5, lambda path: find_hdf5(path, "")),
    (is_nrrd, find_nrrd),
    (is_nifti, find_nifti),
    (is_picture, find_picture),
)


def open_volume(
    source: str | os.PathLike[str] | ArrayLike | Sequence[ArrayLike],
    *,
    axes: str | None = None,
    voxel_size_nm: Sequence[float] | None = None,
) -> Volume:
    """Open an electron-microscopy volume or image without reading its voxels.

    Parameters
    ----------
    source : path or array
        OME-Zarr 0.4 or 0.5, Zarr v2 or v3, N5 (the store, or a group or array inside it), HDF5
        (``file.h5:/path/to/dataset``, or ``file.h5`` where one dataset can be meant), TIFF, NRRD,
        NIfTI, a folder of 2D slices, a 2D image; or a NumPy, dask, Zarr or h5py array, or a
        list of such arrays as levels of a pyramid, as napari's layers hold them.
    axes : str, optional
        Meaning of the stored axes in stored order, out of z, y, x, c, such as ``"xyz"``; axes of length 1
        may be left out. Overrides the metadata. Without both, (y, x), (z, y, x) or (c, z, y, x) is assumed.
    voxel_size_nm : sequence of float, optional
        Nanometres along z, y, x, or y, x for an image of one slice. Overrides the metadata.

    Returns
    -------
    Volume
        Lazy; bool, integers, float16, float32 or float64. Its voxel size is None where nothing states one.

    Raises
    ------
    InputError
        When the source does not exist, cannot be understood, holds several candidates, is empty, or holds
        anything but real numbers.
    """
    finding = _find(source)
    array, shape = finding.array, tuple(finding.array.shape)
    _check_voxels(array, finding.origin)
    layout = settle_layout(shape, finding.axes, axes, finding.origin)
    levels = tuple(layout.apply(level, finding.chunks) for level in finding.levels or (array,))
    place = stored_origin(finding.origin_nm, layout.letters)
    sizes = [None if s is None else stored_voxel_size(s, layout.letters) for s in finding.level_sizes]
    places = [stored_origin(p, layout.letters) for p in finding.level_origins_nm]
    volume = Volume(
        levels[0],
        layout.axes,
        origin=finding.origin,
        levels=levels,
        origin_nm=place,
        level_sizes_nm=tuple(sizes),
        level_origins_nm=tuple(places),
    )
    if voxel_size_nm is not None:
        given = caller_voxel_size(voxel_size_nm, volume.shape[0] == 1, finding.origin)
        return volume.with_voxel_size(given, GIVEN)
    if finding.voxel_size is None:
        return volume
    stored = stored_voxel_size(finding.voxel_size, layout.letters)
    return volume.with_voxel_size(stored, UNKNOWN if stored is None else finding.voxel_size.source)


def _find(source: Any) -> Finding:
    if not isinstance(source, str | os.PathLike):
        return find_array(source)
    text = os.fspath(source)
    if "://" in text:
        raise InputError(
            f"{text} is a remote address, and only files on this machine or a mounted disk can be opened: "
            "mount it or download it first."
        )
    try:
        return _find_path(str(Path(text).expanduser()))
    except PermissionError as error:
        raise InputError(
            f"{text} cannot be read: {error.strerror or error}; ask its owner for permission to read it."
        ) from error


def _find_path(text: str) -> Finding:
    path = Path(text)
    address = None if path.is_dir() else split_address(text)
    file = path if address is None else Path(address[0])
    if not file.exists():
        raise InputError(f"{file} does not exist: check the spelling{_nearest(file)}.")
    if address is not None:
        return find_hdf5(file, address[1])
    if path.is_dir():
        return _find_in_folder(path)
    for recognised, find in _FILES:
        if recognised(path):
            return find(path)
    raise InputError(f"{path} is no format that can be opened: give {_KINDS}.")


def _find_in_folder(path: Path) -> Finding:
    if is_n5(path):
        return find_n5(path)
    return find_zarr(path) if is_zarr(path) else find_folder(path)


def _nearest(path: Path) -> str:
    """Where the path stops to exist, when it is not its last part."""
    parent = next((p for p in path.parents if p.exists()), None)
    return "" if parent in (None, path.parent) else f", it is right only up to {parent}"


def _check_voxels(array: ArrayLike, origin: str) -> None:
    if not is_supported(array.dtype):
        kind = getattr(array.dtype, "kind", "")
        what = {"c": "complex numbers", "O": "Python objects", "V": "records of several fields"}.get(kind)
        raise InputError(
            f"{origin} holds {what or 'values'} of type {array.dtype}, which cannot be segmented: "
            "convert it to uint8, uint16 or float32 first."
        )
    if 0 in array.shape:
        raise InputError(
            f"{origin} is empty: its shape is {tuple(int(n) for n in array.shape)}; "
            "check that the export or crop that made it was complete."
        )
