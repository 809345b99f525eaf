"""Splitting an object that is too large to be held in memory: block by block, with overlap.

The blocks are cut from the origin of the volume and their size follows from the memory setting and the shape
of the volume alone, so the outcome depends on no block of the job. It may differ from that of the whole
object, which is why such objects are counted:

- Each block is split together with a margin of a quarter of its size on all sides, in which it overlaps its
  neighbours. Holes are filled where they lie inside a block with its margin.
- A part in one block and a part in the next are the same where they agree in the overlap: where their
  intersection is more than half of their union there.
- Each voxel belongs to the part that its own block gives it, and small parts join last, over all blocks.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.components import Layout
from napari_nnunet_em.config import SplitMethod
from napari_nnunet_em.geometry import Block, Box, Shape, as_shape, iter_blocks
from napari_nnunet_em.instances.splitting.basins import Borders, Integers, Labels, collect, find_borders
from napari_nnunet_em.instances.splitting.joining import Groups, join_small
from napari_nnunet_em.instances.splitting.pieces import ObjectReader
from napari_nnunet_em.instances.splitting.split import Piece, cut_at_necks, first_places
from napari_nnunet_em.instances.splitting.store import UnitParts, labels_on_border, raveled

BYTES_PER_VOXEL = 64
"""What splitting holds per voxel of the box around an object; see ``benchmarks/splitting.py``."""

Mask = NDArray[np.bool_]

_AGREE = 0.5
_KEPT_BLOCKS = 64


def most_voxels(memory_gb: float) -> int:
    """Voxels of the largest box that is split whole within a memory budget."""
    return max(int(memory_gb * 1e9 / BYTES_PER_VOXEL), 64)


def block_shape(volume: Sequence[int], limit: int) -> Shape:
    """Blocks of a volume that have at most `limit` voxels together with their margins.

    Cubes, longer along other axes where the volume is thinner than a cube along one.
    """
    order = sorted(range(3), key=lambda axis: volume[axis])
    sides = [0, 0, 0]
    left = float(limit)
    for place, axis in enumerate(order):
        with_margin = left ** (1 / (3 - place))
        whole = volume[axis] <= with_margin
        sides[axis] = volume[axis] if whole else max(int(with_margin / 1.5), 1)
        left /= volume[axis] if whole else sides[axis] + 2 * (sides[axis] // 4)
    return as_shape([max(side, 1) for side in sides])


@dataclass(frozen=True, eq=False)
class _Window:
    """Parts inside one block and its margin, numbered from `slot` on over all windows."""

    index: Shape
    core: Box
    box: Box
    slot: int
    count: int
    packed: bytes

    @classmethod
    def of(cls, index: Shape, core: Box, box: Box, slot: int, labels: Labels) -> _Window:
        return cls(index, core, box, slot, int(labels.max()), zlib.compress(labels.tobytes(), level=1))

    def labels(self, box: Box) -> Labels:
        """Parts in a box, from 1."""
        everything = np.frombuffer(zlib.decompress(self.packed), dtype=np.int32).reshape(self.box.shape)
        return everything[box.relative_to(self.box.start).slices]


@dataclass
class LargeObject:
    """One object on its way through the blocks.

    Attributes
    ----------
    reader : ObjectReader
        Settings and sizes.
    row : int
        Its component.
    limit : int
        Voxels that are held at once.
    """

    reader: ObjectReader
    row: int
    limit: int
    _packed: dict[Shape, bytes] = field(default_factory=dict, init=False, repr=False)
    _windows: list[_Window] = field(default_factory=list, init=False, repr=False)
    _borders: list[Borders] = field(default_factory=list, init=False, repr=False)
    _same: list[tuple[int, int]] = field(default_factory=list, init=False, repr=False)
    _slots: int = field(default=1, init=False, repr=False)

    def split(self, out: UnitParts) -> Iterator[None]:
        """Split the object and add its parts to `out`; yields after each block."""
        for index, core, box in self._places():
            labels = self._cut(box)
            inner = core.intersect(box)
            if labels[inner.relative_to(box.start).slices].any():
                self._take(_Window.of(index, inner, box, self._slots, labels), labels)
            yield
        self._finish(out)

    def _places(self) -> Iterator[tuple[Shape, Box, Box]]:
        """Blocks that may hold voxels of the object: place in the grid, block, and what is read for it."""
        side = block_shape(self.reader.volume, self.limit)
        own = self.reader.box(self.row)
        first = [a // s for a, s in zip(own.start, side, strict=True)]
        last = [-(-b // s) for b, s in zip(own.stop, side, strict=True)]
        for block in iter_blocks([b - a for a, b in zip(first, last, strict=True)], (1, 1, 1)):
            index = as_shape([a + i for a, i in zip(first, block.index, strict=True)])
            start = as_shape([i * s for i, s in zip(index, side, strict=True)])
            core = Box(start, as_shape([a + s for a, s in zip(start, side, strict=True)]))
            box = core.grow([s // 4 for s in side]).intersect(own)
            if any(box.intersect(block.write).size for block in self._held):
                yield index, core, box

    @cached_property
    def _held(self) -> list[Block]:
        """Blocks of the job in which the object has voxels."""
        places = np.flatnonzero(self.reader.components.ids == self.row + 1)
        layout = self.reader.components.layout
        numbers = np.searchsorted(self.reader.components.offsets, places, side="right") - 1
        return [_block(layout, number) for number in np.unique(numbers).tolist()]

    def _own(self, box: Box) -> Mask:
        """Where the object is in a box."""
        out = np.zeros(box.shape, dtype=np.bool_)
        for block in self._held:
            both = block.write.intersect(box)
            if both.size:
                if block.index not in self._packed:
                    self._packed[block.index] = self._pack(block)
                while len(self._packed) > _KEPT_BLOCKS:
                    del self._packed[next(iter(self._packed))]
                flat = np.frombuffer(zlib.decompress(self._packed[block.index]), dtype=np.bool_)
                whole = flat.reshape(block.write.shape)
                out[both.relative_to(box.start).slices] = whole[both.relative_to(block.write.start).slices]
        return out

    def _pack(self, block: Block) -> bytes:
        labels = self.reader.components.relabel(block, self.reader.foreground.mask(block.write))
        return zlib.compress((labels == self.row + 1).tobytes(), level=1)

    def _cut(self, box: Box) -> Labels:
        """Parts of the object in a box, each 1 to n."""
        foreground, settings = self.reader.foreground, self.reader.foreground.settings
        mask, probability = foreground.read(box)
        own = self._own(box)
        others = mask & ~own
        excluded = foreground.source.other_classes(box)
        whole = self.reader.filled(own, others if excluded is None else others | excluded)
        if settings.split is SplitMethod.NONE or not whole.any():
            return whole.astype(np.int32)
        piece = Piece(whole, probability, foreground.source.read_boundary(box))
        labels = cut_at_necks(piece, settings, foreground.size_nm).labels
        found = np.unique(labels[labels > 0])
        names = np.zeros(int(found.max(initial=0)) + 1, dtype=np.int32)
        names[found] = np.arange(1, len(found) + 1)
        return names[labels]

    def _take(self, window: _Window, labels: Labels) -> None:
        """Count a window's own voxels, and find its parts again in the windows before it."""
        foreground = self.reader.foreground
        # One layer more, so that the borders between blocks count too.
        inner = Box(window.core.start, as_shape([b + 1 for b in window.core.stop])).intersect(window.box)
        part = labels[inner.relative_to(window.box.start).slices]
        flat = np.zeros(part.shape, dtype=np.float32)
        found = find_borders(part, flat, foreground.settings.connectivity, foreground.size_nm)
        shift = window.slot - 1
        self._borders.append(
            Borders(found.one + shift, found.other + shift, found.pass_height, found.surface_nm2)
        )
        for earlier in self._windows:
            steps = [a - b for a, b in zip(window.index, earlier.index, strict=True)]
            if sum(map(abs, steps)) == 1:
                self._same.extend(_agreeing(earlier, window, labels))
        self._windows.append(window)
        self._slots += window.count

    def _finish(self, out: UnitParts) -> None:
        """Join what agrees and what is too small, and hand over the parts in order of first voxels."""
        groups = Groups(self._slots)
        for one, other in self._same:
            groups.join(one, other)
        if self.reader.foreground.settings.split is SplitMethod.NONE:
            for slot in range(2, self._slots):
                groups.join(1, slot)
        names = groups.names()
        voxels, first, cut = self._measured()
        columns = [
            np.concatenate([getattr(b, name) for b in self._borders])
            for name in ("one", "other", "pass_height", "surface_nm2")
        ]
        borders = collect(*columns).renamed(names)
        size = np.bincount(names, weights=voxels, minlength=self._slots).astype(np.int64)
        names = join_small(size, borders, self.reader.smallest)[names]
        self._hand_over(out, names, voxels, (first, cut))

    def _measured(self) -> tuple[Integers, Integers, NDArray[np.bool_]]:
        """Of each slot inside its own block: voxels, first voxel, and whether it touches the border."""
        voxels = np.zeros(self._slots, dtype=np.int64)
        first = np.full(self._slots, np.iinfo(np.int64).max, dtype=np.int64)
        cut = np.zeros(self._slots, dtype=np.bool_)
        volume = self.reader.volume
        for window in self._windows:
            labels = window.labels(window.core)
            places = first_places(labels)
            sizes = np.bincount(labels.ravel(), minlength=len(places))
            for label in np.flatnonzero(places >= 0).tolist():
                slot = window.slot + label - 1
                voxels[slot] = sizes[label]
                first[slot] = raveled(int(places[label]), window.core, volume)
            for label in labels_on_border(labels, window.core, volume):
                cut[window.slot + label - 1] = True
        return voxels, first, cut

    def _hand_over(
        self, out: UnitParts, names: Integers, voxels: Integers, facts: tuple[Integers, NDArray[np.bool_]]
    ) -> None:
        first, cut = facts
        earliest = np.full(self._slots, np.iinfo(np.int64).max, dtype=np.int64)
        np.minimum.at(earliest, names, first)
        size = np.bincount(names, weights=voxels, minlength=self._slots).astype(np.int64)
        touching = np.zeros(self._slots, dtype=np.bool_)
        np.logical_or.at(touching, names, cut)
        chiefs = np.flatnonzero(size)
        part_of = np.zeros(self._slots, dtype=np.int64)
        for chief in chiefs[np.argsort(earliest[chiefs])].tolist():
            part_of[chief] = out.add_part(
                self.row, int(earliest[chief]), int(size[chief]), touches_border=bool(touching[chief])
            )
        for window in self._windows:
            slots = np.arange(window.slot, window.slot + window.count)
            out.add_labels(window.core, window.labels(window.core), part_of[names[slots]].tolist())


def _agreeing(earlier: _Window, later: _Window, labels: Labels) -> Iterator[tuple[int, int]]:
    """Slots of two overlapping windows that are the same part."""
    shared = earlier.box.intersect(later.box)
    if not shared.size:
        return
    one = earlier.labels(shared).ravel().astype(np.int64)
    other = labels[shared.relative_to(later.box.start).slices].ravel().astype(np.int64)
    one_size, other_size = np.bincount(one), np.bincount(other)
    both = (one > 0) & (other > 0)
    keys, counts = np.unique(one[both] * len(other_size) + other[both], return_counts=True)
    for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
        a, b = divmod(key, len(other_size))
        if count > _AGREE * (int(one_size[a]) + int(other_size[b]) - count):
            yield earlier.slot + a - 1, later.slot + b - 1


def _block(layout: Layout, number: int) -> Block:
    """A block of the job by its place in raster order."""
    _, rows, columns = layout.grid
    rest, x = divmod(number, columns)
    z, y = divmod(rest, rows)
    start = as_shape([i * b for i, b in zip((z, y, x), layout.block_shape, strict=True)])
    box = Box((0, 0, 0), layout.extent((z, y, x))).shift(start)
    return Block((z, y, x), box, box)
