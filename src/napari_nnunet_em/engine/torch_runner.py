"""Networks run by PyTorch on CPU, CUDA or MPS."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence

import torch

from napari_nnunet_em.config import ExecutionSettings
from napari_nnunet_em.engine.batch_size import find_batch_size
from napari_nnunet_em.engine.compiling import compile_networks, should_compile
from napari_nnunet_em.engine.constant_tiles import ConstantTiles
from napari_nnunet_em.engine.devices import (
    choose_device,
    choose_dtype,
    device_memory_bytes,
    limit_device_memory,
)
from napari_nnunet_em.engine.ensemble import Ensemble
from napari_nnunet_em.engine.threads import network_threads
from napari_nnunet_em.engine.torch_networks import TorchNetworks
from napari_nnunet_em.engine.torch_sums import TorchAccumulator
from napari_nnunet_em.geometry import Shape

_LOG = logging.getLogger(__name__)
# Where batches are not found by trying. On a CPU larger ones are no faster (benchmarks/runners.py).
_USUAL_BATCH = {"cpu": 1, "mps": 2}
_LARGEST_BATCH = 32
# A batch may take this share of the device's memory; the sums need the rest.
_BATCH_SHARE = 0.25


class TorchRunner:
    """Runs an ensemble of networks on tiles, tiles and flips together in batches; sums are in float32.

    Parameters
    ----------
    ensemble : Ensemble
        The model, which the runner takes over.
    execution : ExecutionSettings, optional
        Device, precision, batch size, threads, compiling, memory of the GPU.
    tiles : int
        Expected number of tiles of the run, by which compiling is judged; 0: unknown.

    Raises
    ------
    SettingsError
        If the device is not there, or cannot compute with the precision.
    """

    def __init__(
        self, ensemble: Ensemble, execution: ExecutionSettings | None = None, tiles: int = 0
    ) -> None:
        self._ensemble = ensemble
        self._execution = execution or ExecutionSettings()
        self._passes_expected = tiles * len(ensemble.flips) * len(ensemble.networks)
        self.device = choose_device(self._execution.device)
        self._dtype = choose_dtype(self._execution.precision, self.device)
        self._threads = network_threads(self._execution.threads)
        self._use_threads()
        limit_device_memory(self.device, self._execution.max_vram_gb)
        self._networks = TorchNetworks(ensemble, self.device, self._dtype)
        self._batch_size = self._execution.batch_size or _USUAL_BATCH.get(self.device.type, 0)
        self._preparing = threading.RLock()
        self._prepared = False
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
    def share(self) -> float:
        """Weight of one forward pass in a tile's average."""
        return self._ensemble.share

    @property
    def batch_size(self) -> int:
        """Tiles per forward pass, a tile that is flipped counting as one more."""
        self._prepare()
        return self._batch_size

    @property
    def description(self) -> str:
        """What runs where and how; waits for `warm_up`, which finds some of it out."""
        self._prepare()
        parts = [
            f"PyTorch {torch.__version__} on {self.device.type}",
            str(self._dtype).removeprefix("torch."),
            "compiled" if self._networks.compiled else "not compiled",
            f"folds: {len(self._ensemble.networks)}{'' if self._networks.resident else ', taking turns'}",
            f"orientations: {len(self._ensemble.flips)}",
            f"tiles per batch: {self._batch_size}",
        ]
        if self.device.type == "cpu":
            parts.append(f"threads: {self._threads}")
        return ", ".join(parts)

    def accumulator(self, plane: tuple[int, int]) -> TorchAccumulator:
        """Start empty sums for a plane of (y, x) voxels."""
        self._use_threads()
        return TorchAccumulator(self, plane)

    @torch.inference_mode()
    def warm_up(self) -> None:
        """Find the batch size, compile if that pays, and run one empty batch."""
        self._prepare()
        self._networks.run(self._networks.zeros(self._batch_size))

    def passes(self, tiles: Sequence[torch.Tensor]) -> Iterator[tuple[int, torch.Tensor]]:
        """Run tiles in all orientations.

        Parameters
        ----------
        tiles : sequence of torch.Tensor, (c, z, y, x), float32
            On the device.

        Yields
        ------
        index : int
            Of the tile.
        logits : torch.Tensor, (heads, z, y, x), float32
            Of one orientation, turned back; the sum over the folds. `share` is its weight.

        Raises
        ------
        torch.OutOfMemoryError
            If not even one tile fits on the device.
        """
        self._prepare()
        waiting = [(index, axes) for index in range(len(tiles)) for axes in self._ensemble.flips]
        while waiting:
            now = waiting[: self._batch_size]
            try:
                # Only what can be repeated as a whole stands here: a sum half added to would be wrong.
                logits = self._networks.run(torch.stack([torch.flip(tiles[i], axes) for i, axes in now]))
            except torch.OutOfMemoryError:
                if len(now) == 1:
                    raise
                self._shrink(len(now) // 2)
                continue
            for (index, axes), answer in zip(now, logits, strict=True):
                yield index, torch.flip(answer, axes)
            waiting = waiting[len(now) :]

    @torch.inference_mode()
    def _constant(self, values: tuple[float, ...]) -> torch.Tensor:
        tile = torch.tensor(values, device=self.device)[:, None, None, None].expand(-1, *self.patch)
        return sum((self.share * logits for _, logits in self.passes([tile])), torch.zeros(()))

    def _shrink(self, batch_size: int) -> None:
        self._batch_size = batch_size
        _LOG.warning("The device ran out of memory; continuing with batches of %d", batch_size)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _use_threads(self) -> None:
        # PyTorch keeps the number for each thread that asks for it, so that it is set where tiles are run.
        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)

    @torch.inference_mode()
    def _prepare(self) -> None:
        """Settle batch size and compiling, once; other threads wait."""
        with self._preparing:
            if self._prepared:
                return
            seconds: float | None = None
            if not self._batch_size:
                room = (device_memory_bytes(self._execution) or 0) * _BATCH_SHARE
                self._batch_size, seconds = find_batch_size(lambda n: self._try(n, room), _LARGEST_BATCH)
            if self._may_compile():
                seconds = seconds or self._seconds_per_tile(self._batch_size)
                per_pass = seconds / len(self._ensemble.networks)
                if should_compile(self._execution.compile, self._passes_expected, per_pass, self.device.type):
                    compile_networks(self._networks, self._batch_size)
            self._prepared = True

    def _may_compile(self) -> bool:
        """Whether it is worth to time a batch: an upper bound of a second per pass decides most cases."""
        return should_compile(self._execution.compile, self._passes_expected, 1.0, self.device.type)

    def _try(self, batch_size: int, room: float) -> float | None:
        """Seconds per tile in batches of this size on CUDA; None where they need more bytes than `room`."""
        torch.cuda.reset_peak_memory_stats(self.device)
        before = torch.cuda.memory_allocated(self.device)
        try:
            seconds = self._seconds_per_tile(batch_size)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            return None
        needed = torch.cuda.max_memory_allocated(self.device) - before
        return seconds if batch_size == 1 or needed <= room else None

    def _seconds_per_tile(self, batch_size: int) -> float:
        batch = self._networks.zeros(batch_size)
        self._networks.run(batch)  # the first time is slower
        started = time.perf_counter()
        self._networks.run(batch).sum().item()  # waits for the device
        return (time.perf_counter() - started) / batch_size
