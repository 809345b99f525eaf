"""Speed, time left, and peak memory of a running job."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil


@dataclass
class Clock:
    """Measures one stage from the work done in this run.

    Attributes
    ----------
    voxels : int
        Voxels of the stage that are still to be done when it begins.
    total : int
        Units of work (tiles) that they take.
    done : int
        Units done in this run.
    waited_seconds : float
        How long the network waited for its input, or for room for its output.
    paused_seconds : callable
        How long the job has stood still so far, which counts for neither speed nor time left.
    """

    voxels: int
    total: int
    done: int = 0
    waited_seconds: float = 0.0
    paused_seconds: Callable[[], float] = lambda: 0.0
    _started: float = field(init=False)
    _last_report: float = 0.0

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin to measure now: all before was preparation."""
        self._started = self._working_time()

    def add(self, units: int) -> None:
        """Count finished units."""
        self.done += units

    def due(self, every_seconds: float) -> bool:
        """Whether the last report is that long ago; if so, this is the next one."""
        now = time.perf_counter()
        if now - self._last_report < every_seconds:
            return False
        self._last_report = now
        return True

    @property
    def seconds(self) -> float:
        """Since the stage began in this run, without pauses."""
        return self._working_time() - self._started

    def _working_time(self) -> float:
        return time.perf_counter() - self.paused_seconds()

    @property
    def voxels_per_second(self) -> float:
        """Of this run, counting a voxel as done in proportion to the tiles it takes."""
        return self.voxels * self.done / max(self.total, 1) / max(self.seconds, 1e-9)

    @property
    def eta_seconds(self) -> float | None:
        """Time left in the stage; None before anything was done."""
        if not self.done:
            return None
        return max(self.total - self.done, 0) * self.seconds / self.done


def peak_memory_bytes() -> int:
    """Highest resident memory of this process so far, in bytes."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource  # noqa: PLC0415 - Windows has none

    # On Linux `ru_maxrss` of a new process begins at the peak of the process that started it (the kernel
    # carries it through fork and exec); the peak of its own address space does not.
    own = _own_peak_bytes(Path("/proc/self/status"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return own or int(peak if sys.platform == "darwin" else peak * 1024)


def _own_peak_bytes(status: Path) -> int:
    """``VmHWM`` of Linux; 0 where there is none."""
    if not status.exists():
        return 0
    lines = status.read_text(encoding="utf-8").splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
