"""How soon the preview of objects answers a slider, and what holds Python's lock meanwhile.

Run it with ``python benchmarks/preview.py probability.zarr [--view 16,1024,1024]`` on the output of a job, in
a quiet moment. Each row is the median over several values of one setting, as a slider would send them: in
wall time, and in CPU time, which other programs on the machine disturb less. A heartbeat in another thread
shows for how long that thread was kept from running.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from typing import Any

import zarr
from rich.console import Console
from rich.table import Table

from napari_nnunet_em.config import InstanceSettings
from napari_nnunet_em.geometry import Box, as_shape
from napari_nnunet_em.instances import ClassProbability
from napari_nnunet_em.instances.preview import PreviewCache, PreviewRequest, preview_steps

SIZE_NM = (56.0, 8.0, 8.0)
SPLIT = {"split": "distance"}
THRESHOLDS = (0.4, 0.45, 0.5, 0.55, 0.6)
ROWS: list[tuple[str, dict[str, Any], list[dict[str, Any]]]] = [
    ("threshold", {}, [{"threshold": t} for t in THRESHOLDS]),
    ("connectivity", {}, [{"connectivity": c} for c in (26, 6, 18, 6, 26)]),
    ("minimum size", {}, [{"min_voxels": n} for n in (100, 300, 1000, 3000, 10000)]),
    ("threshold, split", SPLIT, [{"threshold": t} for t in THRESHOLDS]),
    ("strength, split", SPLIT, [{"split_strength": s} for s in (0.5, 0.6, 0.7, 0.8, 0.9)]),
    ("minimum size, split", SPLIT, [{"min_voxels": n} for n in (100, 300, 1000, 3000, 10000)]),
]


class Heartbeat(threading.Thread):
    """Beats every 2 ms and keeps the longest pause."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.longest = 0.0
        self._over = threading.Event()

    def run(self) -> None:
        """Beat."""
        last = time.perf_counter()
        while not self._over.wait(0.002):
            now = time.perf_counter()
            self.longest = max(self.longest, now - last)
            last = now

    def stop(self) -> float:
        """Give the longest pause, in seconds."""
        self._over.set()
        self.join()
        return self.longest


def measure(
    source: ClassProbability, view: Box, base: dict[str, Any], moves: list[dict[str, Any]]
) -> list[str]:
    cache = PreviewCache()
    shown = (view.start[0] + view.stop[0]) // 2

    def answers(**asked: Any) -> list[tuple[float, float]]:
        request = PreviewRequest(source, InstanceSettings(**asked), view, SIZE_NM, shown=shown)
        wall, cpu = time.perf_counter(), time.thread_time()
        return [(time.perf_counter() - wall, time.thread_time() - cpu) for _ in preview_steps(request, cache)]

    answers(**base)
    heart = Heartbeat()
    heart.start()
    found = [answers(**{**base, **move}) for move in moves]
    pause = heart.stop()
    cells = [
        f"{1000 * statistics.median(times[which][clock] for times in found):.0f}"
        for which in (0, -1)
        for clock in (0, 1)
    ]
    return [*cells, f"{1000 * pause:.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", help="output of a job")
    parser.add_argument("--view", default="16,1024,1024", help="voxels along z, y, x")
    options = parser.parse_args()
    source = ClassProbability(zarr.open_group(options.store, mode="r")["0"])
    sides = [int(n) for n in options.view.split(",")]
    start = as_shape([max((n - s) // 2, 0) for n, s in zip(source.shape, sides, strict=True)])
    view = Box(start, as_shape([a + s for a, s in zip(start, sides, strict=True)])).intersect(
        Box.whole(source.shape)
    )
    table = Table(title=f"Preview of {' x '.join(map(str, view.shape))} voxels, ms")
    for name in ("moved", "first answer", "its CPU", "whole answer", "its CPU", "longest pause"):
        table.add_column(name, justify="right")
    for name, base, moves in ROWS:
        table.add_row(name, *measure(source, view, base, moves))
    Console().print(table)


if __name__ == "__main__":
    main()
