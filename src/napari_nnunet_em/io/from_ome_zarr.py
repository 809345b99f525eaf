"""Metadata of OME-Zarr images, 0.4 and 0.5."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ome_zarr_models.v04.multiscales as v04
import ome_zarr_models.v05.multiscales as v05
from ome_zarr_models.common.coordinate_transformations import VectorScale, VectorTranslation
from pydantic import ValidationError

from napari_nnunet_em.errors import InputError, refusal_reason
from napari_nnunet_em.io.voxel_size import StoredVoxelSize, nm_per_unit, positive_length

SOURCE = "OME-Zarr scale"


@dataclass(frozen=True)
class OmeImage:
    """What the multiscales metadata say.

    Attributes
    ----------
    axes : str
        Letters as in `Finding.axes`.
    paths : tuple of str
        Paths of the levels below the group, full resolution first.
    voxel_sizes : tuple of (StoredVoxelSize or None)
        Voxel size of each level; None where no axis has a unit of length.
    origins_nm : tuple of tuple of (float or None)
        Per level, where the first voxel lies along each axis; None where the axis has no unit of length.
    """

    axes: str
    paths: tuple[str, ...]
    voxel_sizes: tuple[StoredVoxelSize | None, ...]
    origins_nm: tuple[tuple[float | None, ...], ...]


def is_ome_image(attributes: Mapping[str, Any]) -> bool:
    """Whether the attributes of a group claim to be an OME-Zarr image of any version."""
    ome = attributes.get("ome")
    return "multiscales" in attributes or (isinstance(ome, Mapping) and "multiscales" in ome)


def read_ome_image(attributes: Mapping[str, Any], origin: str) -> OmeImage:
    """Parse the first of the multiscales in the attributes of a group.

    Parameters
    ----------
    attributes : mapping
        Attributes for which `is_ome_image` holds.
    origin : str
        Path of the group, for messages.

    Raises
    ------
    InputError
        When the metadata do not follow the specification, or a version that is not known.
    """
    ome = attributes.get("ome")
    try:
        if isinstance(ome, Mapping) and "multiscales" in ome:
            if ome.get("version") != "0.5":
                raise InputError(_refusal(origin, f"version {ome.get('version')!r} is not 0.4 or 0.5"))
            return _digest(v05.Multiscale.model_validate(_first(ome["multiscales"])))
        return _digest(v04.Multiscale.model_validate(_first(attributes["multiscales"])))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(_refusal(origin, f"{where or 'multiscales'}: {refusal_reason(first)}")) from error


def _refusal(origin: str, why: str) -> str:
    return (
        f"The OME-Zarr metadata of {origin} cannot be used ({why}): "
        f"open the full-resolution array itself, often {origin}/0, and state the voxel size."
    )


def _first(multiscales: object) -> object:
    return multiscales[0] if isinstance(multiscales, Sequence) and multiscales else multiscales


def _digest(multiscale: v04.Multiscale | v05.Multiscale) -> OmeImage:
    factors = [nm_per_unit(axis.unit) if axis.type in ("space", None) else None for axis in multiscale.axes]
    whole, shift = _transform(multiscale.coordinateTransformations, len(factors))
    sizes, origins = [], []
    for dataset in multiscale.datasets:
        own, start = _transform(dataset.coordinateTransformations, len(factors))
        products = [
            None if f is None else positive_length(f * a * b)
            for f, a, b in zip(factors, own, whole, strict=True)
        ]
        sizes.append(StoredVoxelSize(tuple(products), SOURCE) if any(products) else None)
        places = zip(factors, start, whole, shift, strict=True)
        origins.append(tuple(None if f is None else _finite(f * (a * b + t)) for f, a, b, t in places))
    letters = _letters([(str(axis.name), axis.type) for axis in multiscale.axes])
    return OmeImage(letters, tuple(d.path for d in multiscale.datasets), tuple(sizes), tuple(origins))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _transform(transforms: Sequence[object] | None, ndim: int) -> tuple[Sequence[float], Sequence[float]]:
    """Scale and translation; NaN where they are kept in a file of their own, 1 and 0 without any."""
    scale, shift = (1.0,) * ndim, (0.0,) * ndim
    unknown = (math.nan,) * ndim
    for place, transform in enumerate(transforms or ()):
        if place == 0:
            scale = tuple(transform.scale) if isinstance(transform, VectorScale) else unknown
        else:
            shift = tuple(transform.translation) if isinstance(transform, VectorTranslation) else unknown
    return scale, shift


def _letters(axes: Sequence[tuple[str, str | None]]) -> str:
    """One letter per axis: by type where there is one, spatial axes by name or else by place."""
    spatial = [i for i, (_, kind) in enumerate(axes) if kind == "space"]
    names = [axes[i][0].casefold() for i in spatial]
    if not set(names) <= set("zyx"):
        names = list("zyx"[-len(spatial) :])
    by_place = dict(zip(spatial, names, strict=True))
    by_type = {"channel": "c", "time": "t"}
    letters = []
    for i, (name, kind) in enumerate(axes):
        plain = name.casefold() if kind is None and name.casefold() in set("tczyx") else "q"
        letters.append(by_place.get(i) or by_type.get(kind or "", plain))
    return "".join(letters)
