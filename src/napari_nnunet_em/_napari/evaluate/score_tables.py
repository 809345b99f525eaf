"""The tables of the Evaluate widget: scores, and every object with its partner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QComboBox, QHeaderView, QTableView, QVBoxLayout, QWidget

from napari_nnunet_em._napari.forms.rows import form_layout, note_label

if TYPE_CHECKING:
    from napari_nnunet_em._napari.evaluate.words import Row

_HEADS = {"image": "Layer", "id": "Id", "voxels": "Voxels", "best_id": "Partner", "best_iou": "IoU"}
_SIDES = {"pred": "prediction", "truth": "truth"}
_EVERY, _LOST, _EXTRA, _MATCHED = "All objects", "Missed (truth only)", "Extra (prediction only)", "Matched"


class ScoreList(QWidget):  # type: ignore[misc]
    """Names and values below each other, each with its meaning as tooltip."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._form = form_layout(self)
        self.shown: dict[str, str] = {}

    def show_rows(self, rows: Sequence[Row]) -> None:
        """Show these scores in place of earlier ones."""
        while self._form.rowCount():
            self._form.removeRow(0)
        self.shown = {name: value for name, value, _ in rows}
        for name, value, meaning in rows:
            label = note_label()
            label.setText(value)
            label.setToolTip(meaning)
            self._form.addRow(name, label)
            self._form.labelForField(label).setToolTip(meaning)


class ObjectModel(QAbstractTableModel):  # type: ignore[misc]
    """A table of objects as Qt reads it: only the rows on screen, however many there are."""

    def __init__(self, frame: pd.DataFrame) -> None:
        super().__init__()
        self.frame = frame

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Number of objects."""
        return 0 if parent is not None and parent.isValid() else len(self.frame)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Number of columns."""
        return 0 if parent is not None and parent.isValid() else len(_HEADS)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text of a cell; numbers stand to the right."""
        name = list(_HEADS)[index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole and name != "image":
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        value = self.frame[name].iloc[index.row()]
        if pd.isna(value):
            return ""
        if name == "image":
            return _SIDES[value]
        return f"{value:.3f}" if name == "best_iou" else f"{value:,}"

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Heads of the columns; rows have none."""
        if role != Qt.ItemDataRole.DisplayRole or orientation != Qt.Orientation.Horizontal:
            return None
        return list(_HEADS.values())[section]

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; what is missing comes last."""
        self.layoutAboutToBeChanged.emit()
        ascending = order == Qt.SortOrder.AscendingOrder
        self.frame = self.frame.sort_values(list(_HEADS)[column], ascending=ascending, kind="stable")
        self.layoutChanged.emit()


class ObjectList(QWidget):  # type: ignore[misc]
    """The objects of both layers, all or those that miss a partner.

    Signals
    -------
    chosen : pandas.Series
        The row that was clicked.
    """

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._frame = pd.DataFrame(columns=list(_HEADS))
        self.filter = QComboBox()
        self.filter.addItems([_EVERY, _LOST, _EXTRA, _MATCHED])
        self.table = QTableView()
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSortingEnabled(True)
        self.table.verticalHeader().setVisible(False)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.setToolTip("Click an object to see it. Partner: the object that it shares the most with.")
        self.table.setMinimumHeight(180)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.filter)
        layout.addWidget(self.table, 1)
        self.filter.currentIndexChanged.connect(lambda _: self._fill())
        self.table.clicked.connect(self._on_clicked)

    def show_objects(self, frame: pd.DataFrame) -> None:
        """Show these objects in place of earlier ones, those that match least first."""
        self._frame = frame
        self._fill()

    def _fill(self) -> None:
        frame, wanted = self._frame, self.filter.currentText()
        if wanted != _EVERY:
            alone = frame["matched_id"].isna()
            side = {_LOST: frame["image"] == "truth", _EXTRA: frame["image"] == "pred"}
            frame = frame[~alone if wanted == _MATCHED else alone & side[wanted]]
        # The view keeps no model alive.
        self._model = ObjectModel(frame)
        self.table.setModel(self._model)
        self.table.sortByColumn(list(_HEADS).index("best_iou"), Qt.SortOrder.AscendingOrder)

    def _on_clicked(self, index: QModelIndex) -> None:
        self.chosen.emit(self._model.frame.iloc[index.row()])
