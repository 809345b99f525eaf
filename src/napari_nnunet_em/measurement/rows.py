"""From the sums of a pass to the rows of the table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_nnunet_em.measurement.columns import COLUMNS
from napari_nnunet_em.measurement.shapes import axis_lengths_nm
from napari_nnunet_em.measurement.table import ObjectTable
from napari_nnunet_em.measurement.tally import Columns
from napari_nnunet_em.measurement.task import INTENSITY, PROBABILITY, MeasureTask

_UM3_PER_NM3 = 1e-9


def table_of(ids: NDArray[np.int64], sums: Columns, task: MeasureTask, unit_um2: float) -> ObjectTable:
    """Put the sums of all objects into physical units.

    Parameters
    ----------
    ids : array, (objects,), int64
        Ascending.
    sums : dict of arrays, (objects,)
        As the measurer adds them up; emptied on the way, so that both are never held whole.
    task : MeasureTask
        What was measured.
    unit_um2 : float
        Area of one unit of crossings.
    """
    size = task.placement.voxel_size_nm or (math.nan,) * 3
    columns: dict[str, NDArray[Any]] = {"id": ids, "touches_border": _touches_border(sums, task.shape)}
    columns |= _axes(sums, task)
    for pair in ("zz", "yy", "xx", "zy", "zx", "yx"):
        del sums[f"sum_{pair}"]
    voxels = sums.pop("voxels")
    columns["voxels"] = voxels
    columns["volume_um3"] = voxels * (math.prod(size) * _UM3_PER_NM3)
    columns["surface_um2"] = sums.pop("crossings", np.zeros(1)) * unit_um2 + np.zeros(len(ids))
    placement = task.placement
    for axis, nm, origin, rest in zip("zyx", size, placement.origin_voxels, placement.rest_nm, strict=True):
        columns[f"centroid_{axis}_nm"] = (sums.pop(f"sum_{axis}") / voxels + origin) * nm + rest
        for end in ("min", "max"):
            columns[f"bbox_{axis}_{end}"] = sums.pop(f"{end}_{axis}").astype(np.int64) + origin
    for name in (PROBABILITY, INTENSITY):
        columns |= _values(name, sums, voxels, task)
    ordered = {column.name: columns[column.name] for column in COLUMNS}
    return ObjectTable(pd.DataFrame(ordered, copy=False))


def _touches_border(sums: Columns, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Whether an object has voxels at the border, along axes that have an inside."""
    touches = np.zeros(len(sums["voxels"]), dtype=np.bool_)
    for axis, length in zip("zyx", shape, strict=True):
        if length > 1:
            touches |= (sums[f"min_{axis}"] == 0) | (sums[f"max_{axis}"] == length)
    return touches


def _axes(sums: Columns, task: MeasureTask) -> dict[str, NDArray[np.float64]]:
    size = task.placement.voxel_size_nm or (math.nan,) * 3
    if task.placement.voxel_size_nm is None:
        lengths = np.full((len(sums["voxels"]), 3), np.nan)
    else:
        lengths = axis_lengths_nm(sums, size, 2 if task.shape[0] == 1 else 3)
    columns = {
        f"axis_{name}_nm": np.ascontiguousarray(lengths[:, i])
        for i, name in enumerate(("major", "middle", "minor"))
    }
    return {**columns, "elongation": lengths[:, 0] / lengths[:, 1]}


def _values(
    name: str, sums: Columns, voxels: NDArray[np.int64], task: MeasureTask
) -> dict[str, NDArray[np.float64]]:
    scale = task.scales.get(name)
    if scale is None:
        return {f"{word}_{name}": np.full(len(voxels), np.nan) for word in ("mean", "min", "max")}
    # Smallest and largest are kept as stored; for probabilities stored as integers they are steps, too.
    step = scale.one if scale.as_stored else 1.0
    return {
        f"mean_{name}": sums.pop(f"sum_{name}") / voxels / scale.one,
        f"min_{name}": sums.pop(f"min_{name}") / step,
        f"max_{name}": sums.pop(f"max_{name}") / step,
    }
