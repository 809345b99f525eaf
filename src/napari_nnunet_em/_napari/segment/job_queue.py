"""What waits to be run, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nnunet_em.errors import SettingsError

if TYPE_CHECKING:
    from napari_nnunet_em._napari.segment.request import Request


@dataclass(frozen=True)
class QueueEntry:
    """A request that waits.

    Attributes
    ----------
    number : int
        Tells it from all others of this queue.
    request : Request
        What is to be run.
    """

    number: int
    request: Request


class JobQueue:
    """Requests in the order in which they came; at most one runs at a time, and the caller runs it."""

    def __init__(self) -> None:
        self._waiting: list[QueueEntry] = []
        self._running: Path | None = None
        self._count = 0

    @property
    def waiting(self) -> tuple[QueueEntry, ...]:
        """What waits, the next first."""
        return tuple(self._waiting)

    @property
    def stores(self) -> set[Path]:
        """Outputs of what runs and of what waits."""
        running = set() if self._running is None else {self._running.absolute()}
        return running | {entry.request.job.store.absolute() for entry in self._waiting}

    def add(self, request: Request) -> QueueEntry:
        """Let a request wait.

        Raises
        ------
        SettingsError
            If another one writes to the same output.
        """
        if request.job.store.absolute() in self.stores:
            raise SettingsError(
                f"The output {request.job.store} is already that of a job that runs or waits here: choose "
                "another output, or remove the other job."
            )
        self._count += 1
        entry = QueueEntry(self._count, request)
        self._waiting.append(entry)
        return entry

    def remove(self, number: int) -> None:
        """Take an entry out; nothing happens where it runs already."""
        self._waiting = [entry for entry in self._waiting if entry.number != number]

    def clear(self) -> None:
        """Take all entries out."""
        self._waiting.clear()

    def take(self) -> Request | None:
        """The next request, which now runs; None while one runs, and where none waits."""
        if self._running is not None or not self._waiting:
            return None
        request = self._waiting.pop(0).request
        self._running = request.job.store
        return request

    def done(self) -> None:
        """What ran has ended."""
        self._running = None
