"""The running job in napari's activity dock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.utils import cancelable_progress

from napari_nnunet_em.progress import ProgressEvent, Stage


class ActivityBar(cancelable_progress):  # type: ignore[misc]
    """A bar in the activity dock whose Cancel button stops the job.

    Make and use it on the main thread only.

    Parameters
    ----------
    title : str
        What is running.
    stop : callable
        Asks the job to stop; returns at once.
    """

    def __init__(self, title: str, stop: Callable[[], Any]) -> None:
        # tqdm would otherwise also draw into the terminal, where no job of the window belongs.
        super().__init__(desc=title, total=0, cancel_callback=stop, bar_format="{desc}", leave=False)
        self._stage: Stage | None = None
        self._planned = 0

    def cancel(self) -> None:
        """Stop the job; napari's own version would only act on a loop over this object."""
        super().cancel()
        if self.cancel_callback is not None:
            self.cancel_callback()

    def show(self, event: ProgressEvent, text: str) -> None:
        """Show how far the job is, and `text` beside the bar."""
        if event.stage is not self._stage:
            self._stage = event.stage
            self.update(-self.n)
        if event.total != self._planned:
            self._planned = self.total = event.total
        self.update(event.done - self.n)
        self.events.eta(value=text)
