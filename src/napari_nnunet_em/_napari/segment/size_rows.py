"""The rows of the Segment dock for pyramid level and voxel size, which depend on each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_nnunet_em._napari.forms.rows import add_field, note_label
from napari_nnunet_em._napari.layers.levels import (
    LayerLevel,
    full_size,
    layer_levels,
    level_choices,
    level_note,
    resized,
)
from napari_nnunet_em._napari.layers.voxels import KnownSize, layer_shape
from napari_nnunet_em._napari.segment.request import known_voxel_size
from napari_nnunet_em._napari.segment.words import resampling_note, voxel_size_note
from napari_nnunet_em._napari.words import as_text

if TYPE_CHECKING:
    from napari.layers import Image
    from qtpy.QtWidgets import QFormLayout

    from napari_nnunet_em._napari.forms.form import SettingsForm
    from napari_nnunet_em.config import InputSettings
    from napari_nnunet_em.model import ModelBundle

_NO_PYRAMID = [("0", 0)]


class SizeRows(QObject):  # type: ignore[misc]
    """Which level of a layer's pyramid is segmented, and the size of its voxels.

    Parameters
    ----------
    form : SettingsForm
        Holds the fields ``level`` and ``voxel_size_nm``.
    rows : QFormLayout
        Where they are shown.
    parent : QObject
        Whoever owns them.

    Attributes
    ----------
    note : QLabel
        Where the voxel size comes from, what it means for the model, and a link to a better level.
    level : LayerLevel or None
        The level that is chosen; None without a layer.

    Signals
    -------
    level_changed
        Another level was chosen.
    """

    level_changed = Signal()

    def __init__(self, form: SettingsForm[InputSettings], rows: QFormLayout, parent: QObject) -> None:
        super().__init__(parent)
        self._field, self._size, self._rows = form["level"], form["voxel_size_nm"], rows
        self._known = KnownSize(None, "")
        self._levels: tuple[LayerLevel, ...] = ()
        self._bundle: ModelBundle | None = None
        self.level: LayerLevel | None = None
        self.note = note_label()
        add_field(rows, self._field)
        add_field(rows, self._size)
        rows.addRow(self.note)
        self._field.widget.changed.connect(self._on_level)
        self._size.widget.changed.connect(self._show)
        self.note.linkActivated.connect(self._use_level)

    def follow_layer(self, layer: Image | None) -> None:
        """Offer the levels of another layer, and its voxel size; its full resolution is chosen."""
        self._known = KnownSize(None, "") if layer is None else known_voxel_size(layer)
        self._levels = () if layer is None else layer_levels(layer)
        self.level = self._levels[0] if self._levels else None
        with self._field.widget.changed.blocked():
            self._field.set_choices(level_choices(self._levels, self._known) or _NO_PYRAMID)
            self._field.value = 0
        self._rows.setRowVisible(self._field.widget.native, len(self._levels) > 1)
        self._size.value = self._known.voxel_size_nm
        self._show()

    def follow_model(self, bundle: ModelBundle | None) -> None:
        """Say what the voxel size means for another model."""
        self._bundle = bundle
        self._show()

    def level_of(self, layer: Image) -> LayerLevel:
        """The level of the layer that is chosen; the layer may have been given other data since."""
        if self.level is None or self._levels[0].shape != layer_shape(layer):
            number = 0 if self.level is None else self.level.number
            self._levels = layer_levels(layer)
            self.level = self._levels[number if number < len(self._levels) else 0]
        return self.level

    def _on_level(self, number: int | None) -> None:
        """Its voxels have another size."""
        if number is None or self.level is None:
            return
        before, self.level = self.level, self._levels[number]
        stated = before.size(self._known).voxel_size_nm
        if stated is not None and self._size.value == as_text(stated):
            self._size.value = self.level.size(self._known).voxel_size_nm
        else:
            self._size.value = resized(self._size.value, before, self.level)
        self._show()
        self.level_changed.emit()

    def _use_level(self, number: str) -> None:
        self._field.value = int(number)

    def _show(self, _value: object = None) -> None:
        if self.level is None:
            self.note.setText("")
            return
        typed, bundle = self._size.value, self._bundle
        resampled = "" if bundle is None else resampling_note(bundle, typed)
        better = level_note(self._levels, full_size(typed, self.level), self.level.number, bundle)
        self.note.setText(f"{voxel_size_note(self.level.size(self._known), typed)}{resampled}{better}")
