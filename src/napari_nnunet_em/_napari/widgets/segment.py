"""The dock widget that segments an image layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image
from napari.utils.notifications import show_error
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QComboBox, QWidget

from napari_nnunet_em._napari.jobform import JobForm
from napari_nnunet_em._napari.live import STORE_KEY
from napari_nnunet_em._napari.outputs import output_folder, output_name
from napari_nnunet_em._napari.placement import KnownSize, layer_shape, visible_box
from napari_nnunet_em._napari.request import Request, known_voxel_size, layer_volume, source_path
from napari_nnunet_em._napari.run import SegmentRun
from napari_nnunet_em._napari.widgets.model_picker import ModelPicker
from napari_nnunet_em._napari.widgets.progress_panel import ProgressPanel
from napari_nnunet_em._napari.widgets.rows import (
    add_field,
    add_row,
    column,
    form_layout,
    note_label,
    scrolling,
    section,
)
from napari_nnunet_em._napari.wording import (
    STOPPED_TEXT,
    button_text,
    finished_text,
    voxel_size_note,
)
from napari_nnunet_em._napari.worker import Ending, Engine, Outcome
from napari_nnunet_em.errors import InputError, ModelError, NnunetEmError

if TYPE_CHECKING:
    import napari

    from napari_nnunet_em.geometry import Box

_WHOLE, _VIEW = "Whole volume", "Current view"
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


class SegmentWidget(QWidget):  # type: ignore[misc]
    """Choose a layer and a model, press the button, watch the result fill in.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer that the widget is docked in.
    engine : Engine, optional
        What runs the job; the pipeline of this package without it.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer, engine: Engine | None = None) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._engine = engine
        self._run: SegmentRun | None = None
        self._offered: list[Image] = []
        self._known_size = KnownSize(None, "")
        self._proposed = ""
        self.form = JobForm()
        self.layers = QComboBox()
        self.layers.setToolTip("The image layer to segment.")
        self.region = QComboBox()
        self.region.addItems([_WHOLE, _VIEW])
        self.region.setToolTip("Everything, or only what is on the canvas at the slice that is shown.")
        self.models = ModelPicker()
        self.size_note = note_label()
        self.progress = ProgressPanel()
        self._lay_out()
        self.layers.currentIndexChanged.connect(self._on_layer)
        self.region.currentIndexChanged.connect(lambda _: self._propose_output())
        self.models.changed.connect(self._on_model)
        self.form.input["voxel_size_nm"].widget.changed.connect(self._on_size)
        self.form.model["trust"].widget.changed.connect(self.models.set_trust)
        self.progress.started.connect(self.start)
        self.progress.stopped.connect(self.stop)
        self.reset_choices()
        self._on_model()

    def _lay_out(self) -> None:
        content = QWidget()
        rows = column(content)
        top = form_layout()
        add_row(top, "Image", self.layers)
        add_row(top, "Model", self.models)
        top.addRow(self.models.note)
        add_field(top, self.form.input["voxel_size_nm"])
        top.addRow(self.size_note)
        add_row(top, "Region", self.region)
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
        layout = column(self)
        layout.addWidget(scrolling(content), 1)
        layout.addWidget(self.progress)
        self.setMinimumWidth(340)

    @property
    def layer(self) -> Image | None:
        """The layer that is chosen."""
        index = self.layers.currentIndex()
        return self._offered[index] if 0 <= index < len(self._offered) else None

    def reset_choices(self, _event: object = None) -> None:
        """Offer the image layers that there are now; napari calls this when they change."""
        before = self.layer
        offered = [x for x in self._viewer.layers if isinstance(x, Image) and STORE_KEY not in x.metadata]
        self._offered = offered
        self.layers.blockSignals(True)
        self.layers.clear()
        self.layers.addItems([x.name for x in offered])
        preferred = before if before in offered else self._viewer.layers.selection.active
        if preferred in offered:
            self.layers.setCurrentIndex(offered.index(preferred))
        self.layers.blockSignals(False)
        if self.layer != before:
            self._on_layer()

    def start(self) -> None:
        """Segment what is chosen; what cannot be done is said in a notification."""
        try:
            request = self._request()
        except NnunetEmError as error:
            self.progress.rest(str(error))
            show_error(str(error))
            return
        self._run = SegmentRun(self._viewer, request, self._engine, self)
        self._run.progressed.connect(self.progress.show_event)
        self._run.ended.connect(self._on_ended)
        self.progress.run()
        self._run.start()

    def stop(self) -> None:
        """Stop the running job after the block in hand."""
        if self._run is not None:
            self._run.stop()
            self.progress.stopping()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Stop the job when the user closes the dock, which takes the Stop button away."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.stop()

    def _request(self) -> Request:
        layer, chosen = self.layer, self.models.chosen
        if layer is None:
            raise InputError("There is no image layer to segment: open an image first.")
        if chosen.bundle is None:
            raise ModelError(chosen.problem)
        self.form.check_voxel_size(layer_shape(layer))
        region = visible_box(self._viewer, layer) if self.region.currentText() == _VIEW else None
        self._propose_output(region)
        model = {"path": chosen.path, "configuration": chosen.configuration}
        job = self.form.job(source_path(layer) or layer.name, model, region)
        volume = layer_volume(layer, len(chosen.bundle.channel_names), job.input.voxel_size_nm)
        return Request(job, volume, layer, chosen.class_names)

    def _on_layer(self) -> None:
        layer = self.layer
        self._known_size = KnownSize(None, "") if layer is None else known_voxel_size(layer)
        self.form.input["voxel_size_nm"].value = self._known_size.voxel_size_nm
        self._on_size()
        self._propose_output()

    def _on_size(self) -> None:
        typed = self.form.input["voxel_size_nm"].value
        self.size_note.setText("" if self.layer is None else voxel_size_note(self._known_size, typed))

    def _on_model(self) -> None:
        chosen = self.models.chosen
        if chosen.bundle is not None:
            self.form.follow_model(chosen.bundle)
        self.progress.start_button.setText(button_text(chosen.class_names))
        self._propose_output()

    def _propose_output(self, region: Box | None = None) -> None:
        """Name the output after volume, model and region, unless the user has named it."""
        field = self.form.output["path"]
        layer = self.layer
        if layer is None or Path(field.value) != Path(self._proposed):
            return
        source = source_path(layer)
        model = Path(self.models.chosen.path).stem
        name = output_name(Path(source).name if source else layer.name, model, region)
        field.value = self._proposed = str(output_folder(source, Path.home()) / name)

    def _on_ended(self, outcome: Outcome) -> None:
        run, self._run = self._run, None
        if run is None:
            return
        if outcome.ending is Ending.FINISHED:
            counts = {found.name: len(found.table) for found in outcome.objects}
            self.progress.rest(finished_text(counts, run.store))
        elif outcome.ending is Ending.STOPPED:
            self.progress.rest(STOPPED_TEXT)
        else:
            self.progress.rest(outcome.message)
            show_error(outcome.message)
