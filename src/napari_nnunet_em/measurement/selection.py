"""Which rows of an object table are shown, and in which order: decisions without a window."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_nnunet_em.config import Settings
from napari_nnunet_em.measurement.columns import DTYPES
from napari_nnunet_em.measurement.expressions import Columns, Condition

if TYPE_CHECKING:
    import pandas as pd

Rows = NDArray[np.intp]
Ids = NDArray[np.int64]

VOLUME, VOXELS = "volume_um3", "voxels"


class Border(enum.StrEnum):
    """Which objects by their place in the label image."""

    ANY = "all"
    INSIDE = "inside only"
    TOUCHING = "at the border only"


class ObjectFilter(Settings):
    """Which objects are shown; a bound that is not given does not bind."""

    min_size: float | None = Field(
        None,
        ge=0,
        title="Smallest size",
        description="Hide smaller objects; volume in µm³, or in voxels where no voxel size is known.",
    )
    max_size: float | None = Field(
        None,
        ge=0,
        title="Largest size",
        description="Hide larger objects; volume in µm³, or in voxels where no voxel size is known.",
    )
    min_elongation: float | None = Field(
        None,
        ge=0,
        title="Least elongation",
        description="Hide rounder objects; the longest axis divided by the middle one, 1 for a ball.",
    )
    max_elongation: float | None = Field(
        None,
        ge=0,
        title="Greatest elongation",
        description="Hide longer objects; the longest axis divided by the middle one, 1 for a ball.",
    )
    border: Border = Field(
        Border.ANY,
        title="Border",
        description="Objects at the border of the label image are cut off, and so are their measures.",
    )
    condition: str | None = Field(
        None,
        title="Condition",
        description="A condition on the columns, such as volume_um3 > 0.1 and elongation < 3.",
    )

    def check(self) -> None:
        """Refuse a condition that cannot be used.

        Raises
        ------
        SettingsError
            With what is wrong.
        """
        if self.condition:
            Condition.parse(self.condition, DTYPES)

    def keeps(self, columns: Columns) -> NDArray[np.bool_]:
        """Which objects pass, (objects,).

        Parameters
        ----------
        columns : mapping
            Every column of the table.

        Raises
        ------
        SettingsError
            Where the condition cannot be used.
        """
        keep = np.ones(len(columns["id"]), dtype=np.bool_)
        size = size_column(columns)
        ranges = {size: (self.min_size, self.max_size)}
        ranges["elongation"] = (self.min_elongation, self.max_elongation)
        for name, (least, most) in ranges.items():
            if least is not None:
                keep &= columns[name] >= least
            if most is not None:
                keep &= columns[name] <= most
        if self.border is not Border.ANY:
            keep &= columns["touches_border"] == (self.border is Border.TOUCHING)
        if self.condition:
            keep &= Condition.parse(self.condition, DTYPES).holds(columns)
        return keep


@dataclass(frozen=True)
class Sorting:
    """The order of the rows.

    Attributes
    ----------
    column : str
        By which column.
    ascending : bool
        Smallest first.
    """

    column: str = "id"
    ascending: bool = True


def table_columns(frame: pd.DataFrame) -> dict[str, NDArray[Any]]:
    """The columns of an object table as plain arrays, which threads read without holding each other up."""
    return {name: frame[name].to_numpy(dtype=dtype) for name, dtype in DTYPES.items()}


def size_column(columns: Columns) -> str:
    """The column that says how large objects are: in µm³, or in voxels where no voxel size is known."""
    volumes = columns[VOLUME]
    return VOXELS if len(volumes) and np.isnan(volumes[0]) else VOLUME


def find_rows(columns: Columns, keep: NDArray[np.bool_], sorting: Sorting) -> Rows:
    """Rows in the order in which they are shown.

    Parameters
    ----------
    columns : mapping
        Every column of the table, in ascending order of ``id``.
    keep : array, (objects,), bool
        Which objects are shown at all.
    sorting : Sorting
        Their order; equal ones stay in the order of their ids, and empty cells come last.

    Returns
    -------
    array, (shown objects,)
        Indices into the table.
    """
    rows = np.flatnonzero(keep)
    if sorting.column == "id":
        return rows if sorting.ascending else rows[::-1]
    key = columns[sorting.column][rows]
    if not sorting.ascending:
        # Reversing the result would turn the order of equal ones round, and put empty cells first.
        key = -key if key.dtype.kind == "f" else ~key
    return rows[np.argsort(key, kind="stable")]


def places_of(ids: Ids, wanted: Ids) -> Rows:
    """Where some ids are in a table; those that are not in it are left out.

    Parameters
    ----------
    ids : array, (objects,), int64
        Ids of the table, ascending.
    wanted : array, int64
        Ids to look for.
    """
    places = np.searchsorted(ids, wanted)
    places = places[places < len(ids)] if len(ids) == 0 else np.minimum(places, len(ids) - 1)
    return places[ids[places] == wanted] if len(places) else places


def ascending_ids(*parts: Ids) -> Ids:
    """Every id in `parts`, once, ascending.

    `numpy.unique` takes seconds for millions of ids since NumPy 2.3, and the window waits for this.
    """
    ids = np.sort(np.concatenate([np.empty(0, np.int64), *parts]))
    first = np.ones(len(ids), dtype=np.bool_)
    np.not_equal(ids[1:], ids[:-1], out=first[1:])
    return ids[first]


@dataclass(frozen=True, eq=False)
class Deletions:
    """Objects that the user has deleted, step by step, with what can be undone and done again.

    Attributes
    ----------
    steps : tuple of array
        Ids deleted by each step.
    undone : tuple of array
        Steps that were taken back, the last one taken back last.
    """

    steps: tuple[Ids, ...] = ()
    undone: tuple[Ids, ...] = ()

    @cached_property
    def ids(self) -> Ids:
        """Every deleted id, ascending."""
        return ascending_ids(*self.steps)

    def delete(self, ids: Ids) -> Deletions:
        """One step more; what was undone before cannot be done again. Nothing new is no step."""
        asked = ascending_ids(ids)
        new = asked[self.kept(asked)]
        return Deletions((*self.steps, new)) if len(new) else self

    def undo(self) -> Deletions:
        """Without the last step, if there is one."""
        return Deletions(self.steps[:-1], (*self.undone, self.steps[-1])) if self.steps else self

    def redo(self) -> Deletions:
        """With the step again that was undone last, if there is one."""
        return Deletions((*self.steps, self.undone[-1]), self.undone[:-1]) if self.undone else self

    def kept(self, ids: Ids) -> NDArray[np.bool_]:
        """Which of some ids are not deleted."""
        return np.isin(ids, self.ids, invert=True)
