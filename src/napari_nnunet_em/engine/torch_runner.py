"""Networks run by PyTorch on CPU, CUDA or MPS."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from napari_nnunet_em.config import Device, ExecutionSettings
from napari_nnunet_em.engine.blending import gaussian_weights
from napari_nnunet_em.engine.space import patch_shape
from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.geometry import Shape
from napari_nnunet_em.model import ModelBundle, load_networks

_LOG = logging.getLogger(__name__)
_AUTO_BATCH = {"cuda": {2: 8, 3: 2}, "cpu": {2: 4, 3: 1}, "mps": {2: 4, 3: 1}}


def choose_device(device: Device) -> torch.device:
    """Find the device asked for.

    Raises
    ------
    SettingsError
        If it is not there.
    """
    there = {
        Device.CUDA: torch.cuda.is_available(),
        Device.MPS: torch.backends.mps.is_available(),
        Device.CPU: True,
    }
    if device is Device.AUTO:
        return torch.device(next(d.value for d, found in there.items() if found))
    if not there[device]:
        raise SettingsError(
            f"The device {device.value!r} was asked for, but PyTorch {torch.__version__} finds none here; "
            "choose auto or cpu, or install a PyTorch build and driver for it."
        )
    return torch.device(device.value)


def flip_combinations(axes: Sequence[int]) -> list[tuple[int, ...]]:
    """All sets of axes to flip, from none to all, in nnU-Net's order."""
    return [c for n in range(len(axes) + 1) for c in itertools.combinations(axes, n)]


