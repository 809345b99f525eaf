"""Whether an output may be written or deleted: nothing that is not ours is ever touched."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from napari_nnunet_em.errors import OutputError
from napari_nnunet_em.io.staging import explained

JOB_FOLDER = ".nnunet-em"
"""Folder inside every output of ours: the job, its journal, and the mark by which we know it."""

JOB_FILE = "job.json"
"""In `JOB_FOLDER`: the job that fills the output. Images saved without a job have none."""

LOCK_FILES = ("writer.lock", "writer.json")
"""In `JOB_FOLDER`: who writes the output now. They outlast all that is written."""

_OURS = re.compile(r"\d+|labels|tables|zarr\.json|\.zgroup|\.zattrs|\.zmetadata|\.DS_Store|.*\.partial")
_ZARR_FILES = ("zarr.json", ".zgroup", ".zarray", ".zattrs")


def is_ours(store: Path) -> bool:
    """Whether this folder is an output of this package."""
    return (store / JOB_FOLDER).is_dir()


def check_output(store: Path, input_origin: str) -> None:
    """Refuse an output that cannot or must not be written, before anything is.

    Parameters
    ----------
    store : path
        Folder of the OME-Zarr to write. It may be missing, empty, or an output of ours.
    input_origin : str
        Where the input came from (`Volume.origin`): a path, ``file.h5:/dataset``, a URL or ``memory``.

    Raises
    ------
    OutputError
        If output and input lie inside each other, the path is a file or a folder of somebody else's, it holds
        an image that was saved outside of any job, or it cannot be written.
    """
    store = Path(store)
    source = _local_path(input_origin)
    with explained(store):
        if source is not None:
            _check_apart(store, source)
        check_folder(store)
        _check_not_saved_by_hand(store)


def check_apart(store: Path, input_origin: str) -> None:
    """Refuse an output, file or folder, that is the input or lies inside it, or the other way round.

    Raises
    ------
    OutputError
        With both paths.
    """
    source = _local_path(input_origin)
    if source is not None:
        with explained(store):
            _check_apart(store, source)


def check_folder(store: Path) -> None:
    """Refuse a folder that is not ours or cannot be written; missing and empty ones are fine.

    Raises
    ------
    OutputError
        With the reason.
    """
    if os.path.lexists(store) and not store.is_dir():
        raise OutputError(
            f"The output {store} is a file, not a folder: choose another path, such as {store}.zarr."
        )
    if store.is_dir() and not is_ours(store) and any(store.iterdir()):
        raise OutputError(
            f"The output {store} already holds files that this program did not write, so it stays untouched: "
            "choose a folder that does not exist yet."
        )
    _check_writable(store)


def remove_store(store: Path) -> None:
    """Delete an output of ours, with its journal; a missing one is fine.

    Parameters
    ----------
    store : path
        Folder of the output. The mark of ours goes last, so that an interrupted removal can be repeated.

    Raises
    ------
    OutputError
        If the folder is not ours, holds files of somebody else, is a link, or cannot be deleted.
    """
    store = Path(store)
    if not os.path.lexists(store):
        return
    _check_removable(store)
    empty_store(store)
    with explained(store, "deleted"):
        shutil.rmtree(store / JOB_FOLDER)
        store.rmdir()


def empty_store(store: Path) -> None:
    """Delete all that an output of ours holds, but for what tells others that it is being written.

    What says that voxels are done goes before them, so that no job trusts an output that was half deleted,
    and what says whose they are goes last, so that it can be repeated. Parameters and errors are those of
    `remove_store`.
    """
    room = store / JOB_FOLDER
    kept = {room, *(room / name for name in LOCK_FILES)}
    inside = room.iterdir() if is_ours(store) else ()
    doomed = [path for path in (*inside, *store.iterdir()) if path not in kept]
    doomed.sort(key=lambda path: path == room / JOB_FILE)
    if not doomed:
        return
    _check_removable(store)
    with explained(store, "deleted"):
        for path in doomed:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _check_removable(store: Path) -> None:
    if store.is_symlink() or not is_ours(store):
        raise OutputError(
            f"{store} is not deleted because it is not an output of this program "
            f"(it has no folder {JOB_FOLDER}, or is a link): delete it yourself or choose another output."
        )
    foreign = sorted(p.name for p in store.iterdir() if p.name != JOB_FOLDER and not _OURS.fullmatch(p.name))
    if foreign:
        raise OutputError(
            f"{store} is not deleted because it also holds {foreign[0]!r}, which this program did not write: "
            "move that away first."
        )


def _check_not_saved_by_hand(store: Path) -> None:
    """Refuse images of ours that no job can make again, such as labels painted and saved in napari."""
    if not is_ours(store) or (store / JOB_FOLDER / JOB_FILE).is_file():
        return
    if any(path.name != JOB_FOLDER for path in store.iterdir()):
        raise OutputError(
            f"The output {store} already holds an image that was saved there without a job, such as labels "
            "from napari, so it stays untouched: choose a folder that does not exist yet."
        )


def _check_writable(store: Path) -> None:
    nearest = next(p for p in (store, *store.absolute().parents) if os.path.lexists(p))
    if not nearest.is_dir():
        raise OutputError(
            f"The output {store} cannot be created because {nearest} is a file: choose another folder."
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise OutputError(
            f"The output {store} cannot be written because this user may not write in {nearest}: "
            "choose another folder or change its permissions."
        )


def _check_apart(store: Path, source: Path) -> None:
    root = _zarr_root(source.resolve())
    target = store.resolve()
    if _inside(target, root) and _inside(root, target):
        raise OutputError(
            f"The output {store} is the input {source}, or the Zarr that holds it, which is never changed: "
            "choose another folder."
        )
    if _inside(target, root):
        raise OutputError(
            f"The output {store} lies inside the input {root}, which is never changed: "
            "choose a folder outside of it."
        )
    if _inside(root, target):
        raise OutputError(
            f"The input {source} lies inside the output {store}, where it could be overwritten: "
            "choose another output."
        )


def _inside(path: Path, folder: Path) -> bool:
    """Whether a path is, or is below, a folder: asked of the disk, which knows links and upper case."""
    return any(p.exists() and p.samefile(folder) for p in (path, *path.parents)) if folder.exists() else False


def _zarr_root(path: Path) -> Path:
    """The outermost folder of the Zarr hierarchy that a path is part of, or the path itself."""
    for parent in path.parents:
        if not any((parent / name).is_file() for name in _ZARR_FILES):
            return path
        path = parent
    return path


def _local_path(origin: str) -> Path | None:
    """The existing file or folder in an origin such as ``file.h5:/dataset``; None for memory and URLs."""
    if origin == "memory" or "://" in origin:
        return None
    while origin:
        if os.path.exists(origin):  # noqa: PTH110 - Path() would turn "a:" into something else on Windows
            return Path(origin)
        origin = origin.rpartition(":")[0]
    return None
