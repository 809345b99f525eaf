"""Resolution levels of an output, planned so that each chunk has one writer, and how voxels get there.

Every block is reduced to every level on its own. That is exact because a block begins on a multiple
of each level's factor, and it is safe because no chunk of any level reaches across two blocks.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.geometry import Box, Shape, as_shape

TOP_PLANE = 512
"""A level whose plane is at most this many voxels high and wide is the last one."""

MIN_BLOCK = 16
"""In the plane, the part of a level that one block writes never gets smaller than this."""

_ROUGHLY = math.sqrt(2.0)
"""A z voxel up to this much coarser than the plane still counts as isotropic: halving it then brings
the level nearer to isotropic than leaving it."""


@dataclass(frozen=True)
class Level:
    """One resolution level of a pyramid.

    Attributes
    ----------
    factor : tuple of int, (z, y, x)
        Voxels of level 0 per voxel of this level.
    shape : tuple of int, (z, y, x)
        Shape of this level, in its own voxels; a last voxel may be cut by the edge of the volume.
    chunk_shape : tuple of int, (z, y, x)
        Shape of the stored chunks.
    """

    factor: Shape
    shape: Shape
    chunk_shape: Shape

    def box(self, box: Box) -> Box:
        """The voxels of this level that a box of level 0, aligned to blocks, fills."""
        pairs = list(zip(box.start, box.stop, self.factor, strict=True))
        return Box(as_shape([a // f for a, _, f in pairs]), as_shape([-(-b // f) for _, b, f in pairs]))


def plan_levels(
    shape: Shape,
    voxel_size_nm: Sequence[float],
    block_shape: Shape,
    chunk_shape: Shape,
    count: int | None = None,
) -> tuple[Level, ...]:
    """Choose the levels of a pyramid that is written block by block.

    Parameters
    ----------
    shape : tuple of int, (z, y, x)
        Shape of level 0.
    voxel_size_nm : sequence of float, (z, y, x)
        Voxel size of level 0.
    block_shape, chunk_shape : tuple of int, (z, y, x)
        What one writer fills at a time, and the largest chunk wanted.
    count : int, optional
        Number of levels, to match another image, however small their chunks become.

    Returns
    -------
    tuple of Level
        Level 0 first. The plane is halved until it is at most `TOP_PLANE` wide or the block cannot
        be halved any more; z is halved with it where its voxels are then no coarser than the plane's.

    Raises
    ------
    SettingsError
        Where blocks are not made of whole chunks, or cannot be halved often enough.
    """
    levels = []
    for factor in _factors(shape, voxel_size_nm, block_shape, count):
        level_shape = as_shape([-(-n // f) for n, f in zip(shape, factor, strict=True)])
        axes = zip(shape, factor, level_shape, block_shape, chunk_shape, strict=True)
        chunk = as_shape([_chunk(*axis) for axis in axes])
        levels.append(Level(factor, level_shape, chunk))
        check_single_writer(levels[-1], shape, block_shape)
    if count is not None and len(levels) != count:
        raise SettingsError(
            f"Blocks of {block_shape} voxels cannot be halved to {count} levels, as many as the image has: "
            "use the blocks of the image."
        )
    return tuple(levels)


def check_single_writer(level: Level, shape: Shape, block_shape: Shape) -> None:
    """Refuse a level of which some chunk would be written by two blocks.

    Raises
    ------
    SettingsError
        Where a block begins inside a voxel or inside a chunk of the level.
    """
    axes = zip("zyx", shape, block_shape, level.factor, level.chunk_shape, strict=True)
    for name, length, block, factor, chunk in axes:
        if block < length and block % (factor * chunk):
            raise SettingsError(
                f"Blocks of {block} voxels along {name} would share chunks of {chunk} voxels at a level "
                f"reduced {factor} times, and two writers would overwrite each other: "
                f"make the block a multiple of {factor * chunk}."
            )


def _factors(
    shape: Shape, voxel_size_nm: Sequence[float], block_shape: Shape, count: int | None
) -> Iterator[Shape]:
    """Factors of the levels: as many as wanted if the blocks allow it, else while they make sense."""
    z, plane, smallest = 1, 1, MIN_BLOCK if count is None else 1
    for index in itertools.count(1):
        yield z, plane, plane
        done = all(-(-n // plane) <= TOP_PLANE for n in shape[1:]) if count is None else index == count
        plane *= 2
        sides = zip(shape[1:], block_shape[1:], strict=True)
        if done or not all(_halvable(n, b, plane, smallest) for n, b in sides):
            return
        coarser = voxel_size_nm[0] * z * 2 > max(voxel_size_nm[1:]) * plane * _ROUGHLY
        if -(-shape[0] // z) > 1 and not coarser and _halvable(shape[0], block_shape[0], z * 2, 1):
            z *= 2


def _halvable(length: int, block: int, factor: int, smallest: int) -> bool:
    """Whether the blocks of an axis stay whole, and large enough, when reduced `factor` times."""
    if block >= length:
        return -(-length // factor) >= smallest
    return block % factor == 0 and block // factor >= smallest


def _chunk(length: int, factor: int, level_length: int, block: int, wanted: int) -> int:
    """Length of the chunks of one axis of a level: the largest allowed that blocks are made of."""
    if block >= length:
        return min(wanted, level_length)
    reduced = block // factor
    if factor == 1:
        return min(wanted, reduced)
    return next(c for c in range(min(wanted, reduced), 0, -1) if reduced % c == 0)


def strided(data: np.ndarray[Any, Any], levels: Sequence[Level]) -> Iterator[np.ndarray[Any, Any]]:
    """The first voxel of each cell, for values such as labels that must not be averaged.

    Parameters
    ----------
    data : array, (..., z, y, x)
        Voxels of level 0 that begin on a multiple of every factor.
    levels : sequence of Level
        The levels to make.

    Yields
    ------
    array, (..., z, y, x)
        A view for each level.
    """
    for level in levels:
        z, y, x = level.factor
        yield data[..., ::z, ::y, ::x]


def averaged(data: np.ndarray[Any, Any], levels: Sequence[Level]) -> Iterator[np.ndarray[Any, Any]]:
    """The mean of the voxels of each cell, rounded half to even for integers.

    Parameters
    ----------
    data : array, (..., z, y, x), integer of at most 32 bits or floating point
        Voxels of level 0 that begin on a multiple of every factor.
    levels : sequence of Level
        The levels to make; each factor is once or twice the one before.

    Yields
    ------
    array, (..., z, y, x), dtype of `data`
        One for each level, computed from sums over level 0, so that no rounding is carried from level
        to level; cells that the edge of the volume cuts average what is there.
    """
    shape, factor = data.shape[-3:], (1, 1, 1)
    sums = data
    for level in levels:
        for axis in range(3):
            if level.factor[axis] != factor[axis]:
                sums = _pair_sums(sums, axis - 3, _sum_dtype(data.dtype, level.factor))
        factor = level.factor
        yield data if sums is data else _means(sums, shape, factor, data.dtype)


def _pair_sums(values: np.ndarray[Any, Any], axis: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Sums of neighbours along an axis; an odd last voxel stays alone."""
    along = np.moveaxis(values, axis, 0)
    sums = along[0::2].astype(dtype)
    odd = along[1::2]
    sums[: len(odd)] += odd
    return np.moveaxis(sums, 0, axis)


def _sum_dtype(dtype: np.dtype[Any], factor: Shape) -> np.dtype[Any]:
    """A type that holds the sum over a cell: exact for integers, without waste for small ones."""
    if dtype.kind == "f":
        return np.result_type(dtype, np.float32)
    small = dtype.kind == "u" and int(np.iinfo(dtype).max) * math.prod(factor) <= np.iinfo(np.uint32).max
    return np.dtype(np.uint32 if small else np.int64)


def _means(
    sums: np.ndarray[Any, Any], shape: Sequence[int], factor: Shape, dtype: np.dtype[Any]
) -> np.ndarray[Any, Any]:
    z, y, x = (
        np.minimum(f, n - f * np.arange(-(-n // f), dtype=np.int64))
        for n, f in zip(shape, factor, strict=True)
    )
    cells = z[:, None, None] * y[:, None] * x
    exact = sums.dtype if dtype.kind == "f" else np.dtype(np.float64)
    means: np.ndarray[Any, Any] = np.divide(sums, cells, dtype=exact)
    if dtype.kind != "f":
        np.rint(means, out=means)
    return means.astype(dtype)
