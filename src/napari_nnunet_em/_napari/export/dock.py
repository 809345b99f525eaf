"""The dock widget that exports a layer, or what lies in a file, to a file of another format."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels, Layer
from qtpy.QtWidgets import QLabel, QWidget

from napari_nnunet_em._napari.export.exporting import layer_volume, left_out, run_export
from napari_nnunet_em._napari.export.size_row import SizeRow
from napari_nnunet_em._napari.export.words import export_note
from napari_nnunet_em._napari.forms.form import Field, SettingsForm
from napari_nnunet_em._napari.forms.frame import DockWidget
from napari_nnunet_em._napari.forms.layer_choice import LayerBox
from napari_nnunet_em._napari.forms.name_box import NameBox
from napari_nnunet_em._napari.forms.outputs import completed
from napari_nnunet_em._napari.forms.region_picker import RegionPicker
from napari_nnunet_em._napari.forms.rows import (
    add_field,
    add_row,
    add_wide_row,
    column,
    form_layout,
    note_label,
    section,
)
from napari_nnunet_em._napari.forms.task_panel import TaskPanel
from napari_nnunet_em._napari.layers.levels import full_level
from napari_nnunet_em._napari.words import error_note
from napari_nnunet_em.errors import InputError, NnunetEmError
from napari_nnunet_em.export import ExportSettings, Format, Values, choose_format, open_source, renamed
from napari_nnunet_em.export.formats import FORMATS, format_of
from napari_nnunet_em.export.landing import check_destination
from napari_nnunet_em.export.settings import ExportFiles
from napari_nnunet_em.io import Choice, Volume, list_choices

if TYPE_CHECKING:
    import napari

    from napari_nnunet_em.geometry import Box

_FORMATS = tuple(kind for kind in Format if kind is not Format.AUTO)
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
        self._choices: tuple[Choice, ...] = ()
        self.source = LayerBox("The layer that is exported, or a file that need not be open.")
        self.inside = NameBox()
        self.path = Field(ExportFiles, "source", file_mode="r")
        self.destination = Field(ExportFiles, "destination", file_mode="w", formats=_FORMATS)
        self.region = RegionPicker(napari_viewer)
        kinds = [(FORMATS[kind].title, kind) for kind in _FORMATS]
        fields = [Field(ExportSettings, name) for name in ("region", "overwrite", *_MORE)]
        self.form = SettingsForm(ExportSettings, [Field(ExportSettings, "format", choices=kinds), *fields])
        self.note: QLabel = note_label()
        self.progress = TaskPanel("Export", "Stop; nothing is left on disk then.", stopped_text=None)
        self._lay_out()
        self.source.currentIndexChanged.connect(self._on_source)
        self.source.activated.connect(self._on_chosen_by_hand)
        self.path.widget.changed.connect(self._on_path)
        self.destination.widget.changed.connect(self._on_destination)
        self.form["format"].widget.changed.connect(self._on_format)
        self.size.field.widget.changed.connect(self._say)
        for name in ("overwrite", *_MORE):
            self.form[name].widget.changed.connect(self._say)
        self.progress.started.connect(self.start)
        self.reset_choices()

    def _lay_out(self) -> None:
        content = QWidget()
        rows = column(content)
        top = form_layout()
        self.inside.setToolTip("Which of the volumes in the file or folder.")
        self.path.widget.native.setToolTip("A file, or a folder such as out.zarr, whose path can be typed.")
        add_row(top, "Source", self.source)
        self._file_row = add_wide_row(top, "File or folder", self.path.widget.native)
        add_row(top, "Volume in it", self.inside)
        self.size = SizeRow(top, self)
        add_row(top, "Region", self.region)
        top.addRow(self.region.note)
        add_field(top, self.form["region"])
        add_field(top, self.form["format"])
        self.destination.widget.native.setToolTip(self.destination.tooltip)
        self.destination.widget.line_edit.native.setPlaceholderText("cells.zarr, cells.ome.tif, …")
        add_wide_row(top, self.destination.label, self.destination.widget.native)
        add_field(top, self.form["overwrite"])
        self._rows = top
        rows.addLayout(top)
        rows.addWidget(self.note)
        rows.addWidget(section("Compression and names", [self.form[name] for name in _MORE], open_now=False))
        rows.addStretch(1)
        self.stack(content, self.progress)

    def reset_choices(self, _event: object = None) -> None:
        """Offer the layers that there are now, labels first; napari calls this when they change."""
        # What nobody chose gives way to labels, which are what is mostly exported.
        before = (self.source.layer or FROM_FILE) if self._by_hand else None
        layers = [layer for layer in self._viewer.layers if isinstance(layer, Labels | Image)]
        labels_first = sorted(layers, key=lambda layer: not isinstance(layer, Labels))
        self.source.offer(labels_first, before, others=[FROM_FILE])
        self.region.reset_choices()
        self._on_source()

    def choose_layer(self, layer: Layer) -> None:
        """Choose a layer; raises `InputError` for one that is neither labels nor an image."""
        self.source.choose(layer, "labels or an image")
        self._by_hand = True

    def start(self) -> None:
        """Export what is chosen; what cannot be is said below the button and in a notification."""
        try:
            source, values = self._chosen()
            destination = self._destination()
            if not destination.name:
                raise InputError("There is no destination: choose the file to write, such as labels.ome.tif.")
            name = self.form["name"].value or self._own_name()
            settings = self._settings(values=values, name=name, region=self._chosen_region())
        except NnunetEmError as error:
            self.progress.decline(error)
            return
        work = partial(run_export, source, str(destination), settings)
        self.progress.start(f"export to {destination}", work, "Saved in {}".format)

    def close_down(self) -> None:
        """Stop the running export before its next block."""
        self.progress.stop()
        self.region.forget_viewer()

    def _own_name(self) -> str | None:
        layer = self.source.layer
        return None if layer is None else layer.name

    def _chosen(self) -> tuple[Volume | partial[Volume], Values]:
        layer = self.source.layer
        self.size.follow_layer(layer)  # it may have been given another scale meanwhile
        size = self.size.typed()
        if layer is not None:
            return layer_volume(layer, size), Values.LABELS if isinstance(layer, Labels) else Values.IMAGE
        if self.inside.currentIndex() >= 0 and self._choices:
            choice = self._choices[self.inside.currentIndex()]
            # The root of an image with labels is the image itself, chosen by its name.
            labels_beside = choice.name == "" and len(self._choices) > 1
            address = f"{choice.address}/0" if labels_beside else choice.address
            return partial(open_source, address, voxel_size_nm=size), Values.AUTO
        if self.path.value in ("", "."):
            raise InputError("There is no source: choose a layer, or a file or folder.")
        return partial(open_source, self.path.value, voxel_size_nm=size), Values.AUTO

    def _chosen_region(self) -> Box | str | None:
        layer = self.source.layer
        return self.form["region"].value if layer is None else self.region.choice.box(self._viewer, layer)

    def _destination(self) -> Path:
        return completed(self.destination.widget.value, self.form["format"].value)

    def _settings(self, **others: Any) -> ExportSettings:
        # The ending decides the format, so that what is written is never called something else.
        return self.form.settings(format=Format.AUTO, **others)

    def _on_chosen_by_hand(self, _index: int) -> None:
        self._by_hand = True

    def _on_source(self, _index: int = 0) -> None:
        layer = self.source.layer
        from_file = layer is None
        self.size.follow_layer(layer)
        self.region.follow_layer(layer, None if layer is None else full_level(layer))
        self.form["name"].widget.native.setPlaceholderText(self._own_name() or "")
        for widget in (self.region, self.region.note):
            self._rows.setRowVisible(widget, not from_file)
        self._rows.setRowVisible(self.form["region"].widget.native, from_file)
        self._rows.setRowVisible(self._file_row, from_file)
        self._rows.setRowVisible(self.inside, from_file and len(self._choices) > 1)
        self._say()

    def _on_path(self, _value: object = None) -> None:
        try:
            self._choices = list_choices(self.path.value) if self.path.value not in ("", ".") else ()
        except NnunetEmError as error:
            self._choices = ()
            self.progress.refuse(error)
        self.inside.clear()
        self.inside.addItems(
            [f"{choice.name or 'the image itself'}  ({choice.description})" for choice in self._choices]
        )
        # Labels are what is mostly wanted.
        names = [choice.name for choice in self._choices]
        self.inside.setCurrentIndex(next((i for i, name in enumerate(names) if "labels" in name), 0))
        self._on_source()

    def _on_format(self, kind: Format) -> None:
        """Give the destination the ending of the format."""
        path = self.destination.widget.value
        new = renamed(path, kind)
        if new != path:
            self.destination.value = new
        self._say()

    def _on_destination(self, path: Path) -> None:
        """Show the format that the ending stands for."""
        stated = format_of(path)
        if stated is not None:
            self.form["format"].value = stated
        self._say()

    def _say(self, _value: object = None) -> None:
        """What will be written, or why it cannot be."""
        self.progress.forget_declined()
        path = self._destination()
        self.size.say(format_of(path) or self.form["format"].value)
        if not path.name:
            self.note.setText("")
            return
        try:
            settings = self._settings(region=None)
            kind = choose_format(path, settings)
            check_destination(path, "memory", folder=kind is Format.OME_ZARR, overwrite=settings.overwrite)
            layer = self.source.layer
            lost = "" if layer is None else left_out(layer)
            self.note.setText(f"{export_note(kind)}<br>{lost}" if lost else export_note(kind))
        except NnunetEmError as error:
            self.note.setText(error_note(error))
