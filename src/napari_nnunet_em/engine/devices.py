"""Devices of PyTorch: which are here, with what precision they compute, and how much memory they have."""

from __future__ import annotations

import torch

from napari_nnunet_em.config import Backend, Device, ExecutionSettings, Precision
from napari_nnunet_em.errors import SettingsError

_DTYPES = {
    Precision.FLOAT32: torch.float32,
    Precision.BFLOAT16: torch.bfloat16,
    Precision.FLOAT16: torch.float16,
}


def choose_device(device: Device) -> torch.device:
    """Find the device asked for.

    Parameters
    ----------
    device : Device
        ``auto`` takes CUDA, else MPS, else the CPU.

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


def choose_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Numbers with which the network computes on a device.

    Parameters
    ----------
    precision : Precision
        ``auto`` is float16 on CUDA, as in nnU-Net, and float32 elsewhere.
    device : torch.device
        The device.

    Raises
    ------
    SettingsError
        If the device cannot compute so, or only far slower than in float32.
    """
    if precision is Precision.AUTO:
        return torch.float16 if device.type == "cuda" else torch.float32
    dtype = _DTYPES[precision]
    if not _computes_in(dtype, device):
        others = [p.value for p, d in _DTYPES.items() if _computes_in(d, device)]
        raise SettingsError(
            f"The precision {precision.value!r} was asked for, but PyTorch {torch.__version__} cannot use it "
            f"well on {device.type} here; choose auto{', '.join(['', *others[:-1]])} or {others[-1]}."
        )
    return dtype


def _computes_in(dtype: torch.dtype, device: torch.device) -> bool:
    if dtype is torch.float32:
        return True
    if device.type == "cuda":
        return dtype is torch.float16 or torch.cuda.is_bf16_supported(including_emulation=False)
    # The rule by which PyTorch's own compiler decides whether oneDNN takes bfloat16.
    on_cpu = device.type == "cpu" and dtype is torch.bfloat16
    return on_cpu and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def device_memory_bytes(execution: ExecutionSettings) -> int | None:
    """Memory that the network and its sums may use on a device that has its own.

    Parameters
    ----------
    execution : ExecutionSettings
        Backend, device, and the budget ``max_vram_gb``.

    Returns
    -------
    int or None
        Bytes: what is free on the GPU, or the budget if that is less. None where the sums live in the
        computer's own memory.

    Raises
    ------
    SettingsError
        If the device is not there.
    """
    if execution.backend is Backend.OPENVINO or choose_device(execution.device).type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info()
    return min(free, int(execution.max_vram_gb * 1e9)) if execution.max_vram_gb else free


def limit_device_memory(device: torch.device, max_vram_gb: float) -> None:
    """Let PyTorch take no more of a GPU's memory than `max_vram_gb` (0: all of it); more is out of memory."""
    if device.type == "cuda":
        _, total = torch.cuda.mem_get_info(device)
        torch.cuda.set_per_process_memory_fraction(
            min(max_vram_gb * 1e9 / total, 1.0) if max_vram_gb else 1.0, device
        )
