"""How fast and with how much memory two label images are compared that are made while they are read.

Run it with a shape and the number of voxels between the centres of objects::

    .venv/bin/python benchmarks/evaluate.py 1024 1024 1024 64

Every cell of the grid holds a ball in the truth; the prediction has it moved, and some balls are missing or
share a number with their neighbour. A second table compares with scikit-image on a cube in memory.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from skimage.metrics import adapted_rand_error, variation_of_information

from napari_nnunet_em.evaluation import ComparisonSettings, LabelImage, evaluate, evaluate_masks
from napari_nnunet_em.geometry import Box, iter_blocks
from napari_nnunet_em.io import open_volume

SETTINGS = ComparisonSettings(relabel="never")


@dataclass(frozen=True)
class Balls:
    """Balls on a grid, (z, y, x) uint32, made where they are read."""

    shape: tuple[int, int, int]
    cell: int
    spoiled: bool
    chunks: tuple[int, int, int] = (64, 256, 256)
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.uint32))

    def __getitem__(self, key: tuple[slice, slice, slice]) -> NDArray[np.uint32]:
        sides = [cut.indices(n) for n, cut in zip(self.shape, key, strict=True)]
        first = [start // self.cell for start, _, _ in sides]
        count = [-(-stop // self.cell) - low for (_, stop, _), low in zip(sides, first, strict=True)]
        z, y, x = (np.arange(low, low + n, dtype=np.uint32) for low, n in zip(first, count, strict=True))
        grid = [-(-n // self.cell) for n in self.shape]
        ids = (z[:, None, None] * grid[1] + y[:, None]) * grid[2] + x + 1
        if self.spoiled:
            ids = np.where(ids % 11 == 0, 0, np.where(ids % 7 == 0, ids + 1, ids))
        # One multiplication for each voxel: making the images must not hide what comparing them costs.
        many = ids[:, None, :, None, :, None] * self._ball()[None, :, None, :, None, :]
        whole = many.reshape([n * self.cell for n in count])
        cut = (
            slice(a - low * self.cell, b - low * self.cell)
            for (a, b, _), low in zip(sides, first, strict=True)
        )
        return whole[tuple(cut)]

    def _ball(self) -> NDArray[np.uint32]:
        moved = self.cell / 14 if self.spoiled else 0
        far = (np.arange(self.cell) - self.cell / 2 + moved) ** 2
        distance = far[:, None, None] + far[:, None] + far
        return (distance < (0.4 * self.cell) ** 2).astype(np.uint32)


class Peak:
    """Highest resident memory of this process while inside, sampled, less what there was before; in bytes."""

    def __enter__(self) -> Peak:
        self._process = psutil.Process()
        self._before = self._process.memory_info().rss
        self.size = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self.size = max(self.size, self._process.memory_info().rss - self._before)


def pair(shape: tuple[int, int, int], cell: int) -> tuple[LabelImage, LabelImage]:
    return tuple(
        LabelImage(open_volume(Balls(shape, cell, spoiled), axes="zyx")) for spoiled in (True, False)
    )


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def make(pred: LabelImage, truth: LabelImage) -> None:
    """Make all voxels of both, and keep none."""
    for block in iter_blocks(truth.volume.shape, truth.volume.chunks):
        for image in (pred, truth):
            image.volume.read(block.write)


def large(shape: tuple[int, int, int], cell: int) -> Table:
    """Streaming: time with and without making the voxels, and memory on top of the imports."""
    pred, truth = pair(shape, cell)
    making, _ = seconds(lambda: make(pred, truth))
    used = time.process_time()
    with Peak() as peak:
        whole, found = seconds(lambda: evaluate(pred, truth, SETTINGS))
    used = time.process_time() - used
    assert found.objects is not None
    matched = found.objects.matched
    table = Table(title=f"Streaming, {' x '.join(map(str, shape))} = {found.voxels / 1e9:.2f} gigavoxels")
    facts = {
        "objects": f"{len(found.objects.table):,}",
        "F1": f"{matched.f1:.4f}",
        "making both images, one thread": f"{making:.1f} s",
        "processor time of evaluate": f"{used:.1f} s",
        "evaluate, making included": f"{whole:.1f} s",
        "Mvoxel/s": f"{found.voxels / whole / 1e6:.0f}",
        "peak memory above the imports": f"{peak.size / 1e6:.0f} MB",
        "both images in memory would be": f"{8 * found.voxels / 1e6:.0f} MB",
    }
    for name in ("what", "value"):
        table.add_column(name)
    for row in facts.items():
        table.add_row(*row)
    return table


def small(side: int, cell: int) -> Table:
    """In memory beside scikit-image: the same numbers, speed and memory."""
    shape = (side,) * 3
    box = Box.whole(shape)
    pred, truth = (image.volume.read(box)[0] for image in pair(shape, cell))
    sides = [LabelImage(open_volume(labels)) for labels in (pred, truth)]
    signed = [labels.astype(np.int64) for labels in (truth, pred)]
    table = Table(title=f"In memory, {side}^3 voxels")
    for name in ("what", "Mvoxel/s", "peak memory, MB", "VI", "Rand error"):
        table.add_column(name, justify="left" if name == "what" else "right")
    with Peak() as ours:
        spent, found = seconds(lambda: evaluate(*sides, SETTINGS))
    assert found.objects is not None
    numbers = [f"{found.objects.variation.total:.6f}", f"{found.objects.rand.error:.6f}"]
    speed = [f"{pred.size / spent / 1e6:.0f}", f"{ours.size / 1e6:.0f}"]
    table.add_row("evaluate, all scores", *speed, *numbers)
    with Peak() as theirs:
        vi_time, variation = seconds(lambda: variation_of_information(*signed))
        rand_time, rand = seconds(lambda: adapted_rand_error(*signed))
    speed = [f"{pred.size / (vi_time + rand_time) / 1e6:.0f}", f"{theirs.size / 1e6:.0f}"]
    table.add_row("scikit-image, these two", *speed, f"{variation.sum():.6f}", f"{rand[0]:.6f}")
    return table


def main(z: int = 1024, y: int = 1024, x: int = 1024, cell: int = 64) -> None:
    """Print both tables."""
    evaluate_masks(np.ones(3), np.ones(3))  # MONAI and torch are imported before anything is timed
    console = Console(width=110)
    console.print(large((z, y, x), cell))
    console.print(small(256, min(cell, 32)))


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:5]))
