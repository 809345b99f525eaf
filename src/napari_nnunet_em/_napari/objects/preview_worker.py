"""Previews in a thread: one at a time, and the newest request wins."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator

from qtpy.QtCore import QObject, QTimer, Signal

from napari_nnunet_em._napari.threads.outcome import Ending, Outcome, guarded
from napari_nnunet_em._napari.threads.worker import TokenWorker, token_worker
from napari_nnunet_em.instances.preview import Preview, PreviewCache, PreviewRequest, preview_steps
from napari_nnunet_em.progress import CancelToken

_GATHER_MILLISECONDS = 20
"""How long requests are gathered: one movement of a slider sends several."""

_PATIENCE_SECONDS = 0.25
"""How long a request may go on once there is a newer one: what is nearly done is shown, so that a slider that
never rests is followed all the same."""


def run_preview(
    request: PreviewRequest, cache: PreviewCache, token: CancelToken, over: threading.Event
) -> Generator[Preview, None, Outcome[None]]:
    """Find the objects of a view; for a worker thread.

    Parameters
    ----------
    request : PreviewRequest
        What to look at.
    cache : PreviewCache
        What is known of earlier requests.
    token : CancelToken
        Stops it between blocks and objects.
    over : threading.Event
        Set when nothing runs any more.

    Yields
    ------
    Preview
        As `preview_steps`.

    Returns
    -------
    Outcome
        However it ended; see `guarded`.
    """

    def work() -> Generator[Preview, None, None]:
        yield from preview_steps(request, cache, token)

    return (yield from guarded(work, "preview", over))


class PreviewRunner(QObject):  # type: ignore[misc]
    """Answers requests one after the other; those that are overtaken are never begun.

    Signals
    -------
    previewed : Preview
        An answer, complete or first.
    rested : str
        Nothing is left to do; with what went wrong last, if anything did.
    """

    previewed = Signal(object)
    rested = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._cache = PreviewCache()
        self._wanted: PreviewRequest | None = None
        self._worker: TokenWorker | None = None
        self._token = CancelToken()
        self._began = 0.0
        self._gather = _single_shot(self, _GATHER_MILLISECONDS, self._begin)
        self._hurry = _single_shot(self, int(1000 * _PATIENCE_SECONDS), self._overtake)

    @property
    def busy(self) -> bool:
        """Whether an answer is still to come."""
        return self._worker is not None or self._wanted is not None

    def ask(self, request: PreviewRequest) -> None:
        """Ask for a preview in place of all that was asked before."""
        self._wanted = request
        if self._worker is None:
            if not self._gather.isActive():
                self._gather.start()
        elif time.monotonic() - self._began > _PATIENCE_SECONDS:
            self._token.cancel()
        elif not self._hurry.isActive():
            self._hurry.start()

    def stop(self) -> None:
        """Forget what was asked for, and stop what runs; no answer follows."""
        self._wanted = None
        self._gather.stop()
        self._hurry.stop()
        self._token.cancel()

    def forget(self) -> None:
        """Read the voxels again next time, and let go of the memory."""
        self._cache = PreviewCache()

    def _overtake(self) -> None:
        if self._wanted is not None:
            self._token.cancel()

    def _begin(self) -> None:
        request, self._wanted = self._wanted, None
        if request is None:
            return
        self._token, self._began = CancelToken(), time.monotonic()
        worker = token_worker("preview of objects", run_preview, request, self._cache, token=self._token)
        worker.yielded.connect(self._on_preview)
        worker.returned.connect(self._on_end)
        # Not a method of this object: by then the object is gone.
        self.destroyed.connect(worker.quit)
        self._worker = worker
        worker.start()

    def _on_preview(self, preview: Preview) -> None:
        if not self._token.cancelled:
            self.previewed.emit(preview)

    def _on_end(self, outcome: Outcome[None]) -> None:
        self._worker = None
        self._hurry.stop()
        if self._wanted is not None:
            self._begin()
        else:
            self.rested.emit(outcome.message if outcome.ending is Ending.FAILED else "")


def _single_shot(parent: QObject, milliseconds: int, do: object) -> QTimer:
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    timer.timeout.connect(do)
    return timer
