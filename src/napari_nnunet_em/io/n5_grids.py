"""Voxel size and place of N5 arrays, from the conventions of the programs that write them.

Nothing standardises these; the earlier wins, and the array wins over its groups.

=======================  ==============================================================================
attribute                meaning
=======================  ==============================================================================
``multiscales``          of the group: OME-Zarr's scales, or a ``transform`` per level (COSEM)
``transform``            ``axes``, ``scale``, ``translate``, ``units`` (COSEM, OpenOrganelle)
``pixelResolution``      ``dimensions`` and ``unit`` (n5-spark, Fiji)
``resolution``, others   as in `attributes`; nm without a unit (Paintera, neuroglancer)
``downsamplingFactors``  of a level: on it, or as a list on the group; the list ``scales`` is the same
=======================  ==============================================================================
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.io.attributes import attribute_origin, attribute_voxel_size, axis_letters
from napari_nnunet_em.io.from_ome_zarr import read_ome_image
from napari_nnunet_em.io.n5_metadata import Attributes, listed, mapping, multiscale
from napari_nnunet_em.io.voxel_size import StoredVoxelSize, nm_per_unit, positive_length

Places = tuple[float | None, ...]


@dataclass(frozen=True)
class Grid:
    """How large the voxels of an array are, and where they begin; in stored order.

    Attributes
    ----------
    size : StoredVoxelSize or None
        None where nothing states one.
    origin_nm : tuple of (float or None), or None
        Per stored axis, where the first voxel lies; None where nothing states it.
    """

    size: StoredVoxelSize | None = None
    origin_nm: Places | None = None


def level_grids(
    levels: Sequence[Attributes], group: Attributes, above: Sequence[Attributes], axes: str
) -> list[Grid]:
    """Voxel size and place of each level of a pyramid; a single array is a pyramid of one level.

    Parameters
    ----------
    levels : sequence of mapping
        Attributes of the levels, full resolution first.
    group : mapping
        Attributes of the pyramid's group.
    above : sequence of mapping
        Attributes of all groups above the full resolution, nearest first; what they state holds for that.
    axes : str
        Letters of the stored axes.
    """
    stated = dict(enumerate(_multiscale_grids(group, axes)))
    full = _first_size([levels[0], *above], axes)
    places = (attribute_origin(attributes, axes, len(axes)) for attributes in (levels[0], *above))
    first = Grid(full, next((place for place in places if place is not None), None))
    grids: list[Grid] = []
    for number, level in enumerate(levels):
        grid = stated.get(number) or _transform_grid(mapping(level.get("transform")), axes)
        factors = _factors(number, level, group, axes)
        grids.append(grid or (_scaled(level, first, factors, axes) if number or factors else first))
        first = grids[0]
    return grids


def _scaled(level: Attributes, first: Grid, factors: Sequence[float], axes: str) -> Grid:
    """The grid of a level without a transform, from that of the full resolution."""
    own = _first_size([level], axes)
    # Some programs repeat the size of the full resolution beside the factors; others state the level's own.
    if own is not None and not (factors and first.size and own.values_nm == first.size.values_nm):
        return Grid(own, attribute_origin(level, axes, len(axes)) or _begun(first, factors))
    return Grid(_times(first.size, factors), _begun(first, factors))


def _first_size(chain: Iterable[Attributes], axes: str) -> StoredVoxelSize | None:
    for attributes in chain:
        grid = _transform_grid(mapping(attributes.get("transform")), axes)
        size = grid.size if grid else _pixel_resolution(mapping(attributes.get("pixelResolution")))
        size = size or attribute_voxel_size([attributes], "N5")
        if size is not None:
            return size
    return None


def _pixel_resolution(stated: Attributes) -> StoredVoxelSize | None:
    factor = nm_per_unit(stated.get("unit"))
    lengths = [positive_length(value) for value in listed(stated.get("dimensions"))]
    if factor is None or not lengths or None in lengths:
        return None
    return StoredVoxelSize(
        tuple(v * factor for v in lengths if v is not None), "N5 attribute pixelResolution"
    )


def _factors(number: int, level: Attributes, group: Attributes, axes: str) -> list[float]:
    """Voxels of the full resolution along each axis of a level's voxel; empty where unknown."""
    by_level = listed(group.get("downsamplingFactors")) or listed(group.get("scales"))
    stored = level.get("downsamplingFactors") or (by_level[number] if number < len(by_level) else None)
    factors = [positive_length(value) for value in listed(stored)]
    spatial = sum(letter in "xyz" for letter in axes)
    fitting = None not in factors and len(factors) in (len(axes), spatial)
    return [f for f in factors if f is not None] if fitting else []


