"""How a volume is cut into blocks, and which neighbours of a voxel count."""

from __future__ import annotations

import enum
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import cc3d
import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.config import Connectivity
from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.geometry import Block, Box, Shape, as_shape, iter_blocks


class PlaneConnectivity(enum.IntEnum):
    """Which neighbours join where every slice across z is labelled by itself; numbers as in cc3d."""

    EDGES = 4
    CORNERS = 8

    @classmethod
    def within(cls, connectivity: Connectivity) -> PlaneConnectivity:
        """What a connectivity of voxels means inside a slice."""
        return cls.EDGES if connectivity is Connectivity.FACES else cls.CORNERS


def as_connectivity(value: int) -> Connectivity:
    """Read 6, 18 or 26; anything else raises `SettingsError`."""
    try:
        return Connectivity(value)
    except ValueError:
        raise SettingsError(
            f"The connectivity {value} is not known: use 6 (faces), 18 (and edges) or 26 (and corners)."
        ) from None


@dataclass(frozen=True)
class Layout:
    """The blocks of a volume, and the connectivity of its voxels.

    Attributes
    ----------
    shape : tuple of int, (z, y, x)
        Voxels of the whole volume.
    block_shape : tuple of int, (z, y, x)
        Voxels of a block; blocks at the far border may be smaller. It decides memory and speed, never ids.
    connectivity : Connectivity or PlaneConnectivity
        Whether voxels join across faces, edges or corners, or only within their slice.
    """

    shape: Shape
    block_shape: Shape
    connectivity: Connectivity | PlaneConnectivity = Connectivity.FACES

    def __post_init__(self) -> None:
        if min(self.shape) < 0 or min(self.block_shape) < 1:
            raise SettingsError(
                f"Blocks of {self.block_shape} voxels cannot cover a volume of {self.shape}: "
                "each block needs at least one voxel along z, y and x."
            )

    @property
    def grid(self) -> Shape:
        """Number of blocks along z, y and x."""
        return as_shape([math.ceil(n / b) for n, b in zip(self.shape, self.block_shape, strict=True)])

    @property
    def count(self) -> int:
        """Number of blocks."""
        return math.prod(self.grid)

    def blocks(self) -> Iterator[Block]:
        """All blocks in raster order, the order in which they must be labelled."""
        return iter_blocks(self.shape, self.block_shape)

    def number(self, index: Shape) -> int:
        """Place in raster order of the block at a place in the grid."""
        _, y, x = self.grid
        return (index[0] * y + index[1]) * x + index[2]

    def extent(self, index: Shape) -> Shape:
        """Voxels along z, y and x of the block at a place in the grid."""
        return as_shape(
            [min(b, n - i * b) for i, b, n in zip(index, self.block_shape, self.shape, strict=True)]
        )

    @property
    def reach(self) -> int:
        """Along how many axes at once a voxel may step to a neighbour."""
        return {
            Connectivity.FACES: 1,
            Connectivity.EDGES: 2,
            Connectivity.CORNERS: 3,
            PlaneConnectivity.EDGES: 1,
            PlaneConnectivity.CORNERS: 2,
        }[self.connectivity]

    def steps(self, axis: int) -> tuple[tuple[int, int], ...]:
        """Steps along the other two axes by which a voxel may touch one in the next plane across `axis`."""
        if not isinstance(self.connectivity, PlaneConnectivity):
            every = itertools.product((-1, 0, 1), (-1, 0, 1))
            return tuple((a, b) for a, b in every if 1 + abs(a) + abs(b) <= self.reach)
        if axis == 0:
            return ()
        # The first of the other two axes is z.
        return ((0, -1), (0, 0), (0, 1)) if self.reach > 1 else ((0, 0),)


def label_block(
    mask: NDArray[np.bool_], connectivity: Connectivity | PlaneConnectivity
) -> tuple[NDArray[np.uint32], int]:
    """Connected components of one block, the same for the same input in every run.

    Parameters
    ----------
    mask : array, (z, y, x), bool
        Voxels of objects.
    connectivity : Connectivity or PlaneConnectivity
        Which neighbours join.

    Returns
    -------
    labels : array, (z, y, x), uint32
        1 to `count`, and 0 outside objects.
    count : int
        Number of components inside the block.
    """
    if not mask.any():
        return np.zeros(mask.shape, np.uint32), 0
    if isinstance(connectivity, PlaneConnectivity):
        return _label_slices(mask, connectivity)
    data = np.ascontiguousarray(mask, dtype=np.bool_)
    if connectivity == Connectivity.CORNERS and _outgrows_cc3d(mask.shape):
        thinnest = int(np.argmin(mask.shape))
        data = np.pad(data, [(0, int(axis == thinnest)) for axis in range(3)])
    labels, count = cc3d.connected_components(
        data, connectivity=int(connectivity), return_N=True, out_dtype=np.uint32
    )
    return labels[Box.whole(mask.shape).slices], int(count)


def _label_slices(mask: NDArray[np.bool_], connectivity: PlaneConnectivity) -> tuple[NDArray[np.uint32], int]:
    """Components of each slice, numbered on from slice to slice."""
    within = Connectivity.FACES if connectivity is PlaneConnectivity.EDGES else Connectivity.CORNERS
    labels = np.zeros(mask.shape, np.uint32)
    total = 0
    for z in range(len(mask)):
        plane, count = label_block(mask[z : z + 1], within)
        np.add(plane[0], np.uint32(total), out=labels[z], where=plane[0] > 0)
        total += count
    return labels, total


def _outgrows_cc3d(shape: tuple[int, ...]) -> bool:
    """Whether single voxels, spread as densely as they can be, are more than cc3d 4.1 makes room for.

    With 26 neighbours it reserves a quarter of the voxels plus one. Blocks of one slice, row or line, and
    3 x 3 x 3 ones, can hold more, and then it fails; one more empty plane makes enough room.
    """
    return math.prod((n + 1) // 2 for n in shape) > math.prod(shape) // 4 + 1
