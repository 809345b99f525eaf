"""The networks of a model on a device of PyTorch: precision, memory layout, and where each fold waits."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

import torch
from torch import nn

from napari_nnunet_em.engine.ensemble import Ensemble

Network = Callable[[torch.Tensor], torch.Tensor]

_LOG = logging.getLogger(__name__)
_MATRIX_LAYERS = (nn.modules.conv._ConvNd, nn.Linear)


class TorchNetworks:
    """All folds of a model, run on batches of tiles.

    Parameters
    ----------
    ensemble : Ensemble
        The model. Its networks are taken over: moved, and converted where the precision asks for it.
    device : torch.device
        Where to run.
    dtype : torch.dtype
        Numbers of the convolutions; logits are float32.

    Notes
    -----
    With half precision the weights of convolutions are converted once, which is what autocast would do in
    every forward pass; all other layers stay as autocast treats them. Channels come last where that is
    faster: with half precision on CUDA, but not on a CPU (benchmarks/runners.py).
    """

    def __init__(self, ensemble: Ensemble, device: torch.device, dtype: torch.dtype) -> None:
        self._ensemble = ensemble
        self.device = device
        self.dtype = dtype
        self._half = dtype is not torch.float32
        self._layout = self._memory_layout()
        self._compiled: list[Network] = []
        self._compiled_for = 0
        for network in ensemble.networks:
            self._convert(network)
        self.resident = self._place()

    def _memory_layout(self) -> torch.memory_format:
        if not self._half or self.device.type != "cuda":
            return torch.contiguous_format
        return torch.channels_last if self._ensemble.flat else torch.channels_last_3d

    def _convert(self, network: nn.Module) -> None:
        # Layer by layer and in place: nnU-Net's networks name most of their layers several times, and so
        # they stay shared.
        for module in network.modules():
            if self._half and isinstance(module, _MATRIX_LAYERS):
                module.to(self.dtype)
        network.to(memory_format=self._layout)

    def _place(self) -> bool:
        """Move all folds to the device; where they do not fit together, they stay in RAM."""
        try:
            for network in self._ensemble.networks:
                network.to(self.device)
        except torch.OutOfMemoryError:
            if len(self._ensemble.networks) == 1:
                raise
            for network in self._ensemble.networks:
                network.to("cpu")
            _LOG.warning("The device has no room for all folds at once; they take turns there")
            return False
        return True

    def run(self, batch: torch.Tensor) -> torch.Tensor:
        """Sum of the folds' logits.

        Parameters
        ----------
        batch : torch.Tensor, (tiles, c, z, y, x), float32
            On the device.

        Returns
        -------
        torch.Tensor, (tiles, heads, z, y, x), float32
            On the device.

        Raises
        ------
        torch.OutOfMemoryError
            If the batch does not fit; nothing is left of it then.
        """
        flat = self._ensemble.flat
        batch = (batch[:, :, 0] if flat else batch).contiguous(memory_format=self._layout)
        with self._arithmetic():
            total: torch.Tensor | None = None
            for network in self._folds(len(batch)):
                logits = network(batch).float()
                total = logits if total is None else total.add_(logits)
        assert total is not None
        if self._ensemble.relative:
            total = total[:, 1:] - total[:, :1]
        return total[:, :, None] if flat else total

    def _folds(self, batch_size: int) -> Iterator[Network]:
        if self.resident:
            yield from self._compiled if batch_size == self._compiled_for else self._ensemble.networks
            return
        for network in self._ensemble.networks:
            try:
                yield network.to(self.device)
            finally:
                network.to("cpu")

    @contextlib.contextmanager
    def _arithmetic(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.autocast(self.device.type, self.dtype, enabled=self._half))
            if self.device.type == "cuda":
                # float32 means float32: cuDNN would shorten it to TensorFloat-32.
                flags = torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=self._half)
                stack.enter_context(flags)
            yield

    def zeros(self, batch_size: int) -> torch.Tensor:
        """A batch of empty tiles."""
        shape = (batch_size, self._ensemble.channels, *self._ensemble.patch)
        return torch.zeros(shape, device=self.device)

    def use_compiled(self, networks: list[Network], batch_size: int) -> None:
        """Run batches of exactly this size through compiled networks, which are made for one size."""
        self._compiled, self._compiled_for = networks, batch_size

    @property
    def networks(self) -> list[nn.Module]:
        """The networks as they were loaded."""
        return list(self._ensemble.networks)

    @property
    def compiled(self) -> bool:
        """Whether batches of one size run through compiled networks."""
        return bool(self._compiled)