def _times(size: StoredVoxelSize | None, factors: Sequence[float]) -> StoredVoxelSize | None:
    values = () if size is None else _spread(size.values_nm, len(factors))
    if size is None or len(values) != len(factors) or not factors:
        return None
    products = (None if v is None else v * f for v, f in zip(values, factors, strict=True))
    return StoredVoxelSize(tuple(products), size.source)


def _begun(first: Grid, factors: Sequence[float]) -> Places | None:
    """Where a level begins that shares its first edge with the full resolution."""
    sizes = () if first.size is None else _spread(first.size.values_nm, len(factors))
    if first.origin_nm is None or not len(sizes) == len(factors) == len(first.origin_nm):
        return None
    axes = zip(first.origin_nm, sizes, factors, strict=True)
    return tuple(None if p is None or s is None else p + (f - 1) / 2 * s for p, s, f in axes)


def _spread(values: Places, count: int) -> Places:
    """One number for all axes, written out."""
    return values * count if len(values) == 1 else values


def _multiscale_grids(group: Attributes, axes: str) -> list[Grid | None]:
    """Grids by level, as ``multiscales`` state them."""
    stated = multiscale(group)
    try:
        image = read_ome_image({"multiscales": [dict(stated)]}, "N5")
    except InputError:
        entries = [mapping(entry) for entry in listed(stated.get("datasets"))]
        return [_transform_grid(mapping(entry.get("transform")), axes) for entry in entries]
    if sorted(image.axes) != sorted(axes):
        return []
    turned = [image.axes.index(letter) for letter in axes]
    return [
        None if size is None else Grid(_turned(size, turned), tuple(place[i] for i in turned))
        for size, place in zip(image.voxel_sizes, image.origins_nm, strict=True)
    ]


def _turned(size: StoredVoxelSize, order: Sequence[int]) -> StoredVoxelSize:
    return StoredVoxelSize(tuple(size.values_nm[i] for i in order), "N5 multiscales")


def _transform_grid(transform: Attributes, axes: str) -> Grid | None:
    """The grid of COSEM's ``transform``; None where it names no axes, or none with a unit of length."""
    names, units = listed(transform.get("axes")), transform.get("units")
    letters = axis_letters(names, len(names)) or ""
    factors = [nm_per_unit(unit) for unit in (listed(units) or [units] * len(names))]
    sizes = _in_nm(letters, listed(transform.get("scale")), factors)
    lengths = tuple(positive_length(sizes.get(letter)) for letter in axes)
    if not any(lengths):
        return None
    places = _in_nm(letters, listed(transform.get("translate")), factors)
    where = tuple(places.get(letter) for letter in axes) if places else None
    return Grid(StoredVoxelSize(lengths, "N5 attribute transform"), where)


def _in_nm(letters: str, numbers: Sequence[Any], factors: Sequence[float | None]) -> dict[str, float]:
    """Finite numbers with a unit of length, by letter; empty where they do not belong together."""
    if not len(letters) == len(numbers) == len(factors):
        return {}
    return {
        letter: number * factor
        for letter, number, factor in zip(letters, numbers, factors, strict=True)
        if factor is not None and isinstance(number, int | float) and math.isfinite(number)
    }
