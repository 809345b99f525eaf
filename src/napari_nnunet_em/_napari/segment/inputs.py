"""What the Segment dock asks for: the image, the model, the region and the settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_nnunet_em._napari.forms.layer_choice import LayerBox
from napari_nnunet_em._napari.forms.outputs import output_folder, output_name
from napari_nnunet_em._napari.forms.region_picker import RegionPicker
from napari_nnunet_em._napari.forms.rows import add_row, add_wide_field, column, form_layout, section
from napari_nnunet_em._napari.layers.marks import is_result
from napari_nnunet_em._napari.layers.regions import RegionKind, looked_at
from napari_nnunet_em._napari.layers.viewing import visible_box
from napari_nnunet_em._napari.segment.cost import Draft
from napari_nnunet_em._napari.segment.job_form import JobForm
from napari_nnunet_em._napari.segment.model_picker import ModelPicker
from napari_nnunet_em._napari.segment.previewing import PreviewRequest
from napari_nnunet_em._napari.segment.request import Request, layer_volume, source_path
from napari_nnunet_em._napari.segment.size_rows import SizeRows
from napari_nnunet_em.errors import InputError, ModelError

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer

    from napari_nnunet_em.config import Job
    from napari_nnunet_em.geometry import Box

_OBJECTS = ("threshold", "min_voxels", "min_volume_um3", "split", "split_strength", "split_depth_nm")
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
    sizes : SizeRows
        Pyramid level and voxel size.

    Signals
    -------
    layer_changed
        Another image layer was chosen, or none is left.
    model_changed
        Another model was chosen, or the chosen one has been opened.
    changed
        Anything was changed, or the view moved over a region that follows it.
    """

    layer_changed = Signal()
    model_changed = Signal()
    changed = Signal()

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._proposed = ""
        self.form = JobForm()
        self.layers = LayerBox("The image layer to segment.", "no image layer")
        self.region = RegionPicker(viewer)
        self.models = ModelPicker()
        self._lay_out()
        self.layers.currentIndexChanged.connect(self._on_layer)
        self.region.changed.connect(self.propose_output)
        self.models.changed.connect(self._on_model)
        self.sizes.level_changed.connect(self._on_level)
        self.form.model["trust"].widget.changed.connect(self.models.set_trust)
        for field in self.form.fields():
            field.widget.changed.connect(self._on_anything)
        for signal in (self.layer_changed, self.model_changed, self.region.changed, self.region.moved):
            signal.connect(self._on_anything)

    def _lay_out(self) -> None:
        rows = column(self)
        top = form_layout()
        add_row(top, "Image", self.layers)
        add_row(top, "Model", self.models)
        top.addRow(self.models.note)
        self.sizes = SizeRows(self.form.input, top, self)
        add_row(top, "Region", self.region)
        top.addRow(self.region.note)
        add_wide_field(top, self.form.output["path"])
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
        return self.layers.layer

    def reset_choices(self) -> None:
        """Offer the image and Shapes layers that there are now."""
        before = self.layer
        offered = [x for x in self._viewer.layers if isinstance(x, Image) and not is_result(x)]
        self.layers.offer(offered, before, self._viewer.layers.selection.active)
        self.region.reset_choices()
        if self.layer != before:
            self._on_layer()

    def offers(self, layer: Layer) -> bool:
        """Whether a layer can be chosen."""
        return layer in self.layers.offered

    def choose_layer(self, layer: Layer) -> None:
        """Choose a layer; raises `InputError` for one that is no image, or a result."""
        self.layers.choose(layer, "an image that can be segmented")

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
        level = self.sizes.level_of(layer)
        self.form.check_voxel_size(level.shape)
        self.form.complete_voxel_size()
        region = level.box(self.region.choice.box(self._viewer, layer))
        self.propose_output(region)
        job = self._job(layer, region)
        channels = len(chosen.bundle.channel_names)
        volume = layer_volume(layer, channels, job.input.voxel_size_nm, level.number)
        near = level.voxel(looked_at(self._viewer, layer))
        return Request(job, volume, layer, chosen.class_names, near)

    def draft(self) -> Draft | None:
        """The job as far as it is filled in; nothing in the form is changed.

        None without a layer, a model or a voxel size: the form says so where it is to be chosen or typed.

        Raises
        ------
        InputError, SettingsError
            With a sentence that says what is missing or wrong.
        """
        layer, bundle = self.layer, self.models.chosen.bundle
        if layer is None or bundle is None or self.form.input["voxel_size_nm"].value is None:
            return None
        level = self.sizes.level_of(layer)
        self.form.check_voxel_size(level.shape)
        region = level.box(self.region.choice.box(self._viewer, layer))
        job = self._job(layer, region)
        if self._names_itself:
            named = job.output.model_copy(update={"path": self._proposal(layer, region)})
            job = job.model_copy(update={"output": named})
        return Draft(job, layer, len(bundle.channel_names))

    def _job(self, layer: Image, region: Box | None) -> Job:
        chosen = self.models.chosen
        model = {"path": chosen.path, "configuration": chosen.configuration}
        return self.form.job(source_path(layer) or layer.name, model, region)

    def preview_request(self) -> PreviewRequest:
        """What is on the canvas, to be previewed; raises as `request`."""
        choice = self.region.choice
        around = choice.around if choice.kind is RegionKind.VIEW else 0
        layer = self.chosen_layer()
        box = self.sizes.level_of(layer).box(visible_box(self._viewer, layer, around))
        assert box is not None  # a view has ends
        return PreviewRequest(self.request(), box)

    def propose_output(self, region: Box | None = None) -> None:
        """Name the output after volume, model and region, unless the user has named it."""
        if self.layer is not None and self._names_itself:
            self._proposed = self._proposal(self.layer, region)
            self.form.output["path"].value = self._proposed

    @property
    def _names_itself(self) -> bool:
        """Whether the user has left the output as it was proposed, or has emptied it."""
        return Path(self.form.output["path"].value) in (Path(self._proposed), Path())

    def _proposal(self, layer: Image, region: Box | None) -> str:
        source = source_path(layer)
        model = Path(self.models.chosen.path).stem
        level = self.form.input["level"].value or 0
        name = output_name(Path(source).name if source else layer.name, model, region, level)
        return str(output_folder(source, Path.home()) / name)

    def _on_anything(self, _value: object = None) -> None:
        self.changed.emit()

    def _on_layer(self) -> None:
        layer = self.layer
        self.sizes.follow_layer(layer)
        self.region.follow_layer(layer, self.sizes.level)
        self.propose_output()
        self.layer_changed.emit()

    def _on_level(self) -> None:
        self.region.follow_layer(self.layer, self.sizes.level)
        self.propose_output()

    def _on_model(self) -> None:
        chosen = self.models.chosen
        if chosen.bundle is not None:
            self.form.follow_model(chosen.bundle)
        self.sizes.follow_model(chosen.bundle)
        self.propose_output()
        self.model_changed.emit()
