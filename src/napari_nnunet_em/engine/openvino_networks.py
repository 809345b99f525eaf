"""Networks made for OpenVINO: converted from PyTorch, and compiled for the CPU."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch.jit._trace import TracerWarning  # torch.jit.TracerWarning is the same, but not declared

from napari_nnunet_em.config import ExecutionSettings
from napari_nnunet_em.engine.openvino_library import import_openvino, inference_precision
from napari_nnunet_em.engine.threads import network_threads, with_low_priority
from napari_nnunet_em.errors import ModelError
from napari_nnunet_em.model.managers import ignoring

if TYPE_CHECKING:
    import openvino


@torch.inference_mode()
def convert_network(network: torch.nn.Module, input_shape: tuple[int, ...]) -> openvino.Model:
    """Convert a network of PyTorch.

    Parameters
    ----------
    network : torch.nn.Module
        In eval mode, float32, on the CPU. Its weights are shared, not copied.
    input_shape : tuple of int
        Of a batch, (tiles, c, [z,] y, x).

    Raises
    ------
    ModelError
        If PyTorch cannot trace the network, or OpenVINO does not know what it does.

    Notes
    -----
    ``openvino.convert_model`` does the same in three to five times the time: it runs the network three more
    times to compare the trace with it. The tests compare the result instead.
    """
    import_openvino()
    from openvino import frontend  # noqa: PLC0415 - optional, and slow to load

    failures = (
        RuntimeError,
        frontend.GeneralFailure,
        frontend.NotImplementedFailure,
        frontend.OpConversionFailure,
        frontend.OpValidationFailure,
    )
    try:
        model = _convert(network, torch.zeros(input_shape))
    except failures as error:
        reason = str(error).strip().splitlines()[-1].lstrip("- ")  # before it: where OpenVINO found out
        raise ModelError(
            f"OpenVINO cannot run this model's network ({reason}); choose the backend pytorch."
        ) from error
    model.reshape(list(input_shape))
    return model


def _convert(network: torch.nn.Module, example: torch.Tensor) -> openvino.Model:
    from openvino.frontend import FrontEndManager  # noqa: PLC0415 - optional, and slow to load
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder  # noqa: PLC0415

    with _quietly_tracing():
        traced = torch.jit.trace(network, (example,), check_trace=False)  # type: ignore[no-untyped-call]
        # OpenVINO does not keep the decoder alive while it still needs it: this name does.
        decoder = TorchScriptPythonDecoder(traced, example_input=(example,))
        frontend = FrontEndManager().load_by_framework("pytorch")
        return frontend.convert(frontend.load(decoder))


@contextlib.contextmanager
def _quietly_tracing() -> Iterator[None]:
    """Ignore that tracing is deprecated, and that it holds for one shape only: there is just one."""
    deprecated = r"`torch\.jit\.\w+` is deprecated"
    with (
        ignoring(deprecated, FutureWarning),
        ignoring(deprecated, DeprecationWarning),  # before torch 2.12
        ignoring("", TracerWarning),
    ):
        yield


def compile_network(
    model: openvino.Model, execution: ExecutionSettings, *, several: bool
) -> openvino.CompiledModel:
    """Make a converted network ready to run on the CPU.

    Parameters
    ----------
    model : openvino.Model
        From `convert_network`.
    execution : ExecutionSettings
        Precision, threads, and whether they give way to others.
    several : bool
        Whether several tiles may run side by side, each in memory of its own: faster for small tiles.
    """
    from openvino import Core  # noqa: PLC0415 - optional

    settings = {
        "PERFORMANCE_HINT": "THROUGHPUT" if several else "LATENCY",
        "PERFORMANCE_HINT_NUM_REQUESTS": 4,
        "INFERENCE_PRECISION_HINT": inference_precision(execution),
        "INFERENCE_NUM_THREADS": network_threads(execution.threads),
        # Else every process pins its threads to the first processors, and jobs side by side share these
        # while the others are idle.
        "ENABLE_CPU_PINNING": False,
    }
    compiling = partial(Core().compile_model, model, "CPU", settings)
    return with_low_priority(compiling) if execution.background else compiling()
