"""From stored probabilities to instance labels, in two passes over the blocks.

Nothing provisional is stored: both passes are deterministic, and a block's labels depend on the stored
probabilities and the settings alone, so a job killed anywhere gives the same labels when it runs again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.components import ComponentFinder, ComponentTable, Layout
from napari_nnunet_em.config import InstanceSettings
from napari_nnunet_em.geometry import Block, Box, Shape
from napari_nnunet_em.instances.sizes import smallest_object_voxels
from napari_nnunet_em.instances.source import ClassProbability
from napari_nnunet_em.measurement import (
    INTENSITY,
    PROBABILITY,
    LabelMeasurer,
    MeasureTask,
    ObjectTable,
    Placement,
    ValueScale,
    ValueSource,
)
from napari_nnunet_em.progress import CancelToken, ProgressEvent, Stage

WriteLabels = Callable[[Box, NDArray[Any]], None]


@dataclass(frozen=True, eq=False)
class InstanceTask:
    """Everything that decides the objects of one class, and how to work on them.

    Attributes
    ----------
    source : ClassProbability
        Stored probabilities.
    settings : InstanceSettings
        Threshold, connectivity and sizes.
    placement : Placement
        Voxel size and origin of the region.
    block_shape : tuple of int, (z, y, x)
        Blocks that are read and written; aligned to what the label image wants. They never change the labels.
    scratch : pathlib.Path or None
        Folder for the front of very large volumes; the system's own without it.
    intensity : ValueSource or None
        The raw voxels, where they are to be measured inside objects.
    """

    source: ClassProbability
    settings: InstanceSettings
    placement: Placement
    block_shape: Shape
    scratch: Path | None = None
    intensity: ValueSource | None = None

    @property
    def measured(self) -> dict[str, ValueSource]:
        """What is measured inside objects."""
        scale = ValueScale.of_probability(self.source.probability.dtype)
        # Holes that were filled may hold anything, even what is no number.
        probability = ValueSource(lambda box: np.nan_to_num(self.source.read_class(box), nan=0.0), scale)
        return {PROBABILITY: probability, **({INTENSITY: self.intensity} if self.intensity else {})}


@dataclass(frozen=True, eq=False)
class FoundObjects:
    """What the first pass found; the labels are not written yet.

    Attributes
    ----------
    task : InstanceTask
        What was asked.
    components : ComponentTable
        The objects as connected components.
    """

    task: InstanceTask
    components: ComponentTable

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        """Type of the label image: uint32, or uint64 beyond its ids."""
        return self.components.dtype

    def labels(self, block: Block) -> NDArray[np.unsignedinteger[Any]]:
        """Labels of one of ``components.layout.blocks()``, (z, y, x); thread-safe if the source is."""
        if not self.components.fragments(block)[0].size:
            return np.zeros(block.write.shape, dtype=self.dtype)
        mask, _ = self.task.source.read(block.write, self.task.settings.threshold)
        return self.components.relabel(block, mask)


def find_objects(
    task: InstanceTask, cancel: CancelToken | None = None
) -> Generator[ProgressEvent, None, FoundObjects]:
    """First pass: find the objects of a class.

    Use it as ``found = yield from find_objects(task)``.

    Parameters
    ----------
    task : InstanceTask
        What to do.
    cancel : CancelToken, optional
        Polled before each block.

    Yields
    ------
    ProgressEvent
        Of stage ``COMPONENTS``, after each block.

    Returns
    -------
    FoundObjects

    Raises
    ------
    Cancelled
        When `cancel` asked for it.
    SettingsError
        When a minimum volume is set and the voxel size is unknown.
    OutputError
        When the scratch folder is full.
    """
    source, settings = task.source, task.settings
    layout = Layout(source.shape, task.block_shape, settings.connectivity)
    smallest = smallest_object_voxels(settings, task.placement.voxel_size_nm)
    with ComponentFinder(layout, (), smallest, task.scratch) as finder:
        for done, block in enumerate(layout.blocks(), start=1):
            if cancel is not None:
                cancel.raise_if_cancelled()
            finder.add(block, source.read(block.write, settings.threshold)[0])
            yield ProgressEvent(Stage.COMPONENTS, done, layout.count)
        components = finder.finish()
    return FoundObjects(task, components)


def write_labels(
    found: FoundObjects, write: WriteLabels, cancel: CancelToken | None = None
) -> Iterator[ProgressEvent]:
    """Second pass: write the labels of every block, background included.

    Parameters
    ----------
    found : FoundObjects
        From `find_objects`.
    write : callable
        Takes a box and its labels, (z, y, x) of ``found.dtype``; called once per block.
    cancel : CancelToken, optional
        Polled before each block.

    Yields
    ------
    ProgressEvent
        Of stage ``LABELS``, after each block, with the box that has been written.

    Raises
    ------
    Cancelled
        When `cancel` asked for it.
    InputError
        When the probabilities changed since the first pass.
    """
    layout = found.components.layout
    for done, block in enumerate(layout.blocks(), start=1):
        if cancel is not None:
            cancel.raise_if_cancelled()
        write(block.write, found.labels(block))
        yield ProgressEvent(Stage.LABELS, done, layout.count, box=block.write)


def segment_instances(
    task: InstanceTask,
    create_labels: Callable[[np.dtype[Any]], WriteLabels],
    cancel: CancelToken | None = None,
) -> Generator[ProgressEvent, None, ObjectTable]:
    """Both passes: find the objects of a class, then write and measure them.

    Use it as ``objects = yield from segment_instances(task, create_labels)``.

    Parameters
    ----------
    task : InstanceTask
        What to do.
    create_labels : callable
        Called once between the passes with the dtype of the labels; makes the label image and returns what
        writes a block of it.
    cancel : CancelToken, optional
        Polled before each block.

    Returns
    -------
    ObjectTable
    """
    found = yield from find_objects(task, cancel)
    write = create_labels(found.dtype)
    sources = task.measured
    scales = {name: source.scale for name, source in sources.items()}
    measurer = LabelMeasurer(MeasureTask(task.source.shape, task.placement, scales))

    def write_and_measure(box: Box, labels: NDArray[Any]) -> None:
        write(box, labels)
        values = {name: source.read(box) for name, source in sources.items()} if labels.any() else {}
        measurer.add(box, labels, values)

    yield from write_labels(found, write_and_measure, cancel)
    return measurer.finish()
