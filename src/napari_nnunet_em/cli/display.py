"""How a running job is shown: a bar in a terminal, plain lines in a log, JSON for machines."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

from napari_nnunet_em.geometry import Box
from napari_nnunet_em.progress import STAGE_WORDS, ProgressEvent, Stage
from napari_nnunet_em.quantities import duration, rate

STOPPING = "Stopping after the work in hand; Ctrl-C again stops at once."


class Display(Protocol):
    """Shows events while a job runs; a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def say(self, text: str) -> None:
        """Show a line of text."""
        ...

    def show(self, event: ProgressEvent) -> None:
        """Show one event."""
        ...

    def stopping(self) -> None:
        """Say that the job will stop; called inside a signal handler."""
        ...


def open_display(machine: bool) -> Display:
    """The display that fits: JSON lines on stdout, or people's progress on stderr."""
    if machine:
        return JsonDisplay(sys.stdout)
    if sys.stderr.isatty():
        # rich is only loaded where it draws.
        from napari_nnunet_em.cli.bar import BarDisplay  # noqa: PLC0415

        return BarDisplay()
    return PlainDisplay(sys.stderr)


class _Plain:
    """A display that needs no cleaning up."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


class PlainDisplay(_Plain):
    """One line now and then, for logs and batch systems.

    Parameters
    ----------
    stream : text file
        Where the lines go.
    every_seconds : float
        The least time between two lines of one stage; its first and last are always written.
    clock : callable
        Seconds, monotonic.
    """

    def __init__(
        self, stream: TextIO, every_seconds: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._every = every_seconds
        self._clock = clock
        self._stage: Stage | None = None
        self._due = 0.0

    def say(self, text: str) -> None:
        """Write the line."""
        self._stream.write(text + "\n")
        self._stream.flush()

    def show(self, event: ProgressEvent) -> None:
        """Write the event's message, and how far the stage is when a line is due."""
        if event.message:
            self.say(event.message)
        if not event.done or event.stage is Stage.FINISHED:
            return
        now = self._clock()
        if event.stage != self._stage or now >= self._due or event.done == event.total:
            self._stage, self._due = event.stage, now + self._every
            self.say(progress_line(event))

    def stopping(self) -> None:
        """Say that the job will stop, past the buffer that the interrupted code may be writing to."""
        os.write(2, f"{STOPPING}\n".encode())


def progress_line(event: ProgressEvent) -> str:
    """``Predicting 12/48 (25 %), 1.3 Mvoxel/s, 2 min 10 s left``."""
    line = f"{STAGE_WORDS[event.stage]} {event.done}/{event.total} ({100 * event.done // event.total} %)"
    if event.voxels_per_second:
        line += f", {rate(event.voxels_per_second)}"
    if event.eta_seconds is not None and event.done < event.total:
        line += f", {duration(event.eta_seconds)} left"
    return line


class JsonDisplay(_Plain):
    """One JSON object on one line for each event."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def say(self, text: str) -> None:
        """Write the line as an object of its own."""
        write_json(self._stream, {"event": "message", "message": text})

    def show(self, event: ProgressEvent) -> None:
        """Write the event."""
        write_json(self._stream, {"event": "progress", **event_document(event)})

    def stopping(self) -> None:
        """Stay silent: the object that ends the stream will say it."""


def event_document(event: ProgressEvent) -> dict[str, Any]:
    """An event as plain values; a box becomes ``{"start": [z, y, x], "stop": [z, y, x]}``."""
    return {name: getattr(event, name) for name in event.__dataclass_fields__}


def write_json(stream: TextIO, document: dict[str, Any]) -> None:
    """Write one object on one line of strict JSON: no NaN, no infinity."""
    stream.write(json.dumps(_plain(document), ensure_ascii=False, allow_nan=False) + "\n")
    stream.flush()


def _plain(value: Any) -> Any:
    if isinstance(value, Box):
        return {"start": list(value.start), "stop": list(value.stop)}
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
