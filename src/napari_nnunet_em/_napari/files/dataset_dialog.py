"""Asks which of several datasets of a file are to be opened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QListWidget,
    QMainWindow,
    QVBoxLayout,
    QWidget,
)

from napari_nnunet_em.io import Choice


class DatasetDialog(QDialog):  # type: ignore[misc]
    """A list of datasets, of which one or more can be chosen.

    Parameters
    ----------
    file : pathlib.Path
        What holds them.
    choices : sequence of Choice
        The datasets.
    parent : QWidget, optional
        The window in front of which it opens.
    """

    def __init__(self, file: Path, choices: Sequence[Choice], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._choices = tuple(choices)
        self.setWindowTitle(f"Open from {file.name}")
        self.list = QListWidget()
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.addItems([f"{choice.name}    {choice.description}" for choice in choices])
        self.list.setCurrentRow(0)
        self.list.itemDoubleClicked.connect(self.accept)
        kinds = QDialogButtonBox.StandardButton
        buttons = QDialogButtonBox(kinds.Open | kinds.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self.list.itemSelectionChanged.connect(
            lambda: buttons.button(kinds.Open).setEnabled(bool(self.list.selectedItems()))
        )
        layout = QVBoxLayout(self)
        layout.addWidget(QLabel(f"{file.name} holds {len(choices)} volumes. Which ones?"))
        layout.addWidget(self.list)
        layout.addWidget(buttons)
        self.resize(480, 320)

    @property
    def chosen(self) -> tuple[Choice, ...]:
        """What is selected, in the order of the list."""
        rows = sorted(index.row() for index in self.list.selectedIndexes())
        return tuple(self._choices[row] for row in rows)


def ask_for_datasets(file: Path, choices: Sequence[Choice]) -> tuple[Choice, ...] | None:
    """Let the user choose; None where there is no window to ask in, empty where the user cancelled.

    Parameters
    ----------
    file : pathlib.Path
        What holds them.
    choices : sequence of Choice
        The datasets.
    """
    app = QApplication.instance()
    shown = app.topLevelWidgets() if isinstance(app, QApplication) else []
    window = next((w for w in shown if isinstance(w, QMainWindow) and w.isVisible()), None)
    if window is None:
        return None
    dialog = DatasetDialog(file, choices, window)
    return dialog.chosen if dialog.exec() == QDialog.DialogCode.Accepted else ()
