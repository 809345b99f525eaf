"""The first half of a job: probabilities and classes, written block by block, journalled block by block."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_nnunet_em.config import ProbabilityType
from napari_nnunet_em.engine.encoding import BlockResult
from napari_nnunet_em.engine.layout import Layout
from napari_nnunet_em.engine.output import Encoder
from napari_nnunet_em.engine.preprocess import Preprocessor
from napari_nnunet_em.engine.sweep import Sweep
from napari_nnunet_em.errors import OutputError
from napari_nnunet_em.geometry import Box, Shape
from napari_nnunet_em.io import Kind, MultiscaleSink, SinkSpec
from napari_nnunet_em.io.voxel_size import VoxelSizeNm
from napari_nnunet_em.model import ModelBundle
from napari_nnunet_em.pipeline.consensus import WaitingPart, averaged, discard_parts, part_layout, part_path
from napari_nnunet_em.pipeline.early import EarlyRunner
from napari_nnunet_em.pipeline.identity import digest
from napari_nnunet_em.pipeline.journal import JobFolder
from napari_nnunet_em.pipeline.opening import OpenJob
from napari_nnunet_em.pipeline.preparing import budget_notes, cache_bytes, job_layout, prepare_sources
from napari_nnunet_em.pipeline.running import RunnerFactory
from napari_nnunet_em.pipeline.sweeps import SweepPlan, Work, run_plan
from napari_nnunet_em.progress import CancelToken, Events

CLASSES = "classes"
_CLASS_IMAGE = f"labels/{CLASSES}"


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
    notes : tuple of str
        What the result should say about it, one sentence each.
    """

    sinks: Sinks
    layout: Layout
    voxels_per_second: float
    notes: tuple[str, ...] = ()


def predict_blocks(
    opened: OpenJob,
    folder: JobFolder,
    make_runner: RunnerFactory,
    cancel: CancelToken,
    near: Shape | None = None,
) -> Events[Predicted]:
    """Predict all blocks that are not durable yet.

    Parameters
    ----------
    opened : OpenJob
        The job.
    folder : JobFolder
        Its memory.
    make_runner : callable
        Makes what runs the network, in another thread; called only when there is something to predict.
    cancel : CancelToken
        Polled between batches of tiles.
    near : tuple of int, (z, y, x), optional
        A voxel of the volume; what is near it is predicted first. Other orientations than the model's own,
        of which nothing is seen before they are averaged, keep their order.

    Yields
    ------
    ProgressEvent

    Raises
    ------
    NnunetEmError
        If the volume's values cannot be used, the output cannot be written, or the job was stopped.
    """
    with EarlyRunner(opened, make_runner) as early:
        if not folder.has_finished_blocks():
            early.start()
        return (yield from _predict(opened, folder, early, cancel, near))


def _predict(
    opened: OpenJob, folder: JobFolder, early: EarlyRunner, cancel: CancelToken, near: Shape | None
) -> Events[Predicted]:
    *others, source = yield from prepare_sources(opened, folder, cancel)
    encoder = Encoder.of(opened.bundle, opened.job.output.probability_type)
    layout = job_layout(opened, source, folder)
    sinks = _open_sinks(opened, layout, encoder, folder)
    own = SweepPlan.of(folder, source, layout, opened.region, "", near)
    waiting = [] if own.complete else [_waiting(opened, folder, (other, source)) for other in others]
    work = Work([*(plan for plan, _ in waiting), own], cancel)
    yield work.event(folder.store)
    if work.clock.total:
        runner = early.get()
        work.clock.restart()
        _remember_runner(folder, runner.description)
        yield work.event(folder.store, message=runner.description)
        parts = [part for _, part in waiting]
        exact = Encoder.of(opened.bundle, ProbabilityType.FLOAT32) if parts else encoder

        def sweep(plan: SweepPlan) -> Sweep:
            blank = opened.job.execution.reuse_constant
            cache = cache_bytes(opened, plan.source, plan.layout)
            return Sweep(plan.source, runner, exact, cancel, reuse_constant=blank, cache_bytes=cache)

        for plan, part in waiting:
            yield from run_plan(plan, sweep(plan), folder, work, part.write)

        def write(box: Box, result: BlockResult) -> None:
            sinks.write(box, averaged(encoder, parts, box, result) if parts else result)

        yield from run_plan(own, sweep(own), folder, work, write)
        folder.save("prediction", work.document())
    discard_parts(folder, [o.axis for o in opened.orientations[:-1]])
    notes = (*budget_notes(opened, source.space, layout), *work.notes())
    return Predicted(sinks, layout, work.clock.voxels_per_second if work.clock.total else 0.0, notes)


