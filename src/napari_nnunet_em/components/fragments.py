"""A table that grows by rows without ever copying what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROWS_PER_PIECE = 1 << 16


class GrowingTable:
    """Columns of equal length to which rows are appended.

    Rows live in pieces of fixed size: thousands of small appends cost neither a copy of the whole
    table nor an array object each.

    Parameters
    ----------
    dtypes : mapping from str to dtype
        Name and type of each column.
    """

    def __init__(self, dtypes: Mapping[str, np.dtype[Any]]) -> None:
        self._dtypes = dict(dtypes)
        self._pieces: dict[str, list[NDArray[Any]]] = {name: [] for name in self._dtypes}
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def append(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Append rows; every column must be given with the same length."""
        count = len(next(iter(columns.values())))
        taken = 0
        while taken < count:
            used = self._rows % _ROWS_PER_PIECE
            if used == 0:
                for name, dtype in self._dtypes.items():
                    self._pieces[name].append(np.empty(_ROWS_PER_PIECE, dtype=dtype))
            fits = min(_ROWS_PER_PIECE - used, count - taken)
            for name, pieces in self._pieces.items():
                pieces[-1][used : used + fits] = columns[name][taken : taken + fits]
            taken += fits
            self._rows += fits

    def take(self) -> dict[str, NDArray[Any]]:
        """Hand over the columns in one array each, and forget them, column by column."""
        rows, self._rows = self._rows, 0
        return {name: self._join(name, rows) for name in self._dtypes}

    def _join(self, name: str, rows: int) -> NDArray[Any]:
        pieces = self._pieces[name]
        self._pieces[name] = []
        out = np.empty(rows, dtype=self._dtypes[name])
        for number, piece in enumerate(pieces):
            start = number * _ROWS_PER_PIECE
            out[start : start + len(piece)] = piece[: rows - start]
        return out
