"""A list of names, of which long ones can still be told apart in a narrow dock."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QPaintEvent
from qtpy.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter, QWidget


class NameBox(QComboBox):  # type: ignore[misc]
    """Names of layers, which often begin alike and differ at their ends: they are shortened in their middle.

    Qt cuts them off where the box ends, so that a volume and its labels look the same.

    Parameters
    ----------
    nothing : str
        What is shown where there is no name.
    parent : QWidget, optional
        The parent.
    """

    def __init__(self, nothing: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._nothing = nothing
        self.view().setTextElideMode(Qt.TextElideMode.ElideMiddle)

    def shown_text(self, width: int) -> str:
        """The chosen name as it fits into a number of pixels."""
        name = self.currentText() or self._nothing
        return str(self.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, width))

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802
        """Draw the box with the name as it fits."""
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        field = self.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, self
        )
        option.currentText = self.shown_text(field.width())
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
