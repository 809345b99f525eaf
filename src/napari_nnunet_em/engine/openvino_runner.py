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
        """Tiles the sweep should hand over at once: as many as run side by side."""
        return self._batch * len(self._ready()[0])

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
        self._average([empty])

    def predict(self, rows: _Tile, corners: Sequence[Corner]) -> Iterator[_Tile]:
        """Logits of tiles of some rows; see `TilePredictor`."""
        _, height, width = self.patch
        yield from self._average([rows[:, :, y : y + height, x : x + width] for y, x in corners])

    def _constant(self, values: tuple[float, ...]) -> _Tile:
        tile = np.broadcast_to(np.array(values, np.float32)[:, None, None, None], (len(values), *self.patch))
        return self._average([tile])[0]

    def _average(self, tiles: Sequence[_Tile]) -> list[_Tile]:
        """Logits of tiles, averaged over flips and folds."""
        answers = [np.zeros((self.heads, *self.patch), np.float32) for _ in tiles]
        passes = [(index, axes) for index in range(len(tiles)) for axes in self._ensemble.flips]
        with self._busy:  # `warm_up` uses the same requests, in another thread
            for requests in self._ready():
                for (index, axes), logits in self._run(requests, tiles, passes):
                    answers[index] += np.flip(self._relative(logits), axes)
        return [np.float32(self._ensemble.share) * answer for answer in answers]

    def _relative(self, logits: _Tile) -> _Tile:
        return logits[1:] - logits[:1] if self._ensemble.relative else logits

    def _run(
        self, requests: list[openvino.InferRequest], tiles: Sequence[_Tile], passes: Sequence[_Pass]
    ) -> Iterator[tuple[_Pass, _Tile]]:
        """Run one network; while answers are added up here, it works on what comes next."""
        running: deque[tuple[openvino.InferRequest, Sequence[_Pass]]] = deque()
        for number, first in enumerate(range(0, len(passes), self._batch)):
            if len(running) == len(requests):
                yield from self._answers(*running.popleft())
            batch = passes[first : first + self._batch]
            request = requests[number % len(requests)]
            self._fill(request, [np.flip(tiles[index], axes) for index, axes in batch])
            request.start_async()
            running.append((request, batch))
        for request, batch in running:
            yield from self._answers(request, batch)

    def _answers(
        self, request: openvino.InferRequest, batch: Sequence[_Pass]
    ) -> Iterator[tuple[_Pass, _Tile]]:
        request.wait()
        logits = request.get_output_tensor().data.reshape(self._batch, -1, *self.patch)
        yield from zip(batch, logits, strict=False)  # a last batch may be filled up with zeros

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
