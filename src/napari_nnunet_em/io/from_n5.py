"""N5 on disk: an array, a pyramid of arrays, or a container that holds one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.io.candidates import choose_one, describe_candidate, is_candidate
from napari_nnunet_em.io.finding import Finding
from napari_nnunet_em.io.from_zarr import is_zarr
from napari_nnunet_em.io.n5_array import N5Array, is_label_multiset
from napari_nnunet_em.io.n5_grids import Grid, level_grids
from napari_nnunet_em.io.n5_metadata import (
    Attributes,
    is_array,
    level_names,
    plain_path,
    read_attributes,
    stored_axes,
    stored_shape,
)

_ENDING = ".n5"
_MAX_DEPTH = 8


def is_n5(path: Path) -> bool:
    """Whether a folder is an N5 container, or a group or array inside one.

    Attributes of its own say so, or those or the name of a folder above it, for a group without attributes.
    """
    return is_array(_trusted(path)) or (not is_zarr(path) and _root(path) is not None)


def find_n5(path: Path) -> Finding:
    """Find the volume in an N5 folder: an array, a pyramid, or a group with one of them below.

    Parameters
    ----------
    path : pathlib.Path
        The container, or any group or array inside it: ``x.n5``, ``x.n5/em``, ``x.n5/em/s0``.

    Raises
    ------
    InputError
        When the folder cannot be opened, holds no array, or holds several; or when tensorstore, which reads
        the voxels, is not installed.
    """
    attributes = read_attributes(path)
    if is_array(attributes):
        return _find_array(path, attributes)
    names = level_names(path, attributes)
    if names:
        return _find_pyramid(path, names)
    return find_n5(path / choose_one(dict(_walk(path, path, _MAX_DEPTH)), str(path), f"{path}/"))


def list_n5(path: Path) -> dict[str, str]:
    """Arrays and pyramids in an N5 folder that may be volumes: path below it to a short description.

    The folder itself has the path ``.``; the levels of a pyramid are not listed. Only attributes are read.

    Raises
    ------
    InputError
        When these cannot be understood.
    """
    described = _described(path)
    if described is None:
        return dict(_walk(path, path, _MAX_DEPTH))
    return {".": described} if described else {}


def _find_pyramid(group: Path, names: Sequence[str]) -> Finding:
    levels = [read_attributes(group / name) for name in names]
    axes, grids = _axes_and_grids(group, names, levels)
    arrays = tuple(N5Array(group / name, level) for name, level in zip(names, levels, strict=True))
    return Finding(
        arrays[0],
        str(group),
        axes,
        arrays,
        grids[0].size,
        origin_nm=grids[0].origin_nm,
        level_sizes=tuple(grid.size for grid in grids),
        level_origins_nm=tuple(grid.origin_nm for grid in grids),
    )


def _find_array(path: Path, attributes: Attributes) -> Finding:
    """An array alone; the level of a pyramid has the axes, size and place that it has there."""
    group, names = _pyramid_above(path)
    levels = [read_attributes(group / name) for name in names]
    axes, grids = _axes_and_grids(group, names, levels)
    grid = grids[[group / name for name in names].index(plain_path(path))]
    return Finding(N5Array(path, attributes), str(path), axes, voxel_size=grid.size, origin_nm=grid.origin_nm)


def _axes_and_grids(
    group: Path, names: Sequence[str], levels: Sequence[Attributes]
) -> tuple[str, list[Grid]]:
    groups = _groups_above(group / names[0])
    above = [read_attributes(parent) for parent in groups]
    own = read_attributes(group) if plain_path(group) in groups else {}
    axes = stored_axes([levels[0], *above], len(stored_shape(levels[0])))
    return axes, level_grids(levels, own, above, axes)


def _pyramid_above(path: Path) -> tuple[Path, Sequence[str]]:
    """The group that an array is a level of, and its levels; without one the array is all there is."""
    path = plain_path(path)
    for group in _groups_above(path):
        names = level_names(group, read_attributes(group))
        if path in [group / name for name in names]:
            return group, names
    return path.parent, (path.name,)


def _groups_above(path: Path) -> list[Path]:
    """Folders above a path up to the root of its container, nearest first; none outside of a container."""
    parents = list(plain_path(path).parents)
    root = _root(plain_path(path).parent)
    return [] if root is None else parents[: parents.index(root) + 1]


def _root(path: Path) -> Path | None:
    """The root of the container that a folder lies in."""
    path = plain_path(path)
    folders = [path, *path.parents][: _MAX_DEPTH + 1]
    named = (folder for folder in folders if folder.suffix.casefold() == _ENDING or "n5" in _trusted(folder))
    return next(named, None)


def _trusted(folder: Path) -> Attributes:
    """Attributes of a folder of which nobody has said that it is N5; empty where they cannot be read."""
    try:
        return read_attributes(folder)
    except (InputError, OSError):
        return {}


def _walk(root: Path, folder: Path, depth: int) -> Iterator[tuple[str, str]]:
    for child in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")):
        described = _described(child)
        if described:
            yield child.relative_to(root).as_posix(), described
        elif described is None and depth > 0:
            yield from _walk(root, child, depth - 1)


def _described(folder: Path) -> str | None:
    """What an array or pyramid is, shape as (z, y, x); empty if it is no volume, None for any other group."""
    attributes = read_attributes(folder)
    names = () if is_array(attributes) else level_names(folder, attributes)
    if names:
        attributes = read_attributes(folder / names[0])
    elif not is_array(attributes):
        return None
    shape, kind = stored_shape(attributes)[::-1], attributes.get("dataType")
    if not is_candidate(shape, kind) or is_label_multiset(attributes):
        return ""
    return describe_candidate(shape, kind) + (f", {len(names)} levels" if len(names) > 1 else "")
