"""Components that belong together although they do not touch."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from napari_nnunet_em.components.measures import Geometry, Measure
from napari_nnunet_em.components.merge import join, merge_columns
from napari_nnunet_em.components.runs import Integers
from napari_nnunet_em.components.table import ComponentTable, label_dtype


def join_components(table: ComponentTable, links: Integers, measures: Sequence[Measure]) -> ComponentTable:
    """Make one component of all that are linked, directly or through others.

    Parameters
    ----------
    table : ComponentTable
        What was found.
    links : array, (links, 2), int64
        Pairs of rows of the table, from 0.
    measures : sequence of Measure
        Those of the table besides `Geometry`; they say how numbers merge.

    Returns
    -------
    ComponentTable
        Numbered 1 to n in the order in which raster order meets the first voxel of each.
    """
    owner, chief = join(table.count, links)
    every = (Geometry(table.layout.shape), *measures)
    reductions = {name: how for measure in every for name, how in measure.columns.items()}
    merged = merge_columns(dict(table.statistics), reductions, owner, chief)
    order = np.argsort(merged["first"], kind="stable")
    new_id = np.empty(len(order), dtype=label_dtype(len(order), table.uint32_limit))
    new_id[order] = np.arange(1, len(order) + 1)
    return dataclasses.replace(
        table,
        statistics={name: values[order] for name, values in merged.items()},
        ids=new_id[owner][table.ids.astype(np.int64) - 1],
    )
