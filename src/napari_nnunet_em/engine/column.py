"""One column on the model's grids: its blocks, the tiles they need, and the rows to read for them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from napari_nnunet_em.engine.space import ModelSpace, permute, permute_box
from napari_nnunet_em.geometry import Box, Shape, as_shape, make_columns


@dataclass(frozen=True)
class ColumnBlock:
    """A block of a column on three grids.

    Attributes
    ----------
    transposed : Box
        All its voxels in the transposed volume.
    cropped : Box
        Those inside the non-zero box, in voxels of the crop.
    wanted : Box
        Padded voxels whose logits these depend on.
    """

    transposed: Box
    cropped: Box
    wanted: Box


@dataclass(frozen=True)
class Column:
    """What the sweep over one column reads, predicts and finishes.

    Attributes
    ----------
    outside : tuple of Box
        Blocks of the volume that lie outside the non-zero box.
    blocks : tuple of ColumnBlock
        The others, in the order in which they are finished.
    starts : tuple of int
        z starts of the tiles, ascending.
    corners : tuple of (int, int)
        Their (y, x) starts, relative to the plane.
    plane : tuple of (int, int)
        Range of y and of x that the tiles cover in the padded grid.
    depth : int
        Rows of a patch.
    """

    outside: tuple[Box, ...]
    blocks: tuple[ColumnBlock, ...]
    starts: tuple[int, ...]
    corners: tuple[tuple[int, int], ...]
    plane: tuple[tuple[int, int], tuple[int, int]]
    depth: int

    @classmethod
    def of(cls, space: ModelSpace, boxes: Sequence[Box]) -> Column:
        """Lay the blocks of a column, as boxes of the volume, on the grids."""
        outside, blocks = [], []
        for box in boxes:
            transposed = permute_box(box, space.forward)
            cropped = transposed.intersect(space.crop).relative_to(space.crop.start)
            if cropped.size:
                blocks.append(ColumnBlock(transposed, cropped, space.to_padded(cropped)))
            else:
                outside.append(box)
        # Those that end together stay as they were handed over.
        blocks.sort(key=lambda b: (b.wanted.stop[0], b.wanted.start[0]))
        depth, height, width = space.grid.patch
        if not blocks:
            return cls(tuple(outside), (), (), (), ((0, 0), (0, 0)), depth)
        rows, ys, xs = (_overlapping(space, axis, [b.wanted for b in blocks]) for axis in range(3))
        return cls(
            tuple(outside),
            tuple(blocks),
            rows,
            tuple((y - ys[0], x - xs[0]) for y in ys for x in xs),
            ((ys[0], ys[-1] + height), (xs[0], xs[-1] + width)),
            depth,
        )

    @property
    def tiles(self) -> int:
        """Tiles that the sweep over this column predicts."""
        return len(self.starts) * len(self.corners)

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Extent of the plane, (y, x)."""
        (y0, y1), (x0, x1) = self.plane
        return y1 - y0, x1 - x0

    @property
    def steps(self) -> tuple[tuple[int, int], ...]:
        """Each z start with the one that follows; after the last comes the end of its tiles."""
        return tuple(itertools.pairwise([*self.starts, self.starts[-1] + self.depth]))

    @property
    def reads(self) -> tuple[Box, ...]:
        """For each z start, the padded voxels to be read that the start before did not need."""
        (y0, y1), (x0, x1) = self.plane
        boxes, known = [], 0
        for start in self.starts:
            boxes.append(Box((max(start, known), y0, x0), (start + self.depth, y1, x1)))
            known = start + self.depth
        return tuple(boxes)

    @cached_property
    def wanted_window(self) -> tuple[slice, slice]:
        """Where the voxels that any block wants lie in the plane."""
        (y0, _), (x0, _) = self.plane
        low = [min(b.wanted.start[axis] for b in self.blocks) for axis in (1, 2)]
        high = [max(b.wanted.stop[axis] for b in self.blocks) for axis in (1, 2)]
        return slice(low[0] - y0, high[0] - y0), slice(low[1] - x0, high[1] - x0)


def _overlapping(space: ModelSpace, axis: int, boxes: Sequence[Box]) -> tuple[int, ...]:
    """Tile starts along an axis that any of the boxes touches."""
    ranges = {(box.start[axis], box.stop[axis]) for box in boxes}
    return tuple(sorted({s for a, b in ranges for s in space.grid.overlapping(axis, a, b)}))


def tiles_run(space: ModelSpace, columns: Sequence[Sequence[Box]]) -> int:
    """Count the tiles that the sweeps over these columns (boxes of the volume) predict."""
    return sum(Column.of(space, boxes).tiles for boxes in columns)


def column_boxes(
    region: Box, block_shape: Shape, space: ModelSpace, column_shape: Shape | None = None
) -> list[list[Box]]:
    """Cut a region of the volume into columns that run along the model's first axis.

    Parameters
    ----------
    region : Box
        Voxels of the volume.
    block_shape : tuple of int, (z, y, x)
        Of what is written at once, in the volume's axes.
    space : ModelSpace
        Says which of the volume's axes the model sees first.
    column_shape : tuple of int, (z, y, x), optional
        Cross-section of a column, whole blocks along each axis; a block wide without it. Its extent along
        the model's first axis does not count.

    Returns
    -------
    list of list of Box
        Boxes of the volume, column by column, each in ascending order along the model's first axis.
    """
    forward, backward = space.forward, space.backward
    shape, block = permute(region.shape, forward), permute(block_shape, forward)
    wide = block if column_shape is None else permute(column_shape, forward)
    columns = []
    for column in make_columns(shape, (block[0], *wide[1:])):
        boxes = [part for whole in column.blocks for part in _cut(whole.write, block)]
        columns.append([permute_box(box, backward).shift(region.start) for box in boxes])
    return columns


def _cut(box: Box, block: Shape) -> list[Box]:
    """Blocks of one layer of a column."""
    sides = [range(a, b, n) for a, b, n in zip(box.start, box.stop, block, strict=True)]
    starts = [as_shape(start) for start in itertools.product(*sides)]
    return [Box(s, as_shape([a + n for a, n in zip(s, block, strict=True)])).intersect(box) for s in starts]
