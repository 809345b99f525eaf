"""The column sweep: every tile that touches a column is predicted once, in one pass along z.

Tiles come in rows of equal z start. When the sweep moves on to the next start, the rows of voxels it leaves
behind have seen all their tiles: they are divided by their weights, and each block is encoded as soon as all
its rows are there. Memory holds one patch depth of sums and one block depth of logits, whatever the volume.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.engine.output import Encoder, logits_to_cropped
from napari_nnunet_em.engine.preprocess import Preprocessor
from napari_nnunet_em.engine.runner import Accumulator, TileRunner
from napari_nnunet_em.engine.space import ModelSpace, permute, permute_box
from napari_nnunet_em.engine.window import InputWindow, RowBuffer, chunk_aligned_end
from napari_nnunet_em.geometry import Box, Shape, make_columns
from napari_nnunet_em.progress import CancelToken

_ENCODE_ROWS = 4


@dataclass(frozen=True)
class BlockResult:
    """A finished block.

    Attributes
    ----------
    box : Box
        Voxels of the volume.
    probabilities : array, (classes, z, y, x)
        In the volume's axes, as stored.
    classes : array, (z, y, x)
        In the volume's axes.
    """

    box: Box
    probabilities: NDArray[np.generic]
    classes: NDArray[np.unsignedinteger]


@dataclass(frozen=True)
class TilesRun:
    """So many more tiles have been predicted; their voxels are not finished yet."""

    count: int


@dataclass(frozen=True)
class Sweep:
    """All that a sweep needs besides its blocks.

    Attributes
    ----------
    source : Preprocessor
        Reads normalised input, and knows the grids.
    runner : TileRunner
        Runs the network.
    encoder : Encoder
        Turns logits into what is stored.
    cancel : CancelToken
        Polled before each batch.
    """

    source: Preprocessor
    runner: TileRunner
    encoder: Encoder
    cancel: CancelToken

    @property
    def space(self) -> ModelSpace:
        """The grids."""
        return self.source.space

    def run(self, boxes: Sequence[Box]) -> Iterator[TilesRun | BlockResult]:
        """Predict the blocks of one column.

        Parameters
        ----------
        boxes : sequence of Box
            Voxels of the volume. All share one cross-section in the transposed volume and ascend along its
            first axis; some blocks of a column may be missing (they were finished earlier).

        Yields
        ------
        TilesRun
            After each batch of tiles.
        BlockResult
            In ascending order, each as soon as its last tile has run.

        Raises
        ------
        Cancelled
            Between two batches of tiles, when the token says so.
        """
        crop = self.space.crop
        inside: list[tuple[Box, Box]] = []
        for box in boxes:
            transposed = permute_box(box, self.space.forward)
            cropped = transposed.intersect(crop).relative_to(crop.start)
            if cropped.size:
                inside.append((transposed, cropped))
            else:
                yield BlockResult(box, *self.encoder.empty(box.shape))
        if inside:
            yield from self._sweep(inside)

    def results(self, boxes: Sequence[Box]) -> Iterator[BlockResult]:
        """Predict the blocks of one column, as `run`, without the counts of tiles."""
        return (step for step in self.run(boxes) if isinstance(step, BlockResult))

    def _sweep(self, blocks: list[tuple[Box, Box]]) -> Iterator[TilesRun | BlockResult]:
        wanted = [self.space.to_padded(cropped) for _, cropped in blocks]
        tiles = _ColumnTiles.of(self.space, wanted)
        inputs = InputWindow(self.source, tiles.plane, chunk_aligned_end(self.source))
        sums = self.runner.accumulator(tiles.plane_shape)
        depth = self.runner.patch[0]
        rows = RowBuffer()
        waiting = list(zip(blocks, wanted, strict=True))
        for start, following in itertools.pairwise([*tiles.starts, tiles.starts[-1] + depth]):
            yield from self._predict(inputs.rows(start, start + depth), tiles, sums)
            step = following - start
            rows.append(start, sums.take(min(step, depth), tiles.window(wanted[0])))
            sums.advance(step)
            while waiting and rows.stop >= waiting[0][1].stop[0]:
                (transposed, cropped), _ = waiting.pop(0)
                yield self._encode(transposed, cropped, rows)
                rows.drop(waiting[0][1].start[0] if waiting else rows.stop)

    def _predict(
        self, window: NDArray[np.float32], tiles: _ColumnTiles, sums: Accumulator
    ) -> Iterator[TilesRun]:
        _, height, width = self.runner.patch
        size = self.runner.batch_size
        for first in range(0, len(tiles.corners), size):
            self.cancel.raise_if_cancelled()
            corners = tiles.corners[first : first + size]
            sums.add(np.stack([window[:, :, y : y + height, x : x + width] for y, x in corners]), corners)
            yield TilesRun(len(corners))

    def _encode(self, transposed: Box, cropped: Box, rows: RowBuffer) -> BlockResult:
        probabilities, classes = self.encoder.empty(transposed.shape)
        place = cropped.shift(self.space.crop.start).relative_to(transposed.start)
        for z in range(cropped.start[0], cropped.stop[0], _ENCODE_ROWS):
            part = Box((z, *cropped.start[1:]), (min(z + _ENCODE_ROWS, cropped.stop[0]), *cropped.stop[1:]))
            support = self.space.to_padded(part)
            logits = logits_to_cropped(self.space, rows.get(support.start[0], support.stop[0]), part)
            target = part.relative_to(cropped.start).shift(place.start).slices
            probabilities[(slice(None), *target)], classes[target] = self.encoder.encode(logits)
        back = self.space.backward
        return BlockResult(
            permute_box(transposed, back),
            np.ascontiguousarray(probabilities.transpose(0, *(a + 1 for a in back))),
            np.ascontiguousarray(classes.transpose(back)),
        )


@dataclass(frozen=True)
class _ColumnTiles:
    """The tiles of the global grid that a column needs.

    Attributes
    ----------
    starts : tuple of int
        Their z starts, ascending.
    corners : tuple of (int, int)
        Their (y, x) starts, relative to the plane.
    plane : tuple of (int, int)
        Range of y and of x that they cover in the padded grid.
    """

    starts: tuple[int, ...]
    corners: tuple[tuple[int, int], ...]
    plane: tuple[tuple[int, int], tuple[int, int]]

    @classmethod
    def of(cls, space: ModelSpace, wanted: Sequence[Box]) -> _ColumnTiles:
        grid, (_, height, width) = space.grid, space.grid.patch
        starts = {s for box in wanted for s in grid.overlapping(0, box.start[0], box.stop[0])}
        ys = grid.overlapping(1, wanted[0].start[1], wanted[0].stop[1])
        xs = grid.overlapping(2, wanted[0].start[2], wanted[0].stop[2])
        return cls(
            tuple(sorted(starts)),
            tuple((y - ys[0], x - xs[0]) for y in ys for x in xs),
            ((ys[0], ys[-1] + height), (xs[0], xs[-1] + width)),
        )

    @property
    def plane_shape(self) -> tuple[int, int]:
        (y0, y1), (x0, x1) = self.plane
        return y1 - y0, x1 - x0

    def window(self, wanted: Box) -> tuple[slice, slice]:
        """Where the wanted voxels lie in the plane."""
        (y0, _), (x0, _) = self.plane
        return slice(wanted.start[1] - y0, wanted.stop[1] - y0), slice(
            wanted.start[2] - x0, wanted.stop[2] - x0
        )


def tiles_run(space: ModelSpace, columns: Sequence[Sequence[Box]]) -> int:
    """Count the tiles that the sweeps over these columns (boxes of the volume) predict."""
    total = 0
    for boxes in columns:
        crops = [
            permute_box(b, space.forward).intersect(space.crop).relative_to(space.crop.start) for b in boxes
        ]
        wanted = [space.to_padded(c) for c in crops if c.size]
        if wanted:
            tiles = _ColumnTiles.of(space, wanted)
            total += len(tiles.starts) * len(tiles.corners)
    return total


def column_boxes(shape: Shape, block_shape: Shape, space: ModelSpace, origin: Shape) -> list[list[Box]]:
    """Cut a region of the volume into columns that run along the model's first axis.

    Parameters
    ----------
    shape, block_shape : tuple of int, (z, y, x)
        Of the region and its blocks, in the volume's axes.
    space : ModelSpace
        Says which of the volume's axes the model sees first.
    origin : tuple of int
        First voxel of the region in the volume.

    Returns
    -------
    list of list of Box
        Boxes of the volume, column by column.
    """
    forward, backward = space.forward, space.backward
    columns = make_columns(permute(shape, forward), permute(block_shape, forward))
    return [
        [permute_box(block.write, backward).shift(origin) for block in column.blocks] for column in columns
    ]
