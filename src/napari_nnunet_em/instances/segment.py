"""From stored probabilities to instance labels: find, filter, fill, split, number, write.

The passes over the blocks are deterministic, and a block's labels depend on the stored probabilities and the
settings alone, so a job killed anywhere gives the same labels when it runs again. Only the parts of
objects that were split or filled are stored in between, because they take the longest.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.components import ComponentFinder, ComponentTable, Layout, ValueSum
from napari_nnunet_em.components.measures import BlockValues
from napari_nnunet_em.config import InstanceSettings, SplitMethod
from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.geometry import Box, Shape
from napari_nnunet_em.instances.final import FinalObjects
from napari_nnunet_em.instances.foreground import Foreground
from napari_nnunet_em.instances.found import FoundObjects, WriteLabels, write_labels
from napari_nnunet_em.instances.linking import SliceLinker, connectivity_of
from napari_nnunet_em.instances.sizes import largest_object_voxels, smallest_object_voxels
from napari_nnunet_em.instances.source import ClassProbability
from napari_nnunet_em.instances.splitting.run import SplitTask, split_objects
from napari_nnunet_em.instances.threshold import is_above
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

_STRONG = "strong"
STRONG = f"sum_{_STRONG}"
"""Column of a component table: voxels above the high threshold, where there is one."""


@dataclass(frozen=True, eq=False)
class InstanceTask:
    """Everything that decides the objects of one class, and how to work on them.

    Attributes
    ----------
    source : ClassProbability
        Stored probabilities.
    settings : InstanceSettings
        Threshold, connectivity, sizes, holes and splitting.
    placement : Placement
        Voxel size and origin of the region.
    block_shape : tuple of int, (z, y, x)
        Blocks that are read and written; aligned to what the label image wants. They never change the labels.
    scratch : pathlib.Path or None
        Folder for what is kept between the passes: the front of very large volumes, and the parts of split
        objects, with which a killed job goes on. Temporary folders of the system without it.
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
class Segmented:
    """Objects of a class after their labels were written.

    Attributes
    ----------
    table : ObjectTable
        The objects in physical units; ``id`` is the label.
    in_blocks : int
        Objects too large for the memory budget, which were split in overlapping blocks.
    notes : tuple of str
        What is not exact about the objects, one sentence each.
    """

    table: ObjectTable
    in_blocks: int
    notes: tuple[str, ...]


def find_objects(
    task: InstanceTask, cancel: CancelToken | None = None
) -> Generator[ProgressEvent, None, FoundObjects]:
    """Find, filter, fill, split and number the objects of a class.

    Use it as ``found = yield from find_objects(task)``.

    Parameters
    ----------
    task : InstanceTask
        What to do.
    cancel : CancelToken, optional
        Polled before each block, and between objects.

    Yields
    ------
    ProgressEvent
        Of stage ``COMPONENTS``, after each block; then of ``SPLIT``, where objects are split or filled.

    Returns
    -------
    FoundObjects

    Raises
    ------
    Cancelled
        When `cancel` asked for it.
    SettingsError
        When a setting needs the voxel size or a boundary class, and there is none.
    OutputError
        When the scratch folder is full.
    """
    check(task)
    settings, voxel_size = task.settings, task.placement.voxel_size_nm
    smallest = smallest_object_voxels(settings, voxel_size)
    largest = largest_object_voxels(settings, voxel_size)
    foreground = Foreground(task.source, settings, voxel_size)
    components = yield from connect(task, foreground, smallest, cancel)
    components = components.select(_promising(components, settings, largest))
    split = SplitTask(foreground, components, smallest, task.scratch)
    parts, in_blocks = yield from split_objects(split, cancel)
    found = FoundObjects(task, FinalObjects.of(foreground, components, parts, largest), in_blocks)
    for note in found.notes:
        yield ProgressEvent(Stage.SPLIT, message=note)
    return found


