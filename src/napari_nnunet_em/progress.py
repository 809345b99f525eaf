"""Progress and cancellation as plain values, shared by the command line and napari."""

from __future__ import annotations

import enum
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from napari_nnunet_em.errors import Cancelled

if TYPE_CHECKING:
    from napari_nnunet_em.geometry import Box

T = TypeVar("T")
Step = TypeVar("Step")
Steps = Generator[tuple[int, int], None, T]
"""Work that yields (done, total) after each step and returns its result at the end."""


def finish(steps: Generator[Step, None, T], each: Callable[[Step], None] | None = None) -> T:
    """Run work to its end and return its result.

    Parameters
    ----------
    steps : generator
        The work.
    each : callable, optional
        Takes whatever the work yields.
    """
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        if each is not None:
            each(step)


class Stage(enum.StrEnum):
    """The stages of a job in the order in which they run, and those of a comparison and of an export."""

    OPEN = "open"
    STATISTICS = "statistics"
    PREDICT = "predict"
    COMPONENTS = "components"
    SPLIT = "split"
    LABELS = "labels"
    MEASURE = "measure"
    COMPARE = "compare"
    EXPORT = "export"
    FINISHED = "finished"


STAGE_WORDS = {
    Stage.OPEN: "Opening",
    Stage.STATISTICS: "Measuring intensities",
    Stage.PREDICT: "Predicting",
    Stage.COMPONENTS: "Finding objects",
    Stage.SPLIT: "Splitting objects",
    Stage.LABELS: "Writing objects",
    Stage.MEASURE: "Measuring objects",
    Stage.COMPARE: "Comparing",
    Stage.EXPORT: "Exporting",
    Stage.FINISHED: "Finished",
}
"""What is under way, for people."""


@dataclass(frozen=True)
class ProgressEvent:
    """What has just finished, and how much is left.

    Attributes
    ----------
    stage : Stage
        The stage this event belongs to.
    done, total : int
        Finished and planned units of the stage (tiles of the prediction, else blocks); ``total`` is 0 while
        unknown.
    message : str
        A line for the log, or an empty string.
    box : Box or None
        The voxels of the output, (z, y, x), that have just become durable.
    eta_seconds : float or None
        Time left in this stage, from the work measured in this run.
    voxels_per_second : float or None
        Output voxels per second in this stage, measured in this run.
    store : pathlib.Path or None
        The OME-Zarr group that the event is about.
    """

    stage: Stage
    done: int = 0
    total: int = 0
    message: str = ""
    box: Box | None = None
    eta_seconds: float | None = None
    voxels_per_second: float | None = None
    store: Path | None = None


@dataclass
class CancelToken:
    """Requests to stop or to pause that any thread may make; the running job heeds them between two batches.

    Attributes
    ----------
    paused_seconds : float
        How long the job has stood still so far.
    """

    paused_seconds: float = 0.0
    _cancelled: threading.Event = field(default_factory=threading.Event, repr=False)
    _open: threading.Event = field(default_factory=threading.Event, repr=False)

    def __post_init__(self) -> None:
        self._open.set()

    def cancel(self) -> None:
        """Ask the job to stop after the work in hand, also where it is paused."""
        self._cancelled.set()
        self._open.set()

    def pause(self) -> None:
        """Ask the job to stand still after the work in hand; it keeps its memory and its place."""
        if not self.cancelled:
            self._open.clear()

    def resume(self) -> None:
        """Let a paused job go on."""
        self._open.set()

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked the job to stop."""
        return self._cancelled.is_set()

    @property
    def paused(self) -> bool:
        """Whether somebody asked the job to stand still."""
        return not self._open.is_set()

    def raise_if_cancelled(self) -> None:
        """Wait while the job is paused; raise `Cancelled` if somebody asked it to stop."""
        if self.paused:
            begun = time.perf_counter()
            self._open.wait()
            self.paused_seconds += time.perf_counter() - begun
        if self.cancelled:
            raise Cancelled(
                "The job was stopped on request; every finished block is kept, "
                "and running the same job again continues from there."
            )


Events = Generator[ProgressEvent, None, T]
"""Work that yields a `ProgressEvent` after each step and returns its result at the end."""
