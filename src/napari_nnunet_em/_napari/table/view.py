"""The table on screen: rows that can be walked through, selected and copied, and columns to choose."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from qtpy.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, QPoint, Qt, Signal
from qtpy.QtGui import QAction, QKeySequence
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QMenu, QTableView, QWidget

from napari_nnunet_em._napari.table.cells import TABLE_ORDER, column_head, column_tip
from napari_nnunet_em._napari.table.model import ObjectTableModel
from napari_nnunet_em.measurement.selection import Rows

_MOST_RANGES = 1000
"""Selections in more pieces are given up when rows change: each piece costs Qt time on the main thread."""


class ObjectTableView(QTableView):  # type: ignore[misc]
    """Objects, one row each.

    Parameters
    ----------
    model : ObjectTableModel
        The rows.

    Signals
    -------
    visited : int
        Id of the object that the user went to, by mouse or keyboard.
    zoomed : int
        Id of the object that the user double-clicked.
    selection_changed
        Other rows are selected.
    """

    visited = Signal(object)
    zoomed = Signal(object)
    selection_changed = Signal()

    def __init__(self, model: ObjectTableModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._quiet = False
        self._chosen = False
        self.setModel(model)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setWordWrap(False)
        self.setAlternatingRowColors(False)  # Qt's own colour would be white on napari's dark theme
        self.setMinimumHeight(160)
        self._set_up_headers()
        self.selectionModel().currentRowChanged.connect(self._on_current)
        self.selectionModel().selectionChanged.connect(self._on_selection)
        self.clicked.connect(self._on_current)
        self.doubleClicked.connect(lambda index: self.zoomed.emit(self._id_at(index)))

    def _set_up_headers(self) -> None:
        rows, heads = self.verticalHeader(), self.horizontalHeader()
        rows.setVisible(False)
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(self.fontMetrics().height() + 8)
        heads.setResizeContentsPrecision(0)  # only what is on screen: 1,000 rows take a moment
        heads.setSectionsMovable(True)
        # To draw a head, Qt asks each row whether it is selected; after "select all" in a million rows, that
        # takes seconds. So the heads have a selection of their own, which stays empty.
        heads.setSelectionModel(QItemSelectionModel(self._model, self))
        heads.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        heads.customContextMenuRequested.connect(self._on_heads_menu)
        heads.setSortIndicator(0, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)

    def show_columns(self, names: set[str]) -> None:
        """Show these columns and no others, unless the user has chosen some; and give them room."""
        if not self._chosen:
            for section, column in enumerate(TABLE_ORDER):
                self.setColumnHidden(section, column.name not in names)
        self.resizeColumnsToContents()

    def add_action(self, text: str, shortcut: Any) -> QAction:
        """An entry of the context menu, with a key that works while the table has the focus."""
        action = QAction(text, self)
        action.setShortcut(QKeySequence(shortcut))
        action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        self.addAction(action)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        return action

    def columns_menu(self, parent: QWidget) -> QMenu:
        """A menu in which columns are switched on and off."""
        menu = QMenu(parent)
        menu.setToolTipsVisible(True)
        for section, column in enumerate(TABLE_ORDER):
            action = menu.addAction(column_head(column).replace("\n", " "))
            action.setCheckable(True)
            action.setToolTip(column_tip(column))
            action.triggered.connect(partial(self._choose_column, section))
        menu.aboutToShow.connect(partial(self._check_shown, menu))
        return menu

    def _check_shown(self, menu: QMenu) -> None:
        for section, action in enumerate(menu.actions()):
            action.setChecked(not self.isColumnHidden(section))

    def _choose_column(self, section: int, shown: bool) -> None:
        self._chosen = True
        self.setColumnHidden(section, not shown)
        self.resizeColumnToContents(section)

    def shown_columns(self) -> list[str]:
        """Names of the columns on screen, from left to right."""
        heads = self.horizontalHeader()
        order = sorted(range(len(TABLE_ORDER)), key=heads.visualIndex)
        return [TABLE_ORDER[section].name for section in order if not self.isColumnHidden(section)]

    def selected_lines(self) -> Rows:
        """Lines that are selected, ascending; the work depends on how many they are, not on the table."""
        ranges = sorted((part.top(), part.bottom() + 1) for part in self.selectionModel().selection())
        lines, begin = [np.empty(0, np.intp)], 0
        for top, end in ranges:
            lines.append(np.arange(max(top, begin), end, dtype=np.intp))
            begin = max(begin, end)
        return np.concatenate(lines)

    def select_rows(self, rows: Rows, *, scroll: bool = False) -> int:
        """Select exactly some rows of the table, without going there on the canvas.

        Parameters
        ----------
        rows : array of int
            Rows of the table, in any order.
        scroll : bool
            Bring the first of them into view.

        Returns
        -------
        int
            How many of them are shown now.
        """
        lines = self._model.lines_of(rows)
        ranges = list(_ranges(lines))
        selection, last = QItemSelection(), self._model.columnCount() - 1
        for top, bottom in ranges if len(ranges) <= _MOST_RANGES else ():
            selection.select(self._model.index(top, 0), self._model.index(bottom, last))
        self._quiet = True
        self.selectionModel().select(selection, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        if len(lines):
            self.make_current(int(lines[0]))
            if scroll:
                self.scrollTo(self.currentIndex())
        self._quiet = False
        self.selection_changed.emit()
        return len(lines)

    def make_current(self, line: int) -> None:
        """Let the arrow keys go on from a line, without selecting it or going to its object."""
        quiet, self._quiet = self._quiet, True
        index = self._model.index(min(line, self._model.rowCount() - 1), max(self.currentIndex().column(), 0))
        self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
        self._quiet = quiet

    def _id_at(self, index: QModelIndex) -> int:
        return int(self._model.ids_at(np.array([index.row()]))[0])

    def _on_current(self, index: QModelIndex) -> None:
        if not self._quiet and index.isValid():
            self.visited.emit(self._id_at(index))

    def _on_selection(self) -> None:
        if not self._quiet:
            self.selection_changed.emit()

    def _on_heads_menu(self, place: QPoint) -> None:
        menu = self.columns_menu(self)
        menu.popup(self.horizontalHeader().mapToGlobal(place))


def _ranges(lines: Rows) -> Iterator[tuple[int, int]]:
    """First and last of each run of neighbouring lines."""
    if len(lines):
        breaks = np.flatnonzero(np.diff(lines) > 1)
        first, last = np.concatenate([[0], breaks + 1]), np.concatenate([breaks, [len(lines) - 1]])
        yield from zip(lines[first].tolist(), lines[last].tolist(), strict=True)
