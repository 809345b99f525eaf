"""How the object table reads on screen: heads, numbers and the columns that are shown at first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.measurement.columns import COLUMNS, Column
from napari_nnunet_em.quantities import count

if TYPE_CHECKING:
    import pandas as pd

_FIRST = (
    "id",
    "voxels",
    "volume_um3",
    *(f"centroid_{axis}_nm" for axis in "zyx"),
    *(f"bbox_{axis}_{end}" for axis in "zyx" for end in ("min", "max")),
    "elongation",
    "mean_probability",
)
_UNITS = ("_nm", "_um2", "_um3")
_BY_NAME = {column.name: column for column in COLUMNS}

TABLE_ORDER: tuple[Column, ...] = (
    *(_BY_NAME[name] for name in _FIRST),
    *(column for column in COLUMNS if column.name not in _FIRST),
)
"""Every column, in the order in which they are shown."""


def column_head(column: Column) -> str:
    """Head of a column in words, and its unit below them: ``centroid z``, ``(nm)``."""
    unit = column.unit if column.unit != column.name.rstrip("s") else ""
    words = column.name
    for ending in _UNITS:
        words = words.removesuffix(ending)
    words = words.replace("_", " ")
    return f"{words}\n({unit})" if unit else words


def shown_at_first(columns: Mapping[str, NDArray[Any]]) -> set[str]:
    """Names of the columns that are shown until the user chooses others: none that is empty in every row.

    Parameters
    ----------
    columns : mapping
        Every column of the table.
    """
    wanted = {*_FIRST, "mean_intensity"}
    return {name for name in wanted if columns[name].dtype.kind != "f" or not np.isnan(columns[name]).all()}


def column_tip(column: Column) -> str:
    """What a column holds, and its name for conditions."""
    return f"{column.description}\nIn conditions: {column.name}"


def cell_text(value: Any) -> str:
    """A value as a person reads it: about four digits, and nothing where it is not known.

    Parameters
    ----------
    value : bool, int or float
        Of NumPy or of Python.
    """
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if isinstance(value, bool) or kind == "b":
        return "yes" if value else "no"
    if isinstance(value, int) or kind in ("i", "u"):
        return f"{value:,}"
    if math.isnan(value):
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def rows_text(frame: pd.DataFrame) -> str:
    """Rows for the clipboard: tabs between cells, so that a spreadsheet takes them as a table."""
    text: str = frame.to_csv(sep="\t", index=False, lineterminator="\n")
    return text


def counts_text(total: int, shown: int, selected: int, unsaved: int) -> str:
    """One line on how many objects there are.

    Parameters
    ----------
    total : int
        Objects of the layer that are not deleted.
    shown : int
        Those that pass the filter.
    selected : int
        Rows selected.
    unsaved : int
        Deleted objects that are not deleted from the disk.
    """
    parts = [count(total, "object")]
    if shown != total:
        parts = [f"{shown:,} of {parts[0]}"]
    if selected > 1:
        parts.append(f"{selected:,} selected")
    if unsaved:
        parts.append(f"{unsaved:,} deleted, not saved")
    return " · ".join(parts)
