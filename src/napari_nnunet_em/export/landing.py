"""A destination that is there when the export is complete, and not a moment earlier."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from napari_nnunet_em.errors import OutputError
from napari_nnunet_em.io.locking import only_writer
from napari_nnunet_em.io.output import JOB_FILE, JOB_FOLDER, check_apart, is_ours
from napari_nnunet_em.io.staging import explained, rename_over


@contextlib.contextmanager
def landing(destination: Path, origin: str, *, folder: bool, overwrite: bool) -> Iterator[Path]:
    """A path to write to that becomes `destination` when the block ends well; else nothing stays behind.

    It lies in a hidden folder beside the destination, with the same name, where writers may keep more.

    Parameters
    ----------
    destination : pathlib.Path
        File or folder to make.
    origin : str
        Where the source came from (`Volume.origin`).
    folder : bool
        Whether the format is a folder.
    overwrite : bool
        Whether what is there may be replaced: a file, or a folder that an export wrote.

    Raises
    ------
    OutputError
        When the destination exists and may not be replaced, is the output of a job, is being written, is or
        holds the source or lies inside it, or cannot be written.
    """
    check_destination(destination, origin, folder=folder, overwrite=overwrite)
    _check_idle(destination)
    with explained(destination):
        room = Path(
            tempfile.mkdtemp(prefix=f".{destination.name}.", suffix=".partial", dir=destination.parent)
        )
    try:
        yield room / destination.name
        with explained(destination):
            _move(room / destination.name, destination)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def check_destination(destination: Path, origin: str, *, folder: bool, overwrite: bool) -> None:
    """Refuse a destination before anything is written; parameters and errors as of `landing`."""
    if not destination.parent.is_dir():
        raise OutputError(
            f"{destination} cannot be written because there is no folder {destination.parent}: make it "
            "first, or check the spelling."
        )
    check_apart(destination, origin)
    if not os.path.lexists(destination):
        return
    if destination.is_dir() != folder or destination.is_symlink():
        kinds = ("a file", "a folder")
        found = "a link" if destination.is_symlink() else kinds[destination.is_dir()]
        raise OutputError(
            f"{destination} is {found}, and {kinds[folder]} would be written there: choose another "
            "destination."
        )
    if not overwrite:
        raise OutputError(
            f"{destination} exists already: choose another destination, or overwrite it (--overwrite)."
        )
    if folder and not is_ours(destination):
        raise OutputError(
            f"{destination} is not replaced because this program did not write it: delete it yourself, or "
            "choose another destination."
        )
    if folder:
        _check_no_job(destination)


def _check_no_job(store: Path) -> None:
    """Refuse the output of a job: an export holds one image, and hours of work would go for it."""
    if not (store / JOB_FOLDER / JOB_FILE).is_file():
        return
    labels = sorted(path.name for path in (store / "labels").glob("*") if path.is_dir())
    what = f"its image, its labels ({', '.join(labels)}) and their tables" if labels else "its image"
    raise OutputError(
        f"{store} is not replaced because it is the output of a job, and {what} would be lost: choose "
        "another destination, or delete it yourself first."
    )


def _check_idle(destination: Path) -> None:
    """Refuse a folder in which a job writes now."""
    if destination.is_dir():
        with only_writer(destination):
            pass


def _move(made: Path, destination: Path) -> None:
    if not destination.is_dir():
        rename_over(made, destination)
        return
    _check_idle(destination)  # it may have begun meanwhile
    # A folder cannot be replaced in one step: the old one goes aside, and comes back if the new one cannot.
    old = made.with_name("replaced")
    destination.rename(old)
    try:
        made.rename(destination)
    except OSError:
        old.rename(destination)
        raise
