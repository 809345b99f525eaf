"""Networks compiled by PyTorch: when that pays, and what happens where it cannot be done."""

from __future__ import annotations

import logging

import torch

from napari_nnunet_em.config import Compile
from napari_nnunet_em.engine.torch_networks import TorchNetworks

_LOG = logging.getLogger(__name__)

# Seconds that compiling takes, and the share of a forward pass that it saves, by type of device, both on the
# careful side. CPU (torch 2.15, two busy cores, float32): 49 s, with 33 % saved for the bundled 2D model and
# 16 % for the 3D one. CUDA: not measured with this runner; on an H200, half precision, channels last and
# compiling together saved 62 %.
_SECONDS = {"cpu": 60.0, "cuda": 90.0}
_SAVED_SHARE = {"cpu": 0.15, "cuda": 0.25}


def should_compile(wanted: Compile, passes: int, seconds_per_pass: float, device_type: str) -> bool:
    """Whether to compile: with ``auto`` where the run is long enough to repay it.

    Parameters
    ----------
    wanted : Compile
        What is asked for.
    passes : int
        Forward passes of the run: tiles times flips times folds; 0 where that is not known.
    seconds_per_pass : float
        Of one tile through one network that is not compiled.
    device_type : str
        ``cpu``, ``cuda`` or ``mps``; on MPS only ``always`` compiles.
    """
    if wanted is not Compile.AUTO:
        return wanted is Compile.ALWAYS
    if device_type not in _SECONDS:
        return False
    return passes * seconds_per_pass * _SAVED_SHARE[device_type] > _SECONDS[device_type]


@torch.inference_mode()
def compile_networks(networks: TorchNetworks, batch_size: int) -> None:
    """Compile all folds for batches of one size, or say in the log why not.

    Parameters
    ----------
    networks : TorchNetworks
        Runs compiled from now on, if that succeeds.
    batch_size : int
        Tiles per forward pass; batches of other sizes run as before.
    """
    # Private, but the one name that covers a missing compiler, missing Triton and code that cannot be
    # compiled, and nothing else.
    from torch._dynamo.exc import TorchDynamoException  # noqa: PLC0415 - seconds to load

    if not networks.resident:
        _LOG.info("The networks are not compiled: the folds take turns on the device")
        return
    try:
        compiled = [torch.compile(network, dynamic=False) for network in networks.networks]
        networks.use_compiled(compiled, batch_size)
        networks.run(networks.zeros(batch_size))
    except (TorchDynamoException, ImportError, OSError) as error:
        networks.use_compiled([], 0)
        first_line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        _LOG.warning("PyTorch could not compile the networks, which run as they are: %s", first_line)
