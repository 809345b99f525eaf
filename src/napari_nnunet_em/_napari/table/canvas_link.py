"""One labels layer on the canvas, pointing at the same object as a table does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtGui import QColor

from napari_nnunet_em._napari.layers.viewing import show_voxel
from napari_nnunet_em._napari.table.canvas_objects import CanvasClicks, label_at, zoom_to_box
from napari_nnunet_em.measurement.selection import places_of

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Labels

    from napari_nnunet_em._napari.table.tables import LayerTable


class CanvasLink:
    """Goes to objects, and tells which object was picked on the canvas.

    Parameters
    ----------
    viewer : napari viewer
        The viewer.
    picked : callable
        Takes the label that was clicked, or selected in any other way than by `go_to`.

    Attributes
    ----------
    layer : napari.layers.Labels or None
        The layer that is followed.
    """

    def __init__(self, viewer: ViewerModel, picked: Callable[[int], None]) -> None:
        self._viewer = viewer
        self._picked = picked
        self._leading = False
        self._clicks = CanvasClicks(viewer, self._on_click)
        self.layer: Labels | None = None

    def attach(self) -> None:
        """Listen to clicks on the canvas."""
        self._clicks.attach()

    def detach(self) -> None:
        """Listen to nothing any more."""
        self._clicks.detach()
        self.follow(None)

    def follow(self, layer: Labels | None) -> None:
        """Follow this layer in place of another."""
        if self.layer is not None:
            self.layer.events.selected_label.disconnect(self._on_label)
        self.layer = layer
        if layer is not None:
            layer.events.selected_label.connect(self._on_label)

    def go_to(self, table: LayerTable, label: int, *, zoom: bool) -> None:
        """Show an object in the middle of the canvas, and select its label.

        Parameters
        ----------
        table : LayerTable
            The table of the layer.
        label : int
            Id of an object of the table.
        zoom : bool
            Zoom until the object fills a good part of the canvas; else the zoom stays.
        """
        if self.layer is None:
            return
        row = int(places_of(table.columns["id"], np.array([label]))[0])
        if zoom:
            zoom_to_box(self._viewer, self.layer, table.box(row))
        else:
            show_voxel(self._viewer, self.layer, table.centre(row))
        self._leading = True
        self.layer.selected_label = label
        self._leading = False

    def color_of(self, label: int) -> QColor | None:
        """Colour in which an object is drawn."""
        color = None if self.layer is None else self.layer.get_color(label)
        return None if color is None else QColor.fromRgbF(*(float(part) for part in color))

    def _on_click(self, event: Any) -> None:
        label = 0 if self.layer is None else label_at(self._viewer, self.layer, event)
        if self.layer is not None and label:
            self._leading = True
            self.layer.selected_label = label
            self._leading = False
            self._picked(label)  # also where it was the selected label before

    def _on_label(self) -> None:
        if self.layer is not None and not self._leading:
            self._picked(int(self.layer.selected_label))
