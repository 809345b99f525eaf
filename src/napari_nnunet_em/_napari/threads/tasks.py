"""Short work in a thread: a task that is watched and can be stopped, and answers to the newest question."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal

from napari_nnunet_em._napari.threads.outcome import Outcome, guarded
from napari_nnunet_em.progress import CancelToken, Events, ProgressEvent


def run_task(
    work: Callable[[CancelToken], Events[Any]], title: str, token: CancelToken, over: threading.Event
) -> Generator[ProgressEvent, None, Outcome[Any]]:
    """Run work to its end, whatever that is; for `token_worker`.

    Parameters
    ----------
    work : callable
        Takes the token and gives a generator of progress.
    title : str
        What is running, for the sentence about a fault.
    token : CancelToken
        Stops it.
    over : threading.Event
        Set when nothing runs any more.

    Returns
    -------
    Outcome
        However it ended; see `guarded`.
    """
    return (yield from guarded(partial(work, token), title, over))


class NewestFirst(QObject):  # type: ignore[misc]
    """Computes off the main thread what was asked for last; what was asked for before is dropped.

    Signals
    -------
    found : object
        The newest answer, on the main thread.
    """

    found = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._running = False
        self._next: Callable[[], Any] | None = None

    @property
    def busy(self) -> bool:
        """Whether an answer is still to come."""
        return self._running

    def ask(self, compute: Callable[[], Any]) -> None:
        """Compute this as soon as the thread is free, unless something newer is asked for before."""
        self._next = compute
        if not self._running:
            self._start()

    def _start(self) -> None:
        compute, self._next = self._next, None
        if compute is None:
            return
        self._running = True

        def answer() -> Any:
            return compute()

        # napari prints what it executes, with all arguments; those of a partial may be a long table.
        worker = create_worker(answer, _start_thread=False)
        worker.returned.connect(self._on_found)
        worker.errored.connect(self._on_failed)
        worker.start()

    def _on_found(self, answer: Any) -> None:
        self._running = False
        if self._next is None:
            self.found.emit(answer)
        self._start()

    def _on_failed(self, _error: Exception) -> None:
        # napari shows the error; what was asked for since then may do better.
        self._running = False
        self._start()
