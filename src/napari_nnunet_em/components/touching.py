"""Which components of two neighbouring planes touch each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.components.runs import Integers

Face = NDArray[np.uint32]
Behind = Mapping[tuple[int, int], tuple[Face, int]]

# Where one finds, in a neighbour's face, the line next to ours, and where it goes around our face.
_TAKE = {-1: slice(-1, None), 0: slice(None), 1: slice(0, 1)}
_PUT = {-1: slice(0, 1), 0: slice(1, -1), 1: slice(-1, None)}


Steps = Sequence[tuple[int, int]]


def touching(face: Face, behind: Behind, steps: Steps) -> Iterator[Integers]:
    """Find pairs of components in a plane and in the plane before it.

    Voxels that meet face to face say nearly everything: what lies around the one behind touches that one
    within its plane. Steps across an edge or corner are only looked at where nothing lies straight behind.

    Parameters
    ----------
    face : array, (rows, columns), uint32
        Numbers from 1, and 0.
    behind : mapping from (int, int) to (array, int)
        The faces behind, by steps of blocks along rows and columns; (0, 0) lies straight behind. Each comes
        with what turns its numbers into numbers unique in the volume.
    steps : sequence of (int, int)
        Steps along rows and columns by which a voxel may touch one in the plane behind; (0, 0) is among them.

    Yields
    ------
    array, (pairs, 2), int64
        Number in `face`, and number behind that is unique in the volume; contacts that follow from others
        of the volume may be missing.
    """
    straight = behind.get((0, 0))
    if straight is not None:
        other, base = straight
        both = np.flatnonzero((face != 0) & (other != 0))
        mine, its = face.ravel()[both], other.ravel()[both]
        yield _pairs(mine, its.astype(np.int64) + base)
    if len(steps) > 1 and behind:
        yield _aslant(face, behind, [step for step in steps if step != (0, 0)])


def _aslant(face: Face, behind: Behind, steps: Steps) -> Integers:
    """Pairs across edges and corners, where nothing lies straight behind."""
    rows, columns = face.shape
    around = np.zeros((rows + 2, columns + 2), dtype=np.uint32)
    bases = np.zeros((3, 3), dtype=np.int64)
    for (down, right), (other, base) in behind.items():
        around[_PUT[down], _PUT[right]] = other[_TAKE[down], _TAKE[right]]
        bases[down + 1, right + 1] = base
    alone = np.flatnonzero((face != 0) & (around[1:-1, 1:-1] == 0))
    # The same voxels as places in the wider plane.
    places = alone + 2 * (alone // columns) + columns + 3
    numbers, flat = face.ravel()[alone], around.ravel()
    ours, theirs = [], []
    for down, right in steps:
        there = places + (down * (columns + 2) + right)
        hit = np.flatnonzero(flat[there])
        ours.append(numbers[hit])
        theirs.append(there[hit])
    found = np.concatenate(theirs)
    row, column = np.divmod(found, columns + 2)
    bases_found = bases[_third(row, rows), _third(column, columns)]
    return _pairs(np.concatenate(ours), flat[found] + bases_found)


def _third(place: Integers, length: int) -> Integers:
    """0 before, 1 inside and 2 behind the `length` places in the middle."""
    third: Integers = (place > 0).astype(np.int64) + (place > length)
    return third


def _pairs(mine: Face, its: Integers) -> Integers:
    """Pairs without repetition, (pairs, 2)."""
    # Blobs meet along lines of equal pairs: dropping repeats here leaves little to sort.
    new = np.ones(len(mine), dtype=np.bool_)
    new[1:] = (mine[1:] != mine[:-1]) | (its[1:] != its[:-1])
    names, code = np.unique(its[new], return_inverse=True)
    keys = np.unique(mine[new].astype(np.int64) * max(len(names), 1) + code)
    mine64, code64 = np.divmod(keys, max(len(names), 1))
    return np.stack([mine64, names[code64]], axis=1)
