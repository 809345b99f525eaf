"""Passes over blocks: how large they are, and how several are read at once."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from napari_nnunet_em.evaluation.counting import BLOCK_VOXELS
from napari_nnunet_em.geometry import Shape, as_shape
from napari_nnunet_em.progress import CancelToken

In = TypeVar("In")
Out = TypeVar("Out")

_LARGEST_BLOCKS = 16
"""A stored chunk may be this many times larger than a block before it is read in parts."""


def block_shape(shape: Shape, *chunks: Shape) -> Shape:
    """Blocks of about `BLOCK_VOXELS` voxels that follow the chunks of what is read, (z, y, x).

    Parameters
    ----------
    shape : tuple of int, (z, y, x)
        Voxels of the whole.
    chunks : tuple of int, (z, y, x)
        Stored chunk of each image that is read.
    """
    block = [min(max(sides), n) for *sides, n in zip(*chunks, shape, strict=True)]
    for axis in (2, 1, 0):
        room = BLOCK_VOXELS // math.prod(block)
        if room > 1:
            block[axis] = min(block[axis] * room, shape[axis])
    for axis in (0, 1, 2):
        times = -(-math.prod(block) // (_LARGEST_BLOCKS * BLOCK_VOXELS))
        if times > 1:
            block[axis] = max(block[axis] // times, 1)
    return as_shape(block)


def in_threads(
    work: Callable[[In], Out], items: Iterable[In], cancel: CancelToken | None = None
) -> Generator[Out, None, None]:
    """What `work` makes of each item, in order, a few at the same time.

    Raises
    ------
    Cancelled
        When `cancel` asked for it; it is polled before each item.
    """
    workers = min(4, os.cpu_count() or 1)
    waiting: deque[Future[Out]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                if cancel is not None:
                    cancel.raise_if_cancelled()
                waiting.append(pool.submit(work, item))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
