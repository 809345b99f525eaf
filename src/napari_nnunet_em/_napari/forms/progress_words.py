"""What is said of work under way and of how it ended. Plain functions, without a window."""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Mapping
from pathlib import Path

from napari_nnunet_em._napari.words import without_options
from napari_nnunet_em.progress import STAGE_WORDS, ProgressEvent, Stage
from napari_nnunet_em.quantities import count, duration, rate

STOPPED_TEXT = "Stopped. Finished blocks are kept; the button above continues there."


def status_text(event: ProgressEvent) -> str:
    """The line under the progress bar, such as ``Predicting, 3 of 12 tiles, 1.2 Mvoxel/s, 8 s left``."""
    parts = [STAGE_WORDS[event.stage]]
    if event.total:
        unit = "tiles" if event.stage is Stage.PREDICT else "blocks"
        parts.append(f"{event.done} of {event.total} {unit}")
    if event.voxels_per_second:
        parts.append(rate(event.voxels_per_second))
    if event.eta_seconds is not None and event.stage is not Stage.FINISHED:
        parts.append(f"{duration(round(event.eta_seconds))} left")
    if len(parts) == 1 and event.message:
        parts.append(first_line(event.message))
    return ", ".join(parts)


def paused_text(event: ProgressEvent) -> str:
    """The line under the bar of a job that stands still."""
    return f"Paused, {event.done} of {event.total}" if event.total else "Paused"


def first_line(text: str) -> str:
    """What a message begins with; some, such as licences, are pages long."""
    return without_options(text.strip().partition("\n")[0])


def finished_text(counts: Mapping[str, int], store: Path) -> str:
    """What was found and where it is: ``Found 41 objects (mitochondria). Saved in result.zarr``.

    Classes are named as their model names them, which may be in the singular, the plural or short.
    """
    found = ", ".join(_found(name, number) for name, number in counts.items())
    return f"Found {found or 'no objects'}. Saved in {store}"


def _found(class_name: str, number: int) -> str:
    objects = count(number, "object") if number else "no objects"
    return objects if class_name in ("object", "objects") else f"{objects} ({class_name})"


def queue_text(title: str, store: Path) -> str:
    """A job that waits, such as ``Next: mitochondria in SBEM, to out.zarr``."""
    return f"Then: {title}, to {store.name}"


def unfinished_text(store: Path, predicted: float, started: str) -> str:
    """What is offered to be continued, as rich text.

    Parameters
    ----------
    store : pathlib.Path
        Its output.
    predicted : float
        Share of its voxels that are done, from 0 to 1.
    started : str
        When it was begun, ISO 8601.
    """
    begun = dt.datetime.fromisoformat(started).astimezone()
    share = "all predicted, objects still to be found" if predicted >= 1 else f"{int(predicted * 100)} % done"
    return (
        f"This volume has an unfinished job: <b>{html.escape(store.name)}</b>, {share}, "
        f"begun {begun:%Y-%m-%d %H:%M}."
    )


def preview_status(event: ProgressEvent) -> str:
    """The line under the bar while a view is previewed."""
    return f"Preview: {STAGE_WORDS[event.stage].lower()}"


def preview_text(seconds: float, provisional: bool) -> str:
    """What is said below a finished preview."""
    text = f"Preview after {duration(seconds)}; nothing was saved."
    if not provisional:
        return text
    return (
        f"{text} Provisional: the volume is large, so its intensities were estimated from samples; a run "
        "measures all of it and may differ a little."
    )
