"""Throughput and memory of measuring label images block by block.

Run it with ``python benchmarks/measure.py [side] [objects]``. The first table is for masks like those of real
volumes, beside scikit-image on the whole image in memory, which measures no surface; numbers are the best of
three runs on one thread. The second measures `objects` small objects, made block by block, and says what each
costs in memory and how long their table takes to write.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cc3d
import numpy as np
import psutil
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import ndimage
from skimage.measure import regionprops_table

from napari_nnunet_em.geometry import Box, iter_blocks
from napari_nnunet_em.measurement import LabelMeasurer, MeasureTask, ObjectTable, Placement, ValueScale

BLOCK = (128, 128, 128)
PROPERTIES = ("label", "area", "bbox", "centroid", "inertia_tensor_eigvals", "mean_intensity")


def seconds(work: Callable[[], Any]) -> float:
    """Shortest of three runs."""
    best = math.inf
    for _ in range(3):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def measure(
    labels: NDArray[np.integer[Any]], size: tuple[float, float, float] | None, raw: NDArray[np.uint8] | None
) -> ObjectTable:
    """The table of an image in memory."""
    scales = {} if raw is None else {"intensity": ValueScale.of_intensity(raw.dtype)}
    measurer = LabelMeasurer(MeasureTask(labels.shape, Placement(size), scales))
    for block in iter_blocks(labels.shape, BLOCK):
        cut = block.write.slices
        measurer.add(block.write, labels[cut], {} if raw is None else {"intensity": raw[cut]})
    return measurer.finish()


def measure_times(labels: NDArray[np.integer[Any]], raw: NDArray[np.uint8]) -> list[float]:
    """Seconds of each way to measure an image."""
    cubic, flat = (8.0, 8.0, 8.0), (40.0, 8.0, 8.0)
    return [
        seconds(lambda: measure(labels, None, None)),
        seconds(lambda: measure(labels, cubic, None)),
        seconds(lambda: measure(labels, flat, None)),
        seconds(lambda: measure(labels, flat, raw)),
        seconds(lambda: regionprops_table(labels, raw, properties=PROPERTIES)),
    ]


def throughput(side: int, console: Console) -> None:
    """Million voxels per second on blobs that fill a share of a cube."""
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.random((side, side, side), dtype=np.float32), 4)
    raw = rng.integers(0, 256, smooth.shape, dtype=np.uint8)
    table = Table(title=f"Million voxels per second, {side}^3 voxels, blocks of 128^3, one thread")
    for name in ("mask", "objects", "no surface", "8 x 8 x 8 nm", "40 x 8 x 8 nm", "and intensity"):
        table.add_column(name, justify="left" if name == "mask" else "right")
    table.add_column("scikit-image, no surface", justify="right")
    for share in (0.02, 0.05, 0.1, 0.5):
        mask = smooth > np.quantile(smooth[::4, ::4, ::4], 1 - share)
        labels = cc3d.connected_components(mask, connectivity=6)
        times = measure_times(labels, raw)
        speeds = [f"{labels.size / duration / 1e6:.0f}" for duration in times]
        table.add_row(f"blobs, {share:.0%}", str(int(labels.max())), *speeds)
    console.print(table)


def crowd(objects: int) -> tuple[tuple[int, int, int], Iterator[tuple[Box, NDArray[np.uint64]]]]:
    """An image of that many objects of 2 x 2 x 2 voxels, some of them cut by blocks, and its blocks."""
    across = 200
    deep = math.ceil(objects / across**2)
    shape = (3 * deep, 3 * across, 3 * across)

    def blocks() -> Iterator[tuple[Box, NDArray[np.uint64]]]:
        for block in iter_blocks(shape, BLOCK):
            box = block.write
            z, y, x = (np.arange(a, b) for a, b in zip(box.start, box.stop, strict=True))
            ids = ((z // 3)[:, None, None] * across + (y // 3)[:, None]) * across + x // 3 + 1
            inside = ((z % 3) < 2)[:, None, None] & ((y % 3) < 2)[:, None] & ((x % 3) < 2)
            yield box, np.where(inside & (ids <= objects), ids, 0).astype(np.uint64)

    return shape, blocks()


def memory(objects: int, console: Console) -> None:
    """Bytes per object and seconds of each step."""
    process = psutil.Process()
    shape, blocks = crowd(objects)
    scales = {name: ValueScale.of_intensity(np.dtype(np.uint8)) for name in ("probability", "intensity")}
    next(blocks)
    measure(np.ones((8, 8, 8), dtype=np.uint8), (8.0, 8.0, 8.0), None)  # what is loaded on first use
    shape, blocks = crowd(objects)
    before = process.memory_info().rss
    measurer = LabelMeasurer(MeasureTask(shape, Placement((8.0, 8.0, 8.0)), scales))
    start, most = time.perf_counter(), 0
    for box, labels in blocks:
        values = (labels & 255).astype(np.uint8)
        measurer.add(box, labels, {"probability": values, "intensity": values})
        most = max(most, process.memory_info().rss)
    measured = time.perf_counter()
    table = measurer.finish()
    finished = time.perf_counter()
    held = process.memory_info().rss - before
    assert len(table) == objects
    assert (table.frame["voxels"] == 8).all()
    console.print(f"{objects} objects in {math.prod(shape) / 1e6:.0f} million voxels")
    console.print(
        f"  measuring  {measured - start:.1f} s, at most {(most - before) / objects:.0f} bytes/object"
    )
    console.print(
        f"  table      {finished - measured:.1f} s, {held / objects:.0f} bytes/object with its sums gone"
    )
    console.print(f"  peak of the process  {peak_bytes() / 1e9:.2f} GB")
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".parquet", ".csv"):
            path = Path(folder) / f"table{suffix}"
            start = time.perf_counter()
            table.write(path)
            console.print(
                f"  {suffix:<9}  {time.perf_counter() - start:.1f} s, "
                f"{path.stat().st_size / objects:.0f} bytes/object, peak {peak_bytes() / 1e9:.2f} GB"
            )


def peak_bytes() -> int:
    """Highest resident memory of this process so far, or what it is now where the system does not say."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return int(psutil.Process().memory_info().rss)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main(side: int = 256, objects: int = 1_000_000) -> None:
    """Print both tables."""
    console = Console(width=130)
    if side:
        throughput(side, console)
    memory(objects, console)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3]))
