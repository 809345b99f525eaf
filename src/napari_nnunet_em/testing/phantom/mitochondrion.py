"""The shape of a mitochondrion: a bent capsule with cristae across it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_nnunet_em.testing.phantom.cells import Cells
from napari_nnunet_em.testing.phantom.space import Field, Mask, Points, dot
from napari_nnunet_em.testing.phantom.style import PhantomStyle

_OUTER_MEMBRANE_NM = 18.0
_CRISTAE_DEPTH_NM = 30.0
_CRISTAE_LEVEL = 0.35


@dataclass(frozen=True)
class Mitochondrion:
    """One mitochondrion, a bent capsule, seen from n points; arrays are (n,), float32.

    `depth_nm` is positive inside, `cristae` tells where the cristae are.
    """

    depth_nm: Field
    cristae: Mask

    @classmethod
    def at(cls, points: Points, cells: Cells, row: np.intp) -> Mitochondrion:
        """The mitochondrion of the cell in this row of the table, seen from `points`."""
        offset = points.relative_nm(cells.middle_nm[row])
        axis, bend = cells.axis[row].astype(np.float32), cells.bend[row].astype(np.float32)
        half = np.float32(cells.half_length_nm[row])
        along = dot(*zip(offset, axis, strict=True))
        spine = np.clip(along, -half, half)
        across = [o - spine * a - spine * spine * b for o, a, b in zip(offset, axis, bend, strict=True)]
        distance = np.sqrt(dot(*zip(across, across, strict=True)))
        angle = along * np.float32(2.2 / cells.cristae_nm[row]) + np.float32(cells.phase[row])
        folds = np.sin(angle + np.sin(distance * np.float32(1 / 60)))
        return cls(np.float32(cells.radius_nm[row]) - distance, folds > _CRISTAE_LEVEL)

    def grey(self, depth_nm: Field, style: PhantomStyle) -> Field:
        """Grey levels, float32, at points that lie `depth_nm` below the surface."""
        level = np.full(depth_nm.shape, style.matrix, np.float32)
        level[self.cristae & (depth_nm > _CRISTAE_DEPTH_NM)] = style.cristae
        level[depth_nm < _OUTER_MEMBRANE_NM] = style.outer_membrane
        return level
