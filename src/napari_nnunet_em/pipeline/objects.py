"""The second half of a job: from stored probabilities to labelled objects and their tables."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.config import InstanceSettings, SplitMethod
from napari_nnunet_em.engine.layout import Layout
from napari_nnunet_em.engine.moments import VolumeStatistics
from napari_nnunet_em.geometry import Box, Shape, as_shape
from napari_nnunet_em.instances import InstanceTask, Placement, Segmented, segment_instances
from napari_nnunet_em.instances.found import WriteLabels
from napari_nnunet_em.io import Kind, MultiscaleSink, SinkSpec
from napari_nnunet_em.measurement import ValueScale, ValueSource, needs_range, store_table
from napari_nnunet_em.model import ClassInfo
from napari_nnunet_em.pipeline.deleting import forget_deletions
from napari_nnunet_em.pipeline.journal import JobFolder
from napari_nnunet_em.pipeline.opening import OpenJob
from napari_nnunet_em.pipeline.prediction import CLASSES, Predicted, open_or_create, settled_origin, sink_spec
from napari_nnunet_em.pipeline.result import ClassResult
from napari_nnunet_em.pipeline.stored import class_source
from napari_nnunet_em.progress import CancelToken, Events

_DOCUMENT = "objects"
_SCRATCH = "scratch"
SETTINGS = "instances"
"""Attribute of a label image: the settings with which its objects were made."""
# cc3d holds Python's global lock; blocks of this side keep a window alive while it works.
_LARGEST_SIDE = 1024


def find_objects(
    opened: OpenJob, predicted: Predicted, folder: JobFolder, cancel: CancelToken
) -> Events[tuple[ClassResult, ...]]:
    """Find the objects of every class, unless that was done already with the same settings.

    Parameters
    ----------
    opened : OpenJob
        The job.
    predicted : Predicted
        Its finished prediction.
    folder : JobFolder
        Its memory.
    cancel : CancelToken
        Polled between blocks.

    Yields
    ------
    ProgressEvent

    Returns
    -------
    tuple of ClassResult
        One per class of the model; empty where objects are not asked for.
    """
    if not opened.job.instances.enabled:
        return ()
    settings = opened.job.instances.model_dump(mode="json")
    document = folder.load(_DOCUMENT) or {}
    if document.get("settings") != settings:
        document = {"settings": settings, "counts": {}, "in_blocks": {}}
        folder.discard("result")
        folder.save(_DOCUMENT, document)
    results = []
    for index, info in enumerate(opened.bundle.classes):
        name = label_name(info.name)
        if name not in document["counts"]:
            found = yield from _one_class(opened, predicted, folder, (index, info), cancel)
            document["counts"][name] = len(found.table)
            document["in_blocks"][name] = found.in_blocks
            folder.save(_DOCUMENT, document)
        counts = document["counts"][name], document["in_blocks"][name]
        results.append(ClassResult.of(opened.job.store, name, *counts, info.name))
    # Only now: a job that is killed before goes on with what was split.
    shutil.rmtree(folder.path / _SCRATCH, ignore_errors=True)
    return tuple(results)


def label_name(class_name: str) -> str:
    """Name of a class's label image: its own, without what no file system likes."""
    name = re.sub(r"[^\w\-+ ]+", "_", class_name).strip() or "objects"
    return f"{name}_objects" if name == CLASSES else name


def _one_class(
    opened: OpenJob,
    predicted: Predicted,
    folder: JobFolder,
    which: tuple[int, ClassInfo],
    cancel: CancelToken,
) -> Events[Segmented]:
    index, info = which
    name = label_name(info.name)
    layout = replace(predicted.layout, block_shape=_block_shape(predicted.layout))
    source = class_source(opened.bundle, predicted.sinks.probability, predicted.sinks.classes, index)
    settings = opened.job.instances
    if settings.split is SplitMethod.BOUNDARY and source.boundary == index:
        settings = settings.model_copy(update={"split": SplitMethod.NONE})  # boundaries have none themselves
    # Not the system's folder: that one may be small, or memory.
    scratch = folder.path / _SCRATCH / name
    scratch.mkdir(parents=True, exist_ok=True)
    forget_deletions(folder, name)
    task = InstanceTask(
        source,
        settings,
        Placement.at(opened.voxel_size_nm, settled_origin(opened.job.store, opened.origin_nm)),
        layout.block_shape,
        scratch=scratch,
        intensity=raw_voxels(opened, folder),
    )
    found = yield from segment_instances(task, _label_writer(opened, layout, name), cancel)
    store_table(opened.job.store, name, found.table)
    return found


def raw_voxels(opened: OpenJob, folder: JobFolder) -> ValueSource:
    """The first channel of the segmented region, to be measured inside objects.

    Parameters
    ----------
    opened : OpenJob
        The job.
    folder : JobFolder
        Holds the statistics of the volume, which tell how large its values are.
    """
    volume = opened.volume

    def read(box: Box) -> NDArray[Any]:
        voxels: NDArray[Any] = volume.read(box.shift(opened.region.start))[0]
        return voxels

    largest = 1.0
    if needs_range(volume.dtype):
        values = VolumeStatistics.from_document(folder.load("statistics") or {}).channels[0]
        largest = max(abs(values.low), abs(values.high))
    return ValueSource(read, ValueScale.of_intensity(volume.dtype, largest))


def _block_shape(layout: Layout) -> Shape:
    """Blocks of the prediction, cut down by powers of two to what components are comfortable with."""
    sides = []
    for chunk, block in zip(layout.chunk_shape, layout.block_shape, strict=True):
        side = block
        while side > _LARGEST_SIDE and side % (2 * chunk) == 0:
            side //= 2
        sides.append(side)
    return as_shape(sides)


def _label_writer(opened: OpenJob, layout: Layout, name: str) -> Callable[[np.dtype[Any]], WriteLabels]:
    def create(dtype: np.dtype[Any]) -> WriteLabels:
        spec = sink_spec(opened, layout, dtype, Kind.LABELS)
        return label_sink(opened.job.store, name, spec, opened.job.instances).write

    return create


def label_sink(store: Path, name: str, spec: SinkSpec, settings: InstanceSettings) -> MultiscaleSink:
    """Continue the image ``labels/<name>`` of an output, or begin it, and note the settings of its objects.

    Parameters
    ----------
    store : pathlib.Path
        The output.
    name : str
        Of the labels.
    spec : SinkSpec
        What the image is to be. One of another type is begun anew: other settings gave more objects than fit
        into 32 bits, or fewer.
    settings : InstanceSettings
        How the objects are made.
    """
    image = f"labels/{name}"
    if MultiscaleSink.exists(store, image) and MultiscaleSink.open(store, image).spec.dtype != spec.dtype:
        shutil.rmtree(store / image)
    sink = open_or_create(store, image, spec)
    sink.annotate({SETTINGS: settings.model_dump(mode="json")})
    return sink
