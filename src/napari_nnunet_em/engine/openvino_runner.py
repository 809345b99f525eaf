"""Networks run by OpenVINO on a CPU: two to four times as fast there as PyTorch."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.config import ExecutionSettings
from napari_nnunet_em.engine.constant_tiles import ConstantTiles
from napari_nnunet_em.engine.ensemble import Ensemble
from napari_nnunet_em.engine.host_sums import HostAccumulator
from napari_nnunet_em.engine.openvino_library import inference_precision
from napari_nnunet_em.engine.openvino_networks import compile_network, convert_network
from napari_nnunet_em.engine.runner import Corner
from napari_nnunet_em.engine.threads import network_threads
from napari_nnunet_em.geometry import Shape

if TYPE_CHECKING:
    import openvino

_Tile = NDArray[np.float32]
_Pass = tuple[int, tuple[int, ...]]  # number of the tile, axes that are flipped
_Job = tuple["openvino.InferRequest", Sequence[_Pass]]

_PASSES = 12


class OpenVINORunner:
    """Runs an ensemble of networks on tiles, in OpenVINO; sums are in NumPy, in float32.

    Parameters
    ----------
    ensemble : Ensemble
        The model.
    execution : ExecutionSettings, optional
        Precision, batch size, threads.

    Raises
    ------
    SettingsError
        If OpenVINO is not installed, or cannot do what is asked for.
    ModelError
        If a network cannot be converted.
    """

    def __init__(self, ensemble: Ensemble, execution: ExecutionSettings | None = None) -> None:
        self._execution = execution or ExecutionSettings()
        self._precision = inference_precision(self._execution)
        self._ensemble = ensemble
        # Larger batches are no faster on a CPU (benchmarks/runners.py).
        self._batch = self._execution.batch_size or 1
        shape = (self._batch, *ensemble.input_shape)
        self._models = [convert_network(network, shape) for network in ensemble.networks]
        self._busy = threading.RLock()
        self._requests: list[list[openvino.InferRequest]] = []
        self.constant_answers = ConstantTiles(self._constant)

    @property
    def patch(self) -> Shape:
        """Patch size, (z, y, x)."""
        return self._ensemble.patch

    @property
    def heads(self) -> int:
        """Logits per voxel; see `TileRunner`."""
        return self._ensemble.heads

    @property
    def batch_size(self) -> int:
        """Tiles the sweep should hand over at once: so many that the end of each batch hardly counts."""
        passes = len(self._models) * len(self._ensemble.flips)
        return max(self._batch * len(self._ready()[0]), _PASSES // passes)

    @property
    def description(self) -> str:
        """What runs where and how."""
        from openvino import get_version  # noqa: PLC0415 - optional

        return ", ".join(
            [
                f"OpenVINO {get_version().split('-')[0]} on cpu",
                {"f32": "float32", "bf16": "bfloat16"}[self._precision],
                "compiled",
                f"folds: {len(self._models)}",
                f"orientations: {len(self._ensemble.flips)}",
                f"tiles per batch: {self._batch}",
                f"batches side by side: {len(self._ready()[0])}",
                f"threads: {network_threads(self._execution.threads)}",
            ]
        )

    def accumulator(self, plane: tuple[int, int]) -> HostAccumulator:
        """Start empty sums for a plane of (y, x) voxels."""
        return HostAccumulator(self, plane)

    def warm_up(self) -> None:
        """Compile the networks and run each on an empty tile."""
        empty = np.zeros((self._ensemble.channels, *self.patch), np.float32)
        for _ in self._average([empty]):
            pass

    def predict(self, rows: _Tile, corners: Sequence[Corner]) -> Iterator[_Tile]:
        """Logits of tiles of some rows; see `TilePredictor`."""
        _, height, width = self.patch
        yield from self._average([rows[:, :, y : y + height, x : x + width] for y, x in corners])

    def _constant(self, values: tuple[float, ...]) -> _Tile:
        tile = np.broadcast_to(np.array(values, np.float32)[:, None, None, None], (len(values), *self.patch))
        (answer,) = self._average([tile])
        return answer

    def _average(self, tiles: Sequence[_Tile]) -> Iterator[_Tile]:
        """Logits of tiles, averaged over flips and folds, in order, each as soon as it is complete.

        While the caller adds one up, the networks work on those that follow.
        """
        running: deque[_Job] = deque()
        sums = _Sums((self.heads, *self.patch), len(self._models) * len(self._ensemble.flips))
        with self._busy:  # `warm_up` uses the same requests, in another thread
            requests = self._ready()
            slots = len(requests[0])
            for number, (fold, passes) in enumerate(self._jobs(len(tiles))):
                if len(running) == slots:
                    yield from self._collect(running.popleft(), sums)
                request = requests[fold][number % slots]  # that of the job just collected is free
                self._fill(request, [np.flip(tiles[index], axes) for index, axes in passes])
                request.start_async()
                running.append((request, passes))
            for job in running:
                yield from self._collect(job, sums)

    def _jobs(self, count: int) -> Iterator[tuple[int, Sequence[_Pass]]]:
        """Which network runs which passes together, so that tiles are complete in order."""
        for first in range(0, count, self._batch):
            group = range(first, min(first + self._batch, count))
            passes = [(index, axes) for axes in self._ensemble.flips for index in group]
            for fold in range(len(self._models)):
                for start in range(0, len(passes), self._batch):
                    yield fold, passes[start : start + self._batch]

    def _collect(self, job: _Job, sums: _Sums) -> Iterator[_Tile]:
        """Wait for a job, add up its answers, and yield the tiles that are complete by that."""
        request, passes = job
        request.wait()
        logits = request.get_output_tensor().data.reshape(self._batch, -1, *self.patch)
        for (index, axes), tile in zip(passes, logits, strict=False):  # a last batch is filled up with zeros
            relative = tile[1:] - tile[:1] if self._ensemble.relative else tile
            answer = sums.add(index, np.flip(relative, axes))
            if answer is not None:
                yield np.float32(self._ensemble.share) * answer

    def _fill(self, request: openvino.InferRequest, tiles: Sequence[_Tile]) -> None:
        data = request.get_input_tensor().data
        for place, tile in zip(data, tiles, strict=False):
            place[...] = tile.reshape(place.shape)
        data[len(tiles) :] = 0

    def _ready(self) -> list[list[openvino.InferRequest]]:
        """Requests of each network, which is compiled when they are first needed; other threads wait."""
        with self._busy:
            if not self._requests:
                for model in self._models:
                    compiled = compile_network(model, self._execution, several=self._ensemble.flat)
                    count = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
                    # One more than runs at a time, so that none of them waits for the sums.
                    self._requests.append([compiled.create_infer_request() for _ in range(count + 1)])
            return self._requests


class _Sums:
    """Answers of tiles that are being added up.

    Parameters
    ----------
    shape : tuple of int, (heads, z, y, x)
        Of one answer.
    passes : int
        How many make a tile complete.
    """

    def __init__(self, shape: tuple[int, ...], passes: int) -> None:
        self._shape, self._passes = shape, passes
        self._sums: dict[int, tuple[_Tile, int]] = {}

    def add(self, index: int, answer: _Tile) -> _Tile | None:
        """Add an answer of a tile; the sum where it is the last one."""
        if index not in self._sums:
            self._sums[index] = np.zeros(self._shape, np.float32), 0
        total, count = self._sums.pop(index)
        total += answer
        if count + 1 == self._passes:
            return total
        self._sums[index] = total, count + 1
        return None
