"""Zarr v2 and v3 on disk: OME-Zarr images, plain arrays, and groups that hold one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import zarr
from zarr.storage import LocalStore

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.io.attributes import attribute_axes, attribute_voxel_size, axis_letters
from napari_nnunet_em.io.candidates import choose_one, describe_candidate, is_candidate
from napari_nnunet_em.io.finding import Finding
from napari_nnunet_em.io.from_ome_zarr import OmeImage, is_ome_image, read_ome_image

_MARKERS = ("zarr.json", ".zarray", ".zgroup", ".zattrs")
_MAX_DEPTH = 8


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr array or group, or at least named like one."""
    return path.suffix.casefold() == ".zarr" or any((path / name).is_file() for name in _MARKERS)


def find_zarr(path: Path) -> Finding:
    """Find the volume in a Zarr folder: an OME-Zarr image, an array, or a group with one of them below.

    Parameters
    ----------
    path : pathlib.Path
        The store, or any group or array inside one: ``x.zarr``, ``x.zarr/labels/mito``, ``x.zarr/0``.

    Raises
    ------
    InputError
        When it cannot be opened, holds no array, or holds several.
    """
    node = _open_node(path)
    if node is None:
        return _find_below(path)
    if isinstance(node, zarr.Array):
        return find_zarr_array(node, path)
    attributes = dict(node.attrs)
    return _ome_finding(path, attributes) if is_ome_image(attributes) else _find_below(path)


def list_zarr(path: Path) -> dict[str, str]:
    """Images, label images and arrays in a Zarr folder: path below it to a short description.

    The folder itself has the path ``.``; the levels of an image are not listed.

    Raises
    ------
    InputError
        When its metadata cannot be read.
    """
    node = _open_node(path)
    if isinstance(node, zarr.Array):
        return {".": describe_candidate(node.shape, node.dtype)}
    if node is not None and is_ome_image(dict(node.attrs)):
        labels = (name for name, _ in _walk_labels(path, path, _MAX_DEPTH))
        return {".": "OME-Zarr image", **dict.fromkeys(labels, "label image")}
    return dict(_walk(path, path, _MAX_DEPTH))


def find_zarr_array(array: zarr.Array[Any], path: Path | None = None) -> Finding:
    """Describe a Zarr array; its voxel size may stand in the group above it.

    Parameters
    ----------
    array : zarr.Array
        The open array.
    path : pathlib.Path, optional
        Its folder, for an array on disk; without it only the array's own attributes are read.
    """
    path = path or _folder_of(array)
    attributes = dict(array.attrs)
    names = getattr(array.metadata, "dimension_names", None)
    axes = axis_letters(names, array.ndim) if names else None
    axes = axes or attribute_axes(attributes, array.ndim)
    voxel_size = attribute_voxel_size([attributes], "Zarr")
    if path is None:
        return Finding(array, "the Zarr array", axes, voxel_size=voxel_size)
    image, level = _parent_image(path)
    place = None
    if image is not None:
        axes, place = image.axes, image.origins_nm[level]
        voxel_size = image.voxel_sizes[level] or voxel_size
    voxel_size = voxel_size or attribute_voxel_size((attrs for _, attrs in _parents(path)), "Zarr")
    return Finding(array, str(path), axes, voxel_size=voxel_size, origin_nm=place)


def image_of_levels(arrays: Sequence[Any]) -> OmeImage | None:
    """Metadata of the OME-Zarr image whose levels some arrays are, the full resolution first.

    None where they are anything else.
    """
    folders = [_folder_of(array) if isinstance(array, zarr.Array) else None for array in arrays]
    if folders[0] is None:
        return None
    image, level = _parent_image(folders[0])
    if image is None or level != 0:
        return None
    root = folders[0].parents[len(Path(image.paths[0]).parts) - 1]
    return image if folders == [root / name for name in image.paths[: len(folders)]] else None


def _folder_of(array: zarr.Array[Any]) -> Path | None:
    store = array.store
    return store.root / array.path if isinstance(store, LocalStore) else None


def _open_node(path: Path) -> zarr.Array[Any] | zarr.Group | None:
    """The node at a folder; None where the folder holds no metadata."""
    if not any((path / name).is_file() for name in _MARKERS):
        return None
    try:
        return zarr.open(path, mode="r")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(
            f"{path} cannot be opened as Zarr: {error}; its metadata may be damaged or use a feature that "
            "zarr-python does not read."
        ) from error


def _ome_finding(path: Path, attributes: Mapping[str, Any]) -> Finding:
    image = read_ome_image(attributes, str(path))
    levels = []
    for name in image.paths:
        level = _open_node(path / name)
        if not isinstance(level, zarr.Array):
            break
        levels.append(level)
    if not levels:
        raise InputError(
            f"{path} names {image.paths[0]!r} as its full-resolution array, but there is no array at that "
            "place: the copy or download may be incomplete."
        )
    if levels[0].ndim != len(image.axes):
        raise InputError(
            f"{path} names {len(image.axes)} axes ({image.axes}), but its array {image.paths[0]!r} has shape "
            f"{levels[0].shape}: open {path / image.paths[0]} and state axes and voxel size."
        )
    size, place = image.voxel_sizes[0], image.origins_nm[0]
    return Finding(
        levels[0],
        str(path),
        image.axes,
        tuple(levels),
        size,
        origin_nm=place,
        level_sizes=image.voxel_sizes[: len(levels)],
        level_origins_nm=image.origins_nm[: len(levels)],
    )


def _find_below(path: Path) -> Finding:
    found = dict(_walk(path, path, _MAX_DEPTH))
    chosen = choose_one(found, str(path), f"{path}/")
    return find_zarr(path / chosen)


def _walk(root: Path, folder: Path, depth: int) -> Iterator[tuple[str, str]]:
    """Images and arrays below a folder; the levels of an image are not listed one by one."""
    for child in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")):
        node = _open_node(child)
        name = child.relative_to(root).as_posix()
        if isinstance(node, zarr.Array):
            if is_candidate(node.shape, node.dtype):
                yield name, describe_candidate(node.shape, node.dtype)
        elif node is not None and is_ome_image(dict(node.attrs)):
            yield name, "OME-Zarr image"
            yield from _walk_labels(root, child, depth)
        elif depth > 0:
            yield from _walk(root, child, depth - 1)


def _walk_labels(root: Path, image: Path, depth: int) -> Iterator[tuple[str, str]]:
    labels = image / "labels"
    if labels.is_dir() and depth > 0:
        yield from _walk(root, labels, depth - 1)


def _parents(path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Groups above a folder with their attributes, nearest first."""
    for parent in list(path.absolute().parents)[:_MAX_DEPTH]:
        try:
            node = _open_node(parent)
        except InputError:
            return
        if not isinstance(node, zarr.Group):
            return
        yield parent, dict(node.attrs)


def _parent_image(path: Path) -> tuple[OmeImage | None, int]:
    """The OME-Zarr image above an array that is a level of it, and which level it is."""
    for parent, attributes in _parents(path):
        if not is_ome_image(attributes):
            continue
        try:
            image = read_ome_image(attributes, str(parent))
        except InputError:
            # The array can be used without the metadata of its parent; the caller then states the rest.
            return None, 0
        name = path.absolute().relative_to(parent).as_posix()
        if name in image.paths:
            return image, image.paths.index(name)
    return None, 0
