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

from napari_nnunet_em.components import ComponentFinder, ComponentTable, Layout, ValueSum
from napari_nnunet_em.config import InstanceSettings
from napari_nnunet_em.geometry import Block, Box, Shape
from napari_nnunet_em.instances.sizes import smallest_object_voxels
from napari_nnunet_em.instances.source import ClassProbability
from napari_nnunet_em.instances.table import PROBABILITY, ObjectTable, Placement
from napari_nnunet_em.instances.threshold import to_units, units_of_one
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
    """

    source: ClassProbability
    settings: InstanceSettings
    placement: Placement
    block_shape: Shape
    scratch: Path | None = None


@dataclass(frozen=True, eq=False)
class FoundObjects:
    """What the first pass found: the table is complete, the labels are not written yet.

    Attributes
    ----------
    task : InstanceTask
        What was asked.
    components : ComponentTable
        The objects as connected components.
    table : ObjectTable
        The objects in physical units; ``id`` is the label.
    """

    task: InstanceTask
    components: ComponentTable
    table: ObjectTable

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        """Type of the label image: uint32, or uint64 beyond its ids."""
        return self.components.dtype

    def labels(self, block: Block) -> NDArray[np.unsignedinteger[Any]]:
        """Labels of one of ``components.layout.blocks()``, (z, y, x); thread-safe if the source is."""
        source, threshold = self.task.source, self.task.settings.threshold
        return self.components.labels(block, lambda box: source.read(box, threshold)[0])


def find_objects(
    task: InstanceTask, cancel: CancelToken | None = None
) -> Generator[ProgressEvent, None, FoundObjects]:
    """First pass: find and measure the objects of a class.

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
    measures = (ValueSum(PROBABILITY),)
    with ComponentFinder(layout, measures, smallest, task.scratch, remember=True) as finder:
        for done, block in enumerate(layout.blocks(), start=1):
            if cancel is not None:
                cancel.raise_if_cancelled()
            mask, probability = source.read(block.write, settings.threshold)
            finder.add(block, mask, {PROBABILITY: to_units(probability, mask)})
            yield ProgressEvent(Stage.COMPONENTS, done, layout.count)
        components = finder.finish()
    units = units_of_one(source.probability.dtype)
    return FoundObjects(task, components, ObjectTable.from_components(components, units, task.placement))


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
    """Both passes: find the objects of a class, then write their labels.

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
    yield from write_labels(found, create_labels(found.dtype), cancel)
    return found.table
