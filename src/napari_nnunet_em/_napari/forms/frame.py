"""What every dock widget does when napari docks it, and when the user closes the dock."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QWidget

from napari_nnunet_em._napari.forms.rows import column, fit_to_letters, keep_width, scrolling


class DockWidget(QWidget):  # type: ignore[misc]
    """A widget that is told when it is docked and when its dock is closed.

    Closing the dock takes the Stop button away, so a subclass stops there whatever it runs.
    """

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Tell the two moments from the parent: napari takes it away when the user closes the dock.

        Letters may be larger than usual, in the settings of napari, and then all is wider.
        """
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            QTimer.singleShot(0, self._fit)  # after what is in it has its letters
        if event.type() != QEvent.Type.ParentChange:
            return
        if self.parent() is None:
            self.close_down()
        else:
            self.come_up()

    def _fit(self) -> None:
        fit_to_letters(self)

    def stack(self, content: QWidget, *below: QWidget, width: int = 340) -> None:
        """Fill the dock: what scrolls where the window is low, and below it what always stays in sight."""
        layout = column(self)
        layout.addWidget(scrolling(content), 1)
        for widget in below:
            layout.addWidget(widget)
        keep_width(self, width)

    def close_down(self) -> None:
        """The user has closed the dock: stop everything."""

    def come_up(self) -> None:
        """The widget has been docked."""
