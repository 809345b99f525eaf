"""Axes and voxel size of a TIFF file: OME-XML, ImageJ's description, resolution tags."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import tifffile

from napari_nnunet_em.io.voxel_size import StoredVoxelSize, nm_per_unit, positive_length

# Resolution tags mostly tell printers how large to print: 72 dpi would be 352778 nm. Inside these bounds
# they can only be meant as the pixel size of an electron micrograph.
_PLAUSIBLE_NM = (0.01, 1000.0)
_NM_PER_RESOLUTION_UNIT = {2: 2.54e7, 3: 1e7}

Sizes = dict[str, float | None]


def axes_of(series: tifffile.TiffPageSeries) -> str:
    """Letters of a series, as in `Finding.axes`: pages without a name are q."""
    return "".join(c if c in "tczyxs" else "q" for c in series.axes.lower())


def voxel_size_of(tif: tifffile.TiffFile, index: int) -> StoredVoxelSize | None:
    """The voxel size that a file states for a series, or None.

    Parameters
    ----------
    tif : tifffile.TiffFile
        The open file.
    index : int
        Which of its series.

    Returns
    -------
    StoredVoxelSize or None
        One entry per axis of the series. Resolution tags alone leave z unknown.
    """
    readers = (
        (_ome_sizes(tif, index), "OME-XML PhysicalSize"),
        (_imagej_sizes(tif), "ImageJ calibration"),
        (_tag_sizes(tif), "TIFF resolution tags"),
    )
    for sizes, source in readers:
        if sizes and sizes.get("y") and sizes.get("x"):
            return StoredVoxelSize(_per_axis(tif.series[index].axes, sizes), source)
    return None


def place_of(tif: tifffile.TiffFile, index: int) -> tuple[float | None, ...] | None:
    """Where OME-XML places the first pixel, nm for each axis of a series; None where it does not."""
    planes = _ome_pixels(tif, index).get("Plane", [])
    first = planes[0] if isinstance(planes, list) and planes else planes
    if not isinstance(first, Mapping):
        return None
    places = {axis: _ome_place(first, f"Position{axis.upper()}") for axis in "zyx"}
    letters = tif.series[index].axes.lower()
    # One slice of a stack has lost its axis z, but not its place on it.
    letters = "zyx" if letters == "yx" and places["z"] is not None else letters
    return tuple(places.get(letter) for letter in letters) if places["y"] is not None else None


def _ome_place(plane: Mapping[str, Any], name: str) -> float | None:
    factor = nm_per_unit(plane.get(f"{name}Unit"))
    value = plane.get(name)
    number = float(value) if isinstance(value, int | float) else math.nan
    return float(f"{number * factor:.12g}") if factor is not None and math.isfinite(number) else None


def _per_axis(axes: str, sizes: Sizes) -> tuple[float | None, ...]:
    if axes == "YX" and sizes.get("z"):
        return sizes["z"], sizes["y"], sizes["x"]  # one slice of a stack
    # A stack whose pages are unnamed, or named as time by mistake, has its spacing between those pages.
    depth = next((letter for letter in "ZQIT" if letter in axes), "")
    return tuple(sizes.get("z" if letter == depth else letter.lower()) for letter in axes)


def _ome_sizes(tif: tifffile.TiffFile, index: int) -> Sizes | None:
    pixels = _ome_pixels(tif, index)
    return {axis: _ome_size(pixels, f"PhysicalSize{axis.upper()}") for axis in "zyx"} if pixels else None


def _ome_pixels(tif: tifffile.TiffFile, index: int) -> Mapping[str, Any]:
    """The element Pixels of an image; empty where there is none."""
    if not tif.is_ome or tif.ome_metadata is None:
        return {}
    images = tifffile.xml2dict(tif.ome_metadata).get("OME", {}).get("Image", [])
    images = images if isinstance(images, list) else [images]
    pixels: Mapping[str, Any] = images[index].get("Pixels", {}) if index < len(images) else {}
    return pixels


def _ome_size(pixels: Mapping[str, Any], name: str) -> float | None:
    number = positive_length(pixels.get(name))
    # The schema says that a size without a unit is in micrometres.
    factor = nm_per_unit(pixels.get(f"{name}Unit", "µm"))
    return None if number is None or factor is None else number * factor


def _imagej_sizes(tif: tifffile.TiffFile) -> Sizes | None:
    metadata = tif.imagej_metadata
    factor = nm_per_unit(metadata.get("unit")) if metadata else None
    if not metadata or factor is None:
        return None
    y, x = (_length(_pixels_per_unit(tif, f"{axis}Resolution"), factor) for axis in "YX")
    spacing = positive_length(metadata.get("spacing"))
    return {"z": None if spacing is None else spacing * factor, "y": y, "x": x}


def _tag_sizes(tif: tifffile.TiffFile) -> Sizes | None:
    unit = tif.pages.first.tags.valueof("ResolutionUnit", default=2)
    factor = _NM_PER_RESOLUTION_UNIT.get(int(unit))
    if factor is None:
        return None
    y, x = (_length(_pixels_per_unit(tif, f"{axis}Resolution"), factor) for axis in "YX")
    low, high = _PLAUSIBLE_NM
    plausible = all(v is not None and low <= v <= high for v in (y, x))
    return {"y": y, "x": x} if plausible else None


def _length(pixels_per_unit: float | None, factor: float) -> float | None:
    return None if pixels_per_unit is None else factor / pixels_per_unit


def _pixels_per_unit(tif: tifffile.TiffFile, tag: str) -> float | None:
    """A resolution tag as a number; None where it is missing or 1/1, which writers put in for want of one."""
    value = tif.pages.first.tags.valueof(tag)
    if not isinstance(value, tuple) or len(value) != 2 or value == (1, 1) or value[1] == 0:
        return None
    return positive_length(value[0] / value[1])