def _remember_runner(folder: JobFolder, description: str) -> None:
    """Add what runs the network now to what ran it before, in earlier runs of the job."""
    known = (folder.load("runner") or {}).get("descriptions", [])
    if description not in known:
        folder.save("runner", {"descriptions": [*known, description]})


def _waiting(
    opened: OpenJob, folder: JobFolder, sources: tuple[Preprocessor, Preprocessor]
) -> tuple[SweepPlan, WaitingPart]:
    """An orientation that is swept before the model's own (the second), and where its probabilities wait."""
    source, own = sources
    axis = source.space.forward[0]
    name = "zyx"[axis]
    layout = part_layout(job_layout(opened, source, folder, name), own.space.forward[0])
    path = part_path(folder, name)
    if not path.exists():
        folder.discard_part(name)  # deleted by hand: what its journal says is gone
    part = WaitingPart.open(path, opened, layout.chunk_shape)
    return SweepPlan.of(folder, source, layout, opened.region, name), part


def _open_sinks(opened: OpenJob, layout: Layout, encoder: Encoder, folder: JobFolder) -> Sinks:
    names = tuple(c.name for c in opened.bundle.classes)
    image = sink_spec(opened, layout, encoder.dtype, Kind.IMAGE, names)
    store = opened.job.store
    probability = open_or_create(store, "", image)
    classes = None
    if MultiscaleSink.exists(store, _CLASS_IMAGE) or not folder.finished_blocks():
        if writes_classes(opened):
            labels = sink_spec(opened, layout, np.dtype(encoder.classes_dtype), Kind.LABELS)
            classes = open_or_create(store, _CLASS_IMAGE, labels)
    elif opened.job.instances.enabled and exclusive_classes(opened.bundle):
        raise lost_classes(store)  # before hours are spent on the rest
    return Sinks(probability, classes)


def writes_classes(opened: OpenJob) -> bool:
    """Whether the job stores the image of classes."""
    # Objects of exclusive classes are told apart by it, also those that are asked for later.
    return opened.job.output.classes or exclusive_classes(opened.bundle)


def exclusive_classes(bundle: ModelBundle) -> bool:
    """Whether no voxel may belong to objects of two classes, however low the threshold."""
    return len(bundle.classes) > 1 and not bundle.has_regions


def lost_classes(store: Path) -> OutputError:
    """What is said where the image of exclusive classes is missing: objects of an empty one would be none."""
    return OutputError(
        f"{store} holds no image of classes ({_CLASS_IMAGE}), which tells the objects of its classes apart: "
        "it was deleted, or an earlier version did not write it. Segment the volume again to another output, "
        "or delete this one first."
    )


def sink_spec(
    opened: OpenJob, layout: Layout, dtype: np.dtype[np.generic], kind: Kind, names: tuple[str, ...] = ()
) -> SinkSpec:
    """How an image of this job is stored."""
    spec = image_spec(opened, layout, dtype, kind, names)
    return dataclasses.replace(spec, attributes={"job": digest(opened.identity)})


def image_spec(
    opened: OpenJob, layout: Layout, dtype: np.dtype[np.generic], kind: Kind, names: tuple[str, ...] = ()
) -> SinkSpec:
    """The same without what tells the job from others, which would have to be read."""
    return SinkSpec(
        shape=opened.region.shape,
        dtype=dtype,
        voxel_size_nm=opened.voxel_size_nm,
        chunk_shape=layout.chunk_shape,
        block_shape=layout.block_shape,
        kind=kind,
        channels=len(names) if len(names) > 1 else 0,
        origin_nm=settled_origin(opened.job.store, opened.origin_nm),
        ome_zarr_version=opened.job.output.ome_zarr_version,
        channel_names=names,
    )


def settled_origin(store: Path, origin_nm: VoxelSizeNm) -> VoxelSizeNm:
    """Where an output lies, (z, y, x): what its first image says, else `origin_nm`.

    A layer may be moved in napari, and a file may be given another place, between two runs of the same job.
    """
    begun = MultiscaleSink.exists(store, "")
    return MultiscaleSink.open(store, "").spec.origin_nm if begun else origin_nm


def open_or_create(store: Path, name: str, spec: SinkSpec) -> MultiscaleSink:
    """Continue an image of an output, or begin it."""
    if MultiscaleSink.exists(store, name):
        return MultiscaleSink.open(store, name, spec)
    return MultiscaleSink.create(store, name, spec)
