"""The components of a volume: what was measured, and how a block gets its final labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.components.layout import Layout, label_block
from napari_nnunet_em.components.run_store import RunStore
from napari_nnunet_em.components.runs import Integers, paint
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Block, Box

UINT32_LIMIT = 2**32 - 1

Labels = NDArray[np.unsignedinteger[Any]]


def label_dtype(count: int, uint32_limit: int = UINT32_LIMIT) -> np.dtype[np.unsignedinteger[Any]]:
    """Type of label images with ids up to `count`: uint32 until it must be uint64."""
    return np.dtype(np.uint32) if count <= uint32_limit else np.dtype(np.uint64)


@dataclass(frozen=True, eq=False)
class ComponentTable:
    """Connected components of a boolean volume, numbered 1 to `count` as raster order meets them.

    The numbers depend on the volume alone, never on blocks. Everything here is as long as the list of
    components or of their fragments (a fragment is the part of a component inside one block).

    Attributes
    ----------
    layout : Layout
        Blocks and connectivity.
    statistics : dict from str to array, (count,), int64
        What was measured; row ``i`` belongs to id ``i + 1``. Columns as in `Geometry`, and those of the
        other measures.
    offsets : array, (blocks + 1,), int64
        Where in `local` and `ids` the fragments of each block, in raster order, begin.
    local : array, (fragments,), uint32
        Label of the fragment inside its block.
    ids : array, (fragments,), uint32 or uint64
        Final id of the fragment.
    uint32_limit : int
        Largest id for which labels are uint32.
    runs : RunStore or None
        What the first pass remembers of each block, if it was asked to.
    """

    layout: Layout
    statistics: dict[str, Integers]
    offsets: Integers
    local: NDArray[np.uint32]
    ids: Labels
    uint32_limit: int = UINT32_LIMIT
    runs: RunStore | None = None

    @property
    def count(self) -> int:
        """Number of components."""
        return len(self.voxels)

    @property
    def voxels(self) -> Integers:
        """Voxels of each component, (count,)."""
        return self.statistics["voxels"]

    @property
    def touches_border(self) -> NDArray[np.bool_]:
        """Whether each component touches the border of the volume, (count,)."""
        return self._touching(self.layout.shape)

    @property
    def cut(self) -> NDArray[np.bool_]:
        """Whether the border may cut off each component, (count,): an axis of one voxel has no inside."""
        return self._touching([length if length > 1 else None for length in self.layout.shape])

    def _touching(self, lengths: Sequence[int | None]) -> NDArray[np.bool_]:
        touching = np.zeros(self.count, dtype=np.bool_)
        for axis, length in zip("zyx", lengths, strict=True):
            if length is not None:
                touching |= self.statistics[f"min_{axis}"] == 0
                touching |= self.statistics[f"max_{axis}"] == length
        return touching

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        """Type of the label image, uint32 or uint64."""
        return label_dtype(self.count, self.uint32_limit)

    def fragments(self, block: Block) -> tuple[NDArray[np.uint32], Labels]:
        """Labels inside the block, and final ids, of the fragments in it."""
        number = self.layout.number(block.index)
        part = slice(self.offsets[number], self.offsets[number + 1])
        return self.local[part], self.ids[part]

    def select(self, keep: NDArray[np.bool_]) -> ComponentTable:
        """Keep some components and number them 1 to n again, in the same order.

        Parameters
        ----------
        keep : array, (count,), bool
            Which components stay, such as ``table.voxels >= 64`` or ``~table.touches_border``.
        """
        dtype = label_dtype(int(np.count_nonzero(keep)), self.uint32_limit)
        new_ids = np.zeros(self.count + 1, dtype=dtype)
        new_ids[1:][keep] = np.arange(1, np.count_nonzero(keep) + 1)
        ids = new_ids[self.ids]
        stays = ids > 0
        return replace(
            self,
            statistics={name: values[keep] for name, values in self.statistics.items()},
            offsets=np.concatenate([[0], np.cumsum(stays)])[self.offsets],
            local=self.local[stays],
            ids=ids[stays],
        )

    def labels(self, block: Block, source: Callable[[Box], NDArray[np.bool_]]) -> Labels:
        """Final labels of a block, (z, y, x): those remembered, or else from the voxels that `source` gives.

        Parameters
        ----------
        block : Block
            One of ``layout.blocks()``.
        source : callable
            Gives the voxels of a box as in the first pass; called only where the block is not remembered.

        Raises
        ------
        InputError
            When the voxels are not those of the first pass.
        """
        remembered = self.recall(block)
        return self.relabel(block, source(block.write)) if remembered is None else remembered

    def recall(self, block: Block) -> Labels | None:
        """Final labels of a block from what the first pass remembers, without its voxels.

        Parameters
        ----------
        block : Block
            One of ``layout.blocks()``.

        Returns
        -------
        array, (z, y, x), `dtype`, or None
            As `relabel` gives them; None where the block is not remembered. Thread-safe.
        """
        local, ids = self.fragments(block)
        if not local.size:
            return np.zeros(block.write.shape, dtype=self.dtype)
        kept = None if self.runs is None else self.runs.recall(self.layout.number(block.index))
        if kept is None:
            return None
        gap, length, label = kept
        return paint(block.write.shape, gap, length, self._final(int(label.max()), local, ids)[label])

    def relabel(self, block: Block, mask: NDArray[np.bool_]) -> Labels:
        """Final labels of a block, from its voxels.

        Parameters
        ----------
        block : Block
            One of ``layout.blocks()``.
        mask : array, (z, y, x), bool
            The same voxels as in the first pass.

        Returns
        -------
        array, (z, y, x), `dtype`
            Final ids, and 0 outside components. A pure function, so threads may share the table.

        Raises
        ------
        InputError
            When the voxels are not those of the first pass.
        """
        local, ids = self.fragments(block)
        if not local.size:
            return np.zeros(block.write.shape, dtype=self.dtype)
        labels, count = label_block(mask, self.layout.connectivity)
        if mask.shape != block.write.shape or count < local[-1]:
            raise InputError(
                f"The voxels of block {block.write} are not those that were labelled before: "
                "the volume changed while it was worked on; run the job again."
            )
        out = np.empty(mask.shape, dtype=self.dtype)
        # Clipping, which nothing needs here, spares NumPy a copy.
        return np.take(self._final(count, local, ids), labels, out=out, mode="clip")

    def _final(self, count: int, local: NDArray[np.uint32], ids: Labels) -> Labels:
        """Final id of each label of one block, (count + 1,), 0 for what has none."""
        final = np.zeros(count + 1, dtype=self.dtype)
        final[local] = ids
        return final
