"""How often the chunks of the input are decoded in a sweep, known before it begins.

Columns that lie side by side share chunks, which are decoded again for each unless the cache keeps them so
long. What `CachedSource` keeps follows one rule (needed soonest first), so it can be counted without a read.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from napari_nnunet_em.engine.layout import Layout
from napari_nnunet_em.engine.memory import SweepMemory
from napari_nnunet_em.engine.space import ModelSpace, permute, permute_box
from napari_nnunet_em.geometry import Box

_Span = tuple[int, int]


@dataclass(frozen=True)
class Decodes:
    """Chunks of the input in one sweep.

    Attributes
    ----------
    chunks : int
        Chunks that are needed at all.
    decoded : float
        Times that one of them is decoded: exact where there is room for all that columns share; where there
        is little, somewhat more than it will be.
    kept_bytes : int
        What the cache holds at most.
    """

    chunks: int
    decoded: float
    kept_bytes: int


def count_decodes(
    region: Box, layout: Layout, memory: SweepMemory, plane: tuple[int, int], budget_bytes: int
) -> Decodes:
    """Count the chunks that a sweep decodes.

    Parameters
    ----------
    region : Box
        What is written, in voxels of the volume.
    layout : Layout
        How it is cut.
    memory : SweepMemory
        Of the sweep; its input is stored in chunks.
    plane : tuple of int, (y, x)
        Of the widest column.
    budget_bytes : int
        What the cache may hold.
    """
    space = memory.space
    inside, widths = permute_box(region, space.forward), permute(layout.column_shape, space.forward)
    rows = _spans(memory, 0, inside, inside.shape[0])
    ys, xs = (_spans(memory, axis, inside, widths[axis]) for axis in (1, 2))
    if not (rows and ys and xs):  # all of the region lies outside the non-zero box
        return Decodes(0, 0.0, 0)
    depth = _total(rows)
    size = memory.chunk_shape[0] * memory.chunk_shape[1] * memory.chunk_shape[2]
    stack = depth * size * memory.channels * memory.item_bytes
    tall, wide = (max(stop - start for start, stop in spans) for spans in (ys, xs))
    touched = min(_rows_touched(memory), depth)
    working = min(tall * wide * touched * (stack // depth), memory.cache_bytes(plane))
    room = max(budget_bytes - working, 0) / stack
    # What has to stay, in stacks of chunks, until the next column, and until the next row of columns; what
    # lies under the sweep just now is there anyway.
    beside = max(_shared(xs), default=0) * tall * (1 - touched / depth)
    below = max(_shared(ys), default=0) * (_union(xs) - wide * touched / depth)
    kept_beside = min(room / beside, 1.0) if beside else 1.0
    kept_below = min(max(room - beside, 0) / below, 1.0) if below else 1.0
    across = _total(xs) - kept_beside * sum(_shared(xs))
    decoded = depth * across * (_total(ys) - kept_below * sum(_shared(ys)))
    kept = working + stack * min(room, beside + below)
    return Decodes(depth * _union(ys) * _union(xs), decoded, int(kept))


def _spans(memory: SweepMemory, axis: int, region: Box, width: int) -> list[_Span]:
    """Ranges of chunks along an axis that each column reads."""
    spans = []
    for start in range(region.start[axis], region.stop[axis], width):
        voxels = _read_range(memory.space, axis, start, min(start + width, region.stop[axis]))
        if voxels is not None:
            chunk = memory.chunk_shape[axis]
            spans.append((voxels[0] // chunk, -(-voxels[1] // chunk)))
    return spans


def _read_range(space: ModelSpace, axis: int, start: int, stop: int) -> _Span | None:
    """Voxels along an axis that are read for those from `start` to `stop`; None outside the non-zero box."""
    starts = space.tiles_for(axis, start, stop)
    if not starts:
        return None
    pad, patch, length = space.pad_low[axis], space.grid.patch[axis], space.model_shape[axis]
    begin, end = max(starts[0] - pad, 0), min(starts[-1] + patch - pad, length)
    low, high = space.forth.axes[axis].support(begin, end)
    return low + space.crop.start[axis], high + space.crop.start[axis]


def _rows_touched(memory: SweepMemory) -> int:
    """Chunks along the first axis that a read touches at most, but for the first of a column."""
    space, chunk = memory.space, memory.chunk_shape[0]
    length, axis = space.model_shape[0], space.forth.axes[0]
    ends = [
        min(max(start + space.grid.patch[0] - space.pad_low[0], 0), length) for start in space.grid.starts[0]
    ]
    most = 1
    for begin, end in itertools.pairwise(ends):
        if begin < end:
            low, high = axis.support(begin, end)
            offset = space.crop.start[0]
            most = max(most, -(-(high + offset) // chunk) - (low + offset) // chunk)
    return most


def _total(spans: Sequence[_Span]) -> int:
    return sum(stop - start for start, stop in spans)


def _shared(spans: Sequence[_Span]) -> list[int]:
    """Chunks that each column but the first shares with those before it."""
    return [max(a[1] - b[0], 0) for a, b in itertools.pairwise(spans)]


def _union(spans: Sequence[_Span]) -> int:
    return _total(spans) - sum(_shared(spans))
