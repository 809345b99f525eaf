"""OpenVINO: found or not, what it refuses, that it stays quiet. What all runners share: test_runners.py."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from napari_nnunet_em.config import Backend, ExecutionSettings
from napari_nnunet_em.engine import open_runner, openvino_library, openvino_networks
from napari_nnunet_em.engine.ensemble import Ensemble
from napari_nnunet_em.engine.open_runner import choose_runner
from napari_nnunet_em.engine.openvino_library import import_openvino
from napari_nnunet_em.engine.openvino_runner import OpenVINORunner
from napari_nnunet_em.engine.torch_runner import TorchRunner
from napari_nnunet_em.errors import ModelError, SettingsError
from napari_nnunet_em.testing.tiny_models import TinyModel, tiny_network


class Pointwise(nn.Module):
    """Two logits of each voxel: nothing, and its value."""

    def forward(self, batch):
        return torch.cat([torch.zeros_like(batch), batch], 1)


class Unusual(Pointwise):
    """Uses a function that OpenVINO does not have."""

    def forward(self, batch):
        return super().forward(torch.special.bessel_j1(batch))


def ensemble(network=None):
    return Ensemble([network or tiny_network(TinyModel(), 0).eval()], (8, 16, 16))


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def openvino():
    """OpenVINO, loaded as the package loads it."""
    import_openvino()
    import openvino

    return openvino


def test_auto_takes_openvino_on_a_cpu(openvino):
    runner = choose_runner(ensemble(), ExecutionSettings())
    assert isinstance(runner, OpenVINORunner)
    assert openvino.get_version().split("-")[0] in runner.description
    assert "float32" in runner.description


def test_auto_takes_pytorch_where_openvino_is_not_installed(monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr(open_runner, "openvino_installed", lambda: False)
    assert isinstance(choose_runner(ensemble(), ExecutionSettings()), TorchRunner)
    assert "OpenVINO is not installed" in caplog.text


def test_auto_takes_pytorch_where_openvino_cannot_be_loaded(monkeypatch, caplog):
    """A library that it needs is missing, as happens on Windows."""

    def broken():
        raise ImportError("DLL load failed")

    monkeypatch.setattr(open_runner, "openvino_installed", lambda: True)
    monkeypatch.setattr(open_runner, "import_openvino", broken)
    monkeypatch.setattr(openvino_networks, "import_openvino", broken)
    open_runner.import_backends()
    assert isinstance(choose_runner(ensemble(), ExecutionSettings()), TorchRunner)
    assert "DLL load failed" in caplog.text


def test_auto_takes_pytorch_for_networks_that_cannot_be_converted(caplog):
    runner = choose_runner(ensemble(Unusual()), ExecutionSettings())
    assert isinstance(runner, TorchRunner)
    assert "PyTorch runs the network instead of OpenVINO" in caplog.text
    with pytest.raises(ModelError, match=r"bessel.*choose the backend pytorch"):
        choose_runner(ensemble(Unusual()), ExecutionSettings(backend="openvino"))


def test_what_is_refused(monkeypatch, openvino):
    def refused(**execution):
        with pytest.raises(SettingsError) as error:
            choose_runner(ensemble(Pointwise()), ExecutionSettings(backend=Backend.OPENVINO, **execution))
        return str(error.value)

    assert "'float16'" in refused(precision="float16")
    assert "'cuda'" in refused(device="cuda")
    assert "'mps'" in refused(device="mps")
    monkeypatch.setattr(openvino.Core, "get_property", lambda *_: ["FP32"])
    assert "choose auto or float32" in refused(precision="bfloat16")
    monkeypatch.setattr(openvino_library, "openvino_installed", lambda: False)
    assert "not installed" in refused()


def test_bfloat16_where_the_cpu_has_it(openvino):
    can = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    settings = ExecutionSettings(backend="openvino", precision="bfloat16")
    if can:
        assert "bfloat16" in choose_runner(ensemble(), settings).description
    else:
        with pytest.raises(SettingsError, match="bfloat16"):
            choose_runner(ensemble(), settings)


def test_threads_are_as_asked():
    runner = OpenVINORunner(ensemble(Pointwise()), ExecutionSettings(threads=1))
    runner.warm_up()
    assert "threads: 1" in runner.description
    (requests,) = runner._ready()
    compiled = requests[0].get_compiled_model()
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
    # Pinned threads of two jobs would share the first processors.
    assert not compiled.get_property("ENABLE_CPU_PINNING")


QUIET = """
import sys
from napari_nnunet_em.engine.openvino_library import import_openvino
assert "openvino" not in sys.modules
import_openvino()
import openvino
assert openvino.Core().available_devices
assert "openvino_telemetry" not in sys.modules
"""


def test_nobody_is_told_that_openvino_is_used():
    subprocess.run([sys.executable, "-c", QUIET], check=True)
