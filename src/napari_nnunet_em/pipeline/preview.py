"""A first look at a part of a volume: quick, in memory, and with the voxels of a later full run.

What takes long is kept between calls: the statistics of the volume, the grids, and the warm network.
"""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.config import Job
from napari_nnunet_em.engine.runner import TileRunner
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import Volume
from napari_nnunet_em.pipeline.boxes import BoxPredictor
from napari_nnunet_em.pipeline.opening import OpenJob, open_job
from napari_nnunet_em.pipeline.preview_input import PATIENT_BYTES, InputCache
from napari_nnunet_em.pipeline.running import RunnerFactory, open_job_runner
from napari_nnunet_em.progress import CancelToken, ProgressEvent, Stage

_PIECE_SIDE = 512
_MOST_VOXELS = 1 << 28


@dataclass(frozen=True)
class PreviewPart:
    """A finished piece of a preview.

    Attributes
    ----------
    box : Box
        Voxels of the volume.
    probabilities : array, (classes, z, y, x), float32
        Of the foreground classes or regions, not yet rounded to what a job stores.
    provisional : bool
        Whether the statistics are an estimate, so that a full run may give other values.
    runner : str
        What ran the network.
    tiles : int
        Tiles that it took.
    seconds : float
        How long they took, from reading to probabilities.
    """

    box: Box
    probabilities: NDArray[np.float32]
    provisional: bool
    runner: str
    tiles: int = 0
    seconds: float = 0.0


class Previewer:
    """Predicts boxes of volumes, and keeps what is warm for the next one.

    One thread at a time may run a preview; `runner` may be called from any.

    Parameters
    ----------
    make_runner : callable
        Makes what runs the network.
    patient_bytes : int
        Volumes larger than this get estimated statistics, unless their own are known.
    """

    def __init__(
        self, make_runner: RunnerFactory = open_job_runner, patient_bytes: int = PATIENT_BYTES
    ) -> None:
        self._make_runner = make_runner
        self._input = InputCache(patient_bytes)
        self._lock = threading.Lock()
        self._runner: tuple[tuple[Any, ...], TileRunner] | None = None

    def preview(
        self, job: Job, volume: Volume, box: Box, cancel: CancelToken | None = None
    ) -> Iterator[ProgressEvent | PreviewPart]:
        """Predict a box, from its middle outwards.

        Parameters
        ----------
        job : Job
            What a full run would do; nothing is written to its output.
        volume : Volume
            The volume.
        box : Box
            Voxels of it, (z, y, x).
        cancel : CancelToken, optional
            Polled between batches of tiles.

        Yields
        ------
        ProgressEvent
            While the volume is prepared, and how many voxels of the box are there.
        PreviewPart
            Each piece as soon as it is there.

        Raises
        ------
        InputError, ModelError, SettingsError
            As `segment`; also where the box is larger than a preview should be.
        Cancelled
            If the token said so.
        """
        cancel = cancel or CancelToken()
        if box.size > _MOST_VOXELS:
            raise InputError(
                f"A preview of {box.size / 1e6:.0f} million voxels would take too long: zoom in, show fewer "
                "slices, or segment the region instead."
            )
        yield ProgressEvent(Stage.OPEN)
        opened = open_job(_with_region(job, box), volume)
        cancel.raise_if_cancelled()
        prepared = yield from self._input.prepare(opened, cancel)
        yield ProgressEvent(Stage.PREDICT, 0, box.size)
        runner = self.runner(opened)
        predictor = BoxPredictor.of(opened.bundle, prepared.sources, runner, cancel)
        done = 0
        for piece in pieces(box):
            cancel.raise_if_cancelled()
            begun = time.perf_counter()
            result = predictor.predict(piece)
            seconds = time.perf_counter() - begun
            tiles = predictor.tiles(piece)
            yield PreviewPart(piece, result, prepared.provisional, runner.description, tiles, seconds)
            done += piece.size
            yield ProgressEvent(Stage.PREDICT, done, box.size, box=piece)

    def runner(self, opened: OpenJob) -> TileRunner:
        """What runs the network of a job: the one that is warm, where it is the same."""
        key = (opened.identity["model"]["content"], opened.folds, opened.mirror_axes, opened.job.execution)
        with self._lock:
            if self._runner is None or self._runner[0] != key:
                self._runner = None  # freed before another one is made
                runner = self._make_runner(opened)
                runner.warm_up()
                self._runner = key, runner
            return self._runner[1]


def pieces(box: Box, side: int = _PIECE_SIDE) -> list[Box]:
    """Cut a box into pieces, those in the middle of the picture first.

    Parameters
    ----------
    box : Box
        What is to be cut, along y and x.
    side : int
        Extent of a piece; all are equally large, and at most half as large again.

    Returns
    -------
    list of Box
        They cover the box once.
    """
    (z0, *starts), (z1, *stops) = box.start, box.stop
    ys, xs = (_parts(a, b, side) for a, b in zip(starts, stops, strict=True))
    found = [Box((z0, y0, x0), (z1, y1, x1)) for (y0, y1), (x0, x1) in itertools.product(ys, xs)]
    middle = [(a + b) / 2 for a, b in zip(starts, stops, strict=True)]

    def distance(piece: Box) -> float:
        sides = zip(piece.start[1:], piece.stop[1:], middle, strict=True)
        return math.hypot(*((a + b) / 2 - m for a, b, m in sides))

    return sorted(found, key=distance)


def _parts(start: int, stop: int, side: int) -> list[tuple[int, int]]:
    count = max(round((stop - start) / side), 1)
    return list(itertools.pairwise(start + (stop - start) * i // count for i in range(count + 1)))


def _with_region(job: Job, box: Box) -> Job:
    return job.model_copy(update={"prediction": job.prediction.model_copy(update={"region": box})})