class TorchRunner:
    """Runs an ensemble of networks on tiles; logits are averaged over flips, then over folds, in float32.

    Parameters
    ----------
    networks : sequence of torch.nn.Module
        One per fold, in eval mode.
    patch : tuple of int, (z, y, x)
        Patch size.
    heads : int
        Outputs per voxel.
    mirror_axes : sequence of int
        Axes of the network's patch that are flipped, 0 being its first.
    device : Device
        Where to run.
    batch_size : int
        Tiles per forward pass; 0 chooses. Halved when the device runs out of memory.
    """

    def __init__(
        self,
        networks: Sequence[torch.nn.Module],
        patch: Shape,
        heads: int,
        *,
        mirror_axes: Sequence[int] = (),
        device: Device = Device.AUTO,
        batch_size: int = 0,
    ) -> None:
        self._device = choose_device(device)
        self._networks = [n.to(self._device).eval() for n in networks]
        self._patch = patch
        self._heads = heads
        self._flat = next((p.ndim == 4 for n in networks for p in n.parameters() if p.ndim > 3), False)
        first = 2  # the network's own axes begin after batch and channel
        self._flips = [tuple(a + first for a in c) for c in flip_combinations(sorted(mirror_axes))]
        automatic = _AUTO_BATCH[self._device.type][2 if self._flat else 3]
        self._batch_size = batch_size or automatic

    @property
    def patch(self) -> Shape:
        """Patch size, (z, y, x)."""
        return self._patch

    @property
    def heads(self) -> int:
        """Outputs of the network per voxel."""
        return self._heads

    @property
    def batch_size(self) -> int:
        """Tiles per forward pass."""
        return self._batch_size

    @property
    def description(self) -> str:
        """What runs where."""
        kind = "float16 autocast" if self._device.type == "cuda" else "float32"
        return (
            f"PyTorch {torch.__version__} on {self._device.type}, {kind}; folds: {len(self._networks)}, "
            f"orientations: {len(self._flips)}, tiles per batch: {self._batch_size}"
        )

    @property
    def device(self) -> torch.device:
        """Where tiles are run and summed."""
        return self._device

    def accumulator(self, plane: tuple[int, int]) -> TorchAccumulator:
        """Start empty sums for a plane of (y, x) voxels."""
        return TorchAccumulator(self, plane)

    @torch.inference_mode()
    def logits(self, patches: NDArray[np.float32]) -> torch.Tensor:
        """Predict tiles.

        Parameters
        ----------
        patches : array, (tiles, c, z, y, x), float32

        Returns
        -------
        torch.Tensor, (tiles, heads, z, y, x), float32
            On the device, averaged over flips and folds.
        """
        parts: list[torch.Tensor] = []
        start = 0
        while start < len(patches):
            batch = torch.from_numpy(patches[start : start + self._batch_size])
            try:
                parts.append(self._forward(batch))
            except torch.OutOfMemoryError:
                if len(batch) == 1:
                    raise
                self._shrink(len(batch) // 2)
            else:
                start += len(batch)
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _forward(self, batch: torch.Tensor) -> torch.Tensor:
        batch = (batch[:, :, 0] if self._flat else batch).to(self._device)
        total = sum((self._fold(network, batch) for network in self._networks), torch.zeros(()))
        total = total / len(self._networks) if len(self._networks) > 1 else total
        return total[:, :, None] if self._flat else total

    def _shrink(self, batch_size: int) -> None:
        self._batch_size = batch_size
        _LOG.warning("The device ran out of memory; continuing with batches of %d", self._batch_size)
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _fold(self, network: torch.nn.Module, batch: torch.Tensor) -> torch.Tensor:
        with self._precision():
            result: torch.Tensor = network(batch).float()
            for axes in self._flips[1:]:
                result += torch.flip(network(torch.flip(batch, axes)).float(), axes)
        return result / len(self._flips) if len(self._flips) > 1 else result

    def _precision(self) -> contextlib.AbstractContextManager[object]:
        return (
            torch.autocast("cuda", torch.float16) if self._device.type == "cuda" else contextlib.nullcontext()
        )


class TorchAccumulator:
    """Weighted sums on the runner's device."""

    def __init__(self, runner: TorchRunner, plane: tuple[int, int]) -> None:
        self._runner = runner
        self._gaussian = torch.from_numpy(gaussian_weights(runner.patch).copy()).to(runner.device)
        depth = runner.patch[0]
        self._sums = torch.zeros((runner.heads, depth, *plane), device=runner.device)
        self._weights = torch.zeros((depth, *plane), device=runner.device)

    @torch.inference_mode()
    def add(self, patches: NDArray[np.float32], corners: Sequence[tuple[int, int]]) -> None:
        """Predict tiles and add their weighted logits; see `Accumulator`."""
        logits = self._runner.logits(patches)
        _, height, width = self._runner.patch
        for tile, (y, x) in zip(logits, corners, strict=True):
            where = (slice(y, y + height), slice(x, x + width))
            self._sums[(slice(None), slice(None), *where)] += tile * self._gaussian
            self._weights[(slice(None), *where)] += self._gaussian

    def take(self, rows: int, window: tuple[slice, slice]) -> NDArray[np.float32]:
        """Blended logits of the first rows; see `Accumulator`."""
        first = (slice(0, rows), *window)
        blended = self._sums[(slice(None), *first)] / self._weights[first]
        return np.asarray(blended.cpu().numpy())

    def advance(self, rows: int) -> None:
        """Move on along z; see `Accumulator`."""
        for sums, axis in ((self._sums, 1), (self._weights, 0)):
            keep = max(sums.shape[axis] - rows, 0)
            kept = sums.narrow(axis, sums.shape[axis] - keep, keep).clone()
            sums.zero_()
            sums.narrow(axis, 0, keep).copy_(kept)


def open_torch_runner(
    bundle: ModelBundle, folds: Sequence[str], mirror_axes: Sequence[int], execution: ExecutionSettings
) -> TorchRunner:
    """Load a model's folds and make them ready to run.

    Parameters
    ----------
    bundle : ModelBundle
        The model.
    folds : sequence of str
        Folds to average.
    mirror_axes : sequence of int
        Axes of the patch to flip.
    execution : ExecutionSettings
        Device, batch size and threads.

    Raises
    ------
    ModelError
        If the weights cannot be loaded.
    SettingsError
        If the device is not there.
    """
    device = choose_device(execution.device)
    if execution.threads:
        torch.set_num_threads(execution.threads)
    return TorchRunner(
        load_networks(bundle, folds),
        patch_shape(bundle),
        bundle.num_outputs,
        mirror_axes=mirror_axes,
        device=Device(device.type),
        batch_size=execution.batch_size,
    )
