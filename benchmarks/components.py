"""The two labelling passes, block by block, against other libraries with the whole mask in memory.

Run it with ``python benchmarks/components.py [planes] [side]`` after ``pip install -e .[bench]``. Blocks are
those of a job: 16 x 1024 x 1024 voxels. Every number is the least of three runs (dask-image: one), in CPU
seconds of one thread, because these disturb each other less on a shared machine; read them as ratios. The
order of a round is fixed, so that what slows the machine slows all. Prints Markdown.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import cc3d
import dask
import dask.array as da
import numpy as np
from dask_image import ndmeasure
from numpy.typing import NDArray
from scipy import ndimage
from skimage import measure
from synthetic import Organelles, Specks

from napari_nnunet_em.components import Components, find_components
from napari_nnunet_em.geometry import Box

Mask = NDArray[np.bool_]
BLOCK = (16, 1024, 1024)
RANK = {6: 1, 18: 2, 26: 3}
ROUNDS = 3
OTHERS = ("cc3d", "SciPy", "scikit-image", "dask-image")


def masks(shape: tuple[int, int, int]) -> dict[str, Mask]:
    """Masks to label, by name."""
    rng = np.random.default_rng(0)
    noise = rng.random(shape, dtype=np.float32)
    smooth = ndimage.gaussian_filter(noise, 4, mode="wrap")
    levels = np.quantile(smooth[::4, ::4, ::4], [0.95, 0.9, 0.5])
    box = Box.whole(shape)
    return {
        "organelles, 11 %": Organelles(shape).read(box),
        "blobs, 5 %": smooth > levels[0],
        "blobs, 10 %": smooth > levels[1],
        "blobs, 50 %": smooth > levels[2],
        "specks, 12 %": Specks(shape).read(box),
        "noise, 1 %": noise < 0.01,
        "noise, 30 %": noise < 0.3,
        "empty": np.zeros(shape, dtype=np.bool_),
    }


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds that some work takes, and what it returns."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def with_dask(mask: Mask, structure: NDArray[Any]) -> int:
    """Number of components by dask-image, in the same blocks and one thread; labels the whole mask."""
    with dask.config.set(scheduler="synchronous"):
        labels, count = ndmeasure.label(da.from_array(mask, chunks=BLOCK), structure)
        out = np.empty(mask.shape, dtype=labels.dtype)
        number, _ = dask.compute(count, da.store(labels, out, compute=False))
        return int(number)


def second_pass(components: Components) -> None:
    """Make the final labels of every block."""
    for block in components.table.layout.blocks():
        components.relabel(block)


def one_round(mask: Mask, connectivity: int, *, with_slowest: bool) -> tuple[int, dict[str, float]]:
    """Number of components, and seconds of each way to find them; dask-image on demand."""
    structure = ndimage.generate_binary_structure(3, RANK[connectivity])
    times: dict[str, float] = {}
    times["pass 1"], found = timed(
        lambda: find_components(lambda box: mask[box.slices], mask.shape, BLOCK, connectivity)
    )
    times["pass 2"], _ = timed(lambda: second_pass(found))
    count = found.table.count
    times["cc3d"], (_, theirs) = timed(
        lambda: cc3d.connected_components(mask, connectivity=connectivity, return_N=True)
    )
    assert theirs == count
    times["SciPy"], _ = timed(lambda: ndimage.label(mask, structure))
    times["scikit-image"], _ = timed(lambda: measure.label(mask, connectivity=RANK[connectivity]))
    times["dask-image"] = float("inf")
    if with_slowest:
        times["dask-image"], theirs = timed(lambda: with_dask(mask, structure))
        assert theirs == count
    return count, times


def main(planes: int = 64, side: int = 1024) -> None:
    """Print the table for a mask of `planes` x `side` x `side` voxels."""
    shape = (planes, side, side)
    voxels = planes * side * side
    print(f"{planes} x {side} x {side} voxels in blocks of {BLOCK}, ns per voxel of one thread\n")
    print("| mask | conn. | objects | pass 1 | pass 2 | " + " | ".join(OTHERS), end=" |")
    print(" pass 1 / cc3d | pass 2 / cc3d | both / cc3d |")
    print("|---|" + "---:|" * 11)
    for name, mask in masks(shape).items():
        for connectivity in (6, 26):
            rounds = [one_round(mask, connectivity, with_slowest=not n) for n in range(ROUNDS)]
            best = {way: min(times[way] for _, times in rounds) for way in rounds[0][1]}
            speeds = [f"{best[way] / voxels * 1e9:.2f}" for way in ("pass 1", "pass 2", *OTHERS)]
            first, second = best["pass 1"] / best["cc3d"], best["pass 2"] / best["cc3d"]
            ratios = [f"{ratio:.2f}" for ratio in (first, second, first + second)]
            cells = [name, str(connectivity), str(rounds[0][0]), *speeds, *ratios]
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3]))
