"""One run of a job in a window: thread, layers and bars, tied together on the main thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from napari_nnunet_em._napari.forms.progress_words import status_text
from napari_nnunet_em._napari.segment.job_work import Engine, make_worker
from napari_nnunet_em._napari.segment.live import LiveLayers
from napari_nnunet_em._napari.segment.request import Request
from napari_nnunet_em._napari.threads.activity import ActivityBar
from napari_nnunet_em._napari.threads.outcome import Ending, RunOutcome
from napari_nnunet_em.progress import CancelToken, ProgressEvent, Stage

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel

    from napari_nnunet_em.config import Job

_ACTIVITY_MILLISECONDS = 200


class SegmentRun(QObject):  # type: ignore[misc]
    """Runs a request and shows it; use once.

    Parameters
    ----------
    viewer : napari viewer
        Where results appear.
    request : Request
        What to do.
    engine : Engine or None
        What to run; the pipeline of this package without it.
    parent : QObject
        Whoever owns the run; when it goes, the job stops.

    Signals
    -------
    progressed : ProgressEvent
        After each event of the job.
    ended : RunOutcome
        Once, at the end.
    """

    progressed = Signal(object)
    ended = Signal(object)

    def __init__(self, viewer: ViewerModel, request: Request, engine: Engine | None, parent: QObject) -> None:
        super().__init__(parent)
        self._job = request.job
        self._token = CancelToken()
        self._layers = LiveLayers(
            viewer, request.layer, request.job.store, request.class_names, request.place
        )
        self._worker = make_worker(
            f"segmentation of {request.title}",
            engine,
            request.job,
            request.volume,
            self._token,
            request.near,
        )
        self._worker.yielded.connect(self._on_event)
        self._worker.returned.connect(self._on_outcome)
        self._activity = ActivityBar(request.title, self.stop)
        self._latest = ProgressEvent(Stage.OPEN)
        # napari lets other events in while it draws this bar, and a GPU runs hundreds of tiles per second.
        self._activity_timer = QTimer(self)
        self._activity_timer.setSingleShot(True)
        self._activity_timer.setInterval(_ACTIVITY_MILLISECONDS)
        self._activity_timer.timeout.connect(self._show_activity)
        # Not a method of this object: by then the object is gone.
        self.destroyed.connect(self._worker.quit)

    @property
    def store(self) -> Path:
        """Where the result goes."""
        return self._job.store

    @property
    def job(self) -> Job:
        """What is run."""
        return self._job

    def start(self) -> None:
        """Start the thread."""
        self._worker.start()

    def stop(self) -> None:
        """Ask the job to stop after the block in hand; `ended` follows."""
        self._token.cancel()

    def pause(self, paused: bool) -> None:
        """Let the job stand still after the batch in hand, or go on."""
        if paused:
            self._token.pause()
        else:
            self._token.resume()

    def _on_event(self, event: ProgressEvent) -> None:
        if event.store is not None:
            self._layers.show_probability()
        if event.box is not None:
            self._layers.refresh_soon()
        self._latest = event
        if not self._activity_timer.isActive():
            self._activity_timer.start()
        self.progressed.emit(event)

    def _show_activity(self) -> None:
        self._activity.show(self._latest, status_text(self._latest))

    def _on_outcome(self, outcome: RunOutcome) -> None:
        self._activity_timer.stop()
        self._activity.close()
        self._layers.stop()
        try:
            if outcome.ending is Ending.FINISHED:
                self._layers.show_objects(outcome.value or ())
        finally:
            # Also where a layer could not be added: the widget must not look busy for ever.
            self.ended.emit(outcome)
