"""Single actions for napari's command palette and menus.

napari calls each with the viewer that is in front. The docks of that viewer do the work, and are opened
where they are missing; what cannot be done is said in a notification.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from napari.viewer import Viewer

from napari_nnunet_em._napari.forms.notices import show_problem
from napari_nnunet_em.errors import InputError, NnunetEmError, SettingsError

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_nnunet_em._napari.forms.frame import DockWidget
    from napari_nnunet_em._napari.segment.dock import SegmentWidget
    from napari_nnunet_em._napari.table.dock import ObjectsTableWidget

W = TypeVar("W", bound="DockWidget")

PLUGIN_TITLE = "nnU-Net EM"
"""As in the manifest; napari names the docks that its menus open after it."""

_NOT_OPEN = "The dock {!r} is not open in this window, so there is nothing {}."


def _says_why_not(command: Callable[[Viewer], None]) -> Callable[[Viewer], None]:
    """Show what a command refuses as a notification."""

    @functools.wraps(command)
    def run(viewer: Viewer) -> None:
        try:
            command(viewer)
        except NnunetEmError as error:
            show_problem(error)

    return run


@_says_why_not
def segment_layer(viewer: Viewer) -> None:
    """Segment the selected image with the settings of the Segment dock."""
    dock = _segment_dock(viewer)
    dock.inputs.choose_layer(_selected(viewer))
    dock.start()


@_says_why_not
def preview_view(viewer: Viewer) -> None:
    """Preview what is on the canvas, of the selected image if it is one, else of the one in the dock."""
    dock = _segment_dock(viewer)
    layer = viewer.layers.selection.active
    if layer is not None and dock.inputs.offers(_plain(layer)):
        dock.inputs.choose_layer(_plain(layer))
    dock.preview()


@_says_why_not
def save_job(viewer: Viewer) -> None:
    """Save the job of the Segment dock as a file, for the command line and the cluster."""
    _segment_dock(viewer).ask_and_save_job()


@_says_why_not
def pause_segmentation(viewer: Viewer) -> None:
    """Pause the job of the Segment dock, or let it go on."""
    _running_dock(viewer).toggle_pause()


@_says_why_not
def stop_segmentation(viewer: Viewer) -> None:
    """Stop the job, or else the preview, of the Segment dock."""
    dock = _running_dock(viewer)
    if not (dock.busy or dock.waits):
        raise SettingsError("No segmentation or preview is running here that could be stopped.")
    dock.stop()


@_says_why_not
def make_objects(viewer: Viewer) -> None:
    """Make the objects of the whole volume with the settings of the Objects dock."""
    from napari_nnunet_em._napari.objects.dock import ObjectsWidget  # noqa: PLC0415 - loads torch

    dock = open_dock(viewer, ObjectsWidget, "Objects")
    if dock.busy:
        raise SettingsError("Objects are being made already: wait, or stop that in the Objects dock.")
    dock.choose_layer(_selected(viewer))
    dock.apply()


@_says_why_not
def delete_objects(viewer: Viewer) -> None:
    """Delete the objects whose rows are selected in the table."""
    dock = _table(viewer, "to delete")
    if not dock.objects.selected_ids().size:
        raise InputError("No object is selected: choose rows in the Objects table, or objects on the canvas.")
    dock.buttons.delete.trigger()


@_says_why_not
def undo_deletion(viewer: Viewer) -> None:
    """Bring back what was deleted last in the table."""
    dock = _table(viewer, "to undo")
    if not dock.buttons.undo.isEnabled():
        raise InputError("Nothing was deleted in the Objects table that could be brought back.")
    dock.buttons.undo.trigger()


@_says_why_not
def export_layer(viewer: Viewer) -> None:
    """Open the Export dock with the selected layer chosen."""
    from napari_nnunet_em._napari.export.dock import ExportWidget  # noqa: PLC0415 - only what is used

    layer = _selected(viewer)
    open_dock(viewer, ExportWidget, "Export labels").choose_layer(layer)


def open_dock(viewer: Viewer, kind: type[W], title: str) -> W:
    """The dock of a kind in the window of a viewer, in front of others; opened where there is none.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.
    kind : type
        Class of the dock's widget.
    title : str
        Its name in the manifest.
    """
    widget = find_dock(viewer, kind)
    if widget is None:
        widget = kind(_plain(viewer))
        # Under this name the menus of napari find it, and open no second one.
        viewer.window.add_dock_widget(widget, name=f"{title} ({PLUGIN_TITLE})")
    else:
        dock = widget.parent()
        dock.show()
        dock.raise_()
    return widget


def find_dock(viewer: Viewer, kind: type[W]) -> W | None:
    """The dock of a kind in the window of a viewer; None where it is not open."""
    docked = (_plain(widget) for widget in viewer.window.dock_widgets.values())
    # A dock that was closed may be listed until Python has collected it.
    return next((w for w in docked if isinstance(w, kind) and w.parent() is not None), None)


def _segment_dock(viewer: Viewer) -> SegmentWidget:
    from napari_nnunet_em._napari.segment.dock import SegmentWidget  # noqa: PLC0415 - only what is used

    return open_dock(viewer, SegmentWidget, "Segment")


def _running_dock(viewer: Viewer) -> SegmentWidget:
    from napari_nnunet_em._napari.segment.dock import SegmentWidget  # noqa: PLC0415 - only what is used

    dock = find_dock(viewer, SegmentWidget)
    if dock is None:
        raise SettingsError(_NOT_OPEN.format("Segment", "running"))
    return dock


def _table(viewer: Viewer, purpose: str) -> ObjectsTableWidget:
    from napari_nnunet_em._napari.table.dock import ObjectsTableWidget  # noqa: PLC0415 - as above

    dock = find_dock(viewer, ObjectsTableWidget)
    if dock is None:
        raise InputError(_NOT_OPEN.format("Objects table", purpose))
    return dock


def _selected(viewer: Viewer) -> Layer:
    layer = viewer.layers.selection.active
    if layer is None:
        raise InputError("No layer is selected: select one in the list of layers.")
    return _plain(layer)


def _plain(value: Any) -> Any:
    """The object itself: commands get napari's objects behind a proxy, which compare unequal to them."""
    return getattr(value, "__wrapped__", value)
