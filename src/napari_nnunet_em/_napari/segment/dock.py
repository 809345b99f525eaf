"""The dock widget that segments an image layer."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.qt.threading import create_worker
from napari.utils.notifications import show_info
from qtpy.QtWidgets import QFileDialog

from napari_nnunet_em._napari.forms.frame import DockWidget
from napari_nnunet_em._napari.forms.notices import show_problem
from napari_nnunet_em._napari.forms.progress_words import preview_status, preview_text
from napari_nnunet_em._napari.layers.regions import looked_at
from napari_nnunet_em._napari.segment.cost_line import CostLine
from napari_nnunet_em._napari.segment.inputs import SegmentInputs
from napari_nnunet_em._napari.segment.job_file import save_job
from napari_nnunet_em._napari.segment.job_panel import JobPanel
from napari_nnunet_em._napari.segment.job_work import Engine
from napari_nnunet_em._napari.segment.jobs import Jobs
from napari_nnunet_em._napari.segment.predicted_layers import hide_previews
from napari_nnunet_em._napari.segment.previewing import PreviewEnd, PreviewRun, WarmPreviewer
from napari_nnunet_em._napari.segment.remembered import remembered_folders
from napari_nnunet_em._napari.segment.resume_offer import ResumeOffer
from napari_nnunet_em._napari.segment.resuming import Search, folders_to_search, resumed, search_unfinished
from napari_nnunet_em._napari.segment.words import button_text, waiting_text
from napari_nnunet_em._napari.threads.collecting import OldObjects
from napari_nnunet_em._napari.threads.libraries import load_libraries
from napari_nnunet_em._napari.threads.outcome import Ending, RunOutcome
from napari_nnunet_em._napari.threads.worker import start_once_drawn
from napari_nnunet_em.errors import NnunetEmError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari
    from napari.layers import Image

    from napari_nnunet_em._napari.segment.request import Request
    from napari_nnunet_em.pipeline.unfinished import UnfinishedJob
    from napari_nnunet_em.progress import ProgressEvent


class SegmentWidget(DockWidget):
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
        self._shows_blocks = False
        self._waiting: Callable[[], None] | None = None
        self.inputs = SegmentInputs(napari_viewer)
        self.form = self.inputs.form
        self.models = self.inputs.models
        self.layers = self.inputs.layers
        self.region = self.inputs.region
        self.size_note = self.inputs.sizes.note
        self.offer = ResumeOffer()
        self.progress = JobPanel()
        self.jobs = Jobs(napari_viewer, engine, self)
        self.previews = PreviewRun(napari_viewer, WarmPreviewer(), self)
        self.cost = CostLine(self.inputs.draft)
        self._old_objects = OldObjects(napari_viewer, self)
        self._loads_libraries = False
        self.stack(self.inputs, self.offer, self.cost, self.progress)
        self._connect()
        self.reset_choices()
        self._name_button()

    def _connect(self) -> None:
        self.inputs.layer_changed.connect(self._look_for_unfinished)
        self.inputs.model_changed.connect(self._name_button)
        self.inputs.model_changed.connect(self._load_libraries)
        self.inputs.model_changed.connect(self._on_ready)
        self.inputs.changed.connect(self.cost.follow)
        self.inputs.changed.connect(self.progress.forget_declined)
        self.progress.started.connect(self.start)
        self.progress.stopped.connect(self.stop)
        self.progress.previewed.connect(self.preview)
        self.progress.save_action.triggered.connect(self.ask_and_save_job)
        self.progress.paused.connect(self.jobs.pause)
        self.progress.removed.connect(self.jobs.remove)
        self.offer.accepted.connect(self._resume)
        self.jobs.started.connect(self._on_started)
        self.jobs.progressed.connect(self._on_event)
        self.jobs.ended.connect(self._on_ended)
        self.jobs.queue_changed.connect(self._on_queue)
        self.previews.progressed.connect(self._on_preview_event)
        self.previews.measured.connect(self.cost.speeds.add)
        self.previews.ended.connect(self._on_previewed)

    @property
    def layer(self) -> Image | None:
        """The layer that is chosen."""
        return self.inputs.layer

    @property
    def busy(self) -> bool:
        """Whether a job or a preview runs."""
        return self.jobs.busy or self.previews.busy

    def reset_choices(self, _event: object = None) -> None:
        """Offer the layers that there are now; napari calls this when they change."""
        self.inputs.reset_choices()

    @property
    def waits(self) -> bool:
        """Whether something was asked for that begins when the model has been read."""
        return self._waiting is not None

    def start(self) -> None:
        """Segment what is chosen, now or after what runs; what cannot be done is said in a notification."""
        if self._wait_for_model(self.start, "segmentation begins"):
            return
        try:
            request = self.inputs.request()
            self.previews.stop()
            self.jobs.submit(request)
        except NnunetEmError as error:
            self._refuse(error)

    def preview(self) -> None:
        """Predict what is on the canvas, instead of any preview that is under way."""
        if self._wait_for_model(self.preview, "preview begins"):
            return
        try:
            self.previews.show(self.inputs.preview_request())
        except NnunetEmError as error:
            self._refuse(error)
            return
        if not self.jobs.busy:
            self.progress.preview()

    def save_job(self, path: Path) -> None:
        """Write the job as a file for the command line; what cannot be done is said in a notification."""
        try:
            request = self.inputs.request()
            save_job(request.job, request.volume, path)
        except NnunetEmError as error:
            self._refuse(error)
        else:
            show_info(f"Saved the job. Run it with: napari-nnunet-em segment --config {path}")

    def ask_and_save_job(self) -> None:
        """Ask where to write the job as a file."""
        if self._wait_for_model(self.ask_and_save_job, "dialog opens"):
            return
        output = Path(self.form.output["path"].value)
        proposed = output.with_suffix(".yaml") if output.name else Path("job.yaml")
        kinds = "Jobs (*.yaml *.yml)"
        chosen = QFileDialog.getSaveFileName(self, "Save job file", str(proposed), kinds)[0]
        if chosen:
            path = Path(chosen)
            self.save_job(path if path.suffix else path.with_suffix(".yaml"))

    def _wait_for_model(self, action: Callable[[], None], then: str) -> bool:
        """Whether the chosen model is still being read; `action` is then done when it has been.

        What is asked for last counts. Without a layer nothing waits, for that is to be said at once.
        """
        waits = self.models.chosen.opening and self.layer is not None
        self._waiting = action if waits else None
        if waits and self.jobs.busy:
            show_info(waiting_text(then))
        elif waits:
            self.progress.wait(waiting_text(then))
        return waits

    def _on_ready(self) -> None:
        action = self._waiting
        if action is not None and not self.models.chosen.opening:
            self._take_back()
            action()

    def _take_back(self) -> None:
        """Forget what was to begin when the model has been read."""
        if self._waiting is not None and not self.busy:
            self.progress.rest("")
        self._waiting = None

    def toggle_pause(self) -> None:
        """Pause the running job, or let it go on; raises `SettingsError` where none runs."""
        if not self.jobs.busy or not self.progress.pause_button.isEnabled():
            raise SettingsError("No segmentation is running here that could be paused or continued.")
        self.progress.pause_button.toggle()

    def stop(self) -> None:
        """Stop the running job after the block in hand, or else the preview and what waits for the model.

        Beside a job, what waits for its model goes on waiting, as the other jobs of the queue do.
        """
        if self.jobs.busy:
            self.jobs.stop()
        else:
            self.previews.stop()
            self._take_back()
        if self.busy:
            self.progress.stopping()

    def close_down(self) -> None:
        """Stop the preview, the job and those that wait."""
        self._waiting = None
        self.cost.stop()
        self.previews.stop()
        self.jobs.close()
        self.region.forget_viewer()
        self._old_objects.forget_viewer()

    def _refuse(self, error: NnunetEmError) -> None:
        if self.busy:
            show_problem(error)
        else:
            self.progress.decline(error)

    def _name_button(self) -> None:
        text = button_text(self.models.chosen.class_names)
        self.progress.start_button.setText(f"{text} next" if self.jobs.busy else text)

    def _load_libraries(self) -> None:
        """Load what the first preview or job will need, once the model can be shown."""
        if self.models.chosen.bundle is None or self._loads_libraries:
            return
        self._loads_libraries = True
        worker = create_worker(load_libraries)
        worker.returned.connect(self._old_objects.set_aside)
        worker.start()

    def _look_for_unfinished(self) -> None:
        layer = self.layer
        self.offer.offer(None)
        if layer is None:
            return
        proposed = [Path(self.form.output["path"].value).parent, *remembered_folders()]
        folders = folders_to_search(layer, proposed)
        then = {"returned": self._on_unfinished}
        make = partial(create_worker, search_unfinished, layer, folders, _connect=then, _start_thread=False)
        start_once_drawn(make, self)

    def _on_unfinished(self, found: Search) -> None:
        free = [job for job in found.jobs if job.job.store.absolute() not in self.jobs.queue.stores]
        if found.layer is self.layer and free:
            self.offer.offer(free[0])

    def _resume(self, found: UnfinishedJob) -> None:
        try:
            layer = self.inputs.chosen_layer()
            self.jobs.submit(resumed(layer, found, looked_at(self._viewer, layer)))
        except NnunetEmError as error:
            self._refuse(error)

    def _on_started(self, _request: Request) -> None:
        self._shows_blocks = False
        self.progress.run()
        self._name_button()

    def _on_event(self, event: ProgressEvent) -> None:
        if event.box is not None and not self._shows_blocks:
            self._shows_blocks = True
            hide_previews(self._viewer)  # the run shows the same voxels, and both would add up
        if self.jobs.run is not None:
            self.cost.speeds.add_event(self.jobs.run.job, event)
        self.progress.show_event(event)

    def _on_queue(self) -> None:
        self.progress.queue.show_entries(self.jobs.queue.waiting)

    def _on_ended(self, request: Request, outcome: RunOutcome) -> None:
        self._name_button()
        self.progress.show_result(outcome, request.job.store)
        self.cost.follow()

    def _on_preview_event(self, event: ProgressEvent) -> None:
        if not self.jobs.busy:
            self.progress.show_event(event, preview_status(event))

    def _on_previewed(self, end: PreviewEnd) -> None:
        message = {
            Ending.FINISHED: preview_text(end.seconds, end.provisional),
            Ending.FAILED: end.outcome.message,
            Ending.STOPPED: "",
        }[end.outcome.ending]
        self.cost.follow()
        if not self.jobs.busy:
            self.progress.rest(message)
        if end.outcome.ending is Ending.FAILED:
            show_problem(message)
