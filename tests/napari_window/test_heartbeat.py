"""The window's own thread is never busy for long.

What counts is the processor time that the thread itself takes between two beats of a timer: how long it waits
for a processor says how busy the machine is. `benchmarks/heartbeat.py` measures what a person waits.
"""

from __future__ import annotations

import time

import pytest
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from .conftest import PLACE, Stepwise

pytestmark = pytest.mark.gui

MINUTE = 60_000
BAR_SECONDS = 0.05
BEATS = 6
"""So many are worth judging."""


class Heartbeat:
    """Processor time of this thread between beats, in seconds."""

    def __init__(self) -> None:
        self.beats: list[float] = []
        self._timer = QTimer()
        self._timer.setInterval(1)
        self._timer.timeout.connect(self._beat)
        self._timer.start()
        self._last = time.thread_time()

    def _beat(self) -> None:
        now = time.thread_time()
        self.beats.append(now - self._last)
        self._last = now

    def take(self) -> list[float]:
        """Beats since the last call, the longest first."""
        beats, self.beats = sorted(self.beats, reverse=True), []
        return beats


@pytest.mark.slow
def test_the_window_is_never_busy_for_long(open_widget, em, qtbot) -> None:
    viewer, widget = open_widget()
    steps = Stepwise(after=1)
    widget.jobs._engine = steps.engine
    viewer.add_image(em[:9], name="em", **PLACE)
    added = []
    viewer.layers.events.inserted.connect(added.append)
    blocks = []
    widget.jobs.progressed.connect(lambda event: blocks.append(event.box) if event.box else None)
    QApplication.processEvents()
    heart = Heartbeat()

    def phase(act, until) -> list[float]:
        """Beats of a phase, without the two longest for each layer that was added.

        napari takes a tenth of a second or two to add a layer, all of it for its own widgets (one beat), and
        for the shaders of the first drawing (the next).
        """
        heart.take()
        added.clear()
        act()
        qtbot.waitUntil(lambda: until() and len(heart.beats) >= BEATS + 2 * len(added), timeout=3 * MINUTE)
        QApplication.processEvents()
        return heart.take()[2 * len(added) :]

    def go_on() -> None:
        steps.after = 3
        widget.jobs.pause(False)

    def idle() -> bool:
        return not widget.busy

    phases = {"first preview": phase(widget.preview, idle)}
    assert len(added) == 1
    viewer.dims.set_current_step(0, 4)
    phases["second preview"] = phase(widget.preview, idle)
    assert len(added) == 0  # the layer of the first is used again
    phases["start"] = phase(widget.start, lambda: len(blocks) >= 1)
    assert len(added) == 1
    phases["run"] = phase(go_on, lambda: len(blocks) >= 3)
    phases["stop"] = phase(widget.stop, idle)
    assert "Stopped" in widget.progress.status.text()
    steps.after = 0  # to the end
    phases["continue"] = phase(widget.start, idle)
    assert len(added) == 1  # the objects; the probability was there
    longest = {name: max(beats) for name, beats in phases.items()}
    assert {name: beat for name, beat in longest.items() if beat > BAR_SECONDS} == {}
