"""The job in the form as a file, for the command line and the cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from napari_nnunet_em.errors import InputError, OutputError

if TYPE_CHECKING:
    from napari_nnunet_em.config import Job

_HEAD = "# Run it with: napari-nnunet-em segment --config {name}\n"


def job_text(job: Job, name: str) -> str:
    """A job as YAML, with all its settings.

    Parameters
    ----------
    job : Job
        A job of a window.
    name : str
        Name of the file.

    Raises
    ------
    InputError
        Where the image is in no file, so that another program could not open it.
    """
    if not Path(job.input.path).exists():
        raise InputError(
            f"The image {job.input.path!r} is in no file that another program could open: save the layer "
            "first (File > Save Selected Layers), open that file, and choose it here."
        )
    # There is no window on the other computer that would have to go first.
    execution = job.execution.model_copy(update={"background": False})
    document = job.model_copy(update={"execution": execution}).document()
    return _HEAD.format(name=name) + yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def save_job(job: Job, path: Path) -> None:
    """Write a job as YAML.

    Raises
    ------
    InputError
        As `job_text`.
    OutputError
        Where the file cannot be written.
    """
    text = job_text(job, path.name)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(
            f"The job file {path} cannot be written: {reason}; choose another place."
        ) from error
