"""Reading for a sweep so that chunks are decoded once, also those that two columns share.

The sweep knows beforehand what it will read. So of the chunks that are decoded, those stay that are needed
again, and where memory does not suffice for all, those that are needed soonest (Belady's rule).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from napari_nnunet_em.engine.column import Column
from napari_nnunet_em.engine.preprocess import Preprocessor
from napari_nnunet_em.engine.space import ModelSpace, permute_box
from napari_nnunet_em.geometry import Box, as_shape
from napari_nnunet_em.io import ChunkCache, regular_chunks

_Index = tuple[int, ...]
_Use = tuple[int, int]


def stored_box(space: ModelSpace, box: Box) -> Box:
    """Voxels of the volume that are read for a box of the padded grid; of size 0 where it is all padding."""
    inside = box.intersect(space.data_box)
    if not inside.size:
        return Box((0, 0, 0), (0, 0, 0))
    cropped = space.to_cropped(inside.relative_to(space.pad_low))
    return permute_box(cropped.shift(space.crop.start), space.backward)


def column_region(space: ModelSpace, column: Column) -> Box:
    """Voxels of the volume that the sweep over a column reads."""
    if not column.blocks:
        return Box((0, 0, 0), (0, 0, 0))
    reads = column.reads
    return stored_box(space, Box(reads[0].start, reads[-1].stop))


class CachedSource:
    """The input of a sweep, over a volume whose decoded chunks are kept while they are needed.

    Parameters
    ----------
    source : Preprocessor
        Reads normalised input.
    columns : sequence of Column
        In the order in which they are swept.
    budget_bytes : int
        What decoded chunks may take.

    Attributes
    ----------
    cache : ChunkCache or None
        None where the volume is not stored in chunks.
    """

    def __init__(self, source: Preprocessor, columns: Sequence[Column], budget_bytes: int) -> None:
        self._space = source.space
        self._axis = source.space.forward[0]
        self._places = [source.volume.axes.find(axis) for axis in "zyx"]
        regions = [column_region(source.space, column) for column in columns]
        self._starts = np.array([r.start for r in regions]).reshape(-1, 3)
        self._stops = np.array([r.stop for r in regions]).reshape(-1, 3)
        self._columns_of: dict[tuple[int, ...], tuple[int, ...]] = {}
        chunks = regular_chunks(source.volume.array)
        self.cache = None if chunks is None else ChunkCache(source.volume.array, chunks, budget_bytes)
        if self.cache is not None:
            volume = replace(source.volume, array=self.cache, levels=(self.cache,), level=0)
            source = replace(source, volume=volume)
        self._source = source
        self._chunk_rows = source.volume.chunks[self._axis]
        self._last: tuple[int, int, int] | None = None

    def at(self, column: int, box: Box) -> Preprocessor:
        """The input, about to be read at a box of the padded grid: one of the column's reads, in order."""
        if self.cache is not None:
            stored = stored_box(self._space, box)
            first, stop = (s[self._axis] if stored.size else 0 for s in (stored.start, stored.stop))
            # What is needed when changes only where a read leaves a row of chunks, or enters one.
            place = column, first // self._chunk_rows, stop // self._chunk_rows
            if place != self._last or stop % self._chunk_rows == 0:
                self.cache.keep(self._use_after(column, first), self._use_after(column, stop))
            self._last = place
        return self._source

    def _use_after(self, column: int, row: int) -> Callable[[_Index, Sequence[slice]], _Use | None]:
        return lambda index, places: self._next_use(index, places, column, row)

    def _next_use(
        self, index: tuple[int, ...], places: Sequence[slice], column: int, row: int
    ) -> tuple[int, int] | None:
        box = self._box(places)
        if index not in self._columns_of:
            met = (self._starts < box.stop).all(axis=1) & (self._stops > box.start).all(axis=1)
            self._columns_of[index] = tuple(int(c) for c in np.flatnonzero(met))
        for user in self._columns_of[index]:
            if user > column or (user == column and box.stop[self._axis] > row):
                return user, box.start[self._axis]
        del self._columns_of[index]
        return None

    def _box(self, places: Sequence[Any]) -> Box:
        """Voxels of the volume, (z, y, x), of a chunk; an axis that is not stored is one voxel long."""
        sides = [places[p] if p >= 0 else slice(0, 1) for p in self._places]
        return Box(as_shape([s.start for s in sides]), as_shape([s.stop for s in sides]))
