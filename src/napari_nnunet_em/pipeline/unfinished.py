"""Jobs that were begun on a volume and not finished, to be offered again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from napari_nnunet_em.config import Job
from napari_nnunet_em.errors import OutputError, SettingsError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import JOB_FOLDER
from napari_nnunet_em.io.locking import is_written_here
from napari_nnunet_em.pipeline.journal import JobFolder


@dataclass(frozen=True)
class UnfinishedJob:
    """A job that can be continued.

    Attributes
    ----------
    job : Job
        As it was begun, with its output where it was found now and the voxel size that was used.
    class_names : tuple of str
        Foreground classes of its model.
    predicted : float
        Share of its voxels that are durable, from 0 to 1.
    started : str
        When it was begun, ISO 8601 in UTC.
    """

    job: Job
    class_names: tuple[str, ...]
    predicted: float
    started: str


def find_unfinished(folders: Iterable[Path], fingerprint: str) -> list[UnfinishedJob]:
    """Find the unfinished jobs of a volume, the latest first; not those that are running on this computer.

    Parameters
    ----------
    folders : iterable of pathlib.Path
        Where to look for outputs; not below them.
    fingerprint : str
        Of the volume, from `Volume.fingerprint`.
    """
    stores = {store for folder in folders for store in _stores(folder)}
    found = [job for store in stores if (job := _unfinished(store, fingerprint)) is not None]
    return sorted(found, key=lambda job: job.started, reverse=True)


def _stores(folder: Path) -> Iterator[Path]:
    try:
        yield from (path.parent.parent.absolute() for path in folder.glob(f"*/{JOB_FOLDER}/job.json"))
    except OSError:  # a folder that cannot be listed holds nothing that could be continued
        return


def _unfinished(store: Path, fingerprint: str) -> UnfinishedJob | None:
    folder = JobFolder(store)
    try:
        document = folder.load("job")
        if document is None or folder.load("result") is not None or is_written_here(store):
            return None
        given = document["identity"]["input"]
        if given["content"] != fingerprint:
            return None
        job = _as_found(Job.model_validate(document["job"]), store, given["voxel_size_nm"])
        region = job.prediction.region or Box.whole(given["shape"])
        done = sum(box.size for box in folder.finished_blocks()) / region.size
        return UnfinishedJob(job, tuple(document["classes"]), done, str(document["started"]))
    except (OutputError, SettingsError, ValidationError, KeyError, TypeError):
        return None  # another version's, or damaged: the job itself says so when it is run


def _as_found(job: Job, store: Path, voxel_size_nm: Any) -> Job:
    output = job.output.model_copy(update={"path": str(store)})
    used = job.input.model_copy(update={"voxel_size_nm": tuple(voxel_size_nm)})
    return job.model_copy(update={"output": output, "input": used})
