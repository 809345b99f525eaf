"""A folder of 2D slices, and single 2D images that are not TIFF."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import dask.array as da
import imagecodecs
import numpy as np
import numpy.typing as npt

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.io.finding import Finding
from napari_nnunet_em.io.from_tiff import check_complete, find_tiff, main_series, open_tiff, series_levels
from napari_nnunet_em.io.view import expand_index

_TIFF = frozenset({".tif", ".tiff"})
_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".jp2", ".webp"})


def is_picture(path: Path) -> bool:
    """Whether a file name ends like a 2D image that is not TIFF."""
    return path.suffix.casefold() in _PICTURES


def find_picture(path: Path) -> Finding:
    """A single 2D image as a volume of one slice.

    Raises
    ------
    InputError
        When it cannot be decoded.
    """
    return _as_finding(SliceStack((path,)), str(path))


def find_folder(folder: Path) -> Finding:
    """Find the slices in a folder, ordered as people count (2 before 10).

    The first and the last slice are looked at now, each of the others when it is read.

    Parameters
    ----------
    folder : pathlib.Path
        Folder with TIFF, PNG, JPEG, JPEG 2000, BMP or WebP files, one slice each; other files are
        passed over.

    Raises
    ------
    InputError
        When there are no images, images of several kinds, or the slices differ in shape or data type.
    """
    files = [
        p
        for p in folder.iterdir()
        if p.is_file() and not p.name.startswith(".") and p.suffix.casefold() in _TIFF | _PICTURES
    ]
    kinds = Counter("TIFF" if p.suffix.casefold() in _TIFF else p.suffix.casefold() for p in files)
    if len(kinds) != 1:
        found = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items())) or "none"
        raise InputError(
            f"The folder {folder} is not a stack of 2D slices (image files in it: {found}): "
            "give a folder with the slices of one volume, all of one file type, or an OME-Zarr folder."
        )
    if len(files) == 1 and "TIFF" in kinds:
        return find_tiff(files[0])
    stack = SliceStack(tuple(sorted(files, key=_natural)))
    stack.check(len(files) - 1)
    return _as_finding(stack, str(folder))


def _natural(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", path.name.casefold())
    return [(int(part), part) if part.isdigit() else (-1, part) for part in parts]


def _as_finding(stack: SliceStack, origin: str) -> Finding:
    array = da.from_array(
        stack, chunks=(1, *stack.shape[1:]), name=False, fancy=False, meta=np.empty((), stack.dtype)
    )
    return Finding(array, origin, "zyxs"[: len(stack.shape)])


class SliceStack:
    """Files as one array (z, y, x) or (z, y, x, samples); a file is read when one of its voxels is.

    Parameters
    ----------
    files : tuple of pathlib.Path
        One file per slice; the first decides shape and data type.
    """

    def __init__(self, files: tuple[Path, ...]) -> None:
        self._files = files
        first = _read(files[0], ())
        self.shape: tuple[int, ...] = (len(files), *first.shape)
        self.dtype: np.dtype[Any] = first.dtype.newbyteorder("=")
        self.ndim = len(self.shape)

    def check(self, index: int) -> None:
        """Read one slice for nothing but to see whether it fits.

        Raises
        ------
        InputError
            When it does not.
        """
        self._slice(index, ())

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        which, *region = expand_index(key, self.ndim)
        if isinstance(which, int):
            return self._slice(which, tuple(region))
        chosen = [self._slice(i, tuple(region)) for i in range(*which.indices(len(self._files)))]
        return (
            np.stack(chosen) if chosen else np.empty((0, *self.shape[1:]), self.dtype)[(slice(None), *region)]
        )

    def _slice(self, index: int, region: tuple[int | slice, ...]) -> npt.NDArray[Any]:
        return _read(self._files[index], region, self)


def _read(path: Path, region: tuple[int | slice, ...], like: SliceStack | None = None) -> npt.NDArray[Any]:
    if path.suffix.casefold() in _TIFF:
        return _read_tiff(path, region, like)
    try:
        image = imagecodecs.imread(path)
    except (ValueError, RuntimeError, OSError) as error:
        raise _damaged(path, error) from error
    _check_slice(path, image.shape, image.dtype, like)
    cut: npt.NDArray[Any] = image[region]
    return cut


def _read_tiff(path: Path, region: tuple[int | slice, ...], like: SliceStack | None) -> npt.NDArray[Any]:
    with open_tiff(path) as tif:
        series = tif.series[main_series(tif, path)]
        _check_slice(path, series.shape, series.dtype, like)
        check_complete(tif, series, path)
        try:
            return np.asarray(series_levels(series)[0][region])
        except (ValueError, RuntimeError, OSError) as error:
            raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} cannot be read as an image: {error}; the file may be damaged.")


def _check_slice(path: Path, shape: tuple[int, ...], dtype: Any, like: SliceStack | None) -> None:
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[-1] > 4):
        raise InputError(
            f"{path} has shape {tuple(shape)}, which is not one 2D slice: "
            "a folder of slices needs one image per file; open a stack by the name of its file."
        )
    if like is not None and (
        tuple(shape) != like.shape[1:] or np.dtype(dtype).newbyteorder("=") != like.dtype
    ):
        raise InputError(
            f"{path} does not fit the other slices of its folder: it is {tuple(shape)} {dtype}, "
            f"and the first slice is {like.shape[1:]} {like.dtype}; crop or convert it, or take it out."
        )
