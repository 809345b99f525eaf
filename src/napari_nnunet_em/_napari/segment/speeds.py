"""How fast tiles were predicted in this session, so that a form can say how long a job will take."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_nnunet_em.config import Job
    from napari_nnunet_em.progress import ProgressEvent


@dataclass(frozen=True)
class Speed:
    """A speed that was measured.

    Attributes
    ----------
    job : Job
        Of this job, or of a preview of it.
    seconds_per_tile : float
        With all its flips and folds, reading included.
    """

    job: Job
    seconds_per_tile: float


class Speeds:
    """The latest speed for each model and way of running it.

    Flips and folds are not told apart, because the time grows in proportion to them; whoever knows the model
    can tell how many there were.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, Speed] = {}

    def add(self, job: Job, seconds_per_tile: float) -> None:
        """Remember what was measured last."""
        self._known[_key(job)] = Speed(job, seconds_per_tile)

    def add_event(self, job: Job, event: ProgressEvent) -> None:
        """Remember the speed of a running job, where an event tells it."""
        left = event.total - event.done
        if event.eta_seconds and left > 0:
            self.add(job, event.eta_seconds / left)

    def find(self, job: Job) -> Speed | None:
        """What was measured with the same model in the same way; None where nothing was."""
        return self._known.get(_key(job))


def _key(job: Job) -> Hashable:
    """What decides the time of one forward pass: the network, and what runs it how."""
    network = (job.model.path, job.model.configuration, job.model.checkpoint)
    ways = ("device", "backend", "precision", "compile", "batch_size", "threads")
    return network, tuple(getattr(job.execution, name) for name in ways)
