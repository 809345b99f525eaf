"""What is shown of the table of a labels layer: filtered, sorted and counted. No window is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em._napari.table.tables import LayerTable
from napari_nnunet_em.measurement.selection import (
    Ids,
    ObjectFilter,
    Rows,
    Sorting,
    find_rows,
    places_of,
    size_column,
)


@dataclass(frozen=True, eq=False)
class Query:
    """What is to be shown of a table.

    Attributes
    ----------
    table : LayerTable
        The table.
    shown : ObjectFilter
        Which objects.
    sorting : Sorting
        In which order.
    deleted : array of int64
        Objects that are not to be shown, ascending.
    """

    table: LayerTable
    shown: ObjectFilter
    sorting: Sorting
    deleted: Ids


@dataclass(frozen=True, eq=False)
class Answer:
    """What is shown of a table.

    Attributes
    ----------
    query : Query
        What was asked for.
    rows : array of int
        Rows of the table, in order.
    lines : array of int
        For each row of the table, where it is in `rows`; -1 where it is not shown.
    total : int
        Objects that are not deleted.
    all_sizes, shown_sizes : array of int
        Objects in each step of the axis of sizes: all, and those that are shown; empty without an axis.
    """

    query: Query
    rows: Rows
    lines: Rows
    total: int
    all_sizes: Sequence[int] | NDArray[np.int64]
    shown_sizes: Sequence[int] | NDArray[np.int64]


def find_answer(query: Query) -> Answer:
    """Filter, sort and count; for a thread, where the table is long.

    Raises
    ------
    SettingsError
        Where the condition of the filter cannot be used.
    """
    columns, scale = query.table.columns, query.table.scale
    left = np.ones(len(columns["id"]), np.bool_)
    left[places_of(columns["id"], query.deleted)] = False
    keep = left & query.shown.keeps(columns)
    rows = find_rows(columns, keep, query.sorting)
    sizes = columns[size_column(columns)]
    counted = ((), ()) if scale is None else (scale.count(sizes[left]), scale.count(sizes[keep]))
    lines = np.full(len(keep), -1, np.intp)
    lines[rows] = np.arange(len(rows))
    return Answer(query, rows, lines, int(np.count_nonzero(left)), *counted)
