"""How well objects that touch are split, whether blocks show, and what it costs.

Run it with ``python benchmarks/splitting.py [seeds] [probability.zarr]``. It measures time and memory per
voxel of one large object; splits phantoms of touching mitochondria from their true mask, in several
strengths and depths; and labels phantoms, and the probability of a finished job where one is given, in five
layouts.

The default strength and depth were chosen with seeds that do not occur here. The last row of the second
table shows what neither separates well: wide necks between mitochondria that are thin in places themselves.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import zarr
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import ndimage

from napari_nnunet_em.config import InstanceSettings
from napari_nnunet_em.evaluation import evaluate_instances
from napari_nnunet_em.geometry import Shape
from napari_nnunet_em.instances import (
    ClassProbability,
    InstanceTask,
    Placement,
    segment_instances,
    split_object,
)
from napari_nnunet_em.progress import finish
from napari_nnunet_em.testing.touching import TouchingStyle, touching_mitochondria

GRIDS: dict[str, tuple[tuple[float, float, float], Shape]] = {
    "16 x 16 x 16 nm": ((16.0, 16.0, 16.0), (160, 160, 160)),
    "40 x 8 x 8 nm": ((40.0, 8.0, 8.0), (64, 320, 320)),
    "image, 8 x 8 nm": ((8.0, 8.0, 8.0), (1, 600, 600)),
}
STRENGTHS = (0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
DEPTHS_NM = (30, 35, 40, 50, 60)
METHODS = ("distance", "h-maxima", "probability")
WIDE = TouchingStyle(neck=(0.4, 0.8), waist=(0.65, 1.0))
FIRST_SEED = 100


def quality(seeds: int) -> Table:
    """Instance F1 at IoU 0.5 over all seeds; beside it objects cut wrongly and left together."""
    table = Table(title=f"F1 at IoU 0.5 from the true mask, {seeds} phantoms each (false +, false -)")
    ways = [(str(s), InstanceSettings(split="distance", split_strength=s)) for s in STRENGTHS]
    ways += [(f"{d} nm", InstanceSettings(split="h-maxima", split_depth_nm=d)) for d in DEPTHS_NM]
    for name in ("voxels of", "mitochondria", "not split", *(name for name, _ in ways)):
        table.add_column(name, justify="right")
    rows = [(name, grid, TouchingStyle()) for name, grid in GRIDS.items()]
    rows.append(("16 x 16 x 16 nm, wide necks", GRIDS["16 x 16 x 16 nm"], WIDE))
    for name, (size, shape), style in rows:
        every = range(FIRST_SEED, FIRST_SEED + seeds)
        truths = [touching_mitochondria(seed, shape, size, style) for seed in every]
        cells = [str(sum(int(t.max()) for t in truths))]
        joined = [ndimage.label(t > 0)[0] for t in truths]
        cells.append(score(joined, truths))
        for _, asked in ways:
            cells.append(score([split_object(t > 0, t > 0, asked, size) for t in truths], truths))
        table.add_row(name, *cells)
    return table


def score(found: list[NDArray[Any]], truths: list[NDArray[Any]]) -> str:
    """F1 over several volumes."""
    scores = [evaluate_instances(a, b) for a, b in zip(found, truths, strict=True)]
    hit = sum(s.true_positives for s in scores)
    extra = sum(s.false_positives for s in scores)
    missed = sum(s.false_negatives for s in scores)
    return f"{2 * hit / (2 * hit + extra + missed):.3f} ({extra}, {missed})"


def layouts(shape: Shape) -> list[Shape]:
    """Five ways to cut a volume."""
    z, y, x = shape
    return [
        shape,
        (max(z // 3, 1), y // 2 + 1, x // 2 - 7),
        (max(z // 7, 1), y, x),
        (z, y // 5, x // 5 + 1),
        (max(z // 2, 1), 61, 97),
    ]


def labelled(
    probability: Any, block_shape: Shape, settings: InstanceSettings, size: tuple[float, float, float]
) -> tuple[NDArray[Any], int]:
    """Labels of a probability, and how many objects were split in blocks."""
    out = np.zeros(probability.shape, dtype=np.uint32)

    def create(_: Any) -> Any:
        return lambda box, part: out.__setitem__(box.slices, part)

    task = InstanceTask(ClassProbability(probability), settings, Placement(size), block_shape)
    found = finish(segment_instances(task, create))  # type: ignore[arg-type]
    return out, found.in_blocks


def sources(store: str | None) -> Iterator[tuple[str, Any, tuple[float, float, float]]]:
    """Probabilities to label: phantoms seen through some blur and noise, and a real prediction."""
    for name, (size, shape) in GRIDS.items():
        rng = np.random.default_rng(0)
        soft = ndimage.gaussian_filter((touching_mitochondria(0, shape, size) > 0).astype(np.float32), 0.7)
        soft += 0.12 * ndimage.gaussian_filter(rng.standard_normal(shape), 0.8)
        yield name, np.rint(np.clip(soft, 0, 1) * 255).astype(np.uint8), size
    if store is not None:
        image = zarr.open_group(store, mode="r")
        scale = image.attrs["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"]  # type: ignore[index, call-overload]
        yield Path(store).name, image["0"][...], tuple(scale[-3:])  # type: ignore[index, misc]


def independence(store: str | None) -> Table:
    """Whether five layouts give the same labels, voxel by voxel."""
    table = Table(title="Five layouts of blocks")
    for name in ("volume", "split", "budget", "objects", "in blocks", "same labels", "CPU seconds each"):
        table.add_column(name, justify="left" if name == "volume" else "right")
    for name, probability, size in sources(store):
        for method in METHODS:
            for budget in (4.0, 0.02):
                asked = InstanceSettings(split=method, split_memory_gb=budget, fill_holes="3d")
                start = time.process_time()
                runs = [labelled(probability, b, asked, size) for b in layouts(probability.shape)]
                seconds = (time.process_time() - start) / len(runs)
                same = all(np.array_equal(labels, runs[0][0]) for labels, _ in runs)
                row = (f"{budget:g} GB", str(runs[0][0].max()), str(runs[0][1]), "yes" if same else "NO")
                table.add_row(name, method, *row, f"{seconds:.1f}")
    return table


def cost(side: int = 200) -> Table:
    """Time and memory of one object that fills two fifths of its box."""
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.random((side,) * 3, dtype=np.float32), 12)
    mask = smooth > np.quantile(smooth[::4, ::4, ::4], 0.6)
    probability = np.where(mask, np.clip(smooth * 400, 128, 255), 0).astype(np.uint8)
    table = Table(title=f"One object in a box of {side}^3 voxels")
    for name in ("split", "parts", "million voxels per CPU second", "bytes held per voxel"):
        table.add_column(name, justify="right")
    for method in METHODS:
        asked = InstanceSettings(split=method)
        with Watch() as watch:
            labels = split_object(mask, probability, asked, (40.0, 8.0, 8.0))
        speed = mask.size / watch.seconds / 1e6
        table.add_row(method, str(labels.max()), f"{speed:.1f}", f"{watch.bytes / mask.size:.0f}")
    return table


class Watch:
    """CPU seconds, and the most memory that a piece of work added to the process."""

    def __enter__(self) -> Watch:
        self._process, self._done = psutil.Process(), threading.Event()
        self._before = self._most = self._process.memory_info().rss
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        self._start = time.process_time()
        return self

    def __exit__(self, *exc: object) -> None:
        self.seconds = time.process_time() - self._start
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(0.01):
            self._most = max(self._most, self._process.memory_info().rss)

    @property
    def bytes(self) -> int:
        """Most memory above that at the beginning."""
        return self._most - self._before


def main(seeds: int = 3, store: str | None = None) -> None:
    """Print the tables."""
    console = Console(width=150)
    console.print(cost())
    console.print(quality(seeds))
    console.print(independence(store))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3, sys.argv[2] if len(sys.argv) > 2 else None)
