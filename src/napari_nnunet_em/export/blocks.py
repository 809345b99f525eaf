"""In which order a volume is walked through, so that stored chunks are read once and memory stays flat."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.export.slabs import Slab, open_slab
from napari_nnunet_em.export.task import ExportTask
from napari_nnunet_em.geometry import Box, Shape, as_shape, iter_blocks
from napari_nnunet_em.progress import ProgressEvent, Stage

BLOCK_SHAPE = (64, 512, 512)
CHUNK_SHAPE = (32, 256, 256)
"""Blocks and chunks of formats that are written in any order, (z, y, x)."""

_READ_VOXELS = 1 << 24

WriteBlock = Callable[[Box, NDArray[Any]], None]


def in_planes(task: ExportTask, write_plane: Callable[[Slab, int], None]) -> Iterator[ProgressEvent]:
    """Walk through channels, and through the planes of each, for formats that are written from end to end.

    The planes of a layer of stored chunks are collected before they are written, so each chunk is read once,
    and planes may be of any size.

    Parameters
    ----------
    task : ExportTask
        What goes out.
    write_plane : callable
        Called for each plane in order, with a slab of one channel that holds it, and its place there.

    Yields
    ------
    ProgressEvent
        After each block read.
    """
    depth = _layer_depth(task)
    layers = [Box((a, 0, 0), (b, *task.shape[1:])) for a, b in _cuts(task, 0, Box.whole(task.shape), depth)]
    work = [(channel, layer) for channel in range(task.volume.channels) for layer in layers]
    total = sum(len(_parts(task, layer)) for _, layer in work)
    done = 0
    for channel, layer in work:
        with open_slab(task, 1, layer.shape, _piece(task, layer)) as slab:
            for part in _parts(task, layer):
                slab.write(part.relative_to(layer.start), task.read(part, channel))
                done += 1
                yield ProgressEvent(Stage.EXPORT, done, total)
            for z in range(layer.shape[0]):
                task.cancel.raise_if_cancelled()
                write_plane(slab, z)


def in_blocks(task: ExportTask, write: WriteBlock) -> Iterator[ProgressEvent]:
    """Walk through blocks of `BLOCK_SHAPE`, for formats with chunks of their own.

    Parameters
    ----------
    task : ExportTask
        What goes out.
    write : callable
        Takes a box of the region and its voxels, (c, z, y, x).

    Yields
    ------
    ProgressEvent
        After each block.
    """
    if math.prod(task.volume.chunks[1:]) > math.prod(BLOCK_SHAPE[1:]):
        # A source of whole pages would be decoded once for each block of a page.
        yield from _in_blocks_of_layers(task, write)
        return
    blocks = list(iter_blocks(task.shape, BLOCK_SHAPE))
    for done, block in enumerate(blocks, start=1):
        write(block.write, task.read(block.write))
        yield ProgressEvent(Stage.EXPORT, done, len(blocks))


def _in_blocks_of_layers(task: ExportTask, write: WriteBlock) -> Iterator[ProgressEvent]:
    layers = [b.write for b in iter_blocks(task.shape, (BLOCK_SHAPE[0], *task.shape[1:]))]
    total = sum(len(_parts(task, layer)) for layer in layers)
    done, channels = 0, task.volume.channels
    for layer in layers:
        with open_slab(task, channels, layer.shape, _piece(task, layer)) as slab:
            for part in _parts(task, layer):
                slab.write(part.relative_to(layer.start), task.read(part))
                done += 1
                yield ProgressEvent(Stage.EXPORT, done, total)
            for block in iter_blocks(layer.shape, BLOCK_SHAPE):
                task.cancel.raise_if_cancelled()
                write(block.write.shift(layer.start), _stacked(slab, block.write, channels))


def _stacked(slab: Slab, box: Box, channels: int) -> NDArray[Any]:
    return np.stack([slab.read(box, channel) for channel in range(channels)])


def _layer_depth(task: ExportTask) -> int:
    """Planes collected at a time: whole chunks, several where these are thin."""
    depth = task.volume.chunks[0]
    return depth * max(_READ_VOXELS // (depth * math.prod(task.shape[1:])), 1)


def _piece(task: ExportTask, layer: Box) -> Shape:
    """The grid on which a layer is read: whole chunks of the source, about `_READ_VOXELS` voxels each."""
    sides = list(task.volume.chunks)
    for axis in (0, 2, 1):
        # The layer may begin inside a chunk, and then touches one more.
        needed = -(-layer.shape[axis] // sides[axis]) + 1
        sides[axis] *= min(max(_READ_VOXELS // math.prod(sides), 1), needed)
    return as_shape(sides)


def _parts(task: ExportTask, layer: Box) -> list[Box]:
    """Boxes that make up a layer, cut on the grid of `_piece`."""
    piece = _piece(task, layer)
    return [
        Box(*(as_shape(ends) for ends in zip(z, y, x, strict=True)))
        for z in _cuts(task, 0, layer, piece[0])
        for y in _cuts(task, 1, layer, piece[1])
        for x in _cuts(task, 2, layer, piece[2])
    ]


def _cuts(task: ExportTask, axis: int, box: Box, step: int) -> Sequence[tuple[int, int]]:
    """Runs along an axis of a box of the region that end where `step` ends in the source."""
    begin = task.region.start[axis]
    low, high = box.start[axis] + begin, box.stop[axis] + begin
    edges = [low, *range(low - low % step + step, high, step), high]
    return [(a - begin, b - begin) for a, b in itertools.pairwise(edges)]
