"""A job in a thread: what runs there, and what it hands back to the window."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from napari_nnunet_em._napari.threads.libraries import load_libraries
from napari_nnunet_em._napari.threads.outcome import FoundObjects, RunOutcome, guarded
from napari_nnunet_em._napari.threads.worker import TokenWorker, token_worker
from napari_nnunet_em.errors import Cancelled
from napari_nnunet_em.progress import CancelToken, Events, ProgressEvent, Stage

if TYPE_CHECKING:
    from pathlib import Path

    from napari_nnunet_em.geometry import Shape
    from napari_nnunet_em.io import Volume
    from napari_nnunet_em.pipeline import SegmentationResult


@dataclass(frozen=True)
class Engine:
    """The two doors to the headless package; tests may put others in their place.

    Attributes
    ----------
    segment : callable
        As `napari_nnunet_em.pipeline.segment`.
    load_result : callable
        As `napari_nnunet_em.pipeline.load_result`.
    """

    segment: Callable[..., Iterator[ProgressEvent]]
    load_result: Callable[[Path], SegmentationResult]

    @classmethod
    def default(cls) -> Engine:
        """The pipeline of this package."""
        # Imported late: it brings torch along, and a window should open at once.
        from napari_nnunet_em.pipeline import load_result, segment  # noqa: PLC0415

        return cls(segment, load_result)


class Stored(Protocol):
    """A job, as far as a thread must know it: it leaves its result in a store."""

    @property
    def store(self) -> Path:
        """Where the output goes."""
        ...


def run_job(
    engine: Engine | None,
    job: Stored,
    volume: Volume | None,
    near: Shape | None,
    token: CancelToken,
    over: threading.Event,
) -> Generator[ProgressEvent, None, RunOutcome]:
    """Run a job to its end, whatever that is; for a worker thread.

    Parameters
    ----------
    engine : Engine or None
        What to run; the pipeline of this package without it.
    job : Stored
        What to do; a `Job` for the pipeline of this package.
    volume : Volume or None
        The data of the layer; without it the job opens its input.
    near : tuple of int, (z, y, x), or None
        The voxel that the user looks at; what is near it is done first.
    token : CancelToken
        Stops or pauses the job after the batch in hand.
    over : threading.Event
        Set when nothing runs any more.

    Yields
    ------
    ProgressEvent
        Each event of the job.

    Returns
    -------
    Outcome
        However it ended; see `guarded`.
    """

    def work() -> Events[tuple[FoundObjects, ...]]:
        load_libraries()
        doors = engine or Engine.default()
        finished = False
        for event in doors.segment(job, volume=volume, cancel=token, near=near):
            finished = event.stage is Stage.FINISHED
            yield event
        if not finished:
            raise Cancelled("The job was stopped before it was finished.")
        return read_objects(doors.load_result(job.store))

    return (yield from guarded(work, "job", over))


def read_objects(result: SegmentationResult) -> tuple[FoundObjects, ...]:
    """The object tables of a finished job; slow for millions of objects, so done in the thread."""
    import pandas as pd  # noqa: PLC0415 - not needed to open the widget

    return tuple(FoundObjects(o.name, o.labels, pd.read_csv(o.table)) for o in result.objects)


def make_worker(
    title: str,
    engine: Engine | None,
    job: Stored,
    volume: Volume | None,
    token: CancelToken,
    near: Shape | None = None,
) -> TokenWorker:
    """A worker for `run_job`, not yet started.

    Connect to its signals ``yielded`` (`ProgressEvent`) and ``returned`` (`RunOutcome`), then ``start()`` it.
    """
    return token_worker(title, run_job, engine, job, volume, near, token=token)
