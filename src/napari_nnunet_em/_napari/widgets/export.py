"""The dock widget that exports a layer, or what lies in a file, to a file of another format."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari.layers import Image, Labels, Layer
from qtpy.QtWidgets import QComboBox, QLabel, QWidget

from napari_nnunet_em._napari.exporting import layer_volume, run_export
from napari_nnunet_em._napari.form import Field, SettingsForm
from napari_nnunet_em._napari.widgets.dock import DockWidget
from napari_nnunet_em._napari.widgets.layer_choice import choose_layer
from napari_nnunet_em._napari.widgets.rows import (
    add_field,
    add_row,
    column,
    form_layout,
    note_label,
    scrolling,
    section,
)
from napari_nnunet_em._napari.widgets.task_panel import TaskPanel
from napari_nnunet_em._napari.wording import error_note, export_note
from napari_nnunet_em.errors import InputError, NnunetEmError
from napari_nnunet_em.export import ExportSettings, Values, choose_format, renamed
from napari_nnunet_em.export.settings import ExportFiles
from napari_nnunet_em.io import Choice, Volume, list_choices

if TYPE_CHECKING:
    import napari

_FIRST = ("format", "region", "overwrite")
_MORE = ("name", "compression", "compression_level", "ome_zarr_version")
FROM_FILE = "A file or folder"


class ExportWidget(DockWidget):
    """Choose a layer or a file, choose where to, press the button.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer that the widget is docked in.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._by_hand = False
        self._offered: list[Layer] = []
        self._choices: tuple[Choice, ...] = ()
        self.source, self.inside = QComboBox(), QComboBox()
        self.path = Field(ExportFiles, "source", file_mode="r")
        self.destination = Field(ExportFiles, "destination", file_mode="w")
        self.form = SettingsForm(ExportSettings, [Field(ExportSettings, name) for name in (*_FIRST, *_MORE)])
        self.note: QLabel = note_label()
        self.progress = TaskPanel("Export", "Stop; nothing is left on disk then.", stopped_text=None)
        self._lay_out()
        self.source.currentIndexChanged.connect(self._on_source)
        self.source.activated.connect(self._on_chosen_by_hand)
        self.path.widget.changed.connect(self._on_path)
        self.destination.widget.changed.connect(self._say)
        self.form["format"].widget.changed.connect(self._on_format)
        self.progress.started.connect(self.start)
        self.reset_choices()

    def _lay_out(self) -> None:
        content = QWidget()
        rows = column(content)
        top = form_layout()
        self.source.setToolTip("The layer that is exported, or a file that need not be open.")
        self.inside.setToolTip("Which of the volumes in the file or folder.")
        add_row(top, "Source", self.source)
        self.path.widget.native.setToolTip("A file, or a folder such as out.zarr, whose path can be typed.")
        add_row(top, "File or folder", self.path.widget.native)
        add_row(top, "Volume in it", self.inside)
        add_field(top, self.destination)
        for name in _FIRST:
            add_field(top, self.form[name])
        self._rows = top
        rows.addLayout(top)
        rows.addWidget(self.note)
        rows.addWidget(section("Packing and names", [self.form[name] for name in _MORE], open_now=False))
        rows.addStretch(1)
        layout = column(self)
        layout.addWidget(scrolling(content), 1)
        layout.addWidget(self.progress)
        self.setMinimumWidth(340)

    def reset_choices(self, _event: object = None) -> None:
        """Offer the layers that there are now, labels first; napari calls this when they change."""
        # What nobody chose gives way to labels, which are what is mostly exported.
        before = self._layer() if self._by_hand else None
        file_before = self._by_hand and before is None
        layers = [layer for layer in self._viewer.layers if isinstance(layer, Labels | Image)]
        self._offered = sorted(layers, key=lambda layer: not isinstance(layer, Labels))
        self.source.blockSignals(True)
        self.source.clear()
        self.source.addItems([*(layer.name for layer in self._offered), FROM_FILE])
        if before in self._offered:
            self.source.setCurrentIndex(self._offered.index(before))
        elif file_before:
            self.source.setCurrentIndex(len(self._offered))
        self.source.blockSignals(False)
        self._on_source()

    def choose_layer(self, layer: Layer) -> None:
        """Choose a layer; raises `InputError` for one that is neither labels nor an image."""
        choose_layer(self.source, self._offered, layer, "labels or an image")
        self._by_hand = True

    def start(self) -> None:
        """Export what is chosen; what cannot be is said below the button and in a notification."""
        try:
            source, values = self._chosen()
            destination = self.destination.value
            if destination in ("", "."):
                raise InputError("There is no destination: choose the file to write, such as labels.ome.tif.")
            settings = self.form.settings(values=values, name=self.form["name"].value or self._own_name())
        except NnunetEmError as error:
            self.progress.refuse(str(error))
            return
        work = partial(run_export, source, destination, settings)
        self.progress.start(f"export to {destination}", work, "Saved in {}".format)

    def close_down(self) -> None:
        """Stop the running export before its next block."""
        self.progress.stop()

    def _layer(self) -> Layer | None:
        index = self.source.currentIndex()
        return self._offered[index] if 0 <= index < len(self._offered) else None

    def _own_name(self) -> str | None:
        layer = self._layer()
        return None if layer is None else layer.name

    def _chosen(self) -> tuple[Volume | str, Values]:
        layer = self._layer()
        if layer is not None:
            return layer_volume(layer), Values.LABELS if isinstance(layer, Labels) else Values.IMAGE
        if self.inside.currentIndex() >= 0 and self._choices:
            choice = self._choices[self.inside.currentIndex()]
            # The root of an image with labels is the image itself, chosen by its name.
            labels_beside = choice.name == "" and len(self._choices) > 1
            return f"{choice.address}/0" if labels_beside else choice.address, Values.AUTO
        if self.path.value in ("", "."):
            raise InputError("There is no source: choose a layer, or a file or folder.")
        return self.path.value, Values.AUTO

    def _on_chosen_by_hand(self, _index: int) -> None:
        self._by_hand = True

    def _on_source(self, _index: int = 0) -> None:
        from_file = self._layer() is None
        self._rows.setRowVisible(self.path.widget.native, from_file)
        self._rows.setRowVisible(self.inside, from_file and len(self._choices) > 1)
        self._say()

    def _on_path(self, _value: object = None) -> None:
        try:
            self._choices = list_choices(self.path.value) if self.path.value not in ("", ".") else ()
        except NnunetEmError as error:
            self._choices = ()
            self.progress.refuse(str(error))
        self.inside.clear()
        self.inside.addItems(
            [f"{choice.name or 'the image itself'}  ({choice.description})" for choice in self._choices]
        )
        # Labels are what is mostly wanted.
        names = [choice.name for choice in self._choices]
        self.inside.setCurrentIndex(next((i for i, name in enumerate(names) if "labels" in name), 0))
        self._on_source()

    def _on_format(self, _value: object = None) -> None:
        """Give the destination the ending of the format."""
        path = self.destination.widget.value
        new = renamed(path, self.form["format"].value)
        if new != path:
            self.destination.value = new
        self._say()

    def _say(self, _value: object = None) -> None:
        """What will be written, or why it cannot be."""
        path = self.destination.widget.value
        if not path.name:
            self.note.setText("")
            return
        try:
            settings = self.form.settings()
            self.note.setText(export_note(choose_format(path, settings)))
        except NnunetEmError as error:
            self.note.setText(error_note(str(error)))
