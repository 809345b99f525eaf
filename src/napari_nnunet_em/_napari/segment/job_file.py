"""The job in the form as a file, for the command line and the cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from napari_nnunet_em import io
from napari_nnunet_em.errors import InputError, NnunetEmError, OutputError

if TYPE_CHECKING:
    from napari_nnunet_em.config import Job
    from napari_nnunet_em.io import Volume

_HEAD = "# Run it with: napari-nnunet-em segment --config {name}\n"


def job_text(job: Job, volume: Volume, name: str) -> str:
    """A job as YAML, with all its settings.

    Parameters
    ----------
    job : Job
        A job of a window.
    volume : Volume
        What it segments, as the layer holds it.
    name : str
        Name of the file.

    Raises
    ------
    InputError
        Where the image is in no file, so that another program could not open it.
    """
    changes = {
        "input": job.input.model_copy(update={"path": _address(job, volume)}),
        # There is no window on the other computer that would have to go first.
        "execution": job.execution.model_copy(update={"background": False}),
    }
    document = job.model_copy(update=changes).document()
    return _HEAD.format(name=name) + yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def save_job(job: Job, volume: Volume, path: Path) -> None:
    """Write a job as YAML; some voxels are read, to see whether its file holds them.

    Raises
    ------
    InputError
        As `job_text`.
    OutputError
        Where the file cannot be written.
    """
    text = job_text(job, volume, path.name)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(
            f"The job file {path} cannot be written: {reason}; choose another place."
        ) from error


def _address(job: Job, volume: Volume) -> str:
    """The file with the voxels of a job, or the volume in it: a layer may be one of several, or a part."""
    path = job.input.path
    if Path(path).exists():
        address = address_of(job, volume.fingerprint())
        if address is not None:
            return address
        problem = f"The file {path} does not hold the voxels of the layer as they are now"
    else:
        problem = f"The image {path!r} is in no file that another program could open"
    raise InputError(
        f"{problem}: save the layer first (File > Save Selected Layers), open that file, and choose it here."
    )


def address_of(job: Job, content: str) -> str | None:
    """The volume in a job's file that has this `Volume.fingerprint`; None where there is none.

    A job of a window names the file that was opened, and not which of the volumes in it.
    """
    path = job.input.path
    return next((a for a in (path, *_volumes_in(path)) if _fingerprint(a, job) == content), None)


def _volumes_in(path: str) -> list[str]:
    try:
        return [choice.address for choice in io.list_choices(path)]
    except (NnunetEmError, OSError):
        return []


def _fingerprint(address: str, job: Job) -> str:
    """Of what the command line would segment; empty where it would open nothing."""
    try:
        return io.open_volume(address, axes=job.input.axes).at_level(job.input.level).fingerprint()
    except (NnunetEmError, OSError):
        return ""
