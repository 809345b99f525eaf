"""What a runner takes, in seconds and in bytes, measured on tiles of noise."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import psutil

from napari_nnunet_em.engine.runner import Accumulator, TileRunner

_SAMPLE_SECONDS = 0.005


@dataclass(frozen=True)
class Probe:
    """A runner, measured.

    Attributes
    ----------
    seconds_per_tile : float
        With all flips and folds, and the weighted sum.
    tiles : int
        Tiles that were run.
    ram_bytes : int
        Highest resident memory of the process while they ran.
    device_bytes : int or None
        Highest memory of the CUDA device; None where there is none.
    """

    seconds_per_tile: float
    tiles: int
    ram_bytes: int
    device_bytes: int | None


def probe_runner(runner: TileRunner, channels: int, seconds: float = 2.0) -> Probe:
    """Run tiles of noise.

    Parameters
    ----------
    runner : TileRunner
        The runner; it is warmed up first, and that is not measured.
    channels : int
        Inputs of the network per voxel.
    seconds : float
        How long to run; at least one batch is run.
    """
    runner.warm_up()
    _, height, width = runner.patch
    sums = runner.accumulator((height, width))
    sums.load(np.random.default_rng(0).standard_normal((channels, *runner.patch), np.float32))
    with _highest_memory() as highest:
        _run_batch(sums, runner.batch_size)  # the first is slower: what it needs is allocated in it
        tiles, begun = 0, time.perf_counter()
        while not tiles or time.perf_counter() - begun < seconds:
            _run_batch(sums, runner.batch_size)
            tiles += runner.batch_size
        elapsed = time.perf_counter() - begun
    return Probe(elapsed / tiles, tiles, highest[0], _device_bytes())


def _run_batch(sums: Accumulator, size: int) -> None:
    sums.add([(0, 0)] * size)
    sums.take(1, (slice(0, 1), slice(0, 1)))  # waits for the device


@contextmanager
def _highest_memory() -> Iterator[list[int]]:
    """Highest resident memory meanwhile, sampled: the peak that the system keeps cannot be reset."""
    process, done = psutil.Process(), threading.Event()
    highest = [process.memory_info().rss]

    def watch() -> None:
        while not done.wait(_SAMPLE_SECONDS):
            highest[0] = max(highest[0], process.memory_info().rss)

    thread = threading.Thread(target=watch, name="nnunet-em-memory", daemon=True)
    thread.start()
    try:
        yield highest
    finally:
        done.set()
        thread.join()


def _device_bytes() -> int | None:
    import torch  # noqa: PLC0415 - slow to load, and the runner has done so

    # 0 where CUDA was never used.
    return int(torch.cuda.max_memory_allocated()) if torch.cuda.is_available() else None
