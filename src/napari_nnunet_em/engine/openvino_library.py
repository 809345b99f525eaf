"""OpenVINO itself: whether it is there, how it is loaded, and what it can do on this CPU."""

from __future__ import annotations

import importlib.util
import sys
import threading

from napari_nnunet_em.config import Device, ExecutionSettings, Precision
from napari_nnunet_em.errors import SettingsError

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
