"""Work of a command: shown while it runs, and stopped by Ctrl-C after the work in hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from napari_nnunet_em.cli.display import Display, open_display
from napari_nnunet_em.cli.interrupts import stop_on_signals
from napari_nnunet_em.progress import CancelToken


@contextmanager
def running(machine: bool) -> Iterator[tuple[CancelToken, Display]]:
    """What stops the work inside, and what shows it.

    Reading brings zarr, and the network torch; imported inside, they load while the display is already there.

    Parameters
    ----------
    machine : bool
        Whether events are written as JSON lines.
    """
    token, display = CancelToken(), open_display(machine)
    with display, stop_on_signals(token, display.stopping):
        yield token, display
