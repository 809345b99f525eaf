"""What one block adds to the rows of its objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Shape, as_shape
from napari_nnunet_em.measurement.labelruns import LabelRuns
from napari_nnunet_em.measurement.tally import Columns, Merge
from napari_nnunet_em.measurement.values import ValueScale

PAIRS = ("zz", "yy", "xx", "zy", "zx", "yx")

GEOMETRY: dict[str, tuple[str, Merge]] = {
    "voxels": ("int64", Merge.SUM),
    **{f"sum_{axis}": ("int64", Merge.SUM) for axis in "zyx"},
    **{f"sum_{pair}": ("int64", Merge.SUM) for pair in PAIRS},
    **{f"min_{axis}": ("int32", Merge.MIN) for axis in "zyx"},
    **{f"max_{axis}": ("int32", Merge.MAX) for axis in "zyx"},
}


def value_columns(name: str) -> dict[str, tuple[str, Merge]]:
    """Columns that `BlockLabels.values` fills for one kind of value."""
    return {
        f"sum_{name}": ("int64", Merge.SUM),
        f"min_{name}": ("float64", Merge.MIN),
        f"max_{name}": ("float64", Merge.MAX),
    }


@dataclass(frozen=True, eq=False)
class BlockLabels:
    """The objects of a block, numbered from 1 inside it.

    Attributes
    ----------
    ids : array, (objects,), int64
        Id of each object, ascending.
    runs : LabelRuns
        Their voxels as stretches along x, in voxels of the block.
    inside : array, (voxels of the block,), bool
        Which voxels belong to objects, in raster order.
    shape : tuple of int, (z, y, x)
        Voxels of the block.
    """

    ids: NDArray[np.int64]
    runs: LabelRuns
    inside: NDArray[np.bool_]
    shape: Shape

    @classmethod
    def of(cls, labels: NDArray[np.integer[Any]]) -> Self:
        """Number the objects of a block, (z, y, x), that holds at least one."""
        ids, runs = LabelRuns.of(labels)
        return cls(ids, runs, labels.ravel() != 0, as_shape(labels.shape))

    def numbers(self) -> NDArray[np.unsignedinteger[Any]]:
        """The block with its objects numbered from 1, (z, y, x), in the smallest type that holds them."""
        numbers = np.zeros(self.inside.size, dtype=np.min_scalar_type(len(self.ids)))
        numbers[self.inside] = np.repeat(self.runs.number, self.runs.length)
        return numbers.reshape(self.shape)

    def geometry(self, origin: Shape) -> Columns:
        """Sums of coordinates and of their products, and bounding boxes, in voxels of the whole image.

        Parameters
        ----------
        origin : tuple of int, (z, y, x)
            First voxel of the block.
        """
        runs = self.runs
        voxels = runs.total(runs.length)
        first, last = runs.x, runs.x + runs.length - 1
        along_x = runs.length * (first + last) // 2
        sums = dict(zip("zyx", (runs.length * runs.z, runs.length * runs.y, along_x), strict=True))
        squares = _sum_of_squares(last) - _sum_of_squares(first - 1)
        products = dict(
            zip(
                PAIRS,
                (
                    sums["z"] * runs.z,
                    sums["y"] * runs.y,
                    squares,
                    sums["z"] * runs.y,
                    along_x * runs.z,
                    along_x * runs.y,
                ),
                strict=True,
            )
        )
        # Small numbers inside the block keep the sums of doubles exact; integers carry them to the image.
        local = {name: runs.total(values) for name, values in {**sums, **products}.items()}
        columns = {"voxels": voxels, **dict(_moved(voxels, local, origin))}
        for axis, low, high, start in zip(
            "zyx", (runs.z, runs.y, first), (runs.z, runs.y, last), origin, strict=True
        ):
            columns[f"min_{axis}"] = runs.smallest(low) + start
            columns[f"max_{axis}"] = runs.largest(high) + start + 1
        return columns

    def values(self, name: str, values: NDArray[Any], scale: ValueScale) -> Columns:
        """Sum (in units of `scale`), smallest and largest of one value per voxel over each object.

        Parameters
        ----------
        name : str
            Of the value; it ends the columns' names.
        values : array, (z, y, x)
            Looked at inside objects only.
        scale : ValueScale
            How they become integers.

        Raises
        ------
        InputError
            When one of them is not finite.
        """
        held = values.reshape(-1)[self.inside]
        if held.dtype.kind == "f" and not np.isfinite(held).all():
            raise InputError(
                f"The {name} is NaN or infinite in some voxels of objects, so it has no mean there: "
                "replace those values, or measure without it."
            )
        runs = self.runs
        starts = np.cumsum(runs.length) - runs.length
        return {
            f"sum_{name}": runs.total(np.add.reduceat(scale.to_units(held), starts)),
            f"min_{name}": runs.smallest(np.minimum.reduceat(held, starts).astype(np.float64)),
            f"max_{name}": runs.largest(np.maximum.reduceat(held, starts).astype(np.float64)),
        }


def _sum_of_squares(last: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sum of the squares of 0 to `last`; 0 for -1."""
    return last * (last + 1) * (2 * last + 1) // 6


def _moved(
    voxels: NDArray[np.int64], local: Mapping[str, NDArray[np.int64]], origin: Shape
) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Sums as they are where coordinates begin `origin` voxels earlier."""
    shift = dict(zip("zyx", origin, strict=True))
    for axis in "zyx":
        yield f"sum_{axis}", local[axis] + voxels * shift[axis]
    for a, b in map(tuple, PAIRS):
        cross = local[a] * shift[b] + local[b] * shift[a] + voxels * (shift[a] * shift[b])
        yield f"sum_{a}{b}", local[a + b] + cross
