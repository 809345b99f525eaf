"""The buttons below the table, and the keys of the table that do the same."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Signal
from qtpy.QtGui import QAction, QKeySequence
from qtpy.QtWidgets import QHBoxLayout, QMenu, QPushButton, QWidget

from napari_nnunet_em._napari.table.view import ObjectTableView

ALL, SHOWN, SELECTED = "all", "shown", "selected"
"""Which objects are exported."""

_SAVE_TIP = "Delete the objects from the label image and the table on the disk."
_NOT_STORED = (
    "These labels are not kept by this program, so there is no file to change: "
    "File > Save Selected Layers writes them without the deleted objects."
)


class TableButtons(QWidget):  # type: ignore[misc]
    """Delete, undo, redo, save, columns, export, copy.

    Parameters
    ----------
    table : ObjectTableView
        Gets the actions, for its context menu and its keys.

    Signals
    -------
    export_asked : str
        One of `ALL`, `SHOWN` and `SELECTED`.
    """

    export_asked = Signal(str)

    def __init__(self, table: ObjectTableView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        keys = QKeySequence.StandardKey
        self.delete: QAction = table.add_action("Delete selected objects", keys.Delete)
        self.undo: QAction = table.add_action("Undo", keys.Undo)
        self.redo: QAction = table.add_action("Redo", keys.Redo)
        self.copy: QAction = table.add_action("Copy selected rows", keys.Copy)
        self.save_button = QPushButton("Save")
        self.columns_button, self.export_button = QPushButton("Columns"), QPushButton("Export")
        self.columns_button.setMenu(table.columns_menu(self))
        self.columns_button.setToolTip("Choose the columns that are shown.")
        self.export_button.setMenu(self._export_menu())
        self.export_button.setToolTip("Write objects as CSV or Parquet, or copy them.")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for text, action in (("Delete", self.delete), ("Undo", self.undo), ("Redo", self.redo)):
            row.addWidget(_button(text, action))
        row.addWidget(self.save_button)
        row.addStretch(1)
        row.addWidget(self.columns_button)
        row.addWidget(self.export_button)

    def _export_menu(self) -> QMenu:
        menu = QMenu(self)
        self.exports: dict[str, QAction] = {}
        for which, text in (
            (ALL, "All objects…"),
            (SHOWN, "Objects shown…"),
            (SELECTED, "Selected objects…"),
        ):
            self.exports[which] = menu.addAction(text)
            self.exports[which].triggered.connect(partial(self._ask_export, which))
        menu.addAction(self.copy)
        return menu

    def _ask_export(self, which: str, _checked: bool = False) -> None:
        self.export_asked.emit(which)

    def show_state(
        self, counts: dict[str, int], *, steps: tuple[int, int], stored: bool, unsaved: bool
    ) -> None:
        """Enable what can be done.

        Parameters
        ----------
        counts : dict
            Objects that each kind of export would write; all 0 while something runs.
        steps : tuple of int
            Deletions that can be undone, and done again.
        stored : bool
            Whether the labels are kept by this program.
        unsaved : bool
            Whether there is something to save.
        """
        self.delete.setEnabled(counts[SELECTED] > 0)
        self.copy.setEnabled(counts[SHOWN] > 0)
        for which, action in self.exports.items():
            action.setEnabled(counts[which] > 0)
        self.export_button.setEnabled(counts[ALL] > 0)
        self.undo.setEnabled(steps[0] > 0)
        self.redo.setEnabled(steps[1] > 0)
        self.save_button.setEnabled(unsaved)
        self.save_button.setToolTip(_SAVE_TIP if stored else _NOT_STORED)


def _button(text: str, action: QAction) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(f"{action.text()} ({action.shortcut().toString()})")
    button.setEnabled(action.isEnabled())
    button.clicked.connect(action.trigger)
    action.changed.connect(lambda: button.setEnabled(action.isEnabled()))
    return button
