"""Where the components of a block meet those of the blocks finished before it.

Blocks come in raster order. A block's voxel next to an earlier block lies on one of the block's three
near faces, and the voxels it may touch lie in the layer just before that face: the last plane along z of
the blocks above (nine of them), the last plane along y of the row of blocks before (three), or the last plane
along x of the block before (one). Those thirteen neighbours are all that came earlier, so every contact is
seen exactly once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.components.faces import MEMORY_BYTES, FaceStore
from napari_nnunet_em.components.layout import Layout
from napari_nnunet_em.components.runs import Integers
from napari_nnunet_em.components.touching import Behind, Face, touching
from napari_nnunet_em.geometry import Shape, as_shape

Steps = tuple[int, int, int]


def near_faces(labels: NDArray[np.uint32]) -> tuple[Face, Face, Face]:
    """First planes of a block along z, y and x."""
    return labels[0], labels[:, 0], labels[:, :, 0]


def far_faces(labels: NDArray[np.uint32]) -> tuple[Face, Face, Face]:
    """Last planes of a block along z, y and x."""
    return labels[-1], labels[:, -1], labels[:, :, -1]


class Front:
    """The last faces of the blocks finished so far, as far as blocks to come can touch them.

    Parameters
    ----------
    layout : Layout
        Blocks and connectivity.
    scratch : pathlib.Path or None
        Folder for faces that are too many for memory.
    memory_bytes : int
        Bytes of faces kept in memory, for each axis.
    """

    def __init__(self, layout: Layout, scratch: Path | None = None, memory_bytes: int = MEMORY_BYTES) -> None:
        self._layout = layout
        z, y, x = layout.block_shape
        _, rows, columns = layout.grid
        # Two generations: that of the blocks before, and the one that is being written.
        self._stores = (
            FaceStore(2 * rows * columns, y * x, scratch, memory_bytes),
            FaceStore(2 * columns, z * x, scratch, memory_bytes),
            FaceStore(2, z * y, scratch, memory_bytes),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for store in self._stores:
            store.close()

    def contacts(self, index: Shape, faces: tuple[Face, Face, Face], base: int) -> Integers:
        """Find which components of a block touch which earlier ones.

        Parameters
        ----------
        index : tuple of int, (z, y, x)
            The block's place in the grid.
        faces : tuple of three arrays, uint32
            The block's near faces along z, y and x, numbered from 1.
        base : int
            What turns these numbers into numbers unique in the volume, which begin at 1.

        Returns
        -------
        array, (contacts, 2), int64
            Pairs of numbers unique in the volume, without repetition per face.
        """
        found = [np.empty((0, 2), dtype=np.int64)]
        for axis, face in enumerate(faces):
            steps = self._layout.steps(axis)
            if steps and index[axis] > 0 and face.any():
                behind = self._behind(axis, index)
                found += [np.add(pairs, (base, 0)) for pairs in touching(face, behind, steps)]
        return np.concatenate(found)

    def advance(self, index: Shape, faces: tuple[Face, Face, Face], base: int) -> None:
        """Keep the far faces of a finished block; arguments as in `contacts`."""
        for axis, (store, face) in enumerate(zip(self._stores, faces, strict=True)):
            # Nothing comes behind the last blocks along an axis.
            if index[axis] + 1 < self._layout.grid[axis]:
                store.write(self._slot(axis, index), face, base)

    def skip(self, index: Shape) -> None:
        """Keep the far faces of a finished block without components."""
        for axis, store in enumerate(self._stores):
            store.clear(self._slot(axis, index))

    def _slot(self, axis: int, index: Shape) -> int:
        """Place of a block's face: blocks two apart along `axis` share one."""
        slot = index[axis] % 2
        for later in range(axis + 1, 3):
            slot = slot * self._layout.grid[later] + index[later]
        return slot

    def _behind(self, axis: int, index: Shape) -> Behind:
        """The far faces behind a near face, by the steps along the two other axes; empty ones left out."""
        faces = {}
        across = [a for a in range(3) if a != axis]
        for steps in self._earlier(axis, index):
            there = as_shape([i + s for i, s in zip(index, steps, strict=True)])
            extent = self._layout.extent(there)
            face = self._stores[axis].read(self._slot(axis, there), (extent[across[0]], extent[across[1]]))
            if face is not None:
                faces[steps[across[0]], steps[across[1]]] = face
        return faces

    def _earlier(self, axis: int, index: Shape) -> Iterator[Steps]:
        """Steps to the finished blocks behind the near face along `axis`."""
        if index[axis] == 0:
            return
        # Along axes before `axis` a step would leave the plane that this face looks at.
        choices = [(0,) if a < axis else (-1,) if a == axis else (-1, 0, 1) for a in range(3)]
        for steps in itertools.product(*choices):
            inside = all(0 <= i + s < n for i, s, n in zip(index, steps, self._layout.grid, strict=True))
            if inside and sum(map(abs, steps)) <= self._layout.reach:
                yield steps[0], steps[1], steps[2]
