"""A job in a thread: what runs there, how it is stopped, and what it hands back to the window."""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from napari.qt.threading import GeneratorWorker, WorkerBase, create_worker
from qtpy.QtCore import QObject, QTimer

from napari_nnunet_em._napari.libraries import load_libraries
from napari_nnunet_em._napari.wording import without_options
from napari_nnunet_em.errors import Cancelled, NnunetEmError
from napari_nnunet_em.progress import CancelToken, Events, ProgressEvent, Stage

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from napari_nnunet_em.geometry import Shape
    from napari_nnunet_em.io import Volume
    from napari_nnunet_em.pipeline import SegmentationResult

T = TypeVar("T")
Value = TypeVar("Value")

_PATIENCE_SECONDS = 10.0
"""How long a closing window waits for the block in hand."""

_DRAWING_MILLISECONDS = 100


class Ending(enum.Enum):
    """How a run came to its end."""

    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class FoundObjects:
    """The objects of one class.

    Attributes
    ----------
    name : str
        The class.
    labels : pathlib.Path
        Their label image, an OME-Zarr group.
    table : pandas.DataFrame
        One row per object, with its ``id``.
    """

    name: str
    labels: Path
    table: pd.DataFrame


@dataclass(frozen=True)
class Outcome(Generic[Value]):
    """How work in a thread ended.

    Attributes
    ----------
    ending : Ending
        Finished, stopped or failed.
    message : str
        A sentence for the user, where it did not finish.
    value : object or None
        What the work returned, where it finished.
    """

    ending: Ending
    message: str = ""
    value: Value | None = None


RunOutcome = Outcome[tuple[FoundObjects, ...]]
"""How a run ended that leaves the objects of each class."""


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


def guarded(
    work: Callable[[], Generator[T, None, Value]], title: str, over: threading.Event
) -> Generator[T, None, Outcome[Value]]:
    """Run work to its end, whatever that is; for a worker thread.

    Parameters
    ----------
    work : callable
        Gives a generator, which returns a value where all goes well.
    title : str
        What is running, for the sentence about a fault.
    over : threading.Event
        Set when nothing runs any more.

    Yields
    ------
    Whatever `work` yields.

    Returns
    -------
    Outcome
        Also for work that was refused or stopped: exceptions would end as tracebacks on the screen.
    """
    try:
        return Outcome(Ending.FINISHED, value=(yield from work()))
    except Cancelled as stop:
        return Outcome(Ending.STOPPED, str(stop))
    except NnunetEmError as error:
        return Outcome(Ending.FAILED, without_options(str(error)))
    except Exception as error:  # noqa: BLE001
        # Whatever it is, one sentence in the window serves better than a lost thread.
        return Outcome(Ending.FAILED, f"The {title} failed unexpectedly: {type(error).__name__}: {error}")
    finally:
        over.set()


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
