"""Between objects and the canvas: going to an object, and finding the object that was clicked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nnunet_em._napari.layers.placement import unit_factors
from napari_nnunet_em._napari.layers.viewing import show_voxel

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Labels

    from napari_nnunet_em.geometry import Box

_ZOOMED_SHARE = 0.4
"""The part of the canvas that an object fills when one has zoomed to it."""

_CLICK_PIXELS = 4.0
"""A mouse that moves further while its button is down has been dragged."""

_LOOKING_MODES = ("pan_zoom", "pick")


def zoom_to_box(viewer: ViewerModel, layer: Labels, box: Box) -> None:
    """Put a box of voxels into the middle of the canvas, and zoom so that it fills a good part of it.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer.
    layer : napari.layers.Labels
        The layer that has the voxels.
    box : Box
        (z, y, x), in voxels of the layer's full resolution.
    """
    spatial = min(layer.ndim, 3)
    show_voxel(viewer, layer, [(a + b - 1) / 2 for a, b in zip(box.start, box.stop, strict=True)])
    corners = []
    for corner in (box.start, box.stop):
        position = np.zeros(layer.ndim)
        position[-spatial:] = np.asarray(corner[-spatial:]) - 0.5
        corners.append(np.asarray(layer.data_to_world(position), float))
    extent = np.abs(corners[1] - corners[0]) / unit_factors(viewer.layers.units, layer.units, layer.ndim)
    displayed = [axis - viewer.dims.ndim for axis in viewer.dims.displayed]
    on_canvas = max(extent[axis] for axis in displayed if -axis <= len(extent))
    viewer.scene.camera.zoom = _ZOOMED_SHARE * min(viewer.canvas.size) / on_canvas


def label_at(viewer: ViewerModel, layer: Labels, event: Any) -> int:
    """The label under the mouse, in slices and in 3D; 0 for none, also where the layer is not visible.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer.
    layer : napari.layers.Labels
        The layer to look in.
    event : napari mouse event
        Of the canvas.
    """
    position = np.asarray(event.position, float)
    value = layer.get_value(
        position * unit_factors(viewer.layers.units, layer.units, len(position)),
        view_direction=event.view_direction,
        dims_displayed=list(event.dims_displayed),
        world=True,
    )
    value = value[-1] if isinstance(value, tuple) else value  # (level, label) in multiscale layers
    return int(value or 0)


class CanvasClicks:
    """Tells of clicks on the canvas that only look: without moving the mouse, and not while painting.

    Parameters
    ----------
    viewer : napari viewer
        Whose canvas.
    clicked : callable
        Takes the mouse event, on the main thread.
    """

    def __init__(self, viewer: ViewerModel, clicked: Callable[[Any], None]) -> None:
        self._viewer = viewer
        self._clicked = clicked

    def attach(self) -> None:
        """Listen from now on."""
        if self._on_press not in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.append(self._on_press)

    def detach(self) -> None:
        """Listen no longer."""
        if self._on_press in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._on_press)

    def _on_press(self, viewer: ViewerModel, event: Any) -> Iterator[None]:
        active = viewer.layers.selection.active
        looking = active is None or str(active.mode) in _LOOKING_MODES
        pressed = np.asarray(event.pos, float)
        left = event.button == 1 and not event.modifiers
        yield
        dragged = False
        while event.type == "mouse_move":
            dragged = dragged or np.abs(np.asarray(event.pos, float) - pressed).max() > _CLICK_PIXELS
            yield
        if looking and left and not dragged:
            self._clicked(event)
