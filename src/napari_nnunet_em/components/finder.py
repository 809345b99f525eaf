"""The first of two passes: blocks go in, the table of components comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.components.faces import MEMORY_BYTES
from napari_nnunet_em.components.fragments import GrowingTable
from napari_nnunet_em.components.front import Front, far_faces, near_faces
from napari_nnunet_em.components.layout import Layout, label_block
from napari_nnunet_em.components.measures import BlockValues, Geometry, Measure, Reduction
from napari_nnunet_em.components.merge import join, merge_columns
from napari_nnunet_em.components.run_store import RunStore
from napari_nnunet_em.components.runs import Integers, Runs
from napari_nnunet_em.components.table import UINT32_LIMIT, ComponentTable, Labels, label_dtype
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Block

Mask = NDArray[np.bool_]


@dataclass
class ComponentFinder:
    """First pass: takes the blocks of a volume in raster order and gives the table of components.

    Use it as a context manager; leaving it removes the faces' scratch file. Memory holds one block, the
    fragments and their contacts, and at most `memory_bytes` of faces per axis and of remembered runs.

    Attributes
    ----------
    layout : Layout
        Blocks and connectivity.
    measures : sequence of Measure
        What to measure besides `Geometry`.
    min_voxels : int
        Smaller components are dropped; those inside one block at once, so that specks take no memory.
    scratch : pathlib.Path or None
        Folder for faces and runs that are too many for memory; the system's own without it.
    uint32_limit : int
        Largest id for which labels are uint32.
    remember : bool
        Whether to keep the runs of every block, so that `ComponentTable.recall` needs no voxels.
        It takes some hundredths of a byte per voxel of `scratch` for objects, and never more than one.
    memory_bytes : int
        Bytes of faces per axis, and of runs, that are kept in memory before `scratch` is used.
    """

    layout: Layout
    measures: Sequence[Measure] = ()
    min_voxels: int = 0
    scratch: Path | None = None
    uint32_limit: int = UINT32_LIMIT
    remember: bool = False
    memory_bytes: int = MEMORY_BYTES
    _all: tuple[Measure, ...] = field(init=False, repr=False)
    _front: Front = field(init=False, repr=False)
    _fragments: GrowingTable = field(init=False, repr=False)
    _contacts: GrowingTable = field(init=False, repr=False)
    _offsets: list[int] = field(init=False, repr=False)
    _runs: RunStore | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._all = (Geometry(self.layout.shape), *self.measures)
        self._front = Front(self.layout, self.scratch, self.memory_bytes)
        dtypes = {name: np.dtype(np.int64) for name in self._reductions}
        self._fragments = GrowingTable({"local": np.dtype(np.uint32), **dtypes})
        self._contacts = GrowingTable({"one": np.dtype(np.int64), "other": np.dtype(np.int64)})
        self._offsets = [0]
        self._runs = None
        if self.remember:
            self._runs = RunStore(self.layout.count, self.scratch, self.memory_bytes)

    def __enter__(self) -> Self:
        self._front.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._front.__exit__(*exc)

    @property
    def _reductions(self) -> dict[str, Reduction]:
        return {name: how for measure in self._all for name, how in measure.columns.items()}

    def add(self, block: Block, mask: Mask, values: BlockValues | None = None) -> NDArray[np.uint32]:
        """Take the next block.

        Parameters
        ----------
        block : Block
            The next of ``layout.blocks()``.
        mask : array, (z, y, x), bool
            Its voxels of objects.
        values : mapping from str to array, (z, y, x), integer
            What the measures sum up, by name.

        Returns
        -------
        array, (z, y, x), uint32
            Its components as it has them by itself, numbered from 1, and 0 outside.

        Raises
        ------
        InputError
            When the mask has not the block's shape, or the block is not the next one.
        """
        if self.layout.number(block.index) != len(self._offsets) - 1 or mask.shape != block.write.shape:
            raise InputError(
                f"Block {block.write} came with {mask.shape} voxels as number {len(self._offsets)}: "
                "blocks must come whole and in raster order."
            )
        labels, count = label_block(mask, self.layout.connectivity)
        if count:
            self._take(block, Runs.of_components(mask, labels, count, block.write), labels, values or {})
        else:
            self._front.skip(block.index)
        self._offsets.append(len(self._fragments))
        return labels

    def _take(self, block: Block, runs: Runs, labels: Labels, values: BlockValues) -> None:
        """Measure the components of a block and join them to those before."""
        columns = {name: column for measure in self._all for name, column in measure(runs, values).items()}
        kept = (columns["voxels"] >= self.min_voxels) | self._shared(block, columns)
        local = np.flatnonzero(kept) + 1
        number = np.zeros(runs.count + 1, dtype=np.uint32)
        number[local] = np.arange(1, len(local) + 1)
        base = len(self._fragments)
        self._fragments.append({"local": local, **{name: column[kept] for name, column in columns.items()}})
        near, far = near_faces(labels), far_faces(labels)
        if len(local) < runs.count:
            near = (number[near[0]], number[near[1]], number[near[2]])
            far = (number[far[0]], number[far[1]], number[far[2]])
        pairs = self._front.contacts(block.index, near, base)
        self._contacts.append({"one": pairs[:, 0] - 1, "other": pairs[:, 1] - 1})
        self._front.advance(block.index, far, base)
        if self._runs is not None:
            stays = number[runs.label] > 0
            kept_runs = (runs.begin[stays], runs.length[stays], runs.label[stays])
            self._runs.keep(self.layout.number(block.index), block.write.size, *kept_runs)

    def finish(self) -> ComponentTable:
        """Join the fragments and number the components, once every block was added."""
        if len(self._offsets) != self.layout.count + 1:
            raise InputError(
                f"Only {len(self._offsets) - 1} of {self.layout.count} blocks were labelled: "
                "add every block before asking for the components."
            )
        contacts = self._contacts.take()
        columns = self._fragments.take()
        local = columns.pop("local")
        owner, chief = join(len(local), np.stack([contacts["one"], contacts["other"]], axis=1))
        merged = merge_columns(columns, self._reductions, owner, chief)
        return self._number(local, owner, merged)

    def _number(
        self, local: NDArray[np.uint32], owner: Integers, merged: dict[str, Integers]
    ) -> ComponentTable:
        """Give ids in the order of first voxels, and forget components that are too small."""
        order = np.argsort(merged["first"], kind="stable")
        order = order[merged["voxels"][order] >= self.min_voxels]
        dtype = label_dtype(len(order), self.uint32_limit)
        id_of_owner = np.zeros(len(merged["first"]), dtype=dtype)
        id_of_owner[order] = np.arange(1, len(order) + 1)
        ids: Labels = id_of_owner[owner]
        stays = ids > 0
        offsets = np.concatenate([[0], np.cumsum(stays)])[np.asarray(self._offsets)]
        # One column at a time, because with many objects two tables are more than memory should hold.
        statistics = {name: merged.pop(name)[order] for name in list(merged)}
        return ComponentTable(
            self.layout, statistics, offsets, local[stays], ids[stays], self.uint32_limit, self._runs
        )

    def _shared(self, block: Block, columns: Mapping[str, Integers]) -> Mask:
        """Which components lie on a face behind which another block lies, (count,)."""
        shared = np.zeros(len(columns["voxels"]), dtype=np.bool_)
        for number, axis in enumerate("zyx"):
            if block.index[number] > 0:
                shared |= columns[f"min_{axis}"] == block.write.start[number]
            if block.index[number] < self.layout.grid[number] - 1:
                shared |= columns[f"max_{axis}"] == block.write.stop[number]
        return shared
