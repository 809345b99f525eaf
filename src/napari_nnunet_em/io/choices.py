"""What there is to choose from where a file or folder holds several volumes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from napari_nnunet_em.io.from_hdf5 import is_hdf5, list_hdf5, split_address
from napari_nnunet_em.io.from_n5 import is_n5, list_n5
from napari_nnunet_em.io.from_zarr import is_zarr, list_zarr


@dataclass(frozen=True)
class Choice:
    """One volume of a container.

    Attributes
    ----------
    address : str
        What `open_volume` opens.
    name : str
        Its path inside the container; empty where the container is the volume.
    description : str
        Shape and type, or what it is.
    """

    address: str
    name: str
    description: str


def list_choices(source: str | os.PathLike[str]) -> tuple[Choice, ...]:
    """The volumes in an HDF5 file, a Zarr folder or N5; none for other formats, and for what does not exist.

    Nothing but metadata is read.

    Parameters
    ----------
    source : path
        The container, or an HDF5 address such as ``file.h5:/group``.

    Raises
    ------
    InputError
        When its metadata cannot be read.
    """
    text = str(Path(source).expanduser())
    path = Path(text)
    if path.is_dir():
        found = list_n5(path) if is_n5(path) else list_zarr(path) if is_zarr(path) else {}
        return tuple(_inside(path, name, what) for name, what in found.items())
    file, inner = split_address(text) or (text, "")
    if not Path(file).is_file() or not is_hdf5(Path(file)):
        return ()
    datasets = list_hdf5(Path(file), inner)
    return tuple(Choice(f"{file}:{name}", name, what) for name, what in datasets.items())


def _inside(folder: Path, name: str, description: str) -> Choice:
    if name == ".":
        return Choice(str(folder), "", description)
    return Choice(str(folder / name), name, description)
