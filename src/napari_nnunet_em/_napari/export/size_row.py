"""The row of the Export dock for the size of the voxels that are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_nnunet_em._napari.export.exporting import stated_size
from napari_nnunet_em._napari.export.words import size_note
from napari_nnunet_em._napari.forms.form import Field, SettingsForm
from napari_nnunet_em._napari.forms.rows import add_field, note_label
from napari_nnunet_em._napari.layers.voxels import KnownSize, VoxelSizeNm, layer_shape, with_thickness
from napari_nnunet_em._napari.words import as_text
from napari_nnunet_em.export.settings import ExportFiles

if TYPE_CHECKING:
    from napari.layers import Layer
    from qtpy.QtWidgets import QFormLayout

    from napari_nnunet_em.export import Format


class SizeRow(QObject):  # type: ignore[misc]
    """The voxel size that a layer states, or that is typed where it states none or another is meant.

    Parameters
    ----------
    rows : QFormLayout
        Where it is shown.
    parent : QObject
        Whoever owns it.

    Attributes
    ----------
    field : Field
        The size.
    note : QLabel
        Where it comes from; empty for a file, which states its own.
    """

    def __init__(self, rows: QFormLayout, parent: QObject) -> None:
        super().__init__(parent)
        self._layer: Layer | None = None
        self._known = KnownSize(None, "")
        self.field = Field(ExportFiles, "voxel_size_nm")
        self.note = note_label()
        add_field(rows, self.field)
        rows.addRow(self.note)

    def follow_layer(self, layer: Layer | None) -> None:
        """Fill in the size of a layer; what was typed stays, while the same layer states the same."""
        known = KnownSize(None, "") if layer is None else stated_size(layer)
        if layer is not self._layer or known != self._known:
            self._layer, self._known = layer, known
            self.field.value = known.voxel_size_nm
        self.field.widget.native.setPlaceholderText("as the file states" if layer is None else "40, 8, 8")

    def typed(self) -> VoxelSizeNm | None:
        """The size that is written, (z, y, x) in nm; None where it is what the file states, or unknown.

        Raises
        ------
        SettingsError
            For what is no voxel size.
        """
        text = self.field.value
        if text is None or (self._known.voxel_size_nm and text == as_text(self._known.voxel_size_nm)):
            return self._known.voxel_size_nm
        if self._layer is not None:
            self.field.value = with_thickness(text, layer_shape(self._layer))
        form: SettingsForm[ExportFiles] = SettingsForm(ExportFiles, [self.field])
        return form.settings(source="layer", destination="file").voxel_size_nm

    def say(self, kind: Format) -> None:
        """Say where the size comes from, for a file of some format."""
        from_file = self._layer is None
        self.note.setText("" if from_file else size_note(self._known, self.field.value, kind))
        self.note.setVisible(not from_file)
