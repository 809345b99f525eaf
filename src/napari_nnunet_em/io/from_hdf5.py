"""HDF5: a dataset by its address, or the only one in the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.io.attributes import (
    attribute_axes,
    attribute_origin,
    attribute_voxel_size,
    axis_letters,
)
from napari_nnunet_em.io.candidates import choose_one, describe_candidate, is_candidate, listing
from napari_nnunet_em.io.finding import Finding

_FILE_END = re.compile(r"\.(?:h5|hdf5|hdf|he5|hf5)(?=$|[:/\\])", re.IGNORECASE)


def split_address(source: str) -> tuple[str, str] | None:
    """Split ``file.h5:/path/to/dataset`` into the file and the path inside it.

    ``file.h5/path/to/dataset`` is read the same way, and the path may be missing. A colon counts only behind
    the ending of an HDF5 file (.h5, .hdf5, .hdf, .he5, .hf5) or behind the name of a file that exists,
    so that drive letters are left alone.

    Parameters
    ----------
    source : str
        What the user wrote.

    Returns
    -------
    tuple of (str, str) or None
        File, and path with slashes and without a leading one; None when it is no address of this kind.
    """
    for match in _FILE_END.finditer(source):
        file = source[: match.end()]
        if not Path(file).is_dir():
            return file, _inner(source[match.end() + 1 :])
    file, colon, inner = source.rpartition(":")
    if colon and not Path(source).exists() and Path(file).is_file():
        return file, _inner(inner)
    return None


def _inner(path: str) -> str:
    return path.replace("\\", "/").strip("/")


def is_hdf5(path: Path) -> bool:
    """Whether a file begins like HDF5."""
    return bool(h5py.is_hdf5(path))


def list_hdf5(file: Path, inner: str = "") -> dict[str, str]:
    """Datasets of an HDF5 file, or of a group in it, that may be volumes: path to shape and type.

    Raises
    ------
    InputError
        When the file cannot be opened.
    """
    with _open_file(file) as root:
        node = root.get(inner) if inner else root
        if isinstance(node, h5py.Dataset):
            return {f"/{inner}": describe_candidate(node.shape or (), node.dtype)}
        return _datasets(node, f"/{inner}/" if inner else "/") if isinstance(node, h5py.Group) else {}


def find_hdf5(file: Path, inner: str) -> Finding:
    """Find a dataset in an HDF5 file.

    Parameters
    ----------
    file : pathlib.Path
        The file; it stays open as long as the dataset lives.
    inner : str
        Path of a dataset, or of a group with one dataset below; empty for the whole file.

    Raises
    ------
    InputError
        When the file cannot be opened, the path does not exist, or there are several datasets.
    """
    root = _open_file(file)
    node = root if not inner else root.get(inner)
    if not isinstance(node, h5py.Group | h5py.Dataset):
        found = _datasets(root)
        has = f"it has {listing(found)}" if found else "it has no dataset with two or more axes of numbers"
        raise InputError(f"{file} has nothing at the path '/{inner}': {has}.")
    if isinstance(node, h5py.Group):
        prefix = f"{inner}/" if inner else ""
        found = {f"/{prefix}{name}": text for name, text in _datasets(node, "").items()}
        node = root[choose_one(found, f"{file}:/{inner}" if inner else str(file), f"{file}:")]
    return find_hdf5_dataset(node, f"{file}:{node.name}")


def _open_file(file: Path) -> h5py.File:
    try:
        # Shared file systems often refuse locks, which reading does not need.
        return h5py.File(file, "r", locking="best-effort")
    except OSError as error:
        raise InputError(
            f"{file} cannot be opened as HDF5: {error}; it may be incomplete, open in a program that "
            "writes to it, or not an HDF5 file."
        ) from error


def find_hdf5_dataset(dataset: h5py.Dataset, origin: str | None = None) -> Finding:
    """Describe an open HDF5 dataset.

    Raises
    ------
    InputError
        When its file has been closed.
    """
    if not dataset:
        raise InputError(
            "The HDF5 dataset cannot be read because its file has been closed: open the file again."
        )
    where = origin or f"{dataset.file.filename}:{dataset.name}"
    ndim = len(dataset.shape or ())
    labels = [dim.label for dim in dataset.dims] if ndim else []
    axes = attribute_axes(dataset.attrs, ndim) or (axis_letters(labels, ndim) if labels else None)
    chain = (node.attrs for node in _with_parents(dataset))
    place = attribute_origin(dataset.attrs, axes, ndim)
    return Finding(dataset, where, axes, voxel_size=attribute_voxel_size(chain, "HDF5"), origin_nm=place)


def _with_parents(dataset: h5py.Dataset) -> Iterator[h5py.HLObject]:
    node: Any = dataset
    yield node
    while node.name not in ("/", None):
        node = node.parent
        yield node


def _datasets(group: h5py.Group, prefix: str = "/") -> dict[str, str]:
    """Paths below a group and descriptions of the datasets that may be volumes."""
    found: dict[str, str] = {}

    def visit(name: str, node: h5py.HLObject) -> None:
        if isinstance(node, h5py.Dataset) and is_candidate(node.shape or (), node.dtype):
            found[prefix + name] = describe_candidate(node.shape, node.dtype)

    group.visititems(visit)
    return found
