"""Boxes, blocks, columns and nnU-Net's global tile grid: integers only, no arrays.

Everything here is (z, y, x) in voxels. A 2D image is a volume with one slice, and a 2D model has a
patch that is one slice deep.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Shape = tuple[int, int, int]


def as_shape(values: Sequence[int]) -> Shape:
    """Three integers as a `Shape`."""
    z, y, x = (int(v) for v in values)
    return z, y, x


@dataclass(frozen=True, order=True)
class Box:
    """A half-open box of voxels.

    Attributes
    ----------
    start, stop : tuple of int, (z, y, x)
        The first voxel, and one past the last.
    """

    start: Shape
    stop: Shape

    @classmethod
    def whole(cls, shape: Sequence[int]) -> Box:
        """The box of all voxels of an array of this shape."""
        return cls((0, 0, 0), as_shape(shape))

    @property
    def shape(self) -> Shape:
        """Extent along z, y and x; 0 where the box is empty."""
        return as_shape([max(b - a, 0) for a, b in zip(self.start, self.stop, strict=True)])

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Slices that cut this box out of a (z, y, x) array."""
        z, y, x = (slice(a, b) for a, b in zip(self.start, self.stop, strict=True))
        return z, y, x

    def shift(self, offset: Sequence[int]) -> Box:
        """The same box moved by `offset` voxels."""
        return Box(
            as_shape([a + o for a, o in zip(self.start, offset, strict=True)]),
            as_shape([b + o for b, o in zip(self.stop, offset, strict=True)]),
        )

    def relative_to(self, origin: Sequence[int]) -> Box:
        """The same box in coordinates that begin at `origin`."""
        return self.shift([-o for o in origin])

    def intersect(self, other: Box) -> Box:
        """The voxels in both boxes; of size 0 when they do not meet."""
        return Box(
            as_shape([max(a, b) for a, b in zip(self.start, other.start, strict=True)]),
            as_shape([min(a, b) for a, b in zip(self.stop, other.stop, strict=True)]),
        )

    def grow(self, margin: Sequence[int]) -> Box:
        """The box with `margin` voxels more on both sides of each axis."""
        return Box(
            as_shape([a - m for a, m in zip(self.start, margin, strict=True)]),
            as_shape([b + m for b, m in zip(self.stop, margin, strict=True)]),
        )

    def contains(self, other: Box) -> bool:
        """Whether every voxel of `other` lies in this box."""
        return other.intersect(self) == other

    def __str__(self) -> str:
        return ",".join(f"{a}:{b}" for a, b in zip(self.start, self.stop, strict=True))


@dataclass(frozen=True)
class Block:
    """A unit of work: what it reads and what it alone writes.

    Attributes
    ----------
    index : tuple of int, (z, y, x)
        Place in the grid of blocks.
    read, write : Box
        Voxels needed, and voxels owned. Write boxes partition the output.
    """

    index: Shape
    read: Box
    write: Box


@dataclass(frozen=True)
class Column:
    """An ordered run of blocks along z with one (y, x) cross-section: the unit of distribution."""

    index: tuple[int, int]
    blocks: tuple[Block, ...]

    @property
    def box(self) -> Box:
        """All voxels the column writes."""
        return Box(self.blocks[0].write.start, self.blocks[-1].write.stop)


def split_axis(length: int, step: int) -> list[tuple[int, int]]:
    """Cut ``range(length)`` into runs of `step`; the last may be shorter."""
    return [(a, min(a + step, length)) for a in range(0, length, step)]


def iter_blocks(shape: Sequence[int], block_shape: Sequence[int]) -> Iterator[Block]:
    """Blocks that partition an array, in raster order; they read what they write."""
    axes = [list(enumerate(split_axis(n, b))) for n, b in zip(shape, block_shape, strict=True)]
    for (iz, z), (iy, y), (ix, x) in itertools.product(*axes):
        box = Box((z[0], y[0], x[0]), (z[1], y[1], x[1]))
        yield Block((iz, iy, ix), box, box)


def make_columns(shape: Sequence[int], block_shape: Sequence[int]) -> list[Column]:
    """Group the blocks of an array into columns along z, in raster order of (y, x)."""
    runs: dict[tuple[int, int], list[Block]] = {}
    for block in iter_blocks(shape, block_shape):
        runs.setdefault(block.index[1:], []).append(block)
    return [Column(index, tuple(blocks)) for index, blocks in runs.items()]


def tile_starts(length: int, patch: int, step: float) -> tuple[int, ...]:
    """Where nnU-Net places tiles along one axis.

    Parameters
    ----------
    length : int
        Voxels along the axis of the whole (cropped, resampled, padded) volume; at least `patch`.
    patch : int
        Patch size along the axis.
    step : float
        nnU-Net's ``tile_step_size``: the largest allowed distance of tiles as a share of the patch.

    Returns
    -------
    tuple of int
        Ascending starts, spread evenly from 0 to ``length - patch`` and rounded half to even.

    Notes
    -----
    The rule is that of ``nnunetv2.inference.sliding_window_prediction.compute_steps_for_sliding_window``.
    """
    last = length - patch
    count = math.ceil(last / (patch * step)) + 1
    if count <= 1:
        return (0,)
    spacing = last / (count - 1)
    return tuple(round(spacing * i) for i in range(count))


@dataclass(frozen=True)
class TileGrid:
    """nnU-Net's tiles over a whole volume, independent of any block.

    Attributes
    ----------
    shape : tuple of int, (z, y, x)
        Shape of the whole padded volume in the model's voxels.
    patch : tuple of int, (z, y, x)
        Patch size; a 2D model has 1 along z.
    starts : tuple of tuple of int
        Tile starts along z, y and x.
    """

    shape: Shape
    patch: Shape
    starts: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]

    @classmethod
    def of(cls, shape: Sequence[int], patch: Sequence[int], step: float) -> TileGrid:
        """The grid of tiles of size `patch` over a volume of `shape`, at nnU-Net's `step`."""
        # Along an axis with a patch of one voxel the rule names most starts twice, with the same tiles.
        starts = (tile_starts(n, p, step) for n, p in zip(shape, patch, strict=True))
        z, y, x = (tuple(dict.fromkeys(s)) for s in starts)
        return cls(as_shape(shape), as_shape(patch), (z, y, x))

    @property
    def count(self) -> int:
        """Number of tiles in the whole grid."""
        return math.prod(len(s) for s in self.starts)

    def overlapping(self, axis: int, start: int, stop: int) -> tuple[int, ...]:
        """Starts along `axis` of the tiles that touch voxels ``start`` to ``stop``."""
        starts = self.starts[axis]
        return starts[
            bisect.bisect_right(starts, start - self.patch[axis]) : bisect.bisect_left(starts, stop)
        ]
