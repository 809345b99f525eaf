"""Speed, time left, and peak memory of a running job."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field

import psutil


@dataclass
class Clock:
    """Measures one stage from the work done in this run.

    Attributes
    ----------
    voxels_left : int
        Voxels of the stage that are still to be done when it begins.
    """

    voxels_left: int
    voxels_done: int = 0
    _started: float = field(default_factory=time.perf_counter)

    def add(self, voxels: int) -> None:
        """Count finished voxels."""
        self.voxels_done += voxels

    @property
    def seconds(self) -> float:
        """Since the stage began in this run."""
        return time.perf_counter() - self._started

    @property
    def voxels_per_second(self) -> float:
        """Of this run."""
        return self.voxels_done / max(self.seconds, 1e-9)

    @property
    def eta_seconds(self) -> float | None:
        """Time left in the stage; None before anything was done."""
        if not self.voxels_done:
            return None
        return max(self.voxels_left - self.voxels_done, 0) / self.voxels_per_second


def peak_memory_bytes() -> int:
    """Highest resident memory of this process so far, in bytes."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource  # noqa: PLC0415 - Windows has none

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
