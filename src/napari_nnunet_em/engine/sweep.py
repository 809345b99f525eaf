"""The column sweep: every tile that touches a column is predicted once, in one pass along z.

Tiles come in rows of equal z start. When the sweep moves on to the next start, the rows of voxels it leaves
behind have seen all their tiles: they are divided by their weights and handed over, to be encoded and written
while the network goes on. The input of the next start is read meanwhile. Memory holds one patch depth of
input and sums, and the rows on their way, whatever the volume.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.engine.column import Column
from napari_nnunet_em.engine.encoding import BlockResult, ColumnEncoder
from napari_nnunet_em.engine.output import Encoder
from napari_nnunet_em.engine.overlap import ahead
from napari_nnunet_em.engine.preprocess import Preprocessor
from napari_nnunet_em.engine.reading import CachedSource
from napari_nnunet_em.engine.runner import Accumulator, TileRunner
from napari_nnunet_em.engine.space import ModelSpace
from napari_nnunet_em.engine.window import InputWindow, read_rows
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.progress import CancelToken


@dataclass(frozen=True)
class TilesRun:
    """So many more tiles have been predicted; their voxels are not finished yet.

    Attributes
    ----------
    count : int
        Tiles.
    constant : int
        Those of them that hold one single value, so that their answer was known or needed only once.
    waited_seconds : float
        How long the network had to wait for their input.
    """

    count: int
    constant: int = 0
    waited_seconds: float = 0.0


@dataclass(frozen=True)
class RowsDone:
    """Rows that all their tiles have seen; `blocks` encodes them, in whichever thread calls it.

    Whoever takes these from a sweep calls `blocks` of each once, in the order in which they came.
    """

    _work: Callable[[], Iterator[BlockResult]]

    def blocks(self) -> Iterator[BlockResult]:
        """Encode the rows, and yield the blocks that they complete."""
        return self._work()


Step = TilesRun | RowsDone


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
    reuse_constant : bool
        Whether tiles of one single value are predicted once for each value.
    cache_bytes : int
        What decoded chunks of the input may take that are needed again.
    """

    source: Preprocessor
    runner: TileRunner
    encoder: Encoder
    cancel: CancelToken
    reuse_constant: bool = True
    cache_bytes: int = 256 << 20

    @property
    def space(self) -> ModelSpace:
        """The grids."""
        return self.source.space

    def run(self, columns: Sequence[Sequence[Box]]) -> Iterator[Step]:
        """Predict the blocks of some columns, one column after the other.

        Parameters
        ----------
        columns : sequence of sequence of Box
            Voxels of the volume, as `column_boxes` cuts them; some blocks of a column may be missing (they
            were finished earlier), or come as a column of their own (`nearest_first`).

        Yields
        ------
        TilesRun
            After each batch of tiles.
        RowsDone
            In ascending order within each column.

        Raises
        ------
        Cancelled
            Between two batches of tiles, when the token says so.
        """
        laid = [Column.of(self.space, boxes) for boxes in columns]
        cached = CachedSource(self.source, laid, self.cache_bytes)
        with contextlib.closing(ahead(self._reads(cached, laid))) as fresh:
            for column in laid:
                if column.blocks:
                    yield from self._sweep(column, fresh)
                if column.outside:  # last: nobody waits for what is blank
                    yield RowsDone(self._empty(column.outside))

    def results(self, boxes: Sequence[Box]) -> Iterator[BlockResult]:
        """Predict the blocks of one column, and encode them in this thread."""
        for step in self.run([boxes]):
            if isinstance(step, RowsDone):
                yield from step.blocks()

    def _reads(
        self, cached: CachedSource, columns: Sequence[Column]
    ) -> Iterator[Callable[[], NDArray[np.float32]]]:
        for index, column in enumerate(columns):
            for box in column.reads:
                yield lambda index=index, box=box: read_rows(cached.at(index, box), box)  # type: ignore[misc]

    def _empty(self, boxes: Sequence[Box]) -> Callable[[], Iterator[BlockResult]]:
        return lambda: (BlockResult(box, *self.encoder.empty(box.shape)) for box in boxes)

    def _sweep(self, column: Column, fresh: Generator[NDArray[np.float32]]) -> Iterator[Step]:
        window = InputWindow(column.depth)
        sums = self.runner.accumulator(column.plane_shape)
        encoder = ColumnEncoder(self.space, self.encoder, column)
        for start, following in column.steps:
            begun = time.perf_counter()
            window.advance(next(fresh))
            yield TilesRun(0, waited_seconds=time.perf_counter() - begun)
            sums.load(window.data)
            yield from self._predict(window.data, column, sums)
            rows = sums.take(min(following - start, column.depth), column.wanted_window)
            sums.advance(following - start)
            yield RowsDone(lambda start=start, rows=rows: encoder.add(start, rows))  # type: ignore[misc]

    def _predict(self, window: NDArray[np.float32], column: Column, sums: Accumulator) -> Iterator[TilesRun]:
        corners, constant = self._sorted(window, column)
        size = self.runner.batch_size
        for first in range(0, len(corners), size):
            self.cancel.raise_if_cancelled()
            batch = corners[first : first + size]
            sums.add(batch)
            yield TilesRun(len(batch))
        for values, places in constant.items():
            self.cancel.raise_if_cancelled()
            sums.add_constant(values, places)
            yield TilesRun(len(places), len(places))

    def _sorted(
        self, window: NDArray[np.float32], column: Column
    ) -> tuple[list[tuple[int, int]], dict[tuple[float, ...], list[tuple[int, int]]]]:
        """Corners of ordinary tiles, and of those that hold one value (per channel), by value."""
        _, height, width = self.runner.patch
        ordinary: list[tuple[int, int]] = []
        constant: dict[tuple[float, ...], list[tuple[int, int]]] = {}
        for y, x in column.corners:
            tile = window[:, :, y : y + height, x : x + width]
            values = constant_values(tile) if self.reuse_constant else None
            if values is None:
                ordinary.append((y, x))
            else:
                constant.setdefault(values, []).append((y, x))
        return ordinary, constant


def constant_values(tile: NDArray[np.float32]) -> tuple[float, ...] | None:
    """The one value of each channel of a tile, (c, z, y, x); None where any channel has more than one."""
    first = tile[:, :1, :1, :1]
    # Almost every tile is told from a constant one by its corners and centre.
    few = tile[:, :: max(tile.shape[1] - 1, 1), :: max(tile.shape[2] // 2, 1), :: max(tile.shape[3] // 2, 1)]
    if (few != first).any() or (tile != first).any():
        return None
    return tuple(float(v) for v in first.ravel())
