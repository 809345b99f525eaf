"""The final objects: components that stayed as they were, and parts of those that were split or filled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.components import ComponentTable, label_dtype
from napari_nnunet_em.geometry import Block
from napari_nnunet_em.instances.foreground import Foreground
from napari_nnunet_em.instances.splitting.store import SplitParts

Ids = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True, eq=False)
class FinalObjects:
    """Objects numbered 1 to `count` in the order in which raster order meets them.

    Attributes
    ----------
    foreground : Foreground
        The mask that was labelled.
    components : ComponentTable
        Its components.
    parts : SplitParts or None
        Parts of the components that changed.
    count : int
        Number of objects.
    ids : array, (components + 1,)
        Id of each component, by its label; 0 for those that were dropped or that consist of parts.
    part_ids : array, (parts + 1,)
        Id of each part, counted from 1; 0 for those that were dropped.
    """

    foreground: Foreground
    components: ComponentTable
    parts: SplitParts | None
    count: int
    ids: Ids
    part_ids: Ids

    @classmethod
    def of(
        cls,
        foreground: Foreground,
        components: ComponentTable,
        parts: SplitParts | None,
        largest: int | None,
    ) -> FinalObjects:
        """Filter and number the objects.

        Parameters
        ----------
        foreground, components, parts
            See above.
        largest : int or None
            Voxels of the largest object that stays.
        """
        table = np.empty((0, 4), dtype=np.int64) if parts is None else parts.parts
        whole = np.ones(components.count, dtype=np.bool_)
        whole[table[:, 0]] = False
        rows = np.flatnonzero(whole)
        first = np.concatenate([components.statistics["first"][rows], table[:, 1]])
        voxels = np.concatenate([components.voxels[rows], table[:, 2]])
        stays = np.ones(len(first), dtype=np.bool_) if largest is None else voxels <= largest
        if foreground.settings.drop_border:
            stays &= ~np.concatenate([components.cut[rows], table[:, 3] > 0])
        kept = np.flatnonzero(stays)
        kept = kept[np.argsort(first[kept], kind="stable")]
        dtype = label_dtype(len(kept), components.uint32_limit)
        number: Ids = np.zeros(len(first), dtype=dtype)
        number[kept] = np.arange(1, len(kept) + 1)
        ids: Ids = np.zeros(components.count + 1, dtype=dtype)
        ids[rows + 1] = number[: len(rows)]
        part_ids: Ids = np.zeros(len(table) + 1, dtype=dtype)
        part_ids[1:] = number[len(rows) :]
        return cls(foreground, components, parts, len(kept), ids, part_ids)

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        """Type of the label image: uint32, or uint64 beyond its ids."""
        return self.ids.dtype

    def labels(self, block: Block) -> Ids:
        """Final labels of one of ``components.layout.blocks()``, (z, y, x); thread-safe if the source is."""
        box = block.write
        out = self.ids[self.components.labels(block, self.foreground.mask)]
        if self.parts is not None:
            for row in self.parts.meeting(box).tolist():
                tile, part = self.parts.read(row)
                shared = tile.intersect(box)
                final = self.part_ids[part[shared.relative_to(tile.start).slices]]
                where = out[shared.relative_to(box.start).slices]
                np.copyto(where, final, where=final > 0)
        return out
