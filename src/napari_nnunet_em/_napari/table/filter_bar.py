"""The bar above the table that says which objects are shown."""

from __future__ import annotations

from pydantic.fields import FieldInfo
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from napari_nnunet_em._napari.forms.form import validated
from napari_nnunet_em._napari.forms.rows import note_label
from napari_nnunet_em._napari.words import error_note
from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.measurement.selection import Border, ObjectFilter

_TYPING_MILLISECONDS = 400
"""How long the bar waits for the next key."""

_NUMBER_WIDTH = 64


class FilterBar(QWidget):  # type: ignore[misc]
    """Ranges of size and elongation, place, and a condition in words.

    Signals
    -------
    changed : ObjectFilter
        Other objects are to be shown.
    """

    changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.shown = ObjectFilter()
        self.bounds = {name: _line(name, "any") for name in ObjectFilter.model_fields if "_" in name}
        for line in self.bounds.values():
            # As wide as there is room, but no reason for a wide dock.
            line.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            line.setMinimumWidth(_NUMBER_WIDTH)
        self.condition = _line("condition", "volume_um3 > 0.1 and elongation < 3")
        self.border = QComboBox()
        self.border.addItems([str(choice) for choice in Border])
        self.border.setToolTip(_declared("border").description)
        self.clear_button = QPushButton("Show all")
        self.clear_button.setToolTip("Forget the whole filter.")
        self.problem: QLabel = note_label()
        self.unit = QLabel("µm³")
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_TYPING_MILLISECONDS)
        self._timer.timeout.connect(self.apply)
        self._lay_out()
        for line in (*self.bounds.values(), self.condition):
            line.textChanged.connect(lambda _: self._timer.start())
            line.returnPressed.connect(self.apply)
        self.border.currentIndexChanged.connect(lambda _: self.apply())
        self.clear_button.clicked.connect(self.clear)

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(4)
        grid.addWidget(QLabel("Size"), 0, 0)
        grid.addLayout(self._range("size", self.unit), 0, 1)
        grid.addWidget(QLabel("Elongation"), 1, 0)
        grid.addLayout(self._range("elongation"), 1, 1)
        grid.addWidget(QLabel("Border"), 2, 0)
        border = QHBoxLayout()
        border.addWidget(self.border, 1)
        border.addWidget(self.clear_button)
        grid.addLayout(border, 2, 1)
        grid.addWidget(QLabel("Condition"), 3, 0)
        grid.addWidget(self.condition, 3, 1)
        grid.addWidget(self.problem, 4, 0, 1, 2)
        grid.setColumnStretch(1, 1)
        self.problem.setVisible(False)

    def _range(self, what: str, unit: QLabel | None = None) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.bounds[f"min_{what}"], 1)
        row.addWidget(QLabel("–"))
        row.addWidget(self.bounds[f"max_{what}"], 1)
        if unit is not None:
            row.addWidget(unit)
        return row

    def set_size_range(self, bounds: tuple[float, float] | None) -> None:
        """Show objects of these sizes only, or of every size, at once."""
        for name, text in zip(("min_size", "max_size"), _texts(bounds), strict=True):
            self.bounds[name].setText(text)
        self.apply()

    def clear(self) -> None:
        """Show every object, at once."""
        for line in (*self.bounds.values(), self.condition):
            line.clear()
        self.border.setCurrentIndex(0)
        self.apply()

    def apply(self) -> None:
        """Read the bar; what cannot be understood is said below it, and the last filter stays."""
        self._timer.stop()
        lines = {**self.bounds, "condition": self.condition}
        values = {name: line.text().strip() for name, line in lines.items()}
        given = {name: text for name, text in values.items() if text}
        try:
            wanted = validated(ObjectFilter, {**given, "border": self.border.currentText()})
            wanted.check()
        except SettingsError as error:
            self._say(error)
            return
        self._say("")
        if wanted != self.shown:
            self.shown = wanted
            self.changed.emit(wanted)

    def _say(self, problem: Exception | str) -> None:
        self.problem.setText(error_note(problem))
        self.problem.setVisible(bool(self.problem.text()))


def _declared(name: str) -> FieldInfo:
    return ObjectFilter.model_fields[name]


def _line(name: str, placeholder: str) -> QLineEdit:
    line = QLineEdit()
    line.setPlaceholderText(placeholder)
    line.setToolTip(f"{_declared(name).title}. {_declared(name).description}")
    return line


def _texts(bounds: tuple[float, float] | None) -> tuple[str, str]:
    return ("", "") if bounds is None else (f"{bounds[0]:.6g}", f"{bounds[1]:.6g}")
