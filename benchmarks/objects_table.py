"""How long the window stands still while a table of a million objects is worked with.

Run it with a screen, or without one::

    xvfb-run -a -s "-screen 0 1600x1000x24" .venv/bin/python benchmarks/objects_table.py

A timer that wants to fire every millisecond notes its longest gap during each action, until the action has
shown its result; and how long the main thread computed in such a gap, which other programs do not change.
Filtering and sorting happen in a thread; the last column times the whole.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication

SETTLE_SECONDS = 0.3


def synthetic_table(rows: int) -> pd.DataFrame:
    """A plausible table of objects."""
    from napari_nnunet_em.measurement import COLUMNS  # noqa: PLC0415

    rng = np.random.default_rng(0)
    makers = {
        "int64": lambda: rng.integers(0, 100_000, rows),
        "float64": lambda: rng.lognormal(-3, 1.5, rows),
        "bool": lambda: rng.random(rows) < 0.1,
    }
    columns = {column.name: makers[column.dtype]() for column in COLUMNS}
    columns["id"] = np.arange(1, rows + 1)
    for axis in "zyx":
        columns[f"bbox_{axis}_max"] = columns[f"bbox_{axis}_min"] + 5
    return pd.DataFrame(columns)


class Heartbeat:
    """The longest time for which the main thread let nothing else happen."""

    def __init__(self) -> None:
        self._timer = QTimer()
        self._timer.setInterval(1)
        self._timer.timeout.connect(self._beat)
        self._timer.start()
        self.reset()

    def reset(self) -> None:
        """Forget earlier gaps."""
        self._last, self._last_cpu = time.perf_counter(), time.thread_time()
        self.longest, self.longest_cpu = 0.0, 0.0

    def _beat(self) -> None:
        now, cpu = time.perf_counter(), time.thread_time()
        self.longest = max(self.longest, now - self._last)
        self.longest_cpu = max(self.longest_cpu, cpu - self._last_cpu)
        self._last, self._last_cpu = now, cpu


def actions(widget) -> Iterator[tuple[str, Callable[[], object]]]:
    """What a person does with a table, one after the other."""
    objects, table = widget.objects, widget.objects.table
    down, up = Qt.SortOrder.DescendingOrder, Qt.SortOrder.AscendingOrder
    yield "nothing (what the machine does meanwhile)", lambda: None
    yield "sort by volume, largest first", lambda: table.sortByColumn(2, down)
    yield "sort by voxels", lambda: table.sortByColumn(1, up)
    yield "sort by touching the border", lambda: table.sortByColumn(table.model().columnCount() - 1, up)
    yield "scroll to the middle", lambda: table.verticalScrollBar().setValue(objects.model.rowCount() // 2)
    yield "filter by a range of sizes", lambda: objects.filter.set_size_range((0.02, 0.2))
    yield "filter by a condition", lambda: apply_condition(objects.filter)
    yield "show all", objects.filter.clear
    yield "select all", table.selectAll
    yield "sort while all are selected", lambda: table.sortByColumn(2, up)
    yield "select one, as from the canvas", lambda: widget._on_picked(777_777)
    yield "delete it", widget.delete_selected
    yield "filter by a range of sizes again", lambda: objects.filter.set_size_range((0.02, 0.2))
    yield "select all that are shown", table.selectAll
    yield "delete them", widget.delete_selected
    yield "undo", widget.buttons.undo.trigger


def apply_condition(bar) -> None:
    """Type a condition and press Enter."""
    bar.condition.setText("volume_um3 > 0.1 and elongation < 3 and not touches_border")
    bar.apply()


def wait(widget) -> None:
    """Until the result of an action is on screen."""
    end = time.perf_counter() + SETTLE_SECONDS
    while widget.progress.busy or widget.objects.busy or time.perf_counter() < end:
        QApplication.processEvents()


def main() -> None:
    """Work with a long table, and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    # The user's own napari settings are left alone.
    settings = tempfile.TemporaryDirectory()
    os.environ["NAPARI_CONFIG"] = f"{settings.name}/settings.yaml"
    import napari  # noqa: PLC0415 - reads NAPARI_CONFIG when it is imported

    from napari_nnunet_em._napari.table.tables import LayerTable  # noqa: PLC0415
    from napari_nnunet_em.measurement import ObjectTable, Placement  # noqa: PLC0415

    viewer = napari.Viewer()
    viewer.add_labels(np.zeros((8, 256, 256), np.int32), name="labels")
    _, widget = viewer.window.add_plugin_dock_widget("napari-nnunet-em", "Objects table")
    table = LayerTable.of(ObjectTable(synthetic_table(rows)), Placement((40.0, 8.0, 8.0)))
    heartbeat = Heartbeat()
    wait(widget)
    print(f"{rows:,} objects{'':30}standstill   computing      whole")

    def opened() -> None:
        widget._open(viewer.layers[0], table)
        widget._show_layer()

    for name, act in [("open", opened), *actions(widget)]:
        heartbeat.reset()
        start = time.perf_counter()
        act()
        wait(widget)
        seconds = time.perf_counter() - start - SETTLE_SECONDS
        numbers = (heartbeat.longest, heartbeat.longest_cpu, max(seconds, 0))
        print(f"{name:42}", *(f"{number * 1e3:8.0f} ms" for number in numbers))
    viewer.close()
    settings.cleanup()


if __name__ == "__main__":
    main()
