"""Networks made for OpenVINO: found, converted from PyTorch, compiled for the CPU."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch.jit._trace import TracerWarning  # torch.jit.TracerWarning is the same, but not declared

from napari_nnunet_em.config import Device, ExecutionSettings, Precision
from napari_nnunet_em.engine.threads import network_threads
from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.model.managers import ignoring

if TYPE_CHECKING:
    import openvino

_PRECISIONS = {Precision.AUTO: "f32", Precision.FLOAT32: "f32", Precision.BFLOAT16: "bf16"}
_IMPORTING = threading.Lock()


def openvino_installed() -> bool:
    """Whether OpenVINO is there, without loading it."""
    return importlib.util.find_spec("openvino") is not None


def import_openvino() -> None:
    """Load OpenVINO without the package with which it reports each import to its makers.

    Where people segment their data is nobody else's business, and a compute node without a network must not
    wait for one. OpenVINO works without that package. A process that has loaded OpenVINO is left alone.
    """
    with _IMPORTING:
        if "openvino" in sys.modules or "openvino_telemetry" in sys.modules:
            return
        # None makes Python say that the package is missing.
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
        try:
            import openvino  # noqa: F401, PLC0415 - optional
        finally:
            del sys.modules["openvino_telemetry"]


def inference_precision(execution: ExecutionSettings) -> str:
    """Precision in OpenVINO's words.

    Raises
    ------
    SettingsError
        If OpenVINO is not installed or not for this device, or if the CPU lacks the precision.
    """
    if not openvino_installed():
        raise SettingsError(
            "The backend 'openvino' was asked for, but OpenVINO is not installed; "
            'install it (pip install "napari-nnunet-em[all]"), or choose the backend auto or pytorch.'
        )
    if execution.device not in (Device.AUTO, Device.CPU):
        raise SettingsError(
            f"The backend 'openvino' was asked for together with the device {execution.device.value!r}, but "
            "it runs networks on the CPU here; choose the device cpu, or the backend pytorch."
        )
    import_openvino()
    from openvino import Core  # noqa: PLC0415 - optional, and slow to load

    precision = execution.precision
    can = Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision not in _PRECISIONS or (precision is Precision.BFLOAT16 and "BF16" not in can):
        choices = "auto, float32 or bfloat16" if "BF16" in can else "auto or float32"
        raise SettingsError(
            f"The precision {precision.value!r} was asked for, but OpenVINO does not have it on this CPU; "
            f"choose {choices}."
        )
    return _PRECISIONS[precision]


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
    RuntimeError
        If PyTorch cannot trace the network, or OpenVINO does not know what it does.

    Notes
    -----
    ``openvino.convert_model`` does the same in three to five times the time: it runs the network three more
    times to compare the trace with it. The tests compare the result instead.
    """
    import_openvino()
    from openvino.frontend import FrontEndManager  # noqa: PLC0415 - optional, and slow to load
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder  # noqa: PLC0415

    example = (torch.zeros(input_shape),)
    with _quietly_tracing():
        traced = torch.jit.trace(network, example, check_trace=False)  # type: ignore[no-untyped-call]
        # OpenVINO does not keep the decoder alive while it still needs it: this name does.
        decoder = TorchScriptPythonDecoder(traced, example_input=example)
        frontend = FrontEndManager().load_by_framework("pytorch")
        model = frontend.convert(frontend.load(decoder))
    model.reshape(list(input_shape))
    return model


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
        Precision and threads.
    several : bool
        Whether several tiles may run side by side, each in memory of its own: faster for small tiles.
    """
    from openvino import Core  # noqa: PLC0415 - optional

    return Core().compile_model(
        model,
        "CPU",
        {
            "PERFORMANCE_HINT": "THROUGHPUT" if several else "LATENCY",
            "PERFORMANCE_HINT_NUM_REQUESTS": 4,
            "INFERENCE_PRECISION_HINT": inference_precision(execution),
            "INFERENCE_NUM_THREADS": network_threads(execution.threads),
        },
    )
