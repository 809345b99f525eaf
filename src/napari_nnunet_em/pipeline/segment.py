"""A job from its first look at the input to its result."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path

from napari_nnunet_em.config import Job
from napari_nnunet_em.errors import InputError, JobMismatchError, ModelError, OutputError
from napari_nnunet_em.geometry import Shape
from napari_nnunet_em.instances import in_blocks_note
from napari_nnunet_em.io import Volume, check_output, sweep_partial
from napari_nnunet_em.io.locking import only_writer
from napari_nnunet_em.io.output import empty_store
from napari_nnunet_em.pipeline.clock import peak_memory_bytes
from napari_nnunet_em.pipeline.identity import differences, digest
from napari_nnunet_em.pipeline.journal import JobFolder
from napari_nnunet_em.pipeline.objects import find_objects
from napari_nnunet_em.pipeline.opening import OpenJob, open_job, versions
from napari_nnunet_em.pipeline.prediction import Predicted, predict_blocks
from napari_nnunet_em.pipeline.result import ClassResult, SegmentationResult, load_result
from napari_nnunet_em.pipeline.running import RunnerFactory, open_job_runner
from napari_nnunet_em.progress import CancelToken, Events, ProgressEvent, Stage

_TIME, _SPEED = "time", "speed"
"""Documents that outlast the result, which is made anew with the objects."""


def segment(
    job: Job,
    *,
    volume: Volume | None = None,
    cancel: CancelToken | None = None,
    make_runner: RunnerFactory | None = None,
    near: Shape | None = None,
) -> Iterator[ProgressEvent]:
    """Run a job, or continue it where it stopped.

    Every finished block is durable. Stopping (the token, closing this iterator, Ctrl-C, a kill) loses the
    blocks in hand only; running the same job again ends with the same result.

    Parameters
    ----------
    job : Job
        What to do.
    volume : Volume, optional
        The volume, where it is open already; else ``job.input.path`` is opened.
    cancel : CancelToken, optional
        Lets another thread stop or pause the job.
    make_runner : callable, optional
        Makes what runs the network, from the `OpenJob`; what the settings say without it.
    near : tuple of int, (z, y, x), optional
        A voxel of the volume; what is near it is predicted first. The result is the same.

    Yields
    ------
    ProgressEvent
        The last one is of ``Stage.FINISHED``; then `load_result` returns what was found.

    Raises
    ------
    InputError, ModelError, SettingsError, OutputError
        Before anything is written, where that can be known; a statement of what to do is part of each.
        `OutputError` also while another process writes the same output.
    JobMismatchError
        If the output belongs to another job.
    Cancelled
        If the token said so.
    """
    cancel = cancel or CancelToken()
    started = time.perf_counter()
    opened = open_job(job, volume)
    check_output(job.store, opened.volume.origin)
    for note in opened.notes():
        yield ProgressEvent(Stage.OPEN, message=note)
    cancel.raise_if_cancelled()
    with only_writer(job.store):
        folder = _begin(opened)
        with _timed(folder, started, cancel):
            predicted = yield from _predict(opened, folder, make_runner or open_job_runner, cancel, near)
            objects = yield from find_objects(opened, predicted, folder, cancel)
        _finish(opened, folder, predicted, objects)
    yield ProgressEvent(Stage.FINISHED, 1, 1, store=job.store)


def run(
    job: Job,
    *,
    volume: Volume | None = None,
    cancel: CancelToken | None = None,
    make_runner: RunnerFactory | None = None,
) -> SegmentationResult:
    """Run a job to its end; see `segment` for parameters and errors.

    Returns
    -------
    SegmentationResult
    """
    for _ in segment(job, volume=volume, cancel=cancel, make_runner=make_runner):
        pass
    return load_result(job.store)


def _begin(opened: OpenJob) -> JobFolder:
    """Open the job's folder, make it, or refuse it."""
    job = opened.job
    folder = JobFolder(job.store)
    stored = folder.load("job")
    if stored is not None:
        found = differences(stored["identity"], opened.identity)
        if not found:
            sweep_partial(job.store)
            return folder
        if not job.output.overwrite:
            raise JobMismatchError(
                f"The output {job.store} belongs to another job: it differs in {', '.join(found)}; "
                "choose another output, or allow it to be overwritten (--overwrite)."
            )
    # A run that was killed before it had written down what it is holds nothing of value either.
    empty_store(job.store)
    with _explained_creation(job.store):
        folder.save(
            "job",
            {
                "identity": opened.identity,
                "digest": digest(opened.identity),
                "job": job.document(),
                "classes": [info.name for info in opened.bundle.classes],
                "notes": opened.notes(),
                "versions": versions(),
                "started": _now(),
            },
        )
    return folder


def _predict(
    opened: OpenJob, folder: JobFolder, make_runner: RunnerFactory, cancel: CancelToken, near: Shape | None
) -> Events[Predicted]:
    try:
        predicted = yield from predict_blocks(opened, folder, make_runner, cancel, near)
    except (InputError, ModelError):
        # What the values of the voxels reveal is found after the folder was made; leave nothing behind.
        if not folder.has_finished_blocks():
            empty_store(opened.job.store)
        raise
    if predicted.voxels_per_second:
        folder.save(_SPEED, {"voxels_per_second": predicted.voxels_per_second})
    return predicted


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


@contextlib.contextmanager
def _explained_creation(store: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        empty_store(store)
        raise


def _object_notes(opened: OpenJob, objects: tuple[ClassResult, ...]) -> Iterator[str]:
    for found in objects:
        if found.in_blocks:
            note = in_blocks_note(found.in_blocks, opened.job.instances.split_memory_gb)
            yield f"{found.name}: {note}"


@contextlib.contextmanager
def _timed(folder: JobFolder, started: float, cancel: CancelToken) -> Iterator[None]:
    """Add the time that this run takes to that of earlier ones, however it ends, but by a kill."""
    try:
        yield
    finally:
        # What went wrong before is what is to be told.
        with contextlib.suppress(OutputError):
            if folder.exists():
                earlier = (folder.load(_TIME) or {}).get("seconds", 0.0)
                spent = time.perf_counter() - started - cancel.paused_seconds
                folder.save(_TIME, {"seconds": earlier + spent})


def _finish(
    opened: OpenJob,
    folder: JobFolder,
    predicted: Predicted,
    objects: tuple[ClassResult, ...],
) -> None:
    runners = (folder.load("runner") or {}).get("descriptions", [])
    result = SegmentationResult(
        store=opened.job.store,
        objects=objects,
        voxel_size_nm=opened.voxel_size_nm,
        voxel_size_source=opened.volume.voxel_size_source,
        notes=(*opened.notes(), *predicted.notes, *_object_notes(opened, objects)),
        runner="; then ".join(runners),
        voxels=opened.region.size,
        seconds=(folder.load(_TIME) or {}).get("seconds", 0.0),
        voxels_per_second=(folder.load(_SPEED) or {}).get("voxels_per_second", 0.0),
        peak_memory_bytes=peak_memory_bytes(),
        finished=_now(),
    )
    folder.save("result", result.document())
