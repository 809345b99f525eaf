"""Throughput of connected components, block by block against the whole volume in memory.

Run it with ``python benchmarks/components.py [side] [block]``. It prints a table for masks like those of real
volumes and for noise. Numbers are the best of three runs on one thread, in million voxels per second.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import ndimage
from skimage import measure

from napari_nnunet_em.components import find_components

Mask = NDArray[np.bool_]
RANK = {6: 1, 18: 2, 26: 3}


def masks(side: int) -> dict[str, Mask]:
    """Masks to label, by name."""
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.random((side, side, side), dtype=np.float32), 4)
    levels = np.quantile(smooth[::4, ::4, ::4], [0.95, 0.9, 0.5])
    noise = rng.random((side, side, side), dtype=np.float32)
    return {
        "blobs, 5 %": smooth > levels[0],
        "blobs, 10 %": smooth > levels[1],
        "blobs, 50 %": smooth > levels[2],
        "noise, 1 %": noise < 0.01,
        "noise, 30 %": noise < 0.3,
    }


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Shortest of three runs, and what the work returns."""
    best, result = float("inf"), None
    for _ in range(3):
        start = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - start)
    return best, result


def measure_one(mask: Mask, connectivity: int, block: int) -> tuple[int, dict[str, float]]:
    """Number of components, and seconds of each way to find them."""
    structure = ndimage.generate_binary_structure(3, RANK[connectivity])
    first, components = seconds(
        lambda: find_components(lambda box: mask[box.slices], mask.shape, (block,) * 3, connectivity)
    )
    blocks = list(components.table.layout.blocks())

    def write_all() -> None:
        for part in blocks:
            components.relabel(part)

    second, _ = seconds(write_all)
    whole, (_, count) = seconds(
        lambda: cc3d.connected_components(mask, connectivity=connectivity, return_N=True)
    )
    assert count == components.table.count
    return count, {
        "pass 1": first,
        "pass 2": second,
        "both": first + second,
        "cc3d": whole,
        "SciPy": seconds(lambda: ndimage.label(mask, structure))[0],
        "scikit-image": seconds(lambda: measure.label(mask, connectivity=RANK[connectivity]))[0],
    }


def main(side: int = 256, block: int = 64) -> None:
    """Print the table for a cube of `side` voxels in cubic blocks of `block` voxels."""
    table = Table(title=f"Million voxels per second, {side}^3 voxels, blocks of {block}^3, one thread")
    for name in ("mask", "connectivity", "components", "pass 1", "pass 2", "both"):
        table.add_column(name, justify="left" if name == "mask" else "right")
    for name in ("cc3d", "SciPy", "scikit-image"):
        table.add_column(f"{name}, in memory", justify="right")
    for name, mask in masks(side).items():
        for connectivity in (6, 26):
            count, times = measure_one(mask, connectivity, block)
            speeds = [f"{mask.size / duration / 1e6:.0f}" for duration in times.values()]
            table.add_row(name, str(connectivity), str(count), *speeds)
    Console(width=130).print(table)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3]))
