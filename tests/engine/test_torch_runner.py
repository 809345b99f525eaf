"""PyTorch runner: devices, batches, flips, and memory that runs out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from napari_nnunet_em.config import Device
from napari_nnunet_em.engine.torch_runner import TorchRunner, choose_device, flip_combinations
from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.testing.tiny_models import TinyModel, tiny_network

PATCH = (8, 16, 16)


@pytest.fixture
def networks():
    return [tiny_network(TinyModel(), seed).eval() for seed in (0, 1)]


def tiles(count=5, patch=PATCH):
    return np.random.default_rng(0).normal(size=(count, 1, *patch)).astype(np.float32)


def test_logits_are_averaged_over_flips_and_folds(networks):
    runner = TorchRunner(networks, PATCH, 2, mirror_axes=(0, 2), device=Device.CPU, batch_size=2)
    batch = torch.from_numpy(tiles())
    with torch.inference_mode():
        answers = [
            torch.flip(network(torch.flip(batch, axes)), axes)
            for network in networks
            for axes in ((), (2,), (4,), (2, 4))
        ]
    torch.testing.assert_close(runner.logits(tiles()), torch.stack(answers).mean(0), atol=1e-5, rtol=1e-5)
    assert "folds: 2, orientations: 4" in runner.description


def test_a_2d_network_sees_one_slice():
    network = tiny_network(TinyModel(dim=2), 0).eval()
    runner = TorchRunner([network], (1, 16, 16), 2, device=Device.CPU)
    patches = tiles(patch=(1, 16, 16))
    assert runner.logits(patches).shape == (5, 2, 1, 16, 16)
    assert runner.batch_size > 1


@pytest.mark.parametrize("axes", [(), (1,), (0, 2), (0, 1, 2)])
def test_flips_are_every_subset_of_axes(axes):
    combinations = flip_combinations(axes)
    assert combinations[0] == ()
    assert len(combinations) == len(set(combinations)) == 2 ** len(axes)
    assert set(combinations) == {c for n in range(4) for c in itertools.combinations(axes, n)}


class Hungry(torch.nn.Module):
    """Runs out of memory above some batch size."""

    def __init__(self, network, limit):
        super().__init__()
        self.network, self.limit, self.batches = network, limit, []

    def forward(self, batch):
        self.batches.append(len(batch))
        if len(batch) > self.limit:
            raise torch.OutOfMemoryError("out of memory")
        return self.network(batch)


def test_the_batch_is_halved_when_memory_runs_out(networks, caplog):
    hungry = Hungry(networks[0], 2)
    runner = TorchRunner([hungry], PATCH, 2, device=Device.CPU, batch_size=8)
    expected = TorchRunner(networks[:1], PATCH, 2, device=Device.CPU).logits(tiles(8))
    torch.testing.assert_close(runner.logits(tiles(8)), expected, atol=1e-5, rtol=1e-5)
    assert hungry.batches == [8, 4, 2, 2, 2, 2]
    assert runner.batch_size == 2
    assert "batches of 2" in caplog.text
    runner.logits(tiles(4))
    assert hungry.batches[-2:] == [2, 2]


def test_one_tile_that_does_not_fit_is_an_error(networks):
    runner = TorchRunner([Hungry(networks[0], 0)], PATCH, 2, device=Device.CPU, batch_size=4)
    with pytest.raises(torch.OutOfMemoryError):
        runner.logits(tiles())


def test_other_errors_are_not_taken_for_memory(networks):
    runner = TorchRunner(networks, PATCH, 2, device=Device.CPU)
    with pytest.raises(RuntimeError, match="channels"):
        runner.logits(np.zeros((1, 3, *PATCH), np.float32))


def test_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device(Device.AUTO).type == choose_device(Device.CPU).type == "cpu"
    with pytest.raises(SettingsError, match=r"'cuda'.*auto or cpu"):
        choose_device(Device.CUDA)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device(Device.AUTO).type == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device(Device.AUTO).type == "cuda"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_with_the_cpu_to_1e_2(networks):
    cpu = TorchRunner(networks, PATCH, 2, device=Device.CPU).logits(tiles())
    gpu = TorchRunner(networks, PATCH, 2, device=Device.CUDA).logits(tiles()).cpu()
    assert (torch.softmax(cpu, 1) - torch.softmax(gpu, 1)).abs().max() <= 1e-2
