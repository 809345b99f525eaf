"""Voxel size and axes from the free-form attributes of HDF5 and plain Zarr.

Nothing standardises these. The names below are those that programs of the field write; the nearest
object wins over its parents, and the earlier name over the later.

============================  =====================================================================
attribute                     meaning
============================  =====================================================================
``element_size_um``           micrometres (Fiji, ilastik, Plantseg)
``voxel_size_nm``             nanometres
``resolution``                nanometres, unless ``units`` or ``unit`` name another length (CREMI)
``voxel_size``                the same (Funke lab, daisy)
``scale``                     only with ``units`` or ``unit``
``offset``                    nm, beside ``resolution``: where the first voxel lies (CREMI)
``axistags``                  axes, as vigra and ilastik write them (JSON)
``axes``, ``axis_names``,     axes, as a string or list of names
``_ARRAY_DIMENSIONS``
============================  =====================================================================

Numbers belong to the spatial axes in stored order; a single number holds for all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from napari_nnunet_em.io.voxel_size import StoredVoxelSize, nm_per_unit, positive_length

Attributes = Mapping[str, Any]

_SIZES: tuple[tuple[str, str | None], ...] = (
    ("element_size_um", "um"),
    ("voxel_size_nm", "nm"),
    ("resolution", "nm"),
    ("voxel_size", "nm"),
    ("scale", None),
)
_OWN_UNIT = ("element_size_um", "voxel_size_nm")

_AXIS_LETTERS = {
    "z": "z", "y": "y", "x": "x", "c": "c", "t": "t",
    "channel": "c", "channels": "c", "time": "t",
}  # fmt: skip


def attribute_voxel_size(chain: Iterable[Attributes], kind: str) -> StoredVoxelSize | None:
    """The voxel size that the attributes state, or None.

    Parameters
    ----------
    chain : iterable of mapping
        Attributes of the array, then of its parents, nearest first.
    kind : str
        Name of the format for the log, such as "HDF5".
    """
    for attributes in chain:
        for name, unit in _SIZES:
            values = _lengths_nm(attributes, name, unit)
            if values is not None:
                return StoredVoxelSize(values, f"{kind} attribute {name}")
    return None


def attribute_origin(attributes: Attributes, axes: str | None, ndim: int) -> tuple[float | None, ...] | None:
    """Where the first voxel lies along each stored axis, in nm, or None where the array does not say.

    Parameters
    ----------
    attributes : mapping
        Attributes of the array itself; ``offset`` has the units of the ``resolution`` beside it.
    axes : str or None
        Letters of the stored axes; without them `ndim` of up to three are taken to be spatial.
    ndim : int
        Number of axes.
    """
    numbers = np.ravel(np.asarray(attributes.get("offset", ()), dtype=object))
    size = _lengths_nm(attributes, "resolution", "nm")
    if (
        size is None
        or len(size) != len(numbers)
        or attributes.get("units", attributes.get("unit")) is not None
    ):
        return None
    letters = axes or "zyx"[-ndim:]
    spatial = [letter for letter in letters if letter in "zyx"]
    if len(letters) != ndim or len(spatial) != len(numbers):
        return None
    try:
        places = dict(zip(spatial, (float(n) for n in numbers), strict=True))
    except (TypeError, ValueError):
        return None
    return (
        tuple(places.get(letter) for letter in letters) if np.isfinite(list(places.values())).all() else None
    )


def _lengths_nm(attributes: Attributes, name: str, default_unit: str | None) -> tuple[float, ...] | None:
    if name not in attributes:
        return None
    numbers = [positive_length(v) for v in np.ravel(np.asarray(attributes[name], dtype=object))]
    stated = None if name in _OWN_UNIT else attributes.get("units", attributes.get("unit"))
    units = [default_unit] if stated is None else list(np.ravel(np.asarray(stated, dtype=object)))
    factors = [nm_per_unit(u) for u in units]
    if len(factors) == 1:
        factors *= len(numbers)
    if len(factors) != len(numbers):
        return None
    lengths = [n * f for n, f in zip(numbers, factors, strict=True) if n is not None and f is not None]
    return tuple(lengths) if lengths and len(lengths) == len(numbers) else None


def attribute_axes(attributes: Attributes, ndim: int) -> str | None:
    """Letters of the axes that the attributes of an array name, or None.

    Parameters
    ----------
    attributes : mapping
        Attributes of the array itself.
    ndim : int
        Number of axes; names of another number are ignored.
    """
    names = _tagged_names(attributes.get("axistags"))
    if names is not None:
        return axis_letters(names, ndim)
    for name in ("axes", "axis_names", "_ARRAY_DIMENSIONS"):
        value = attributes.get(name)
        if isinstance(value, str | Sequence | np.ndarray):
            letters = axis_letters(list(value), ndim)
            if letters is not None:
                return letters
    return None


def axis_letters(names: Sequence[object], ndim: int) -> str | None:
    """Letters for `ndim` axis names, or None when one of them is not known or comes twice."""
    # The Funke lab marks axes that are not spatial with ^.
    plain = [str(name).casefold().rstrip("^") for name in names]
    letters = "".join(_AXIS_LETTERS.get(name, "?") for name in plain)
    known = "?" not in letters and len(set(letters)) == len(letters) == ndim
    return letters if known else None


def _tagged_names(tags: object) -> list[object] | None:
    if not isinstance(tags, str | bytes):
        return None
    try:
        return [axis["key"] for axis in json.loads(tags)["axes"]]
    except (ValueError, KeyError, TypeError):
        return None
