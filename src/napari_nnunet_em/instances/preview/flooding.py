"""Basins of objects, kept as lists of their voxels: most boxes around objects are nearly empty."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.config import SplitMethod
from napari_nnunet_em.geometry import Box, Shape
from napari_nnunet_em.instances.preview.stages import Stages
from napari_nnunet_em.instances.splitting.basins import Borders
from napari_nnunet_em.instances.splitting.joining import part_names
from napari_nnunet_em.instances.splitting.split import Basins, Piece, flood
from napari_nnunet_em.processors import usable_cpus

_MOST_THREADS = 4

Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Flooded:
    """One object and its basins.

    Attributes
    ----------
    places : array, (v,), int64
        Its voxels in the view, as places in the raveled view.
    basin : array, (v,), int32
        Basin of each of them, from 1.
    height : array, (v,), float32
        Height of each of them; 0 where nothing is split.
    summit, borders
        As in `Basins`.
    voxels : array, (n + 1,), int64
        Size of each basin, by label; entry 0 is 0.
    seen, border, cut : array, (n + 1,), bool
        Whether each basin has voxels in the view, is at the border of the volume, goes on beyond the region.
    changed : bool
        Whether holes were filled.
    """

    places: Integers
    basin: NDArray[np.int32]
    height: NDArray[np.float32]
    summit: NDArray[np.float64]
    borders: Borders
    voxels: Integers
    seen: Flags
    border: Flags
    cut: Flags
    changed: bool

    @property
    def whole(self) -> bool:
        """Whether the object is as it was found, and cannot be cut."""
        return len(self.voxels) == 2 and not self.changed

    def parts(self, strength: float, smallest: int) -> Integers:
        """For each basin the lowest label of its part, (n + 1,); parameters as of `part_names`."""
        return part_names(self.summit, self.borders, self.voxels, strength, smallest)


def flooded(stages: Stages, rows: Integers, smallest: int) -> Iterator[Flooded]:
    """The basins of some components, those known and those found now.

    Parameters
    ----------
    stages : Stages
        What is known.
    rows : array, (n,), int64
        Components.
    smallest : int
        Voxels of the smallest object.
    """
    known = stages.floods(smallest)
    new = np.array([row for row in rows.tolist() if row not in known], dtype=np.int64)
    if new.size:
        known.update(zip(new.tolist(), _flood_all(stages, new, smallest), strict=True))
        stages.cache.made["basins"] += len(new)
    for row in rows.tolist():
        yield known[row]


def _flood_all(stages: Stages, rows: Integers, smallest: int) -> Iterator[Flooded]:
    """Flood components in threads."""
    reader = stages.reader(smallest)

    def make(row: int) -> Flooded:
        stages.cancel.raise_if_cancelled()
        ((_, box, piece, changed),) = reader.read(np.array([row]))
        return _listed(stages, box, _flood(stages, piece), changed)

    with ThreadPoolExecutor(min(usable_cpus(), _MOST_THREADS)) as threads:
        yield from threads.map(make, rows.tolist())


def _flood(stages: Stages, piece: Piece) -> Basins:
    if stages.settings.split is SplitMethod.NONE:
        nothing = np.empty(0)
        borders = Borders(nothing.astype(np.int64), nothing.astype(np.int64), nothing, nothing)
        flat = np.zeros(piece.mask.shape, dtype=np.float32)
        return Basins(piece.mask.astype(np.int32), borders, np.array([0.0, 1.0]), flat)
    return flood(piece, stages.settings, stages.request.voxel_size_nm or (1.0, 1.0, 1.0))


def _listed(stages: Stages, box: Box, basins: Basins, changed: bool) -> Flooded:
    count = len(basins.summit)
    voxels = np.bincount(basins.labels.ravel(), minlength=count).astype(np.int64)
    voxels[0] = 0
    region, view = stages.request.region, stages.request.view
    own = view.relative_to(region.start)
    both = box.intersect(own)
    inner = both.relative_to(box.start).slices
    part = basins.labels[inner]
    inside = np.nonzero(part)
    basin = part[inside]
    places = np.ravel_multi_index(
        tuple(i + a - b for i, a, b in zip(inside, both.start, own.start, strict=True)), own.shape
    )
    seen = np.bincount(basin, minlength=count) > 0
    border, cut = _ends(basins.labels, box, region, stages.request.source.shape)
    height = basins.heights[inner][inside]
    return Flooded(places, basin, height, basins.summit, basins.borders, voxels, seen, border, cut, changed)


def _ends(labels: NDArray[Any], box: Box, region: Box, volume: Shape) -> tuple[Flags, Flags]:
    """Which labels, by number, touch the border of the volume, and which a border of the region in it."""
    border = np.zeros(int(labels.max(initial=0)) + 1, dtype=np.bool_)
    cut = border.copy()
    for axis in range(3):
        # Of a single image nothing is cut off above and below.
        ends = border if volume[axis] > 1 else np.zeros_like(border)
        if box.start[axis] == 0:
            (ends if region.start[axis] == 0 else cut)[np.unique(np.take(labels, 0, axis=axis))] = True
        if box.stop[axis] == region.shape[axis]:
            last = region.stop[axis] == volume[axis]
            (ends if last else cut)[np.unique(np.take(labels, -1, axis=axis))] = True
    border[0] = cut[0] = False
    return border, cut
