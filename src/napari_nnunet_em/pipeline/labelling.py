"""Objects from a probability of somebody else's: found, and written with a table to a new output."""

from __future__ import annotations

import datetime as dt
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.errors import JobMismatchError
from napari_nnunet_em.geometry import Box, Shape
from napari_nnunet_em.instances import ClassProbability, InstanceTask, Placement, Segmented, segment_instances
from napari_nnunet_em.instances.found import WriteLabels
from napari_nnunet_em.io import Kind, SinkSpec, check_output, sweep_partial
from napari_nnunet_em.io.locking import only_writer
from napari_nnunet_em.io.ngff import STAND_IN
from napari_nnunet_em.measurement import store_table
from napari_nnunet_em.pipeline.clock import peak_memory_bytes
from napari_nnunet_em.pipeline.identity import differences, digest
from napari_nnunet_em.pipeline.journal import JobFolder
from napari_nnunet_em.pipeline.label_job import LabelJob
from napari_nnunet_em.pipeline.objects import SETTINGS, label_sink
from napari_nnunet_em.pipeline.opening import versions
from napari_nnunet_em.pipeline.prediction import open_or_create
from napari_nnunet_em.pipeline.result import ClassResult, SegmentationResult
from napari_nnunet_em.progress import CancelToken, Events, ProgressEvent, Stage

_CHUNK: Shape = (32, 256, 256)
_BLOCK: Shape = (64, 512, 512)
_NAME = "objects"


def label_probability(job: LabelJob, cancel: CancelToken | None = None) -> Iterator[ProgressEvent]:
    """Find the objects of a probability and write them with a table, block by block.

    Parameters
    ----------
    job : LabelJob
        What to do.
    cancel : CancelToken, optional
        Lets another thread stop; the same job goes on, but for what was split it begins anew.

    Yields
    ------
    ProgressEvent
        The last one is of ``Stage.FINISHED``; then `load_result` returns what was found.

    Raises
    ------
    InputError, SettingsError, OutputError
        Before anything is written, where that can be known.
    JobMismatchError
        If the output was made of something else.
    Cancelled
        If the token said so.
    """
    started = time.perf_counter()
    cancel = cancel or CancelToken()
    source, identity = job.source, job.identity()
    check_output(job.store, job.probability.origin)
    cancel.raise_if_cancelled()
    with only_writer(job.store):
        folder = _begin(job, identity)
        found = yield from _labelled(job, source, folder, cancel)
        store_table(job.store, _NAME, found.table)
        shutil.rmtree(folder.path / "scratch", ignore_errors=True)
        _finish(job, folder, found, time.perf_counter() - started)
    yield ProgressEvent(Stage.FINISHED, 1, 1, store=job.store)


def _begin(job: LabelJob, identity: dict[str, Any]) -> JobFolder:
    folder = JobFolder(job.store)
    stored = folder.load("job")
    if stored is not None:
        found = differences(stored["identity"], identity)
        if found:
            raise JobMismatchError(
                f"The output {job.store} was made of something else: it differs in {', '.join(found)}; "
                "choose another output."
            )
        sweep_partial(job.store)
    folder.discard("result")
    folder.save(
        "job",
        {
            "identity": identity,
            "digest": digest(identity),
            "probability": job.probability.origin,
            SETTINGS: job.settings.model_dump(mode="json"),
            "versions": versions(),
            "started": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        },
    )
    return folder


def _labelled(
    job: LabelJob, source: ClassProbability, folder: JobFolder, cancel: CancelToken
) -> Events[Segmented]:
    scratch = folder.path / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    placement = Placement.at(job.voxel_size_nm, job.origin_nm)
    task = InstanceTask(source, job.settings, placement, _BLOCK, scratch)
    return (yield from segment_instances(task, _writer(job), cancel))


def _writer(job: LabelJob) -> Callable[[np.dtype[Any]], WriteLabels]:
    """Makes the label image and, because OME-Zarr wants an image above it, a 0/1 image of the objects."""

    def spec(dtype: np.dtype[Any], kind: Kind, **more: Any) -> SinkSpec:
        return SinkSpec(
            shape=job.probability.shape,
            dtype=dtype,
            voxel_size_nm=job.voxel_size_nm,
            origin_nm=job.origin_nm,
            chunk_shape=_CHUNK,
            block_shape=_BLOCK,
            kind=kind,
            **more,
        )

    def create(dtype: np.dtype[Any]) -> WriteLabels:
        image = spec(np.dtype(np.uint8), Kind.IMAGE, channel_names=(_NAME,), attributes={STAND_IN: _NAME})
        stand_in = open_or_create(job.store, "", image)
        sink = label_sink(job.store, _NAME, spec(dtype, Kind.LABELS), job.settings)

        def write(box: Box, labels: NDArray[Any]) -> None:
            sink.write(box, labels)
            stand_in.write(box, (labels > 0).astype(np.uint8))

        return write

    return create


def _finish(job: LabelJob, folder: JobFolder, found: Segmented, seconds: float) -> None:
    result = SegmentationResult(
        store=job.store,
        objects=(ClassResult.of(job.store, _NAME, len(found.table), found.in_blocks),),
        voxel_size_nm=job.voxel_size_nm,
        voxel_size_source=job.probability.voxel_size_source,
        notes=found.notes,
        runner="",
        voxels=Box.whole(job.probability.shape).size,
        seconds=seconds,
        voxels_per_second=0.0,
        peak_memory_bytes=peak_memory_bytes(),
        finished=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    )
    folder.save("result", result.document())
