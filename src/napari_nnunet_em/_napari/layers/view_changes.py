"""Listening to what changes the view of a viewer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.components import ViewerModel


class ViewChanges:
    """Calls a function when a viewer shows another part of the volume.

    Parameters
    ----------
    viewer : napari viewer
        The viewer.
    changed : callable
        Takes an event, or nothing.
    """

    def __init__(self, viewer: ViewerModel, changed: Callable[..., Any]) -> None:
        camera, dims = viewer.scene.camera, viewer.dims
        self._emitters = [
            camera.events.center,
            camera.events.zoom,
            dims.events.current_step,
            dims.events.order,
            dims.events.ndisplay,
            viewer.canvas.events.size,
        ]
        self._changed = changed
        for emitter in self._emitters:
            emitter.connect(changed)

    def disconnect(self) -> None:
        """Listen no longer."""
        for emitter in self._emitters:
            emitter.disconnect(self._changed)
        self._emitters = []
