"""What a prediction knows before its first tile: statistics, grids, and how the output is cut."""

from __future__ import annotations

import contextlib

from napari_nnunet_em.engine.layout import Budget, Layout, block_rows, choose_layout, column_plane
from napari_nnunet_em.engine.memory import SweepMemory
from napari_nnunet_em.engine.moments import VolumeStatistics
from napari_nnunet_em.engine.output import Encoder
from napari_nnunet_em.engine.planes import prepare_orientations
from napari_nnunet_em.engine.preprocess import Preprocessor
from napari_nnunet_em.engine.space import permute, permute_box
from napari_nnunet_em.engine.statistics import collect_statistics
from napari_nnunet_em.geometry import as_shape
from napari_nnunet_em.pipeline.journal import JobFolder
from napari_nnunet_em.pipeline.opening import OpenJob
from napari_nnunet_em.progress import CancelToken, Events, ProgressEvent, Stage, Steps, T

_AXES = "zyx"
# While orientations are averaged a block is there as float32, as it was kept, and as their sum: this weighs
# as much as three more outputs of the network for each class.
_HEADS_PER_AVERAGED_CLASS = 3


def prepare_sources(
    opened: OpenJob, folder: JobFolder, cancel: CancelToken
) -> Events[tuple[Preprocessor, ...]]:
    """Prepare the input of every orientation; statistics are gathered once and kept with the job."""

    def statistics_of(axis: int | None) -> Steps[VolumeStatistics]:
        name = "statistics"
        if axis is not None and len(opened.orientations) > 1:  # then several axes may be asked for
            name = f"statistics-{_AXES[axis]}"
        stored = folder.load(name)
        if stored is not None:
            return VolumeStatistics.from_document(stored)
        statistics = yield from collect_statistics(opened.volume, profile_axis=axis)
        folder.save(name, statistics.document())
        return statistics

    steps = prepare_orientations(opened.volume, opened.orientations, statistics_of, opened.job.prediction)
    return (yield from progress_of(steps, Stage.STATISTICS, cancel))


def progress_of(steps: Steps[T], stage: Stage, cancel: CancelToken) -> Events[T]:
    """Steps of a stage as events; raises `Cancelled` between two of them when the token says so."""
    with contextlib.closing(steps):
        while True:
            try:
                done, total = next(steps)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            yield ProgressEvent(stage, done, total)
            cancel.raise_if_cancelled()


def job_memory(opened: OpenJob, source: Preprocessor) -> SweepMemory:
    """What the sweep of an orientation holds in memory."""
    classes = len(opened.bundle.classes)
    encoder = Encoder.of(opened.bundle, opened.job.output.probability_type)
    averaged = _HEADS_PER_AVERAGED_CLASS * classes if len(opened.orientations) > 1 else 0
    return SweepMemory(
        source.space,
        channels=opened.volume.channels,
        heads=classes + averaged,
        stored_bytes=classes * encoder.dtype.itemsize + encoder.classes_dtype.itemsize,
        block_rows=block_rows(opened.region, source.space),
        chunk_rows=opened.volume.chunks[source.space.forward[0]],
        item_bytes=opened.volume.dtype.itemsize,
        sums_on_device=_device_bytes(opened) is not None,
    )


def job_budget(opened: OpenJob) -> Budget:
    """Memory that the job may take."""
    return Budget(opened.job.execution.max_ram_gb * 1e9, _device_bytes(opened))


def _device_bytes(opened: OpenJob) -> int | None:
    from napari_nnunet_em.engine.devices import device_memory_bytes  # noqa: PLC0415 - torch is slow to load

    return device_memory_bytes(opened.job.execution)


def job_layout(opened: OpenJob, source: Preprocessor, folder: JobFolder, part: str = "") -> Layout:
    """Blocks as this job first cut them, so that its journal stays true under another memory budget.

    Parameters
    ----------
    opened : OpenJob
        The job.
    source : Preprocessor
        Of the orientation.
    folder : JobFolder
        Remembers the layout.
    part : str
        Which intermediate part it is of; empty for the output.
    """
    name = f"layout-{part}" if part else "layout"
    layout = choose_layout(opened.region, job_memory(opened, source), job_budget(opened))
    stored = folder.load(name)
    if stored is not None:
        # How wide columns are may change from run to run, as long as they hold whole blocks.
        chunk, block = as_shape(stored["chunk_shape"]), as_shape(stored["block_shape"])
        column = layout.column_shape if block == layout.block_shape else block
        return Layout(chunk, block, column)
    folder.save(name, {"chunk_shape": layout.chunk_shape, "block_shape": layout.block_shape})
    return layout


def cache_bytes(opened: OpenJob, source: Preprocessor, layout: Layout) -> int:
    """What decoded chunks of the input may take during a sweep."""
    space, memory = source.space, job_memory(opened, source)
    width = permute(layout.column_shape, space.forward)[1:]
    plane = column_plane(space, permute_box(opened.region, space.forward), width)
    return job_budget(opened).cache_bytes(memory, plane)
