"""Devices, precision and memory, on whatever machine the tests run."""

from __future__ import annotations

import pytest
import torch

from napari_nnunet_em.config import Device, ExecutionSettings, Precision
from napari_nnunet_em.engine import devices
from napari_nnunet_em.engine.devices import choose_device, choose_dtype, device_memory_bytes
from napari_nnunet_em.errors import SettingsError


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def gpu(monkeypatch):
    """A GPU with 16 GB, 10 of them free, which computes in bfloat16."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device=None: (int(10e9), int(16e9)))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)


def test_devices(no_gpu, monkeypatch):
    assert choose_device(Device.AUTO).type == choose_device(Device.CPU).type == "cpu"
    with pytest.raises(SettingsError, match=r"'cuda'.*auto or cpu"):
        choose_device(Device.CUDA)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device(Device.AUTO).type == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device(Device.AUTO).type == "cuda"


def test_precision(gpu, monkeypatch):
    cpu, cuda, mps = (torch.device(name) for name in ("cpu", "cuda", "mps"))
    assert choose_dtype(Precision.AUTO, cpu) is choose_dtype(Precision.AUTO, mps) is torch.float32
    assert choose_dtype(Precision.AUTO, cuda) is choose_dtype(Precision.FLOAT16, cuda) is torch.float16
    assert choose_dtype(Precision.BFLOAT16, cuda) is torch.bfloat16
    with pytest.raises(SettingsError, match=r"'float16'.*on mps here; choose auto or float32"):
        choose_dtype(Precision.FLOAT16, mps)
    with pytest.raises(SettingsError, match=r"'float16'.*on cpu here; choose auto"):
        choose_dtype(Precision.FLOAT16, cpu)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    with pytest.raises(SettingsError, match=r"'bfloat16'.*choose auto, float32 or float16"):
        choose_dtype(Precision.BFLOAT16, cuda)


def test_memory_of_a_gpu(gpu):
    assert device_memory_bytes(ExecutionSettings()) == 10e9
    assert device_memory_bytes(ExecutionSettings(max_vram_gb=4)) == 4e9
    assert device_memory_bytes(ExecutionSettings(max_vram_gb=12)) == 10e9
    assert device_memory_bytes(ExecutionSettings(device="cpu")) is None
    assert device_memory_bytes(ExecutionSettings(backend="openvino")) is None


def test_memory_without_a_gpu(no_gpu):
    assert device_memory_bytes(ExecutionSettings(max_vram_gb=4)) is None


def test_the_budget_is_handed_to_pytorch(gpu, monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda *given: asked.append(given))
    cuda = torch.device("cuda")
    for budget in (0, 4, 100):
        devices.limit_device_memory(cuda, budget)
    devices.limit_device_memory(torch.device("cpu"), 4)
    assert asked == [(1.0, cuda), (0.25, cuda), (1.0, cuda)]