def check(task: InstanceTask) -> None:
    """Refuse what cannot be split.

    Raises
    ------
    SettingsError
        Without a voxel size, or without a boundary class where objects are to be split by it.
    """
    settings = task.settings
    if settings.split is SplitMethod.BOUNDARY and task.source.boundary is None:
        raise SettingsError(
            "Objects cannot be split by boundaries because the model has no boundary class: split them by "
            "distance or probability."
        )
    if settings.split is not SplitMethod.NONE and task.placement.voxel_size_nm is None:
        raise SettingsError(
            "Objects cannot be split because the voxel size is unknown, and with it their shape: give the "
            "voxel size, or set split to none."
        )


def connect(
    task: InstanceTask, foreground: Foreground, smallest: int, cancel: CancelToken | None
) -> Generator[ProgressEvent, None, ComponentTable]:
    """First pass over the blocks: connected components, and in the column `STRONG` their strong voxels.

    Parameters
    ----------
    task : InstanceTask
        What to do.
    foreground : Foreground
        Its mask.
    smallest : int
        Smaller components are dropped.
    cancel : CancelToken or None
        Polled before each block, and while its outlines are smoothed.
    """
    layout = Layout(task.source.shape, task.block_shape, connectivity_of(task.settings))
    linker = SliceLinker.of(task.settings, layout, task.scratch)
    measures = counted(task.settings)
    with (
        # Cross-sections are small, and become large only once they are linked.
        ComponentFinder(
            layout, measures, 0 if linker else smallest, task.scratch, remember=linker is None
        ) as finder,
        linker or contextlib.nullcontext(),
    ):
        for done, block in enumerate(layout.blocks(), start=1):
            if cancel is not None:
                cancel.raise_if_cancelled()
            mask, probability = foreground.read(block.write, cancel)
            labels = finder.add(block, mask, counts(task.settings, probability))
            if linker:
                linker.add(block, labels)
            yield ProgressEvent(Stage.COMPONENTS, done, layout.count)
        components = finder.finish()
        if not linker:
            return components
        linked = linker.join(components, measures)
    return linked.select(linked.voxels >= smallest)


def counted(settings: InstanceSettings) -> tuple[ValueSum, ...]:
    """What is counted of components besides their geometry: the column `STRONG`, where it is needed."""
    return (ValueSum(_STRONG),) if settings.threshold_high else ()


def counts(settings: InstanceSettings, probability: NDArray[Any]) -> BlockValues:
    """What `counted` counts: for each name one integer per voxel, of the shape of `probability`."""
    high = settings.threshold_high
    return {_STRONG: is_above(probability, high).view(np.uint8)} if high else {}


def _promising(
    components: ComponentTable, settings: InstanceSettings, largest: int | None
) -> NDArray[np.bool_]:
    """Which components can become objects, (count,); size and border are final where nothing is split."""
    keep = np.ones(components.count, dtype=np.bool_)
    if settings.threshold_high:
        keep &= components.statistics[STRONG] > 0
    if settings.split is SplitMethod.NONE:
        if largest is not None:
            keep &= components.voxels <= largest
        if settings.drop_border:
            keep &= ~components.cut
    return keep


def segment_instances(
    task: InstanceTask,
    create_labels: Callable[[np.dtype[Any]], WriteLabels],
    cancel: CancelToken | None = None,
) -> Generator[ProgressEvent, None, Segmented]:
    """Find the objects of a class, write their labels, and measure them in the same pass.

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
    Segmented
    """
    found = yield from find_objects(task, cancel)
    sources = task.measured
    scales = {name: source.scale for name, source in sources.items()}
    measurer = LabelMeasurer(MeasureTask(task.source.shape, task.placement, scales))

    def measure(box: Box, labels: NDArray[Any]) -> None:
        values = {name: source.read(box) for name, source in sources.items()} if labels.any() else {}
        measurer.add(box, labels, values)

    yield from write_labels(found, create_labels(found.dtype), cancel, measure)
    return Segmented(measurer.finish(), found.in_blocks, found.notes)
