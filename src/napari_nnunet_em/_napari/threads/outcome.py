"""How work in a thread ends, whatever happens in it."""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from napari_nnunet_em._napari.words import without_options
from napari_nnunet_em.errors import Cancelled, NnunetEmError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

T = TypeVar("T")
Value = TypeVar("Value")


class Ending(enum.Enum):
    """How a run came to its end."""

    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


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


RunOutcome = Outcome[tuple[FoundObjects, ...]]
"""How a run ended that leaves the objects of each class."""


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
        return Outcome(Ending.FAILED, without_options(error))
    except Exception as error:  # noqa: BLE001
        # Whatever it is, one sentence in the window serves better than a lost thread.
        return Outcome(Ending.FAILED, f"The {title} failed unexpectedly: {type(error).__name__}: {error}")
    finally:
        over.set()
