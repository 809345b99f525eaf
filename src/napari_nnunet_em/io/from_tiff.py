"""TIFF, BigTIFF, ImageJ stacks and OME-TIFF, read strip by strip or tile by tile."""

from __future__ import annotations

import math
import struct
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tifffile
import zarr

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.io.candidates import describe_candidate
from napari_nnunet_em.io.finding import Finding
from napari_nnunet_em.io.tiff_metadata import axes_of, place_of, voxel_size_of

_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SMALL_STRIP_BYTES = 32 * 1024
_LARGEST_PAGE_AT_ONCE_BYTES = 64 * 1024**2


def is_tiff(path: Path) -> bool:
    """Whether a file begins like TIFF or BigTIFF, of either byte order."""
    with path.open("rb") as file:
        return file.read(4) in _SIGNATURES


def find_tiff(path: Path) -> Finding:
    """Find the stack in a TIFF file.

    Parameters
    ----------
    path : pathlib.Path
        The file; it stays open as long as the array lives.

    Raises
    ------
    InputError
        When the file is damaged or cut short, or holds several stacks of equal size.
    """
    tif = open_tiff(path)
    try:
        with _damage_named(path):
            index = main_series(tif, path)
            series = tif.series[index]
            check_complete(tif, series, path)
            axes, voxel_size, place = axes_of(series), voxel_size_of(tif, index), place_of(tif, index)
            levels = series_levels(series)
    except BaseException:
        tif.close()
        raise
    # The arrays own the file: it is closed when the last of them is gone.
    weakref.finalize(levels[0].store, tif.close)
    # Strips are cut for the writer's convenience; what is worth reading at once is a slice.
    striped = not series.keyframe.is_tiled
    sides = zip(axes, levels[0].chunks, levels[0].shape, strict=True)
    chunks = tuple(n if letter == "y" else chunk for letter, chunk, n in sides) if striped else None
    return Finding(levels[0], str(path), axes, levels, voxel_size, chunks, place)


def open_tiff(path: Path) -> tifffile.TiffFile:
    """Open a TIFF file.

    Raises
    ------
    InputError
        When it is not readable as TIFF.
    """
    with _damage_named(path):
        return tifffile.TiffFile(path, mode="r")


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except (ValueError, KeyError, IndexError, EOFError, struct.error) as error:
        # tifffile does not promise which of these a damaged file raises.
        raise InputError(
            f"{path} cannot be opened as TIFF: {error}; the file may be damaged or incomplete."
        ) from error


def series_levels(series: tifffile.TiffPageSeries) -> tuple[zarr.Array[Any], ...]:
    """The pyramid of a series as lazy arrays on one store, full resolution first."""
    keyframe = series.keyframe
    strip_bytes = keyframe.nbytes / max(len(keyframe.dataoffsets), 1)
    # Zarr spends about 0.2 ms per chunk: files with one row per strip are read in whole pages instead.
    by_page = not keyframe.is_tiled and strip_bytes < _SMALL_STRIP_BYTES
    mode = "page" if by_page and keyframe.nbytes <= _LARGEST_PAGE_AT_ONCE_BYTES else "strile"
    node = zarr.open(series.aszarr(chunkmode=mode), mode="r")
    if isinstance(node, zarr.Array):
        return (node,)
    arrays = (node[str(i)] for i in range(len(series.levels)))
    return tuple(array for array in arrays if isinstance(array, zarr.Array))


def main_series(tif: tifffile.TiffFile, path: Path) -> int:
    """Index of the largest stack in a file; thumbnails and the like stand beside it.

    Raises
    ------
    InputError
        When there is none, or another is as large.
    """
    if not tif.series:
        raise InputError(f"{path} is a TIFF file without an image in it; check that it is complete.")
    sizes = [math.prod(series.shape) for series in tif.series]
    if sizes.count(max(sizes)) > 1:
        listed = ", ".join(describe_candidate(s.shape, s.dtype) for s in tif.series[:12])
        raise InputError(
            f"{path} holds {len(sizes)} images that do not form one stack ({listed}) and nothing says which "
            "one is meant: save the one to segment as a file of its own."
        )
    return sizes.index(max(sizes))


def check_complete(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries, path: Path) -> None:
    """Find a file that was cut short now, rather than hours later when the missing part is read.

    Raises
    ------
    InputError
        When the file ends before its last voxel.
    """
    last = series[len(series) - 1]
    if last is None or last.parent is not tif:
        return
    if series.dataoffset is not None:
        needed = series.dataoffset + series.nbytes
    else:
        needed = max(o + n for o, n in zip(last.dataoffsets, last.databytecounts, strict=True))
    present = int(tif.filehandle.size)
    if needed > present:
        raise InputError(
            f"{path} is cut short: its last voxels should end at byte {needed}, but it has only {present}; "
            "copy or export it again."
        )
