"""The object table as Qt reads it: only the cells on screen, however many rows there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal

from napari_nnunet_em._napari.table.cells import TABLE_ORDER, cell_text, column_head, column_tip
from napari_nnunet_em.measurement.selection import Ids, Rows, Sorting

Columns = Mapping[str, NDArray[Any]]

_FEW = 8
"""Of lines, fewer than this fraction of all that are shown are sorted."""

_NUMBER = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class ObjectTableModel(QAbstractTableModel):  # type: ignore[misc]
    """Columns of an object table, and which of its rows are shown in which order.

    The model never filters or sorts: it says that another order is asked for, and is given the rows, which
    somebody found off the main thread.

    Parameters
    ----------
    color_of : callable
        Colour of an object as it is drawn, by its id: anything that Qt shows as a decoration, or None.

    Signals
    -------
    sorting_asked : Sorting
        The user clicked on the head of a column.
    """

    sorting_asked = Signal(object)

    def __init__(self, color_of: Callable[[int], Any]) -> None:
        super().__init__()
        self._color_of = color_of
        self.columns: Columns = {}
        self.rows: Rows = np.empty(0, np.intp)
        self._lines: Rows = np.empty(0, np.intp)

    def show(self, columns: Columns, rows: Rows, lines: Rows) -> None:
        """Show these rows in place of the earlier ones.

        Parameters
        ----------
        columns : mapping
            Every column of the table, by name, in ascending order of ``id``.
        rows : array of int
            Which of its rows, in which order.
        lines : array of int
            For each row of the table, its line of the view; -1 where it is not shown.
        """
        self.beginResetModel()
        self.columns, self.rows, self._lines = columns, rows, lines
        self.endResetModel()

    def ids_at(self, lines: Rows) -> Ids:
        """Ids of the objects in some lines of the view, in their order."""
        if not len(lines):
            return np.empty(0, np.int64)
        return np.asarray(self.columns["id"][self.rows[lines]], np.int64)

    def lines_of(self, rows: Rows) -> Rows:
        """Lines of the view that show some rows of the table, ascending; those not shown are left out."""
        if not len(self.rows):
            return np.empty(0, np.intp)
        lines = self._lines[rows]
        lines = lines[lines >= 0]
        if len(lines) < len(self.rows) // _FEW:
            return np.sort(lines)
        # Millions are marked sooner than sorted.
        wanted = np.zeros(len(self.rows), dtype=np.bool_)
        wanted[lines] = True
        return np.flatnonzero(wanted)

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Number of rows shown."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Number of columns, those that are hidden included."""
        return 0 if parent is not None and parent.isValid() else len(TABLE_ORDER)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text of a cell, and the colour of an object beside its id."""
        name = TABLE_ORDER[index.column()].name
        if role == Qt.ItemDataRole.DisplayRole:
            return cell_text(self.columns[name][self.rows[index.row()]])
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _NUMBER
        if role == Qt.ItemDataRole.DecorationRole and name == "id":
            return self._color_of(int(self.columns["id"][self.rows[index.row()]]))
        return None

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Heads of the columns; rows have none."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return column_head(TABLE_ORDER[section])
        if role == Qt.ItemDataRole.ToolTipRole:
            return column_tip(TABLE_ORDER[section])
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Ask for another order; the view calls this."""
        ascending = order == Qt.SortOrder.AscendingOrder
        self.sorting_asked.emit(Sorting(TABLE_ORDER[column].name if column >= 0 else "id", ascending))
