"""What is counted per component: small measures whose parts merge exactly.

A measure turns the runs of a block into one number per component of that block, and says how the numbers
of two parts of an object combine. Only integers are merged, so that the result is the same for any blocks.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.components.runs import Integers, Runs
from napari_nnunet_em.geometry import Shape

BlockValues = Mapping[str, NDArray[np.integer]]


class Reduction(enum.Enum):
    """How the numbers of two parts of an object become the number of the object."""

    SUM = "sum"
    MIN = "min"
    MAX = "max"

    def merge(self, out: Integers, where: Integers, values: Integers) -> None:
        """Combine `values` into ``out[where]`` in place; `where` may name a place many times."""
        {Reduction.SUM: np.add, Reduction.MIN: np.minimum, Reduction.MAX: np.maximum}[self].at(
            out, where, values
        )


class Measure(Protocol):
    """Something counted per component.

    Attributes
    ----------
    columns : mapping from str to Reduction
        Names of the numbers this measure gives, and how each merges.
    """

    @property
    def columns(self) -> Mapping[str, Reduction]:
        """Names of the numbers this measure gives, and how each merges."""
        ...

    def __call__(self, runs: Runs, values: BlockValues) -> dict[str, Integers]:
        """Give each column, (runs.count,) int64, for the components of one block.

        Parameters
        ----------
        runs : Runs
            The block's components.
        values : mapping from str to array, (z, y, x), integer
            Whatever the caller handed in per voxel of the block.
        """
        ...


@dataclass(frozen=True)
class Geometry:
    """Size, sums of coordinates, bounding box and first voxel; always measured.

    Columns are ``voxels``; ``sum_z``, ``sum_y``, ``sum_x`` (voxels); the half-open bounding box ``min_z`` to
    ``max_z`` and so on (voxels); and ``first``, the index of the first voxel in the raveled volume.
    """

    shape: Shape

    @property
    def columns(self) -> Mapping[str, Reduction]:
        """Names and reductions."""
        return {
            "first": Reduction.MIN,
            "voxels": Reduction.SUM,
            **{f"sum_{axis}": Reduction.SUM for axis in "zyx"},
            **{f"min_{axis}": Reduction.MIN for axis in "zyx"},
            **{f"max_{axis}": Reduction.MAX for axis in "zyx"},
        }

    def __call__(self, runs: Runs, values: BlockValues) -> dict[str, Integers]:  # noqa: ARG002
        """Measure the components of one block."""
        last_x = runs.x + runs.length - 1
        first = (runs.z * self.shape[1] + runs.y) * self.shape[2] + runs.x
        return {
            "first": runs.smallest(first),
            "voxels": runs.total(runs.length),
            "sum_z": runs.total(runs.length * runs.z),
            "sum_y": runs.total(runs.length * runs.y),
            "sum_x": runs.total(runs.length * (runs.x + last_x) // 2),
            "min_z": runs.smallest(runs.z),
            "min_y": runs.smallest(runs.y),
            "min_x": runs.smallest(runs.x),
            "max_z": runs.largest(runs.z) + 1,
            "max_y": runs.largest(runs.y) + 1,
            "max_x": runs.largest(last_x) + 1,
        }


@dataclass(frozen=True)
class ValueSum:
    """Sum of one integer per voxel over each component, in the column ``sum_<name>``."""

    name: str

    @property
    def columns(self) -> Mapping[str, Reduction]:
        """Name and reduction."""
        return {f"sum_{self.name}": Reduction.SUM}

    def __call__(self, runs: Runs, values: BlockValues) -> dict[str, Integers]:
        """Measure the components of one block."""
        return {f"sum_{self.name}": runs.total(runs.per_run(values[self.name]))}
