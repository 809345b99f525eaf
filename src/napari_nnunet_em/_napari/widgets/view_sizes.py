"""A small plot of how large objects are."""

from __future__ import annotations

from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPalette
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_nnunet_em.instances.preview import SizeHistogram

_HEIGHT = 92
_MARGIN = 4
_BAR = "#5b9bd5"


class ViewSizes(QWidget):  # type: ignore[misc]
    """Bars for the number of objects by size, on a logarithmic scale of sizes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.histogram: SizeHistogram | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumHeight(_HEIGHT)
        self.setToolTip("Objects by size. Those that the edge of the view cuts are not counted here.")

    def sizeHint(self) -> QSize:  # noqa: N802
        """As high as it needs to be."""
        return QSize(200, _HEIGHT)

    def show_histogram(self, histogram: SizeHistogram | None) -> None:
        """Draw another histogram, or nothing."""
        self.histogram = histogram
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802
        """Draw bars, the line below them, and what they stand for."""
        painter = QPainter(self)
        ink: QColor = self.palette().color(QPalette.ColorRole.WindowText)
        line = painter.fontMetrics().height()
        area = QRectF(self.rect()).adjusted(_MARGIN, line + _MARGIN, -_MARGIN, -(line + _MARGIN))
        painter.setPen(ink)
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        found = self.histogram
        if found is None or not len(found.counts):
            text = "" if found is None else "No whole object in view"
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, text)
            return
        most = int(found.counts.max())
        width = area.width() / len(found.counts)
        for place, count in enumerate(found.counts.tolist()):
            height = area.height() * count / most
            bar = QRectF(area.left() + place * width, area.bottom() - height, max(width - 1, 1), height)
            painter.fillRect(bar, QColor(_BAR))
        below = QRectF(area.left(), area.bottom() + 2, area.width(), line)
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, size_text(found.edges[0], found.unit))
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, size_text(found.edges[-1], found.unit))
        above = QRectF(area.left(), 0, area.width(), line)
        painter.drawText(above, Qt.AlignmentFlag.AlignLeft, f"Objects by size, at most {most} in a bar")


def size_text(value: float, unit: str) -> str:
    """A size with two digits that mean something, such as ``0.042 µm³``."""
    text = f"{value:.0f}" if value >= 100 else f"{value:.2g}" if value >= 0.001 else f"{value:.1e}"
    return f"{text} {unit}"
