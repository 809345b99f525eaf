"""Work in a thread that ends in a value or in a sentence."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal

from napari_nnunet_em._napari.worker import Ending
from napari_nnunet_em.errors import Cancelled, NnunetEmError
from napari_nnunet_em.progress import CancelToken, Events, ProgressEvent


@dataclass(frozen=True)
class TaskEnd:
    """How a task ended.

    Attributes
    ----------
    ending : Ending
        Finished, stopped or failed.
    message : str
        A sentence for the user.
    value : object
        What the task returned, where it finished.
    """

    ending: Ending
    message: str = ""
    value: Any = None


def run_task(
    work: Callable[[CancelToken], Events[Any]], token: CancelToken, over: threading.Event
) -> Generator[ProgressEvent, None, TaskEnd]:
    """Run work to its end, whatever that is; for `token_worker`.

    Parameters
    ----------
    work : callable
        Takes the token and gives a generator of progress.
    token : CancelToken
        Stops it.
    over : threading.Event
        Set when nothing runs any more.

    Returns
    -------
    TaskEnd
        Also where it was refused or stopped: exceptions would end as tracebacks on the screen.
    """
    try:
        value = yield from work(token)
    except Cancelled:
        return TaskEnd(Ending.STOPPED, "Stopped.")
    except NnunetEmError as error:
        return TaskEnd(Ending.FAILED, str(error))
    except Exception as error:  # noqa: BLE001
        # Whatever it is, one sentence in the window serves better than a lost thread.
        return TaskEnd(Ending.FAILED, f"This failed unexpectedly: {type(error).__name__}: {error}")
    else:
        return TaskEnd(Ending.FINISHED, value=value)
    finally:
        over.set()


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
        worker = create_worker(compute, _start_thread=False)
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
