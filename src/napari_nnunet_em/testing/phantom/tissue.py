"""The ideal tissue, before optics and noise: which cell every voxel is in, and what is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_nnunet_em.geometry import Box, iter_blocks
from napari_nnunet_em.testing.phantom.cells import Cells
from napari_nnunet_em.testing.phantom.mitochondrion import Mitochondrion
from napari_nnunet_em.testing.phantom.space import Field, Mask, Space, Warp, dot
from napari_nnunet_em.testing.phantom.style import PhantomStyle

_TILE = (8, 32, 64)
"""Voxels worked on at once: small enough for the cache and for few cells, large enough for NumPy."""


@dataclass(frozen=True)
class Tissue:
    """Ideal tissue in a box; all arrays are (z, y, x).

    Attributes
    ----------
    grey : array, float32
        Grey level, 0 to 255.
    ids : array, uint32
        Mitochondrion, or 0.
    gap_nm : array, float32
        Distance to the border of the cell.
    """

    grey: Field
    ids: npt.NDArray[np.uint32]
    gap_nm: Field

    @classmethod
    def in_box(cls, seed: int, box: Box, voxel_size_nm: Sequence[float], style: PhantomStyle) -> Tissue:
        """Evaluate the tissue of a seed in a box of voxels."""
        tissue = cls(
            np.empty(box.shape, np.float32), np.zeros(box.shape, np.uint32), np.empty(box.shape, np.float32)
        )
        if box.size == 0:
            return tissue
        size = np.asarray(voxel_size_nm, np.float64)
        warp = Warp.of(seed)
        low, high = np.asarray(box.start) * size, (np.asarray(box.stop) - 1) * size
        cells = Cells.around(seed, style, low - warp.reach_nm, high + warp.reach_nm)
        for block in iter_blocks(box.shape, _TILE):
            tile = block.write.shift(box.start)
            axes_nm = [np.arange(a, b) * s for a, b, s in zip(tile.start, tile.stop, size, strict=True)]
            tissue._fill(block.write.slices, Space(axes_nm, warp.displacement_nm(axes_nm)), cells, style)
        return tissue

    def _fill(
        self, where: tuple[slice, slice, slice], space: Space, cells: Cells, style: PhantomStyle
    ) -> None:
        """Write one tile."""
        rows = cells.near(*space.bounds_nm())
        nearest, gap_nm = _nearest(space, cells, rows)
        grey = (style.cytoplasm + style.tone * cells.tone).astype(np.float32)[nearest]
        grey[gap_nm < style.membrane_nm] = style.membrane
        self.grey[where], self.gap_nm[where] = grey, gap_nm
        for row, inside in _occupied(nearest, gap_nm > style.clearance_nm, cells, rows):
            organelle = Mitochondrion.at(space.points(inside), cells, row)
            depth_nm = np.minimum(organelle.depth_nm, gap_nm[inside] - np.float32(style.clearance_nm))
            part = depth_nm > 0
            voxels = tuple(i[part] for i in np.nonzero(inside))
            self.grey[where][voxels] = organelle.grey(depth_nm, style)[part]
            self.ids[where][voxels] = cells.ids[row]


def _nearest(space: Space, cells: Cells, rows: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.intp], Field]:
    """Row of the nearest cell, and distance to the face it shares with the second nearest, per voxel."""
    first = np.full(space.displacement_nm.shape[1:], np.inf, np.float32)
    second = first.copy()
    best = np.zeros(first.shape, np.intp)
    other = best.copy()
    for number, row in enumerate(rows):
        square = dot(*[[offset] * 2 for offset in space.relative_nm(cells.centre_nm[row])])
        closer, runner_up = square < first, square < second
        np.copyto(other, number, where=runner_up)
        np.copyto(other, best, where=closer)
        np.copyto(best, number, where=closer)
        np.copyto(second, np.maximum(square, first), where=runner_up)
        np.minimum(first, square, out=first)
    centres = cells.centre_nm[rows]
    apart_nm = np.linalg.norm(centres[:, None] - centres[None], axis=-1).astype(np.float32)
    gap_nm: Field = (second - first) / (2 * apart_nm[best, other])
    return rows[best], gap_nm


def _occupied(
    nearest: npt.NDArray[np.intp], room: Mask, cells: Cells, rows: npt.NDArray[np.intp]
) -> Iterator[tuple[np.intp, Mask]]:
    """Rows of the cells with a mitochondrion in this tile, and the voxels that it may fill."""
    for row in rows[cells.occupied[rows]]:
        inside = room & (nearest == row)
        if inside.any():
            yield row, inside
