"""How many objects there are of each size; where wanted, dragging over the plot chooses a range of sizes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_nnunet_em.measurement.distribution import LogScale

Counts = Sequence[int] | NDArray[np.int64]

_HEIGHT = 96
_DRAG_PIXELS = 4
_SHOWN = QColor("#5b9bd5")
_TICK_GAP = 6
_NO_SIZES = "No sizes to show"


class SizePlot(QWidget):  # type: ignore[misc]
    """Bars on a logarithmic axis of sizes: all objects, and in front of them those that are shown.

    Parameters
    ----------
    choosable : bool
        Whether dragging chooses a range of sizes.
    parent : QWidget, optional
        The parent.

    Signals
    -------
    range_chosen : tuple of float, or None
        Smallest and largest size of the range that was dragged; None for every size.
    """

    range_chosen = Signal(object)

    def __init__(self, *, choosable: bool = True, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._choosable = choosable
        self.scale: LogScale | None = None
        self.range: tuple[float | None, float | None] = (None, None)
        self.unit = ""
        self._nothing = _NO_SIZES
        self._all: Counts = ()
        self._shown: Counts = ()
        self._pressed: float | None = None
        self._dragged: float | None = None
        self.setMinimumHeight(_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        if choosable:
            self.setToolTip("Objects by size. Drag to show a range of sizes; double-click to show all sizes.")
            self.setCursor(Qt.CursorShape.CrossCursor)

    def sizeHint(self) -> QSize:  # noqa: N802
        """As wide as there is room, and low."""
        return QSize(320, _HEIGHT)

    def show_counts(self, scale: LogScale | None, unit: str, all_sizes: Counts, shown_sizes: Counts) -> None:
        """Draw these bars in place of earlier ones.

        Parameters
        ----------
        scale : LogScale or None
            The axis; None where there is nothing to draw.
        unit : str
            Of the sizes.
        all_sizes, shown_sizes : array of int, (bins,)
            Objects in each step: all, and those that pass the filter.
        """
        self.scale, self.unit, self._all, self._shown = scale, unit, all_sizes, shown_sizes
        self._nothing = _NO_SIZES
        self.update()

    def show_nothing(self, why: str, unit: str = "") -> None:
        """Draw no bars, and say why there are none."""
        self.show_counts(None, unit, (), ())
        self._nothing = why

    def show_range(self, low: float | None, high: float | None) -> None:
        """Mark a range of sizes, open where an end is None."""
        self.range = (low, high)
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Begin a range."""
        left = event.button() == Qt.MouseButton.LeftButton
        if self._choosable and left and self.scale is not None:
            self._pressed, self._dragged = event.position().x(), None

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Draw the range so far."""
        if self._pressed is not None and abs(event.position().x() - self._pressed) >= _DRAG_PIXELS:
            self._dragged = event.position().x()
            self.update()

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:  # noqa: N802
        """Choose the range."""
        start, stop = self._pressed, self._dragged
        self._pressed = self._dragged = None
        self.update()
        if start is not None and stop is not None and self.scale is not None:
            self.range_chosen.emit(self.scale.range(self._fraction(start), self._fraction(stop)))

    def mouseDoubleClickEvent(self, _event: QMouseEvent) -> None:  # noqa: N802
        """Choose every size."""
        self._pressed = self._dragged = None
        if self._choosable:
            self.range_chosen.emit(None)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802
        """Draw axis, bars and range."""
        painter = QPainter(self)
        text = self.palette().color(self.foregroundRole())
        if self.scale is None:
            painter.setPen(_faint(text, 140))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._nothing)
            return
        plot = self._plot()
        highest = max(1, int(np.max(self._all, initial=0)))
        self._draw_bars(painter, plot, self._all, highest, _faint(text, 70))
        self._draw_bars(painter, plot, self._shown, highest, _SHOWN)
        self._draw_range(painter, plot, _faint(text, 40))
        self._draw_axis(painter, plot, highest, text)

    def _plot(self) -> QRectF:
        line = self.fontMetrics().height()
        return QRectF(self.rect()).adjusted(4, line, -4, -line - _TICK_GAP)

    def _fraction(self, x: float) -> float:
        plot = self._plot()
        return float((x - plot.left()) / plot.width())

    def _x(self, size: float) -> float:
        plot, scale = self._plot(), self.scale
        assert scale is not None
        return float(plot.left() + plot.width() * min(max(scale.fraction(size), 0.0), 1.0))

    def _draw_bars(
        self, painter: QPainter, plot: QRectF, counts: Counts, highest: int, color: QColor
    ) -> None:
        if not len(counts):
            return
        width = plot.width() / len(counts)
        for step, count in enumerate(counts):
            if count:
                # One object among thousands still shows.
                height = max(plot.height() * int(count) / highest, 2.0)
                left = plot.left() + step * width
                painter.fillRect(QRectF(left, plot.bottom() - height, max(width - 1, 1), height), color)

    def _draw_range(self, painter: QPainter, plot: QRectF, color: QColor) -> None:
        if self._pressed is not None and self._dragged is not None:
            ends = [min(max(x, plot.left()), plot.right()) for x in (self._pressed, self._dragged)]
        else:
            low, high = self.range
            if low is None and high is None:
                return
            ends = [self._x(low) if low else plot.left(), self._x(high) if high else plot.right()]
        painter.fillRect(QRectF(QPointF(min(ends), plot.top()), QPointF(max(ends), plot.bottom())), color)

    def _draw_axis(self, painter: QPainter, plot: QRectF, highest: int, color: QColor) -> None:
        painter.setPen(_faint(color, 160))
        painter.drawLine(plot.bottomLeft(), plot.bottomRight())
        metrics = self.fontMetrics()
        baseline = plot.bottom() + metrics.ascent() + 4
        painter.drawText(QPointF(plot.left(), plot.top() - metrics.descent()), f"{highest:,}")
        unit_left = plot.right() - metrics.horizontalAdvance(self.unit)
        painter.drawText(QPointF(unit_left, baseline), self.unit)
        assert self.scale is not None
        right = plot.left() - _TICK_GAP
        for size in self.scale.ticks():
            x, text = self._x(size), f"{float(f'{size:.3g}'):,.10g}"
            width = metrics.horizontalAdvance(text)
            left = max(min(x - width / 2, unit_left - _TICK_GAP - width), plot.left())
            painter.drawLine(QPointF(x, plot.bottom()), QPointF(x, plot.bottom() + 3))
            if left > right:
                painter.drawText(QPointF(left, baseline), text)
                right = left + width + _TICK_GAP


def _faint(color: QColor, alpha: int) -> QColor:
    fainter = QColor(color)
    fainter.setAlpha(alpha)
    return fainter
