"""A progress panel that runs one task after the other in a thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_nnunet_em._napari.forms.progress_panel import ProgressPanel
from napari_nnunet_em._napari.threads.outcome import Ending, Outcome
from napari_nnunet_em._napari.threads.tasks import run_task
from napari_nnunet_em._napari.threads.worker import token_worker
from napari_nnunet_em.progress import CancelToken, Events


class TaskPanel(ProgressPanel):
    """Runs what it is given, shows how far it is, and says how it ended.

    Parameters
    ----------
    start_text, stop_tip : str
        What the button says, and what stopping means here.
    stopped_text : str or None
        What is said of a task that was stopped; its own words where this is None.
    parent : QWidget, optional
        The parent.

    Signals
    -------
    began
        A task runs.
    ended
        Nothing runs any more; what the task found has been handed over.
    """

    began = Signal()
    ended = Signal()

    def __init__(
        self,
        start_text: str,
        stop_tip: str,
        stopped_text: str | None = "Stopped.",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.start_button.setText(start_text)
        self.stop_button.setToolTip(stop_tip)
        self._stopped_text = stopped_text
        self._token: CancelToken | None = None
        self._then: Callable[[Any], str | None] = _nothing
        self._otherwise: Callable[[], None] = _nothing
        self.stopped.connect(self.stop)

    @property
    def busy(self) -> bool:
        """Whether a task runs."""
        return self._token is not None

    def start(
        self,
        title: str,
        work: Callable[[CancelToken], Events[Any]],
        then: Callable[[Any], str | None],
        otherwise: Callable[[], None] | None = None,
    ) -> None:
        """Run a task, unless one runs.

        Parameters
        ----------
        title : str
            What napari says is being executed, when it asks whether a window may close.
        work : callable
            Takes a cancel token and gives a generator of progress.
        then : callable
            Takes what the work returned, on the main thread; returns what is to be said of it, if anything.
        otherwise : callable, optional
            Called on the main thread where the task was stopped or failed.
        """
        if self._token is not None:
            return
        self._token, self._then, self._otherwise = CancelToken(), then, otherwise or _nothing
        worker = token_worker(title, run_task, work, title, token=self._token)
        worker.yielded.connect(self.show_event)
        worker.returned.connect(self._on_end)
        # Not a method of this object: by then the object is gone.
        self.destroyed.connect(worker.quit)
        self.run()
        self.began.emit()
        worker.start()

    def stop(self) -> None:
        """Stop the task after the block in hand."""
        if self._token is not None:
            self._token.cancel()
            self.stopping()

    def _on_end(self, outcome: Outcome[Any]) -> None:
        self._token = None
        if outcome.ending is Ending.FINISHED:
            self.rest("")
            self.rest(self._then(outcome.value) or "")
        elif outcome.ending is Ending.STOPPED:
            self.rest(outcome.message if self._stopped_text is None else self._stopped_text)
            self._otherwise()
        else:
            self.rest(outcome.message)
            self._otherwise()
            self.refuse(outcome.message)
        # The table is large, and these may hold it.
        self._then = self._otherwise = _nothing
        self.ended.emit()


def _nothing(*_values: Any) -> None:
    """What follows on a task while there is none."""
