"""The dock widget in which objects are tuned on what is in view, and then made in the whole volume."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtWidgets import QWidget

from napari_nnunet_em._napari.forms.form import Field
from napari_nnunet_em._napari.forms.frame import DockWidget
from napari_nnunet_em._napari.forms.outputs import output_folder
from napari_nnunet_em._napari.forms.progress_panel import ProgressPanel
from napari_nnunet_em._napari.forms.rows import add_wide_field, form_layout
from napari_nnunet_em._napari.layers.marks import PREVIEW_KEY
from napari_nnunet_em._napari.layers.view_changes import ViewChanges
from napari_nnunet_em._napari.layers.viewing import slicing_axis, visible_box
from napari_nnunet_em._napari.layers.voxels import KnownSize
from napari_nnunet_em._napari.objects.apply_run import ApplyRun
from napari_nnunet_em._napari.objects.inputs import ObjectsInputs
from napari_nnunet_em._napari.objects.preview_box import preview_box
from napari_nnunet_em._napari.objects.preview_layers import PreviewLayers
from napari_nnunet_em._napari.objects.preview_worker import PreviewRunner
from napari_nnunet_em._napari.objects.source import ObjectSource, job_store, object_source
from napari_nnunet_em._napari.objects.words import apply_text, objects_name, preview_text
from napari_nnunet_em._napari.segment.live import hide_objects
from napari_nnunet_em._napari.segment.request import known_voxel_size, source_path
from napari_nnunet_em._napari.segment.words import voxel_size_note
from napari_nnunet_em._napari.threads.outcome import Ending, RunOutcome
from napari_nnunet_em.config import InstanceSettings, OutputSettings
from napari_nnunet_em.errors import InputError, NnunetEmError
from napari_nnunet_em.instances.presets import PresetStore
from napari_nnunet_em.instances.preview import Preview, PreviewRequest

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer


class ObjectsWidget(DockWidget):
    """Choose a probability, move the sliders, watch the objects in view; then make those of the whole volume.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer that the widget is docked in.
    presets : PresetStore, optional
        Where presets are kept; in the user's folder without it.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer, presets: PresetStore | None = None) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._layers: PreviewLayers | None = None
        self._known_size = KnownSize(None, "")
        self._store: Path | None = None
        self._source: tuple[object, ObjectSource] | None = None
        self._complete_view = True
        self._resting = False
        self._run: ApplyRun | None = None
        self._proposed = ""
        self.inputs = ObjectsInputs(presets or PresetStore())
        self.layers, self.form, self.size = self.inputs.layers, self.inputs.form, self.inputs.size
        self.sliders, self.presets = self.inputs.sliders, self.inputs.presets
        self.live, self.slices, self.why = self.inputs.live, self.inputs.slices, self.inputs.why
        self.found, self.plot = self.inputs.found, self.inputs.plot
        self.output = Field(OutputSettings, "path", file_mode="w")
        self.progress = ProgressPanel()
        self.runner = PreviewRunner(self)
        self._changes = ViewChanges(napari_viewer, self.refresh)
        self.output_row = QWidget()
        add_wide_field(form_layout(self.output_row), self.output)
        self.stack(self.inputs, self.output_row, self.progress, width=380)
        self._connect()
        self.progress.start_button.setText(apply_text(""))
        self.reset_choices()

    def _connect(self) -> None:
        self.layers.currentIndexChanged.connect(self._on_layer)
        for field in self.form:
            field.widget.changed.connect(self._on_setting)
        self.size.widget.changed.connect(self._on_size)
        self.slices.valueChanged.connect(self._on_setting)
        self.live.toggled.connect(self._on_live)
        for box in self.why.values():
            box.toggled.connect(self._on_setting)
        self.presets.chosen.connect(self._on_preset)
        self.runner.previewed.connect(self._on_preview)
        self.runner.rested.connect(self._on_rested)
        self.progress.started.connect(self.apply)
        self.progress.stopped.connect(self.stop)
        self.progress.stop_button.setToolTip("Stop. What is predicted stays; the objects are found anew.")

    @property
    def layer(self) -> Image | None:
        """The layer that is chosen."""
        return self.layers.layer

    @property
    def busy(self) -> bool:
        """Whether objects of a whole volume are being made."""
        return self._run is not None

    def reset_choices(self, _event: object = None) -> None:
        """Offer the image layers that there are now, probabilities first; napari calls this on changes."""
        before = self.layer
        images = [x for x in self._viewer.layers if isinstance(x, Image) and PREVIEW_KEY not in x.metadata]
        self.layers.offer(sorted(images, key=lambda x: job_store(x) is None), before)
        if self.layer is not before:
            self._on_layer()

    def choose_layer(self, layer: Layer) -> None:
        """Choose a layer; raises `InputError` for one that is no image."""
        self.layers.choose(layer, "a probability")

    def refresh(self, _event: object = None) -> None:
        """Preview what is in view with the settings on screen, as soon as that can be done."""
        layer = self.layer
        if layer is None or self._resting or not self.live.isChecked():
            return
        try:
            request = self._request(layer)
        except NnunetEmError as error:
            self.runner.stop()
            self.inputs.show_problem(error)
            return
        self.runner.ask(request)

    def apply(self) -> None:
        """Make the objects of the whole volume; what cannot be done is said in a notification."""
        layer = self.layer
        try:
            if layer is None:
                raise InputError("There is no layer with a probability: open one, or segment a volume first.")
            self._propose_output()
            settings = self.form.settings()
            self._run = ApplyRun(self._viewer, layer, self._chosen(layer), settings, self)
            self._run.prepare(Path(self.output.value))
        except NnunetEmError as error:
            self._run = None
            self.progress.decline(error)
            return
        self._run.progressed.connect(self.progress.show_event)
        self._run.ended.connect(self._on_ended)
        self.progress.run()
        self._run.start()

    def stop(self) -> None:
        """Stop what is being written after the block in hand."""
        if self._run is not None:
            self._run.stop()
            self.progress.stopping()

    def close_down(self) -> None:
        """Stop all work, listen to the viewer no longer, and take the preview away."""
        self._changes.disconnect()
        self.runner.stop()
        self.stop()
        if self._layers is not None:
            self._layers.remove()
            self._layers = None

    def _request(self, layer: Image) -> PreviewRequest:
        chosen = self._chosen(layer)
        visible = visible_box(self._viewer, layer)
        axis = slicing_axis(self._viewer, layer)
        view = preview_box(visible, axis, self.slices.value(), chosen.source.shape)
        self._complete_view = view.complete
        shown = visible.start[0] if axis == 0 else None
        settings = self.form.settings()
        explain = any(box.isChecked() for box in self.why.values())
        return PreviewRequest(
            chosen.source, settings, view.box, chosen.voxel_size_nm, shown=shown, explain=explain
        )

    def _chosen(self, layer: Image) -> ObjectSource:
        """What the objects of a layer are made from, opened once."""
        key = (layer, self.size.value, id(layer.data))
        if self._source is None or self._source[0] != key:
            self._source = key, object_source(layer, self._store, self.inputs.typed_size())
        return self._source[1]

    def _on_layer(self) -> None:
        layer = self.layer
        self.runner.stop()
        self.runner.forget()
        if self._layers is not None:
            self._layers.remove()
        self._layers = None if layer is None else PreviewLayers(self._viewer, layer)
        self._source, self._resting = None, False
        self._store = None if layer is None else job_store(layer)
        self._known_size = KnownSize(None, "") if layer is None else known_voxel_size(layer)
        self.size.widget.enabled = self._store is None
        self.size.value = self._known_size.voxel_size_nm
        self.output_row.setVisible(self._store is None)
        self._propose_output()
        self._on_size()
        name = ""
        if layer is not None and self._store is not None:
            try:
                name = self._chosen(layer).class_name
            except NnunetEmError as error:
                self.inputs.show_problem(error)
        self.progress.start_button.setText(apply_text(name))

    def _on_size(self, _value: object = None) -> None:
        note = "" if self.layer is None else voxel_size_note(self._known_size, self.size.value)
        self.inputs.size_note.setText(note)
        self.refresh()

    def _propose_output(self) -> None:
        """Name the output after the layer, unless the user has named it; where it was emptied, again."""
        layer = self.layer
        if layer is None or Path(self.output.value) not in (Path(self._proposed), Path()):
            return
        source = source_path(layer)
        folder = output_folder(source, Path.home())
        self.output.value = self._proposed = str(folder / objects_name(source or layer.name))

    def _on_setting(self, _value: object = None) -> None:
        """Go on with the preview, which rests while one looks at a result."""
        self.progress.forget_declined()
        self._resting = False
        self.refresh()

    def _on_live(self, on: bool) -> None:
        if on:
            self._on_setting()
        else:
            self._rest()
            self.inputs.show_problem("")

    def _rest(self) -> None:
        """Take the preview away, until a setting is changed."""
        self._resting = True
        self.runner.stop()
        if self._layers is not None:
            self._layers.remove()

    def _on_preset(self, settings: InstanceSettings) -> None:
        for field in self.form:
            field.value = getattr(settings, field.name)
        self._on_setting()

    def _on_preview(self, preview: Preview) -> None:
        if self._layers is None or self.layer not in self._viewer.layers:
            return
        if not self._layers.showing():
            # Below those of the preview, objects of before would mix their colours with them.
            hide_objects(self._viewer, self._store or Path(self.output.value))
        wanted = {kind for kind, box in self.why.items() if box.isChecked()}
        self._layers.show(preview, wanted)
        self.inputs.show_found(preview_text(preview, self._complete_view), preview)

    def _on_rested(self, problem: str) -> None:
        if problem:
            self.inputs.show_problem(problem)

    def _on_ended(self, outcome: RunOutcome) -> None:
        run, self._run = self._run, None
        if run is None:
            return
        if outcome.ending is Ending.FINISHED:
            self._rest()
        self.progress.show_result(outcome, run.store)
