"""The jobs of one widget: one runs, the others wait. Main thread only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_nnunet_em._napari.segment.job_queue import JobQueue
from napari_nnunet_em._napari.segment.remembered import remember_folder
from napari_nnunet_em._napari.segment.run import SegmentRun

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_nnunet_em._napari.segment.job_work import Engine
    from napari_nnunet_em._napari.segment.request import Request
    from napari_nnunet_em._napari.threads.outcome import RunOutcome
    from napari_nnunet_em.progress import ProgressEvent


class Jobs(QObject):  # type: ignore[misc]
    """Runs requests one after the other.

    Parameters
    ----------
    viewer : napari viewer
        Where results appear.
    engine : Engine or None
        What runs them; the pipeline of this package without it.
    parent : QObject
        Whoever owns the jobs; when it goes, they stop.

    Signals
    -------
    started : Request
        A job begins.
    progressed : ProgressEvent
        After each event of the job.
    ended : (Request, RunOutcome)
        The job has ended; the next one, if any, starts after this.
    queue_changed
        Another request waits, or one less.
    """

    started = Signal(object)
    progressed = Signal(object)
    ended = Signal(object, object)
    queue_changed = Signal()

    def __init__(self, viewer: ViewerModel, engine: Engine | None, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._engine = engine
        self.queue = JobQueue()
        self.run: SegmentRun | None = None

    @property
    def busy(self) -> bool:
        """Whether a job runs."""
        return self.run is not None

    def submit(self, request: Request) -> None:
        """Run a request now, or after those that were submitted before; raises `SettingsError`."""
        self.queue.add(request)
        remember_folder(request.job.store.parent)
        self._next()

    def stop(self) -> None:
        """Stop the running job after the block in hand; those that wait follow."""
        if self.run is not None:
            self.run.stop()

    def pause(self, paused: bool) -> None:
        """Let the running job stand still after the batch in hand, or go on."""
        if self.run is not None:
            self.run.pause(paused)

    def remove(self, number: int) -> None:
        """Take a waiting request out."""
        self.queue.remove(number)
        self.queue_changed.emit()

    def close(self) -> None:
        """Stop everything."""
        self.queue.clear()
        self.stop()

    def _next(self) -> None:
        request = self.queue.take()
        self.queue_changed.emit()
        if request is None:
            return
        run = SegmentRun(self._viewer, request, self._engine, self)
        self.run = run
        run.progressed.connect(self._on_event)
        run.ended.connect(lambda outcome: self._on_ended(request, outcome))
        self.started.emit(request)
        run.start()

    def _on_event(self, event: ProgressEvent) -> None:
        self.progressed.emit(event)

    def _on_ended(self, request: Request, outcome: RunOutcome) -> None:
        if self.run is None:
            return
        self.run.deleteLater()
        self.run = None
        self.queue.done()
        self.ended.emit(request, outcome)
        self._next()
