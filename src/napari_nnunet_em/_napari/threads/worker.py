"""Threads of a window: how they are made, started and stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import Any

from napari.qt.threading import GeneratorWorker, WorkerBase, create_worker
from qtpy.QtCore import QObject, QTimer

from napari_nnunet_em.progress import CancelToken

_PATIENCE_SECONDS = 10.0
"""How long a closing window waits for the block in hand."""

_DRAWING_MILLISECONDS = 100


class TokenWorker(GeneratorWorker):  # type: ignore[misc]
    """A thread worker that stops by its cancel token.

    napari calls `quit` on workers when a window closes. The inherited `quit` would abandon the
    generator between two events without cleaning up; this one lets the work end by itself.

    Parameters
    ----------
    title : str
        What napari says is being executed, when it asks whether a window may close.
    work : callable
        Gives a generator, such as `run_job`. Beside `args` it takes the token, and an event that it sets
        when it is over.
    *args
        Handed to `work`.
    token : CancelToken
        Stops it.
    """

    def __init__(
        self, title: str, work: Callable[..., Generator[Any, None, Any]], *args: Any, token: CancelToken
    ) -> None:
        self.title = title
        self._token = token
        self._over = threading.Event()
        super().__init__(work, *args, token, self._over)

    def quit(self) -> None:
        """Stop after the work in hand, and give it a moment to end."""
        self._token.cancel()
        if self.is_running:
            self._over.wait(_PATIENCE_SECONDS)


def token_worker(
    title: str, work: Callable[..., Generator[Any, None, Any]], *args: Any, token: CancelToken
) -> TokenWorker:
    """A worker that napari knows of, not yet started; parameters as of `TokenWorker`."""
    # napari takes its first argument for a function, but only prints it.
    worker: TokenWorker = create_worker(title, work, *args, token=token, _worker_class=TokenWorker)
    return worker


def start_once_drawn(make: Callable[[], WorkerBase], owner: QObject) -> None:
    """Start a worker when the window has drawn what has just been opened; never, if its owner goes before.

    A thread that imports libraries takes half of Python's time, and a dock would open half as fast. The
    worker is made only then, because napari asks about all that are not done before it closes a window.
    """

    def start() -> None:
        make().start()

    timer = QTimer(owner)
    timer.setSingleShot(True)
    timer.timeout.connect(start)
    timer.timeout.connect(timer.deleteLater)
    timer.start(_DRAWING_MILLISECONDS)
