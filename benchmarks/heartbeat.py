"""How long the window stands still while a job starts, runs, is stopped and continued.

A timer that should fire every 5 ms runs in the window's own thread; the longest time between two of its beats
is how long a person would wait for the window at worst. Beside it stands the processor time that the window's
thread itself took between two beats: the rest is waiting for Python's lock, or for a processor.

    xvfb-run -a -s "-screen 0 1600x1000x24" .venv/bin/python benchmarks/heartbeat.py
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import tifffile
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

SHARED = Path(os.environ.get("NNUNET_EM_SHARED") or Path(__file__).resolve().parents[2] / "shared")
RAW = SHARED / "data" / "sbem_mito" / "val_z050-059_raw.tif"
VOXEL_SIZE_NM = (56.0, 8.0, 8.0)
BEAT_MILLISECONDS = 5
BAR_SECONDS = 0.05


@dataclass
class Heartbeat:
    """Measures the beats of the thread that makes it."""

    wall: float = 0.0
    cpu: float = 0.0
    beats: int = 0
    over: int = 0
    culprits: list[str] = field(default_factory=list)
    explain: bool = False

    def __post_init__(self) -> None:
        self._thread = threading.get_ident()
        self._timer = QTimer()
        self._timer.setInterval(BEAT_MILLISECONDS)
        self._timer.timeout.connect(self._beat)
        self.restart()
        self._timer.start()
        if self.explain:
            threading.Thread(target=self._watch, daemon=True).start()

    def restart(self) -> None:
        """Forget what was measured."""
        self._last, self._last_cpu = time.perf_counter(), time.thread_time()
        self.wall = self.cpu = 0.0
        self.beats = self.over = 0
        self.culprits = []

    def _beat(self) -> None:
        now, cpu = time.perf_counter(), time.thread_time()
        gap = now - self._last
        self.wall, self.cpu = max(self.wall, gap), max(self.cpu, cpu - self._last_cpu)
        self.beats += 1
        self.over += gap > BAR_SECONDS
        self._last, self._last_cpu = now, cpu

    def _watch(self) -> None:
        seen = 0.0
        while True:
            time.sleep(0.01)
            begun = self._last
            if time.perf_counter() - begun > BAR_SECONDS and begun != seen:
                seen = begun
                frames = sys._current_frames()
                mine = frames[self._thread]
                self.culprits.append("".join(traceback.format_stack(mine)[-6:]))


def pump(condition: Callable[[], bool], seconds: float = 900.0) -> None:
    """Let the window live until `condition` holds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("waited in vain")
        QApplication.processEvents()
        time.sleep(0.001)


def gc_frozen() -> bool:
    """Whether the objects of the libraries have been set aside."""
    return gc.get_freeze_count() > 0


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--model", default="mitochondria-2d")
    parser.add_argument("--explain", action="store_true", help="print where the window's thread stood")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "settings.yaml")
        os.environ["XDG_DATA_HOME"] = folder
        measure(options, Path(folder))


def measure(options: argparse.Namespace, folder: Path) -> None:
    """All phases, one after the other."""
    import napari  # noqa: PLC0415 - reads NAPARI_CONFIG when it is imported

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1500, 950)
    raw = tifffile.imread(RAW)[:, : options.side, : options.side]
    viewer.add_image(raw, name="SBEM", scale=VOXEL_SIZE_NM, units=("nanometer",) * 3)
    settle = time.monotonic() + 2
    pump(lambda: time.monotonic() > settle)
    heart = Heartbeat(explain=options.explain)

    def phase(name: str, act: Callable[[], object], until: Callable[[], bool]) -> None:
        heart.restart()
        begun = time.perf_counter()
        act()
        pump(until)
        took = time.perf_counter() - begun
        print(
            f"{name:34} {took:7.2f} s   longest wait {heart.wall * 1e3:6.0f} ms   own work "
            f"{heart.cpu * 1e3:6.0f} ms   over 50 ms: {heart.over} of {heart.beats}",
            flush=True,
        )
        for culprit in heart.culprits:
            print("    " + culprit.replace("\n", "\n    "), flush=True)

    until = [0.0]
    phase(
        "idle for 2 s",
        lambda: until.__setitem__(0, time.monotonic() + 2),
        lambda: time.monotonic() > until[0],
    )
    widget = []

    def dock() -> None:
        widget.append(viewer.window.add_plugin_dock_widget("napari-nnunet-em", "Segment")[1])

    phase("open the dock", dock, lambda: widget[0].models.chosen.bundle is not None)
    dock_widget = widget[0]
    ready = lambda: dock_widget.models.chosen.bundle is not None  # noqa: E731
    phase("libraries", lambda: None, gc_frozen)
    phase("choose a model", lambda: dock_widget.models.choose(options.model), ready)
    dock_widget.form.output["path"].value = str(folder / "out.zarr")
    idle = lambda: not dock_widget.busy  # noqa: E731
    phase("preview, cold", dock_widget.preview, idle)
    phase("preview, warm", dock_widget.preview, idle)
    viewer.dims.set_current_step(0, 3)
    phase("preview of another slice, warm", dock_widget.preview, idle)
    blocks = []
    dock_widget.jobs.progressed.connect(lambda event: blocks.append(event.box) if event.box else None)
    phase("start, until the first block", dock_widget.start, lambda: len(blocks) >= 1)
    phase("run, three more blocks", lambda: None, lambda: len(blocks) >= 4)
    phase("stop", dock_widget.stop, idle)
    phase("continue to the end", dock_widget.start, idle)
    viewer.close()


if __name__ == "__main__":
    main()
