"""Components of a mask in memory, from its runs alone: quicker than by voxels where objects are blobs.

A component is a set of runs that touch. Volumes in microscopy have hundreds of voxels for each run, and which
runs of neighbouring lines touch is found for all of them at once: once they are known, no voxel is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_nnunet_em.components.layout import Layout
from napari_nnunet_em.components.measures import BlockValues, Geometry, Measure
from napari_nnunet_em.components.runs import Integers, Mask, Runs, stretches
from napari_nnunet_em.components.table import ComponentTable
from napari_nnunet_em.config import Connectivity
from napari_nnunet_em.geometry import Shape

_VOXELS_PER_RUN = 100
"""With fewer of them, looking at all voxels is as quick."""


def find_along_runs(
    mask: Mask,
    connectivity: Connectivity,
    measures: Sequence[Measure] = (),
    values: BlockValues | None = None,
) -> tuple[ComponentTable, Runs] | None:
    """Find the connected components of a mask.

    Parameters
    ----------
    mask : array, (z, y, x), bool
        Voxels of objects; not empty.
    connectivity : Connectivity
        Which neighbours join.
    measures : sequence of Measure
        What to measure besides `Geometry`.
    values : mapping from str to array, (z, y, x), integer
        What the measures sum up, by name.

    Returns
    -------
    table : ComponentTable
        As a `ComponentFinder` gives it, of one block.
    runs : Runs
        Where they are; the label of a run is the id of its component.

    None where the mask is noise rather than objects, and has too many runs.
    """
    begin, length = stretches(mask)
    if len(begin) * _VOXELS_PER_RUN > mask.size:
        return None
    label, count = label_runs(begin, length, mask.shape, connectivity)
    line, x = np.divmod(begin, mask.shape[2])
    z, y = np.divmod(line, mask.shape[1])
    runs = Runs(count, label, z, y, x, length, begin, mask)
    statistics = {}
    for measure in (Geometry(mask.shape), *measures):
        statistics.update(measure(runs, values or {}))
    ids = np.arange(1, count + 1, dtype=np.uint32)  # there are fewer components than runs, and few of these
    layout = Layout(mask.shape, mask.shape, connectivity)
    return ComponentTable(layout, statistics, np.array([0, count]), ids, ids), runs


def label_runs(
    begin: Integers, length: Integers, shape: Shape, connectivity: Connectivity
) -> tuple[Integers, int]:
    """Label the runs that touch, directly or through others, as one.

    Parameters
    ----------
    begin, length : array, (runs,), int64
        As `stretches` gives them.
    shape : tuple of int, (z, y, x)
        Shape of the mask.
    connectivity : Connectivity
        Which neighbours join.

    Returns
    -------
    label : array, (runs,), int64
        1 to `count`, in the order in which raster order meets the components.
    count : int
    """
    if not begin.size:
        return begin, 0
    one, other = _contacts(begin, length, shape, connectivity)
    graph = coo_array((np.ones(len(one), dtype=np.int8), (one, other)), shape=2 * (len(begin),))
    count, group = connected_components(graph, directed=False)
    first = np.empty(count, dtype=np.int64)
    first[group[::-1]] = np.arange(len(group))[::-1]  # the last to be written is the first run
    label = np.empty(count, dtype=np.int64)
    label[np.argsort(first)] = np.arange(1, count + 1)
    return label[group], int(count)


def _contacts(
    begin: Integers, length: Integers, shape: Shape, connectivity: Connectivity
) -> tuple[Integers, Integers]:
    """Pairs of runs that touch, by their places in the list, each pair once."""
    _, height, width = shape
    line = begin // width
    # With an empty voxel behind each line and an empty line behind each slice no step leads around a border.
    start = begin + line + line // height * (width + 1)
    stop = start + length
    ones, others = [], []
    for z, y in ((0, 1), (1, -1), (1, 0), (1, 1)):
        slack = Layout(shape, shape, connectivity).reach - z - abs(y)  # steps that are left for x
        if slack < 0:
            continue
        shift, slack = (z * (height + 1) + y) * (width + 1), min(slack, 1)
        low = np.searchsorted(stop, start + shift - slack, side="right")
        count = np.searchsorted(start, stop + shift + slack, side="left") - low
        one = np.repeat(np.arange(len(begin)), count)
        ones.append(one)
        others.append(np.arange(len(one)) - np.repeat(np.cumsum(count) - count - low, count))
    return np.concatenate(ones), np.concatenate(others)
