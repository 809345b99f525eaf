"""What the Segment dock asks for: the image, the model, the region and the settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QWidget

from napari_nnunet_em._napari.jobform import JobForm
from napari_nnunet_em._napari.live import is_result
from napari_nnunet_em._napari.outputs import output_folder, output_name
from napari_nnunet_em._napari.placement import KnownSize, layer_shape, visible_box
from napari_nnunet_em._napari.previewing import PreviewRequest
from napari_nnunet_em._napari.regions import RegionKind, looked_at
from napari_nnunet_em._napari.request import Request, known_voxel_size, layer_volume, source_path
from napari_nnunet_em._napari.widgets.model_picker import ModelPicker
from napari_nnunet_em._napari.widgets.region_picker import RegionPicker
from napari_nnunet_em._napari.widgets.rows import add_field, add_row, column, form_layout, note_label, section
from napari_nnunet_em._napari.wording import resampling_note, voxel_size_note
from napari_nnunet_em.errors import InputError, ModelError

if TYPE_CHECKING:
    import napari

    from napari_nnunet_em.geometry import Box

_OBJECTS = ("threshold", "min_voxels", "min_volume_um3", "split", "split_strength")
_CLEANING = (
    "threshold_high",
    "smooth_nm",
    "open_nm",
    "fill_holes",
    "max_voxels",
    "max_volume_um3",
    "drop_border",
)
_SELDOM = ("connectivity", "linking", "link_iou", "link_gap", "split_memory_gb")


class SegmentInputs(QWidget):  # type: ignore[misc]
    """The form of the Segment dock.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers and view are meant.

    Attributes
    ----------
    form : JobForm
        The settings.

    Signals
    -------
    layer_changed
        Another image layer was chosen, or none is left.
    model_changed
        Another model was chosen, or the chosen one has been opened.
    """

    layer_changed = Signal()
    model_changed = Signal()

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._offered: list[Image] = []
        self._known_size = KnownSize(None, "")
        self._proposed = ""
        self.form = JobForm()
        self.layers = QComboBox()
        self.layers.setToolTip("The image layer to segment.")
        self.region = RegionPicker(viewer)
        self.models = ModelPicker()
        self.size_note = note_label()
        self._lay_out()
        self.layers.currentIndexChanged.connect(self._on_layer)
        self.region.changed.connect(self.propose_output)
        self.models.changed.connect(self._on_model)
        self.form.input["voxel_size_nm"].widget.changed.connect(self._on_size)
        self.form.model["trust"].widget.changed.connect(self.models.set_trust)

    def _lay_out(self) -> None:
        rows = column(self)
        top = form_layout()
        add_row(top, "Image", self.layers)
        add_row(top, "Model", self.models)
        top.addRow(self.models.note)
        add_field(top, self.form.input["voxel_size_nm"])
        top.addRow(self.size_note)
        add_row(top, "Region", self.region)
        top.addRow(self.region.note)
        add_field(top, self.form.output["path"])
        rows.addLayout(top)
        form = self.form
        objects = [form.instances[name] for name in _OBJECTS]
        prediction = [form.prediction[name] for name in ("preset", "tta", "overlap")] + [form.model["folds"]]
        cleaning = [form.instances[name] for name in _CLEANING]
        seldom = [form.instances[name] for name in _SELDOM]
        seldom += [form.prediction["planes"], *form.execution]
        seldom += [form.output["overwrite"], form.model["trust"]]
        rows.addWidget(section("Prediction", prediction, open_now=True))
        rows.addWidget(section("Objects", objects, open_now=True))
        rows.addWidget(section("Clean objects", cleaning, open_now=False))
        rows.addWidget(section("More", seldom, open_now=False))
        rows.addStretch(1)

    @property
    def layer(self) -> Image | None:
        """The layer that is chosen."""
        index = self.layers.currentIndex()
        return self._offered[index] if 0 <= index < len(self._offered) else None

    def reset_choices(self) -> None:
        """Offer the image and Shapes layers that there are now."""
        before = self.layer
        offered = [x for x in self._viewer.layers if isinstance(x, Image) and not is_result(x)]
        self._offered = offered
        self.layers.blockSignals(True)
        self.layers.clear()
        self.layers.addItems([x.name for x in offered])
        preferred = before if before in offered else self._viewer.layers.selection.active
        if preferred in offered:
            self.layers.setCurrentIndex(offered.index(preferred))
        self.layers.blockSignals(False)
        self.region.reset_choices()
        if self.layer != before:
            self._on_layer()

    def chosen_layer(self) -> Image:
        """The layer that is chosen; raises `InputError` where there is none."""
        if self.layer is None:
            raise InputError("There is no image layer to segment: open an image first.")
        return self.layer

    def request(self) -> Request:
        """The job that is chosen, on the layer that is chosen.

        Raises
        ------
        InputError, ModelError, SettingsError
            With a sentence that says what is missing or wrong.
        """
        layer, chosen = self.chosen_layer(), self.models.chosen
        if chosen.bundle is None:
            raise ModelError(chosen.problem)
        self.form.check_voxel_size(layer_shape(layer))
        region = self.region.choice.box(self._viewer, layer)
        self.propose_output(region)
        model = {"path": chosen.path, "configuration": chosen.configuration}
        job = self.form.job(source_path(layer) or layer.name, model, region)
        volume = layer_volume(layer, len(chosen.bundle.channel_names), job.input.voxel_size_nm)
        return Request(job, volume, layer, chosen.class_names, looked_at(self._viewer, layer))

    def preview_request(self) -> PreviewRequest:
        """What is on the canvas, to be previewed; raises as `request`."""
        choice = self.region.choice
        around = choice.around if choice.kind is RegionKind.VIEW else 0
        box = visible_box(self._viewer, self.chosen_layer(), around)
        return PreviewRequest(self.request(), box)

    def propose_output(self, region: Box | None = None) -> None:
        """Name the output after volume, model and region, unless the user has named it."""
        field = self.form.output["path"]
        layer = self.layer
        if layer is None or Path(field.value) != Path(self._proposed):
            return
        source = source_path(layer)
        model = Path(self.models.chosen.path).stem
        name = output_name(Path(source).name if source else layer.name, model, region)
        field.value = self._proposed = str(output_folder(source, Path.home()) / name)

    def _on_layer(self) -> None:
        layer = self.layer
        self._known_size = KnownSize(None, "") if layer is None else known_voxel_size(layer)
        self.form.input["voxel_size_nm"].value = self._known_size.voxel_size_nm
        self._on_size()
        self.region.follow_layer(layer)
        self.propose_output()
        self.layer_changed.emit()

    def _on_size(self) -> None:
        typed = self.form.input["voxel_size_nm"].value
        if self.layer is None:
            self.size_note.setText("")
            return
        bundle = self.models.chosen.bundle
        resampled = "" if bundle is None else resampling_note(bundle, typed)
        self.size_note.setText(f"{voxel_size_note(self._known_size, typed)}{resampled}")

    def _on_model(self) -> None:
        chosen = self.models.chosen
        if chosen.bundle is not None:
            self.form.follow_model(chosen.bundle)
        self._on_size()
        self.propose_output()
        self.model_changed.emit()
