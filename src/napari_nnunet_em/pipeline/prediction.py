"""The first half of a job: probabilities and classes, written block by block, journalled block by block."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_nnunet_em.engine.layout import Layout, choose_layout
from napari_nnunet_em.engine.moments import VolumeStatistics
from napari_nnunet_em.engine.output import Encoder
from napari_nnunet_em.engine.prepare import prepare, profile_axis
from napari_nnunet_em.engine.preprocess import Preprocessor
from napari_nnunet_em.engine.runner import TileRunner
from napari_nnunet_em.engine.space import ModelSpace
from napari_nnunet_em.engine.statistics import collect_statistics
from napari_nnunet_em.engine.sweep import BlockResult, Sweep, TilesRun, column_boxes, tiles_run
from napari_nnunet_em.geometry import Box, as_shape
from napari_nnunet_em.io import Kind, MultiscaleSink, SinkSpec
from napari_nnunet_em.pipeline.clock import Clock
from napari_nnunet_em.pipeline.identity import digest
from napari_nnunet_em.pipeline.journal import JobFolder
from napari_nnunet_em.pipeline.opening import OpenJob
from napari_nnunet_em.progress import CancelToken, ProgressEvent, Stage, Steps, T

CLASSES = "classes"
_REPORT_SECONDS = 0.2
RunnerFactory = Callable[[OpenJob], TileRunner]
Events = Generator[ProgressEvent, None, T]


@dataclass(frozen=True)
class Sinks:
    """Where blocks go.

    Attributes
    ----------
    probability : MultiscaleSink
        Root image of the store.
    classes : MultiscaleSink or None
        Label image of classes, where asked for.
    """

    probability: MultiscaleSink
    classes: MultiscaleSink | None

    def write(self, box: Box, result: BlockResult) -> None:
        """Write a block; `box` is in voxels of the output."""
        probabilities = result.probabilities
        self.probability.write(box, probabilities if self.probability.spec.channels else probabilities[0])
        if self.classes is not None:
            self.classes.write(box, result.classes)


@dataclass(frozen=True)
class Predicted:
    """A finished prediction.

    Attributes
    ----------
    sinks : Sinks
        What was written.
    layout : Layout
        Its chunks and blocks.
    voxels_per_second : float
        Of this run; 0 when all blocks were there already.
    """

    sinks: Sinks
    layout: Layout
    voxels_per_second: float


def predict_blocks(
    opened: OpenJob, folder: JobFolder, make_runner: RunnerFactory, cancel: CancelToken
) -> Events[Predicted]:
    """Predict all blocks that are not durable yet.

    Parameters
    ----------
    opened : OpenJob
        The job.
    folder : JobFolder
        Its memory.
    make_runner : callable
        Makes what runs the network; called only when there is something to predict.
    cancel : CancelToken
        Polled between batches of tiles.

    Yields
    ------
    ProgressEvent

    Raises
    ------
    NnunetEmError
        If the volume's values cannot be used, the output cannot be written, or the job was stopped.
    """
    statistics = yield from _statistics(opened, folder, cancel)
    source = yield from _progress(
        prepare(opened.volume, opened.bundle, statistics, opened.spacings, opened.job.prediction),
        Stage.STATISTICS,
        cancel,
    )
    layout = _layout(opened, source, folder)
    encoder = Encoder.of(opened.bundle, opened.job.output.probability_type)
    sinks = _open_sinks(opened, layout, encoder)
    columns = column_boxes(opened.region.shape, layout.block_shape, source.space, opened.region.start)
    finished = folder.finished_blocks()
    pending = [[box for box in boxes if box not in finished] for boxes in columns]
    work = _Work(source.space, columns, pending)
    yield work.event(folder.store)
    if work.clock.total:
        runner = make_runner(opened)
        folder.save("runner", {"description": runner.description})
        yield work.event(folder.store, message=runner.description)
        for step in _steps(Sweep(source, runner, encoder, cancel), pending):
            if isinstance(step, TilesRun):
                work.clock.add(step.count)
                if work.clock.due(_REPORT_SECONDS):
                    yield work.event(folder.store)
            else:
                box = step.box.relative_to(opened.region.start)
                sinks.write(box, step)
                folder.record(step.box)
                yield work.event(folder.store, box=box)
    return Predicted(sinks, layout, work.clock.voxels_per_second if work.clock.total else 0.0)


class _Work:
    """What there is to do, and how far it is; progress counts tiles."""

    def __init__(self, space: ModelSpace, columns: list[list[Box]], pending: list[list[Box]]) -> None:
        left = tiles_run(space, pending)
        # Blocks outside the non-zero box take no tile, but are written all the same.
        left = max(left, 1) if any(pending) else 0
        self.total = max(tiles_run(space, columns), left)
        self.clock = Clock(sum(box.size for boxes in pending for box in boxes), left)

    def event(self, store: Path, *, message: str = "", box: Box | None = None) -> ProgressEvent:
        clock = self.clock
        return ProgressEvent(
            Stage.PREDICT,
            min(self.total - clock.total + clock.done, self.total),
            self.total,
            message,
            box,
            clock.eta_seconds,
            clock.voxels_per_second if clock.done else None,
            store,
        )


def _steps(sweep: Sweep, pending: list[list[Box]]) -> Iterator[TilesRun | BlockResult]:
    for boxes in pending:
        yield from sweep.run(boxes)


def _statistics(opened: OpenJob, folder: JobFolder, cancel: CancelToken) -> Events[VolumeStatistics]:
    stored = folder.load("statistics")
    if stored is not None:
        return VolumeStatistics.from_document(stored)
    axis = profile_axis(opened.volume, opened.bundle, opened.spacings)
    steps = collect_statistics(opened.volume, profile_axis=axis)
    statistics = yield from _progress(steps, Stage.STATISTICS, cancel)
    folder.save("statistics", statistics.document())
    return statistics


def _progress(steps: Steps[T], stage: Stage, cancel: CancelToken) -> Events[T]:
    with contextlib.closing(steps):
        while True:
            try:
                done, total = next(steps)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            yield ProgressEvent(stage, done, total)
            cancel.raise_if_cancelled()


def _layout(opened: OpenJob, source: Preprocessor, folder: JobFolder) -> Layout:
    """Blocks as this job first cut them, so that its journal stays true under another memory budget."""
    stored = folder.load("layout")
    if stored is not None:
        return Layout(as_shape(stored["chunk_shape"]), as_shape(stored["block_shape"]))
    layout = choose_layout(
        opened.region.shape,
        source.space,
        channels=opened.volume.channels,
        heads=opened.bundle.num_outputs,
        chunk_rows=opened.volume.chunks[source.space.forward[0]],
        max_ram_gb=opened.job.execution.max_ram_gb,
    )
    folder.save("layout", {"chunk_shape": layout.chunk_shape, "block_shape": layout.block_shape})
    return layout


def _open_sinks(opened: OpenJob, layout: Layout, encoder: Encoder) -> Sinks:
    names = tuple(c.name for c in opened.bundle.classes)
    image = sink_spec(opened, layout, encoder.dtype, Kind.IMAGE, names)
    store = opened.job.store
    probability = open_or_create(store, "", image)
    classes = None
    exclusive = len(names) > 1 and not opened.bundle.has_regions and opened.job.instances.enabled
    if opened.job.output.classes or exclusive:  # objects of exclusive classes are told apart by them
        labels = sink_spec(opened, layout, np.dtype(encoder.classes_dtype), Kind.LABELS)
        classes = open_or_create(store, f"labels/{CLASSES}", labels)
    return Sinks(probability, classes)


def sink_spec(
    opened: OpenJob, layout: Layout, dtype: np.dtype[np.generic], kind: Kind, names: tuple[str, ...] = ()
) -> SinkSpec:
    """How an image of this job is stored."""
    return SinkSpec(
        shape=opened.region.shape,
        dtype=dtype,
        voxel_size_nm=opened.voxel_size_nm,
        chunk_shape=layout.chunk_shape,
        block_shape=layout.block_shape,
        kind=kind,
        channels=len(names) if len(names) > 1 else 0,
        origin_nm=opened.origin_nm,
        ome_zarr_version=opened.job.output.ome_zarr_version,
        channel_names=names,
        attributes={"job": digest(opened.identity)},
    )


def open_or_create(store: Path, name: str, spec: SinkSpec) -> MultiscaleSink:
    """Continue an image of an output, or begin it."""
    if MultiscaleSink.exists(store, name):
        return MultiscaleSink.open(store, name, spec)
    return MultiscaleSink.create(store, name, spec)
