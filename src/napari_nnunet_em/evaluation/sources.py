"""Where the labels of a block come from: as stored, or as the components of a mask."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.components import ComponentFinder, ComponentTable, Layout
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.evaluation.blockwise import in_threads
from napari_nnunet_em.evaluation.opening import LabelImage
from napari_nnunet_em.evaluation.overlaps import check_labels
from napari_nnunet_em.evaluation.settings import ComparisonSettings, Meaning, Relabel
from napari_nnunet_em.geometry import Block, Shape
from napari_nnunet_em.io import Volume
from napari_nnunet_em.progress import CancelToken, ProgressEvent, Stage

Labels = NDArray[Any]
Mask = NDArray[np.bool_]

_OUTSIDE = -1
"""Label of voxels that are left out, where the stored value that says so is replaced by components."""

_BINARY = (1, 255)


class LabelSource(Protocol):
    """Labels of one side, block by block; reading is safe from several threads."""

    @property
    def ignore(self) -> tuple[int, ...]:
        """Labels that mean: leave this voxel out."""
        ...

    def read(self, block: Block) -> Labels:
        """Labels of a block of the part that is compared, (z, y, x)."""
        ...


@dataclass(frozen=True)
class StoredLabels:
    """Labels as they are stored.

    Attributes
    ----------
    volume : Volume
        One channel.
    start : tuple of int, (z, y, x)
        First voxel of the part that is compared.
    ignore : tuple of int
        Labels that mean: leave this voxel out.
    value : int or None
        The one value that counts, as 1; None for all.
    """

    volume: Volume
    start: Shape
    ignore: tuple[int, ...] = ()
    value: int | None = None

    def stored(self, block: Block) -> Labels:
        """The voxels themselves, (z, y, x)."""
        channels: Labels = self.volume.read(block.write.shift(self.start))
        return np.asarray(channels[0])

    def ignored(self, stored: Labels) -> Mask:
        """Which voxels are left out."""
        out = np.zeros(stored.shape, dtype=np.bool_)
        for label in self.ignore:
            out |= stored == label
        return out

    def mask(self, stored: Labels) -> Mask:
        """Voxels of objects; none of those that are left out."""
        inside: Mask = stored != 0 if self.value is None else stored == self.value
        return inside & ~self.ignored(stored) if self.ignore else inside

    def read(self, block: Block) -> Labels:
        """Labels of a block."""
        return self.stored(block)


@dataclass(frozen=True)
class MaskedLabels:
    """The mask of one stored label image as a label image of its own, with the one label 1."""

    image: StoredLabels

    @property
    def ignore(self) -> tuple[int, ...]:
        """Labels that mean: leave this voxel out."""
        return (_OUTSIDE,) if self.image.ignore else ()

    def read(self, block: Block) -> Labels:
        """Labels of a block."""
        stored = self.image.stored(block)
        return _without(self.image.mask(stored), self.image, stored)


@dataclass(frozen=True)
class ComponentLabels:
    """The connected components of a mask."""

    image: StoredLabels
    table: ComponentTable

    @property
    def ignore(self) -> tuple[int, ...]:
        """Labels that mean: leave this voxel out."""
        return (_OUTSIDE,) if self.image.ignore else ()

    def read(self, block: Block) -> Labels:
        """Labels of a block."""
        stored = self.image.stored(block)
        return _without(self.table.relabel(block, self.image.mask(stored)), self.image, stored)


def _without(labels: Labels, image: StoredLabels, stored: Labels) -> Labels:
    """Mark the voxels that are left out."""
    return np.where(image.ignored(stored), _OUTSIDE, labels.astype(np.int64)) if image.ignore else labels


def label_source(
    side: LabelImage,
    image: StoredLabels,
    settings: ComparisonSettings,
    layout: Layout,
    cancel: CancelToken | None = None,
) -> Generator[ProgressEvent, None, LabelSource]:
    """Decide what the objects of one side are, and find them where they are components.

    Parameters
    ----------
    side : LabelImage
        What is known about the image.
    image : StoredLabels
        Its voxels, placed.
    settings : ComparisonSettings
        What is wanted.
    layout : Layout
        Blocks, and the connectivity of components.
    cancel : CancelToken, optional
        Polled before each block.

    Raises
    ------
    InputError
        When the image holds several channels, or numbers that are neither labels nor a mask.
    """
    volume = side.volume
    if volume.channels > 1:
        raise InputError(
            f"{volume.origin} has {volume.channels} channels, but labels have one: give the label image."
        )
    surely = settings.relabel is Relabel.ALWAYS or image.value is not None or volume.dtype == np.bool_
    never = settings.relabel is Relabel.NEVER or settings.meaning is Meaning.CLASSES
    if not never and (surely or not side.objects):
        table = yield from _components(image, layout, surely, cancel)
        if table is not None:
            return ComponentLabels(image, table)
    if image.value is not None:
        return MaskedLabels(image)
    check_labels(volume.dtype, f"image {volume.origin}")
    return image


def _components(
    image: StoredLabels, layout: Layout, surely: bool, cancel: CancelToken | None
) -> Generator[ProgressEvent, None, ComponentTable | None]:
    """The components of an image; None as soon as it turns out to be no mask, unless it `surely` is one."""
    blocks = list(layout.blocks())
    high = 0
    stored = in_threads(image.stored, blocks, cancel)
    with contextlib.closing(stored), ComponentFinder(layout) as finder:
        for done, (block, voxels) in enumerate(zip(blocks, stored, strict=True), start=1):
            mask = image.mask(voxels)
            if not surely and mask.any():
                high = high or voxels[mask][0].item()
                if high not in _BINARY or np.count_nonzero(voxels == high) != np.count_nonzero(mask):
                    return None
            finder.add(block, mask)
            yield ProgressEvent(Stage.COMPONENTS, done, layout.count)
        return finder.finish()
