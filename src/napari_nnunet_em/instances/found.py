"""Objects that are found and numbered: what is known of them, and how their labels are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.components import Layout
from napari_nnunet_em.geometry import Block, Box
from napari_nnunet_em.instances.final import FinalObjects
from napari_nnunet_em.progress import CancelToken, ProgressEvent, Stage
from napari_nnunet_em.quantities import count

if TYPE_CHECKING:
    from napari_nnunet_em.instances.segment import InstanceTask

WriteLabels = Callable[[Box, NDArray[Any]], None]
"""Takes a box and its final labels, (z, y, x): writes them, or measures them."""


@dataclass(frozen=True, eq=False)
class FoundObjects:
    """All objects of a class, numbered; the labels are not written yet.

    Attributes
    ----------
    task : InstanceTask
        What was asked.
    objects : FinalObjects
        The objects.
    in_blocks : int
        Objects too large for the memory budget, which were split in overlapping blocks.
    """

    task: InstanceTask
    objects: FinalObjects
    in_blocks: int

    @property
    def count(self) -> int:
        """Number of objects; labels go from 1 to `count`."""
        return self.objects.count

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        """Type of the label image: uint32, or uint64 beyond its ids."""
        return self.objects.dtype

    @property
    def layout(self) -> Layout:
        """The blocks."""
        return self.objects.components.layout

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not exact about the objects, one sentence each."""
        if not self.in_blocks:
            return ()
        return (in_blocks_note(self.in_blocks, self.task.settings.split_memory_gb),)

    def labels(self, block: Block) -> NDArray[np.unsignedinteger[Any]]:
        """Labels of one of ``layout.blocks()``, (z, y, x); thread-safe if the source is."""
        return self.objects.labels(block)


def in_blocks_note(number: int, memory_gb: float) -> str:
    """Say that objects were split in blocks."""
    return (
        f"{count(number, 'object is', 'objects are')} too large to be split or filled whole within "
        f"{memory_gb:g} GB, and {'was' if number == 1 else 'were'} worked on in overlapping blocks: look at "
        f"{'its' if number == 1 else 'their'} parts, or give splitting more memory (--split-memory-gb)."
    )


def write_labels(
    found: FoundObjects,
    write: WriteLabels,
    cancel: CancelToken | None = None,
    measure: WriteLabels | None = None,
) -> Iterator[ProgressEvent]:
    """Last pass: write the labels of every block, background included.

    Parameters
    ----------
    found : FoundObjects
        From `find_objects`.
    write : callable
        Takes a box and its labels, (z, y, x) of ``found.dtype``; called once per block.
    cancel : CancelToken, optional
        Polled before each block.
    measure : callable, optional
        Takes the same as `write`, before it: the seam for whatever is counted in the same pass.

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
    layout = found.layout
    for done, block in enumerate(layout.blocks(), start=1):
        if cancel is not None:
            cancel.raise_if_cancelled()
        labels = found.labels(block)
        if measure is not None:
            measure(block.write, labels)
        write(block.write, labels)
        yield ProgressEvent(Stage.LABELS, done, layout.count, box=block.write)
