"""Ctrl-C and SIGTERM as a request to stop after the work in hand."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from napari_nnunet_em.progress import CancelToken


@contextlib.contextmanager
def stop_on_signals(token: CancelToken, notify: Callable[[], None]) -> Iterator[None]:
    """While inside, Ctrl-C and SIGTERM cancel `token`; a second Ctrl-C raises `KeyboardInterrupt`.

    Parameters
    ----------
    token : CancelToken
        Cancelled by the first signal.
    notify : callable
        Called once, inside the signal handler, to tell the user; must not write through a buffer.

    Notes
    -----
    Python delivers signals to the main thread only; elsewhere nothing is installed.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        again = token.cancelled
        token.cancel()
        if not again:
            notify()
        elif number == signal.SIGINT:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
