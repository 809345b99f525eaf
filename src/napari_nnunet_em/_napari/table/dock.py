"""The dock widget with the objects of a labels layer: look, sort, filter, go there, delete, export."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtWidgets import QMessageBox

from napari_nnunet_em._napari.forms.frame import DockWidget
from napari_nnunet_em._napari.forms.layer_choice import LayerBox
from napari_nnunet_em._napari.forms.name_box import NameBox
from napari_nnunet_em._napari.forms.rows import add_row, column, form_layout
from napari_nnunet_em._napari.forms.task_panel import TaskPanel
from napari_nnunet_em._napari.layers.features import label_features
from napari_nnunet_em._napari.table.buttons import ALL, SELECTED, SHOWN, TableButtons
from napari_nnunet_em._napari.table.canvas_link import CanvasLink
from napari_nnunet_em._napari.table.layer_look import LayerLook
from napari_nnunet_em._napari.table.model import ObjectTableModel
from napari_nnunet_em._napari.table.object_list import ObjectList
from napari_nnunet_em._napari.table.row_exports import RowExports
from napari_nnunet_em._napari.table.session import ObjectSession
from napari_nnunet_em._napari.table.tables import LayerTable, stored_labels
from napari_nnunet_em._napari.table.work import (
    fits,
    intensity_voxels,
    layer_voxels,
    measure_layer,
    open_table,
    save_deletions,
)
from napari_nnunet_em.errors import NnunetEmError
from napari_nnunet_em.measurement.selection import Deletions, places_of
from napari_nnunet_em.quantities import count

if TYPE_CHECKING:
    import napari

_NOT_MEASURED = "These labels have not been measured yet: press Measure."
_INTERRUPTED = "Saving was interrupted, so some deleted objects are still on the disk: press Save to finish."


class ObjectsTableWidget(DockWidget):
    """Every object of a labels layer in a table.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer that the widget is docked in.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._images: list[Image] = []
        self._sessions: dict[Labels, ObjectSession] = {}
        self._tried = False
        self.layers = LayerBox("The labels layer whose objects are listed.", "no labels layer")
        self.intensity = NameBox()
        self._canvas = CanvasLink(napari_viewer, self._on_picked)
        self.objects = ObjectList(ObjectTableModel(self._canvas.color_of))
        self.look = LayerLook()
        self.buttons = TableButtons(self.objects.table)
        self.progress = TaskPanel("Measure", "Stop after the block in hand.")
        self.exports = RowExports(self.objects, self.progress)
        self._lay_out()
        self._connect()
        self.reset_choices()

    def _lay_out(self) -> None:
        self.intensity.setToolTip("An image of the same voxels whose values are measured inside the objects.")
        self._top = form_layout()
        add_row(self._top, "Labels", self.layers)
        add_row(self._top, "Intensity of", self.intensity)
        layout = column(self)
        layout.addLayout(self._top)
        layout.addWidget(self.objects, 1)
        layout.addWidget(self.look)
        layout.addWidget(self.buttons)
        layout.addWidget(self.progress)

    def _connect(self) -> None:
        self.layers.currentIndexChanged.connect(lambda _: self._on_layer())
        self.objects.table.visited.connect(self._go_to)
        self.objects.table.zoomed.connect(partial(self._go_to, zoom=True))
        self.objects.changed.connect(self._show_state)
        self.buttons.delete.triggered.connect(self.delete_selected)
        self.buttons.undo.triggered.connect(lambda: self._change(Deletions.undo))
        self.buttons.redo.triggered.connect(lambda: self._change(Deletions.redo))
        self.buttons.copy.triggered.connect(self.exports.copy)
        self.buttons.save_button.clicked.connect(self._confirm_and_save)
        self.buttons.export_asked.connect(self.exports.choose_and_write)
        self.progress.started.connect(self.measure)
        self.progress.began.connect(self._show_state)
        self.progress.ended.connect(self._show_layer)

    @property
    def _layer(self) -> Labels | None:
        return self._canvas.layer

    @property
    def session(self) -> ObjectSession | None:
        """The table of the chosen layer, once there is one."""
        return None if self._layer is None else self._sessions.get(self._layer)

    # Layers and their tables

    def reset_choices(self, _event: object = None) -> None:
        """Offer the layers that there are now; napari calls this when they change."""
        offered = [layer for layer in self._viewer.layers if isinstance(layer, Labels)]
        self._sessions = {layer: s for layer, s in self._sessions.items() if layer in offered}
        self.layers.offer(offered, self._layer, self._viewer.layers.selection.active)
        self._on_layer()

    def _on_layer(self) -> None:
        """Another layer may have been chosen."""
        layer = self.layers.layer
        if layer is not self._layer:
            self._follow(layer)
        self._offer_images()
        self._show_layer()
        if layer is not None and self.session is None and not self.progress.busy:
            self.progress.rest(_NOT_MEASURED)

    def _show_layer(self) -> None:
        """Show the table of the chosen layer; read it where it is stored and has not been read."""
        layer = self._layer
        stored = None if layer is None else stored_labels(layer)
        self._top.setRowVisible(1, stored is None)
        self.progress.start_button.setVisible(stored is None)
        self.progress.start_button.setText("Measure" if self.session is None else "Measure again")
        self.objects.show_session(self.session)
        if layer is None or stored is None or self.session is not None or self._tried or self.progress.busy:
            return
        self._tried = True
        self.progress.start(f"table of {layer.name}", partial(open_table, stored), partial(self._open, layer))

    def _follow(self, layer: Labels | None) -> None:
        self._canvas.follow(layer)
        self._tried = False
        if not self.progress.busy:
            self.progress.rest("")
        self.look.follow(layer)

    def _offer_images(self) -> None:
        layer = self._layer
        images = [image for image in self._viewer.layers if isinstance(image, Image)]
        self._images = [image for image in images if layer is not None and fits(image, layer)]
        chosen = self.intensity.currentText()
        self.intensity.clear()
        self.intensity.addItems(["not measured", *(image.name for image in self._images)])
        self.intensity.setCurrentText(chosen)

    def _open(self, layer: Labels, table: LayerTable) -> str:
        if layer in self.layers.offered:
            self._sessions[layer] = ObjectSession(layer, table)
        return _INTERRUPTED if len(table.begun) else ""

    def measure(self) -> None:
        """Measure the objects of the chosen layer."""
        layer, chosen = self._layer, self.intensity.currentIndex()
        if layer is None:
            self.progress.refuse("There is no labels layer to measure: open or make one first.")
            return
        try:
            labels = layer_voxels(layer)
            intensity = intensity_voxels(self._images[chosen - 1]) if chosen > 0 else None
        except NnunetEmError as error:
            self.progress.refuse(error)
            return
        work = partial(measure_layer, labels, intensity)
        self.progress.start(f"measurement of {layer.name}", work, partial(self._on_measured, layer))

    def _on_measured(self, layer: Labels, table: LayerTable) -> None:
        features = label_features(table.frame)
        layer.features = {} if features is None else features  # of very many objects none, not older ones
        self._open(layer, table)

    # Between rows and the canvas

    def _go_to(self, label: int, *, zoom: bool = False) -> None:
        if self.session is not None:
            self._canvas.go_to(self.session.table, label, zoom=zoom)

    def _on_picked(self, label: int) -> None:
        """An object was picked on the canvas: select its row."""
        session = self.session
        places = () if session is None else places_of(session.table.columns["id"], np.array([label]))
        if not len(places):
            return
        found = self.objects.table.select_rows(np.asarray(places), scroll=True)
        if not self.progress.busy:
            self.progress.rest("" if found else f"Object {label:,} is hidden by the filter.")

    # Deleting

    def delete_selected(self) -> None:
        """Delete the objects whose rows are selected; they vanish at once, and can come back until saved."""
        ids = self.objects.selected_ids()
        self.objects.go_on_below()
        self._change(lambda deletions: deletions.delete(ids))

    def _change(self, step: Any) -> None:
        session = self.session
        if session is not None and not self.progress.busy:
            session.change(step(session.deletions))
            self.objects.refresh()

    def _confirm_and_save(self) -> None:
        session = self.session
        if session is None or session.table.stored is None:
            return
        deleted, stored = count(len(session.deleted), "object"), session.table.stored
        question = (
            f"Delete {deleted} from {stored.store.name} for good? "
            f"The labels {stored.name!r} and their table are changed on the disk, which cannot be undone."
        )
        if QMessageBox.question(self, "Save deletions", question) == QMessageBox.StandardButton.Yes:
            self.save()

    def save(self) -> None:
        """Delete from the disk what was deleted in the view."""
        session = self.session
        if session is None or session.table.stored is None:
            return
        self.progress.start(
            f"deletion from {session.layer.name}",
            partial(save_deletions, session.table.stored, session.deletions.ids),
            partial(self._on_saved, session),
            partial(self._on_not_saved, session.layer),
        )

    def _on_saved(self, session: ObjectSession, table: LayerTable) -> str:
        session.saved(table)
        return f"Saved. {count(len(table.frame), 'object is', 'objects are')} left."

    def _on_not_saved(self, layer: Labels) -> None:
        """Read again what is on the disk: some objects may be gone in part, and cannot come back."""
        self._sessions.pop(layer, None)
        self._tried = False

    def _show_state(self) -> None:
        """Enable what can be done now."""
        session, answer = self.session, self.objects.answer
        idle = session is not None and answer is not None and not self.progress.busy
        counts = {ALL: 0, SHOWN: 0, SELECTED: 0}
        steps = (0, 0)
        if session is not None and answer is not None and idle:
            selected = len(self.objects.table.selected_lines())
            counts = {ALL: answer.total, SHOWN: len(answer.rows), SELECTED: selected}
            steps = (len(session.deletions.steps), len(session.deletions.undone))
        self.buttons.show_state(
            counts,
            steps=steps,
            stored=session is None or session.table.stored is not None,
            unsaved=idle and session is not None and session.saveable,
        )

    def close_down(self) -> None:
        """Listen to the canvas no longer, and stop the task."""
        self._canvas.detach()
        self.look.follow(None)
        self.progress.stop()

    def come_up(self) -> None:
        """Listen to the canvas."""
        self._canvas.attach()
        self._on_layer()
