"""How the objects of a labels layer are drawn: filled or as outlines, all or the selected one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QWidget

if TYPE_CHECKING:
    from napari.layers import Labels

_OUTLINE_PIXELS = 2
"""Of voxels of the level on screen; one is lost on a large screen."""


class LayerLook(QWidget):  # type: ignore[misc]
    """Two of napari's controls of a labels layer where the objects are looked at; both places agree."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layer: Labels | None = None
        self.outlines, self.only_selected = QCheckBox("Outlines"), QCheckBox("Only the selected object")
        self.outlines.setToolTip("Draw the outlines of objects, so that the image shows inside them.")
        self.only_selected.setToolTip("Show no other object on the canvas.")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.outlines)
        row.addWidget(self.only_selected)
        row.addStretch(1)
        self.outlines.toggled.connect(self._on_outlines)
        self.only_selected.toggled.connect(self._on_only_selected)
        self.follow(None)

    def follow(self, layer: Labels | None) -> None:
        """Control this layer in place of another, or none."""
        if self._layer is not None:
            for events in (self._layer.events.contour, self._layer.events.show_selected_label):
                events.disconnect(self._read)
        self._layer = layer
        self.setEnabled(layer is not None)
        if layer is not None:
            for events in (layer.events.contour, layer.events.show_selected_label):
                events.connect(self._read)
            self._read()

    def _read(self, _event: object = None) -> None:
        """Show how the layer is drawn now, by whomever that was changed."""
        if self._layer is None:
            return
        for box, on in (
            (self.outlines, self._layer.contour > 0),
            (self.only_selected, self._layer.show_selected_label),
        ):
            with QSignalBlocker(box):
                box.setChecked(on)

    def _on_outlines(self, on: bool) -> None:
        if self._layer is not None:
            self._layer.contour = _OUTLINE_PIXELS if on else 0

    def _on_only_selected(self, on: bool) -> None:
        if self._layer is not None:
            self._layer.show_selected_label = on
