"""A preview of the view in a window: thread and layers, tied together on the main thread; the newest wins."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_nnunet_em._napari.segment.predicted_layers import PredictedLayers
from napari_nnunet_em._napari.threads.libraries import load_libraries
from napari_nnunet_em._napari.threads.outcome import Outcome, guarded
from napari_nnunet_em._napari.threads.worker import TokenWorker, token_worker
from napari_nnunet_em.progress import CancelToken, ProgressEvent

if TYPE_CHECKING:
    import threading

    from napari.components import ViewerModel

    from napari_nnunet_em._napari.segment.request import Request
    from napari_nnunet_em.config import Job
    from napari_nnunet_em.geometry import Box
    from napari_nnunet_em.pipeline.preview import Previewer, PreviewPart


class WarmPreviewer:
    """Makes a `Previewer` when it is first needed, in the thread that needs it: it loads torch."""

    def __init__(self, make: Callable[[], Previewer] | None = None) -> None:
        self._make = make
        self._previewer: Previewer | None = None

    def get(self) -> Previewer:
        """The one previewer."""
        if self._previewer is None:
            self._previewer = (self._make or _make_previewer)()
        return self._previewer


def _make_previewer() -> Previewer:
    from napari_nnunet_em.pipeline.preview import Previewer  # noqa: PLC0415 - brings torch along

    return Previewer()


@dataclass(frozen=True)
class PreviewRequest:
    """A view that is to be predicted.

    Attributes
    ----------
    request : Request
        The job that would be run, its layer and its volume.
    box : Box
        Voxels of the volume.
    """

    request: Request
    box: Box


def run_preview(
    warm: WarmPreviewer, wanted: PreviewRequest, token: CancelToken, over: threading.Event
) -> Generator[ProgressEvent | PreviewPart, None, Outcome[None]]:
    """Predict a view, for a worker thread; `over` is set when nothing runs any more.

    Yields
    ------
    ProgressEvent or PreviewPart
        As `Previewer.preview`.

    Returns
    -------
    Outcome
    """

    def work() -> Generator[ProgressEvent | PreviewPart, None, None]:
        load_libraries()
        request = wanted.request
        yield from warm.get().preview(request.job, request.volume, wanted.box, token)

    return (yield from guarded(work, "preview", over))


@dataclass(frozen=True)
class PreviewEnd:
    """How a preview ended.

    Attributes
    ----------
    outcome : Outcome
        What the thread says.
    seconds : float
        From the request to the end.
    provisional : bool
        Whether it shows estimated values.
    """

    outcome: Outcome[None]
    seconds: float
    provisional: bool


class PreviewRun(QObject):  # type: ignore[misc]
    """Previews one view at a time; a newer request stops the one before.

    Parameters
    ----------
    viewer : napari viewer
        Where previews appear.
    warm : WarmPreviewer
        Does the work, and stays warm.
    parent : QObject
        Whoever owns it; when it goes, the preview stops.

    Signals
    -------
    progressed : ProgressEvent
        How far the preview is.
    measured : (Job, float)
        Seconds per tile so far, with the job whose preview it is.
    ended : PreviewEnd
        Nothing is previewed any more.
    """

    progressed = Signal(object)
    measured = Signal(object, float)
    ended = Signal(object)

    def __init__(self, viewer: ViewerModel, warm: WarmPreviewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._warm = warm
        self._token = CancelToken()
        self._worker: TokenWorker | None = None
        self._next: PreviewRequest | None = None
        self._layers: PredictedLayers | None = None
        self._begun = 0.0
        self._provisional = False
        self._job: Job | None = None
        self._tiles, self._seconds = 0, 0.0

    @property
    def busy(self) -> bool:
        """Whether a preview is under way."""
        return self._worker is not None

    def show(self, wanted: PreviewRequest) -> None:
        """Preview a view, instead of any that is under way."""
        self._next = wanted
        if self.busy:
            self._token.cancel()
        else:
            self._start()

    def stop(self) -> None:
        """Preview nothing any more; `ended` follows where something was under way."""
        self._next = None
        self._token.cancel()

    def _start(self) -> None:
        wanted, self._next = self._next, None
        if wanted is None:
            return
        self._token = CancelToken()
        self._layers = PredictedLayers(self._viewer, wanted.request, wanted.box)
        self._job, self._tiles, self._seconds = wanted.request.job, 0, 0.0
        self._begun = time.perf_counter()
        worker = token_worker(
            f"preview of {wanted.request.title}", run_preview, self._warm, wanted, token=self._token
        )
        worker.yielded.connect(self._on_step)
        worker.returned.connect(self._on_outcome)
        self.destroyed.connect(worker.quit)
        self._worker = worker
        worker.start()

    def _on_step(self, step: Any) -> None:
        if self._token.cancelled:
            return  # of a view that nobody waits for
        if isinstance(step, ProgressEvent):
            self.progressed.emit(step)
        elif self._layers is not None:
            self._provisional = step.provisional
            self._layers.show(step)
            self._measure(step)

    def _measure(self, part: PreviewPart) -> None:
        self._tiles, self._seconds = self._tiles + part.tiles, self._seconds + part.seconds
        if part.tiles:
            self.measured.emit(self._job, self._seconds / self._tiles)

    def _on_outcome(self, outcome: Outcome[None]) -> None:
        self._worker = None
        if self._next is not None:
            self._start()
            return
        self.ended.emit(PreviewEnd(outcome, time.perf_counter() - self._begun, self._provisional))
