"""Objects of a job's output with new settings, and without predicting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from napari_nnunet_em.config import InstanceSettings
from napari_nnunet_em.io import Volume
from napari_nnunet_em.pipeline.segment import segment
from napari_nnunet_em.pipeline.stored import stored_job
from napari_nnunet_em.progress import CancelToken, ProgressEvent


def apply_objects(
    store: Path | str,
    settings: InstanceSettings,
    *,
    volume: Volume | None = None,
    cancel: CancelToken | None = None,
) -> Iterator[ProgressEvent]:
    """Find the objects of a job's output again, with other settings; what is predicted stays.

    It is the job itself that runs again, so whatever was not finished is finished too.

    Parameters
    ----------
    store : path
        Output of a job.
    settings : InstanceSettings
        How objects are made.
    volume : Volume, optional
        The volume that was segmented, where it is open already; else it is opened from where the job had it.
        Intensities are measured in it.
    cancel : CancelToken, optional
        Lets another thread stop.

    Yields
    ------
    ProgressEvent
        As `segment`; then `load_result` returns what was found.

    Raises
    ------
    NnunetEmError
        As `segment`, and `OutputError` if there is no job in the store.
    """
    yield from segment(stored_job(Path(store), settings), volume=volume, cancel=cancel)
