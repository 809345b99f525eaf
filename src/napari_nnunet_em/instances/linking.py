"""Objects from slices: cross-sections of neighbouring slices are linked where they overlap most.

Where slices are much thicker than a pixel is wide, an object moves sideways from slice to slice, and its
cross-section may lie beside its own in the next slice and upon that of a neighbour. Contact of voxels then
makes one object of both. Here the components of each slice are found by themselves, and two are linked

1. if each is the other's best partner in that pair of slices, and their intersection over union is at least
   the threshold. The best has the highest intersection over union; of equals the one with the larger
   intersection, and then the one that raster order meets first;
2. then, for gaps of one missing slice, two, and so on: by the same rule among those that have no link yet on
   the sides that face the gap.

So a cross-section has at most one link up and one down: an object is a chain, which never branches. Sizes and
overlaps are counted exactly across blocks, so the outcome does not depend on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.components import (
    ComponentTable,
    Layout,
    Measure,
    PlaneConnectivity,
    join_components,
)
from napari_nnunet_em.components.faces import FaceStore
from napari_nnunet_em.components.fragments import GrowingTable
from napari_nnunet_em.config import Connectivity, InstanceSettings, Linking
from napari_nnunet_em.geometry import Block

Integers = NDArray[np.int64]


def connectivity_of(settings: InstanceSettings) -> Connectivity | PlaneConnectivity:
    """Which neighbours join: in space, or within a slice where slices are linked by overlap."""
    if settings.linking is Linking.OVERLAP:
        return PlaneConnectivity.within(settings.connectivity)
    return settings.connectivity


@dataclass(frozen=True, eq=False)
class Overlaps:
    """How many pixels two things share when one slice is laid upon another.

    Attributes
    ----------
    one, other : array, (pairs,), int64
        The things, from 0; `one` lies in the earlier slice. No pair occurs twice.
    pixels : array, (pairs,), int64
        What they share.
    """

    one: Integers
    other: Integers
    pixels: Integers

    @classmethod
    def summed(cls, one: Integers, other: Integers, pixels: Integers) -> Overlaps:
        """Add up pairs that occur several times."""
        if not len(one):
            return cls(one, other, pixels)
        order = np.lexsort((other, one))
        one, other, pixels = one[order], other[order], pixels[order]
        new = np.ones(len(one), dtype=np.bool_)
        new[1:] = (one[1:] != one[:-1]) | (other[1:] != other[:-1])
        starts = np.flatnonzero(new)
        return cls(one[starts], other[starts], np.add.reduceat(pixels, starts))

    @classmethod
    def between(cls, one: NDArray[np.integer], other: NDArray[np.integer]) -> Overlaps:
        """Count the overlaps of two arrays of labels of one shape, numbered from 1, with 0 for nothing."""
        both = np.flatnonzero((one.ravel() > 0) & (other.ravel() > 0))
        mine = one.ravel()[both].astype(np.int64)
        its = other.ravel()[both].astype(np.int64)
        # Few lines of many equal pairs: what is left is little to sort.
        new = np.ones(len(both), dtype=np.bool_)
        new[1:] = (mine[1:] != mine[:-1]) | (its[1:] != its[:-1])
        starts = np.flatnonzero(new)
        return cls.summed(mine[starts] - 1, its[starts] - 1, np.diff(starts, append=len(both)))


def link_sections(overlaps: Overlaps, z: Integers, area: Integers, settings: InstanceSettings) -> Integers:
    """Choose the links; see the rule at the top of this module.

    Parameters
    ----------
    overlaps : Overlaps
        Of cross-sections, numbered as raster order meets them, in slices up to ``link_gap + 1`` apart.
    z, area : array, (sections,), int64
        Slice and pixels of each cross-section.
    settings : InstanceSettings
        ``link_iou`` and ``link_gap``.

    Returns
    -------
    array, (links, 2), int64
        Pairs of cross-sections, from 0.
    """
    one, other, shared = overlaps.one, overlaps.other, overlaps.pixels
    iou = shared / (area[one] + area[other] - shared)
    enough = np.flatnonzero(iou >= settings.link_iou)
    best_first = enough[np.lexsort((other[enough], one[enough], -shared[enough], -iou[enough]))]
    one, other = one[best_first], other[best_first]
    apart = z[other] - z[one]
    ends = np.ones(len(z), dtype=np.bool_)  # nothing follows yet
    begins = np.ones(len(z), dtype=np.bool_)  # nothing leads here yet
    links = [np.empty((0, 2), dtype=np.int64)]
    for distance in range(1, settings.link_gap + 2):
        candidates = np.flatnonzero((apart == distance) & ends[one] & begins[other])
        pairs = np.stack([one[candidates], other[candidates]], axis=1)
        chosen = pairs[_first_of(pairs[:, 0]) & _first_of(pairs[:, 1])]
        ends[chosen[:, 0]] = False
        begins[chosen[:, 1]] = False
        links.append(chosen)
    return np.concatenate(links)


def _first_of(values: Integers) -> NDArray[np.bool_]:
    """Where each value occurs for the first time."""
    first = np.zeros(len(values), dtype=np.bool_)
    first[np.unique(values, return_index=True)[1]] = True
    return first


class SliceLinker:
    """Follows the first pass over the blocks, and joins the cross-sections it found to objects.

    Use it as a context manager; leaving it removes its scratch file. Memory holds the last slices of the
    blocks above, at most 64 MiB of them, and the overlaps.

    Parameters
    ----------
    settings : InstanceSettings
        ``link_iou`` and ``link_gap``.
    layout : Layout
        Blocks, with a `PlaneConnectivity`.
    scratch : pathlib.Path or None
        Folder for slices that are too many for memory; the system's own without it.
    """

    def __init__(self, settings: InstanceSettings, layout: Layout, scratch: Path | None = None) -> None:
        self._settings = settings
        self._layout = layout
        self._reach = settings.link_gap + 1
        _, rows, columns = layout.grid
        _, y, x = layout.block_shape
        self._slices = FaceStore(rows * columns * self._reach, y * x, scratch)
        names = ("one", "other", "pixels")
        self._found = GrowingTable({name: np.dtype(np.int64) for name in names})
        self._base = 0

    @classmethod
    def of(cls, settings: InstanceSettings, layout: Layout, scratch: Path | None) -> SliceLinker | None:
        """A linker where the settings ask for one."""
        return cls(settings, layout, scratch) if settings.linking is Linking.OVERLAP else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._slices.close()

    def add(self, block: Block, labels: NDArray[np.uint32]) -> None:
        """Take the next block.

        Parameters
        ----------
        block : Block
            The next of ``layout.blocks()``.
        labels : array, (z, y, x), uint32
            As `ComponentFinder.add` returns them; that one must drop nothing.
        """
        for overlaps in (*self._inside(labels), *self._above(block, labels)):
            self._found.append({"one": overlaps.one, "other": overlaps.other, "pixels": overlaps.pixels})
        for z in range(block.write.stop[0] - min(len(labels), self._reach), block.write.stop[0]):
            self._slices.write(self._slot(block, z), labels[z - block.write.start[0]], self._base)
        self._base += int(labels.max(initial=0))

    def join(self, table: ComponentTable, measures: Sequence[Measure]) -> ComponentTable:
        """Make objects of the components of slices.

        Parameters
        ----------
        table : ComponentTable
            What the first pass found; nothing was dropped.
        measures : sequence of Measure
            Those of the table.

        Returns
        -------
        ComponentTable
            Numbered in the order in which raster order meets the first voxel of each object.
        """
        found = self._found.take()
        section = table.ids.astype(np.int64) - 1  # of each fragment
        overlaps = Overlaps.summed(section[found["one"]], section[found["other"]], found["pixels"])
        links = link_sections(overlaps, table.statistics["min_z"], table.voxels, self._settings)
        return join_components(table, links, measures)

    def _inside(self, labels: NDArray[np.uint32]) -> Iterator[Overlaps]:
        """Overlaps of slices of the same block, fragments numbered from 0 in the volume."""
        for distance in range(1, min(self._reach, len(labels) - 1) + 1):
            shared = Overlaps.between(labels[:-distance], labels[distance:])
            yield Overlaps(shared.one + self._base, shared.other + self._base, shared.pixels)

    def _above(self, block: Block, labels: NDArray[np.uint32]) -> Iterator[Overlaps]:
        """Overlaps with slices of the blocks above."""
        first = block.write.start[0]
        for z in range(max(first - self._reach, 0), first):
            kept = self._slices.read(self._slot(block, z), labels.shape[1:])
            if kept is None:
                continue
            earlier, base = kept
            for later in range(first, min(z + self._reach + 1, block.write.stop[0])):
                shared = Overlaps.between(earlier, labels[later - first])
                yield Overlaps(shared.one + base, shared.other + self._base, shared.pixels)

    def _slot(self, block: Block, z: int) -> int:
        """Place of one slice of a column of blocks: slices that are not needed at once share one."""
        _, _, columns = self._layout.grid
        return (block.index[1] * columns + block.index[2]) * self._reach + z % self._reach
