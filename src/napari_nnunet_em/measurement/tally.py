"""One row of sums per object, for millions of objects, without a Python object for any of them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.components.fragments import GrowingTable

Columns = dict[str, NDArray[Any]]
_FEW_ROWS = 1 << 18


class Merge(enum.Enum):
    """How the numbers of two parts of an object become the number of the object."""

    SUM = "sum"
    MIN = "min"
    MAX = "max"

    def over(self, values: NDArray[Any], starts: NDArray[np.intp]) -> NDArray[Any]:
        """Combine each run of values that begins at one of `starts`."""
        ufunc = {Merge.SUM: np.add, Merge.MIN: np.minimum, Merge.MAX: np.maximum}[self]
        merged: NDArray[Any] = ufunc.reduceat(values, starts, dtype=values.dtype)
        return merged


class Tally:
    """Rows keyed by the id of an object; rows of the same id are merged now and then, and at the end.

    Parameters
    ----------
    columns : mapping from str to (dtype, Merge)
        What a row holds besides the id. Sums wrap around beyond 64 bits, as all of NumPy's do.
    """

    def __init__(self, columns: Mapping[str, tuple[str, Merge]]) -> None:
        self._merges = {name: how for name, (_, how) in columns.items()}
        self._dtypes = {name: np.dtype(kind) for name, (kind, _) in columns.items()}
        self._clear()

    def _clear(self) -> None:
        self._ids = np.empty(0, dtype=np.int64)
        self._rows: Columns = {name: np.empty(0, dtype=kind) for name, kind in self._dtypes.items()}
        self._new = GrowingTable({"id": np.dtype(np.int64), **self._dtypes})

    def add(self, ids: NDArray[np.int64], columns: Columns) -> None:
        """Add rows; ids may repeat earlier ones."""
        self._new.append({"id": ids, **columns})
        # Many rows at a time: each row is then moved a few times only, however many blocks there are.
        if len(self._new) > max(_FEW_ROWS, len(self._ids) // 2):
            self._merge()

    def take(self) -> tuple[NDArray[np.int64], Columns]:
        """Hand over ids in ascending order and one merged row for each, and forget them."""
        self._merge()
        ids, rows = self._ids, self._rows
        self._clear()
        return ids, rows

    def _merge(self) -> None:
        new = self._new.take()
        if not len(new["id"]):
            return
        ids = np.concatenate([self._ids, new.pop("id")])
        order = np.argsort(ids, kind="stable")
        ids = ids[order]
        begins = np.ones(len(ids), dtype=np.bool_)
        np.not_equal(ids[1:], ids[:-1], out=begins[1:])
        starts = np.flatnonzero(begins)
        self._ids = ids[starts]
        for name, how in self._merges.items():
            values = np.concatenate([self._rows[name], new.pop(name)])
            self._rows[name] = how.over(values[order], starts)
