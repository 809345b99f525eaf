"""Label blocks go in, the table of objects comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box, iter_blocks
from napari_nnunet_em.measurement.blockrows import GEOMETRY, BlockLabels, value_columns
from napari_nnunet_em.measurement.crofton import SurfaceEstimator
from napari_nnunet_em.measurement.crossings import CrossingCounter
from napari_nnunet_em.measurement.rows import table_of
from napari_nnunet_em.measurement.table import ObjectTable
from napari_nnunet_em.measurement.tally import Merge, Tally
from napari_nnunet_em.measurement.task import MeasureTask

# Larger blocks are cut: sums inside one stay exact as doubles, and the working memory stays small.
_LARGEST = (256, 512, 512)


class LabelMeasurer:
    """Measures the objects of a label image in one pass over its blocks.

    Blocks may have any shape and come in any order, as long as each voxel comes once: all sums are exact
    integers, so the table is the same to the last bit. Memory holds about 160 bytes for each object, and the
    edges of blocks whose neighbours are still to come; in raster order these are few. Not thread-safe.

    Parameters
    ----------
    task : MeasureTask
        What is measured.
    """

    def __init__(self, task: MeasureTask) -> None:
        self._task = task
        columns = dict(GEOMETRY)
        for name in task.scales:
            columns |= value_columns(name)
        self._crossings: CrossingCounter | None = None
        self._unit_um2 = float("nan")
        if task.placement.voxel_size_nm is not None:
            estimator = SurfaceEstimator.of(task.placement.voxel_size_nm)
            self._crossings = CrossingCounter(task.shape, estimator)
            self._unit_um2 = estimator.unit_um2
            columns["crossings"] = ("int64", Merge.SUM)
        self._tally = Tally(columns)
        self._voxels = 0

    def add(
        self,
        box: Box,
        labels: NDArray[np.integer[Any]],
        values: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        """Measure one block.

        Parameters
        ----------
        box : Box
            Its voxels, which no other block has.
        labels : array, (z, y, x), integer
            Ids of objects, and 0 for none.
        values : mapping from str to array, (z, y, x)
            Values of the voxels, for each of the task's scales; they are not looked at where there is no
            object, and not needed where there is none in the whole block.

        Raises
        ------
        InputError
            When an id is negative or beyond 63 bits, or a value inside an object is not finite.
        ValueError
            When shapes do not fit together, or the block reaches beyond the image.
        """
        values = values or {}
        if not Box.whole(self._task.shape).contains(box) or any(
            array.shape != box.shape for array in (labels, *values.values())
        ):
            raise ValueError(f"arrays do not fit the box {box} of an image of {self._task.shape}")
        for part in iter_blocks(box.shape, _LARGEST):
            cut = part.write.slices
            self._add(
                part.write.shift(box.start), labels[cut], {name: array[cut] for name, array in values.items()}
            )

    def finish(self) -> ObjectTable:
        """The table of all objects, ascending by id; the measurer is empty afterwards.

        Raises
        ------
        ValueError
            When not every voxel of the image was measured once.
        """
        whole = Box.whole(self._task.shape).size
        if self._voxels != whole:
            raise ValueError(f"{self._voxels} voxels were measured of an image of {whole}")
        ids, sums = self._tally.take()
        return table_of(ids, sums, self._task, self._unit_um2)

    def _add(self, box: Box, labels: NDArray[np.integer[Any]], values: Mapping[str, NDArray[Any]]) -> None:
        self._voxels += box.size
        if not labels.any():
            if self._crossings is not None:
                self._crossings.skip(box)
            return
        _check_ids(labels)
        block = BlockLabels.of(labels)
        columns = block.geometry(box.start)
        for name, scale in self._task.scales.items():
            columns |= block.values(name, values[name], scale)
        if self._crossings is not None:
            columns["crossings"] = self._crossings.add(box, labels, block)
        self._tally.add(block.ids, columns)


def _check_ids(labels: NDArray[np.integer[Any]]) -> None:
    """Refuse ids that are no ids."""
    wrong = int(labels.min()) if labels.dtype.kind == "i" else int(labels.max())
    if wrong < 0 or wrong > np.iinfo(np.int64).max:
        raise InputError(
            f"The label image holds the value {wrong}, and ids of objects go from 1 to 2^63 - 1: "
            "set voxels that are to be ignored to 0."
        )
