"""Measuring the final objects while their labels are written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.components import Geometry, Reduction, Runs, ValueSum
from napari_nnunet_em.components.runs import Integers
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.instances.source import ClassProbability
from napari_nnunet_em.instances.table import PROBABILITY, ObjectTable, Placement
from napari_nnunet_em.instances.threshold import to_units, units_of_one


class Tally:
    """Adds up sizes, places and probabilities of objects, block by block, in any order.

    Parameters
    ----------
    source : ClassProbability
        Probabilities, read where a block holds objects.
    count : int
        Number of objects; labels go from 1 to `count`.
    """

    def __init__(self, source: ClassProbability, count: int) -> None:
        self._source = source
        self._measures = (Geometry(source.shape), ValueSum(PROBABILITY))
        self._how = {name: how for measure in self._measures for name, how in measure.columns.items()}
        largest = np.iinfo(np.int64).max
        start = {Reduction.SUM: 0, Reduction.MIN: largest, Reduction.MAX: -1}
        self._columns: dict[str, Integers] = {
            name: np.full(count, start[how], dtype=np.int64) for name, how in self._how.items()
        }

    def __call__(self, box: Box, labels: NDArray[np.unsignedinteger[Any]]) -> None:
        """Take the final labels of a box, (z, y, x); each voxel of the volume once."""
        runs = Runs.of(labels, 0, box)
        present, inside = np.unique(runs.label, return_inverse=True)
        if not present.size:
            return
        runs = replace(runs, count=len(present), label=inside.astype(np.int64) + 1)
        probability = self._source.read_class(box)
        # What was filled may hold anything, even what is no number; that counts as 0.
        valid = (labels > 0) & (probability == probability)  # noqa: PLR0124
        values = {PROBABILITY: np.where(valid, to_units(probability, valid), 0)}
        rows = present - 1
        for measure in self._measures:
            for name, column in measure(runs, values).items():
                self._how[name].merge(self._columns[name], rows, column)

    def table(self, placement: Placement) -> ObjectTable:
        """Everything measured so far, in physical units."""
        units = units_of_one(self._source.probability.dtype)
        return ObjectTable.from_statistics(self._columns, units, placement)
