"""What a prediction knows before its first tile: statistics, grids, and how the output is cut."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from typing import Any

from napari_nnunet_em.engine.layout import Budget, Layout, block_rows, choose_layout, column_plane
from napari_nnunet_em.engine.memory import NetworkMemory, SweepMemory
from napari_nnunet_em.engine.moments import VolumeStatistics
from napari_nnunet_em.engine.output import Encoder
from napari_nnunet_em.engine.planes import prepare_orientations
from napari_nnunet_em.engine.preprocess import Preprocessor
from napari_nnunet_em.engine.space import ModelSpace, permute, permute_box
from napari_nnunet_em.engine.statistics import collect_statistics
from napari_nnunet_em.geometry import as_shape
from napari_nnunet_em.io import regular_chunks
from napari_nnunet_em.pipeline.journal import JobFolder
from napari_nnunet_em.pipeline.opening import OpenJob
from napari_nnunet_em.progress import CancelToken, Events, ProgressEvent, Stage, Steps, T
from napari_nnunet_em.quantities import memory as words

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


def job_memory(opened: OpenJob, space: ModelSpace) -> SweepMemory:
    """What the sweep of an orientation holds in memory."""
    cached = regular_chunks(opened.volume.array) is not None
    classes = len(opened.bundle.classes)
    encoder = Encoder.of(opened.bundle, opened.job.output.probability_type)
    averaged = _HEADS_PER_AVERAGED_CLASS * classes if len(opened.orientations) > 1 else 0
    return SweepMemory(
        space,
        channels=opened.volume.channels,
        heads=classes + averaged,
        stored_bytes=classes * encoder.dtype.itemsize + encoder.classes_dtype.itemsize,
        block_rows=block_rows(opened.region, space),
        chunk_shape=permute(opened.volume.chunks, space.forward) if cached else (0, 0, 0),
        item_bytes=opened.volume.dtype.itemsize,
        sums_on_device=opened.device_bytes is not None,
    )


def job_budget(opened: OpenJob) -> Budget:
    """Memory that the job may take."""
    network, device = network_memory(opened), opened.device_bytes
    room = None if device is None else max(device - network.device_bytes(device), 0)
    return Budget(opened.job.execution.max_ram_gb * 1e9, room, network.host_bytes)


def network_memory(opened: OpenJob) -> NetworkMemory:
    """What the process takes with its network at work, estimated from the model's files and plans."""
    bundle = opened.bundle
    voxels = math.prod(bundle.patch_size) * max(opened.job.execution.batch_size, 1)
    return NetworkMemory(
        sum(bundle.checkpoint_of(fold).stat().st_size for fold in opened.folds),
        voxels * bundle.features * 4,
        opened.device_bytes is not None,
    )


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
    layout = planned_layout(opened, source.space, folder.load(name))
    if folder.load(name) is None:
        folder.save(name, {"chunk_shape": layout.chunk_shape, "block_shape": layout.block_shape})
    return layout


def planned_layout(opened: OpenJob, space: ModelSpace, stored: Mapping[str, Any] | None) -> Layout:
    """How an orientation is cut: by the memory budget, in the blocks of `stored` where it was begun."""
    layout = choose_layout(opened.region, job_memory(opened, space), job_budget(opened))
    if stored is None:
        return layout
    # How wide columns are may change from run to run, as long as they hold whole blocks.
    chunk, block = as_shape(stored["chunk_shape"]), as_shape(stored["block_shape"])
    return Layout(chunk, block, layout.column_shape if block == layout.block_shape else block)


def layout_plane(opened: OpenJob, space: ModelSpace, layout: Layout) -> tuple[int, int]:
    """Extent (y, x) in the padded grid of what the widest column of a layout takes."""
    width = permute(layout.column_shape, space.forward)[1:]
    return column_plane(space, permute_box(opened.region, space.forward), width)


def budget_notes(opened: OpenJob, space: ModelSpace, layout: Layout) -> tuple[str, ...]:
    """One sentence for each budget that cannot be kept, however narrow the columns are."""
    memory, budget = job_memory(opened, space), job_budget(opened)
    plane = layout_plane(opened, space, layout)
    notes = []
    needed = budget.process_bytes + memory.host_bytes(plane) + memory.cache_bytes(plane)
    if needed > budget.ram_bytes:
        notes.append(
            f"The memory budget of {words(budget.ram_bytes)} cannot be kept: one narrow column takes about "
            f"{words(needed)} with the network; give more (--max-ram), or expect that much to be used."
        )
    on_device = memory.device_bytes(plane)
    if budget.device_bytes is not None and on_device > budget.device_bytes:
        notes.append(
            f"The GPU has too little memory for one narrow column: its sums take {words(on_device)} and "
            f"{words(budget.device_bytes)} are left beside the network; give more (--max-vram), or run on "
            "the CPU (--device cpu)."
        )
    return tuple(notes)


def cache_bytes(opened: OpenJob, source: Preprocessor, layout: Layout) -> int:
    """What decoded chunks of the input may take during a sweep."""
    plane = layout_plane(opened, source.space, layout)
    return job_budget(opened).cache_bytes(job_memory(opened, source.space), plane)
