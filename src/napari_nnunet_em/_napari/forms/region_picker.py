"""Choice of the part of a layer that is meant, with the voxels that it means now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Shapes
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSpinBox, QVBoxLayout, QWidget

from napari_nnunet_em._napari.forms.layer_choice import LayerBox
from napari_nnunet_em._napari.forms.rows import note_label
from napari_nnunet_em._napari.layers.regions import RegionChoice, RegionKind, region_words
from napari_nnunet_em._napari.layers.voxels import layer_shape
from napari_nnunet_em._napari.words import error_note
from napari_nnunet_em.errors import InputError

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_nnunet_em._napari.layers.levels import LayerLevel

_SETTLE_MILLISECONDS = 100
_MOST_AROUND = 64


class RegionPicker(QWidget):  # type: ignore[misc]
    """Whole volume, current view or a rectangle.

    Attributes
    ----------
    note : QLabel
        The voxels that are meant now; to be placed where there is room.

    Parameters
    ----------
    viewer : napari viewer
        Whose view and Shapes layers are meant.

    Signals
    -------
    changed
        Something else was chosen; not when only the view moves.
    moved
        The voxels that are meant may be others, because the view or a rectangle has moved.
    """

    changed = Signal()
    moved = Signal()

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Layer | None = None
        self._level: LayerLevel | None = None
        self.kind = QComboBox()
        self.kind.addItems([kind.value for kind in RegionKind])
        self.kind.setToolTip("Everything, what is on the canvas now, or below a rectangle that you draw.")
        self.around = QSpinBox()
        self.around.setRange(0, _MOST_AROUND)
        self.around.setPrefix("± ")
        self.around.setSuffix(" slices")
        self.around.setToolTip("Slices before and after the one that is shown.")
        self.shapes = LayerBox(
            "The Shapes layer with the rectangle; of several the selected one counts, else the last.",
            "no Shapes layer",
        )
        self.first, self.last = QSpinBox(), QSpinBox()
        self.first.setToolTip("First slice.")
        self.last.setToolTip("Last slice.")
        for box in (self.first, self.last):
            box.setPrefix("z ")
            # Two pairs of buttons would not leave room for digits.
            box.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        self.note = note_label()
        self._lay_out()
        # The view changes with every step of the mouse.
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_SETTLE_MILLISECONDS)
        self._timer.timeout.connect(self.show_extent)
        self._timer.timeout.connect(self.moved)
        self.kind.currentIndexChanged.connect(self._on_choice)
        self.shapes.currentIndexChanged.connect(self._on_choice)
        for box in (self.around, self.first, self.last):
            box.valueChanged.connect(self._on_choice)
        for events in (viewer.scene.camera.events, viewer.dims.events):
            events.connect(self._on_view)
        self._on_choice()

    def _lay_out(self) -> None:
        self._view_row = _row(self.around)
        self._shapes_row = _row(self.shapes)
        self._slices_row = _row(self.first, QLabel("to"), self.last)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (self.kind, self._view_row, self._shapes_row, self._slices_row):
            layout.addWidget(widget)

    @property
    def choice(self) -> RegionChoice:
        """What is chosen."""
        slices = (self.first.value(), self.last.value() + 1)
        kind = RegionKind(self.kind.currentText())
        return RegionChoice(kind, self.around.value(), self.shapes.layer, slices)

    def follow_layer(self, layer: Layer | None, level: LayerLevel | None) -> None:
        """Offer the slices of another layer, all of them at first; the voxels of a level are counted."""
        self._level = level
        if layer is not self._layer:
            self._layer = layer
            last = 0 if layer is None else layer_shape(layer)[0] - 1
            for box, value in ((self.first, 0), (self.last, last)):
                box.setRange(0, last)
                box.setValue(value)
        self.show_extent()

    def reset_choices(self) -> None:
        """Offer the Shapes layers that there are now."""
        offered = [layer for layer in self._viewer.layers if isinstance(layer, Shapes)]
        for layer in set(offered) - set(self.shapes.offered):
            layer.events.data.connect(self._on_view)
            layer.events.highlight.connect(self._on_view)
        self.shapes.offer(offered, self.shapes.layer)
        self.show_extent()

    def forget_viewer(self) -> None:
        """Follow the view no longer: it may outlive this widget."""
        self._timer.stop()
        for events in (self._viewer.scene.camera.events, self._viewer.dims.events):
            events.disconnect(self._on_view)
        for layer in self.shapes.offered:
            layer.events.data.disconnect(self._on_view)
            layer.events.highlight.disconnect(self._on_view)
        self.shapes.offer([])

    def show_extent(self) -> None:
        """Say which voxels are meant now, or why none are."""
        if self._layer is None or self._level is None:
            self.note.setText("")
            return
        try:
            box = self._level.box(self.choice.box(self._viewer, self._layer))
            self.note.setText(region_words(box, self._level))
        except InputError as error:
            self.note.setText(error_note(error))

    def _on_choice(self) -> None:
        kind = self.choice.kind
        self._view_row.setVisible(kind is RegionKind.VIEW)
        self._shapes_row.setVisible(kind is RegionKind.RECTANGLE)
        self._slices_row.setVisible(kind is RegionKind.RECTANGLE)
        self.show_extent()
        self.changed.emit()

    def _on_view(self, _event: object = None) -> None:
        if self.choice.kind is not RegionKind.WHOLE and not self._timer.isActive():
            self._timer.start()


def _row(*widgets: QWidget) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget, 0 if isinstance(widget, QLabel) else 1)
    return row
