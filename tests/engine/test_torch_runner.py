"""PyTorch runner: memory that runs out, precision, and compiling. What all runners share: test_runners.py."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from napari_nnunet_em.config import Compile, ExecutionSettings
from napari_nnunet_em.engine import torch_runner
from napari_nnunet_em.engine.batch_size import find_batch_size
from napari_nnunet_em.engine.compiling import should_compile
from napari_nnunet_em.engine.ensemble import Ensemble, flip_combinations
from napari_nnunet_em.engine.torch_networks import TorchNetworks
from napari_nnunet_em.engine.torch_runner import TorchRunner
from napari_nnunet_em.testing.tiny_models import TinyModel, tiny_network

PATCH = (8, 16, 16)
CPU = {"device": "cpu", "backend": "pytorch"}
BLENDED = np.s_[:, :]


def network(seed=0, **changes):
    return tiny_network(TinyModel(**changes), seed).eval()


def make_runner(*networks, tiles=0, **execution):
    return TorchRunner(Ensemble(networks, PATCH), ExecutionSettings(**CPU, **execution), tiles)


def blended(runner, count=8):
    """Logits of so many tiles side by side."""
    rows = np.random.default_rng(0).normal(size=(1, 8, 16, 16 * count)).astype(np.float32)
    sums = runner.accumulator(rows.shape[2:])
    sums.load(rows)
    sums.add([(0, 16 * n) for n in range(count)])
    return sums.take(8, BLENDED)


@pytest.mark.parametrize("axes", [(), (1,), (0, 2), (0, 1, 2)])
def test_flips_are_every_subset_of_axes(axes):
    combinations = flip_combinations(axes)
    assert combinations[0] == ()
    assert len(combinations) == len(set(combinations)) == 2 ** len(axes)
    assert set(combinations) == {c for n in range(4) for c in itertools.combinations(axes, n)}


class Hungry(nn.Module):
    """Runs out of memory above some batch size."""

    def __init__(self, inner, limit):
        super().__init__()
        self.inner, self.limit, self.batches = inner, limit, []

    def forward(self, batch):
        self.batches.append(len(batch))
        if len(batch) > self.limit:
            raise torch.OutOfMemoryError("out of memory")
        return self.inner(batch)


def test_the_batch_is_halved_when_memory_runs_out(caplog):
    hungry = Hungry(network(), 2)
    runner = make_runner(hungry, batch_size=8)
    expected = blended(make_runner(network()))
    np.testing.assert_allclose(blended(runner), expected, atol=1e-4)
    assert hungry.batches == [8, 4, 2, 2, 2, 2]
    assert runner.batch_size == 2
    assert "batches of 2" in caplog.text
    blended(runner, 4)
    assert hungry.batches[-2:] == [2, 2]


def test_memory_that_runs_out_in_the_second_fold_adds_no_tile_twice():
    expected = blended(make_runner(network(0), network(1)))
    runner = make_runner(network(0), Hungry(network(1), 1), batch_size=4)
    np.testing.assert_allclose(blended(runner), expected, atol=1e-4)


def test_one_tile_that_does_not_fit_is_an_error():
    with pytest.raises(torch.OutOfMemoryError):
        blended(make_runner(Hungry(network(), 0), batch_size=4))


def test_other_errors_are_not_taken_for_memory():
    with pytest.raises(RuntimeError, match="channels"):
        blended(make_runner(network(channel_names=("a", "b", "c"))))


class Device:
    """A device with room for so many networks."""

    def __init__(self, room):
        self.room, self.held = room, set()


class Guest(nn.Module):
    """A network that notes when it is on the device, and has to be there to run."""

    def __init__(self, inner, device):
        super().__init__()
        self.inner, self.device = inner, device

    def to(self, *places, **layout):
        if places == ("cpu",):
            self.device.held.discard(self)
        elif places:
            if len(self.device.held | {self}) > self.device.room:
                raise torch.OutOfMemoryError("out of memory")
            self.device.held.add(self)
        return self

    def forward(self, batch):
        assert self in self.device.held
        return self.inner(batch)


@pytest.mark.parametrize(("room", "resident"), [(3, True), (2, False), (1, False)])
def test_folds_that_do_not_fit_take_turns(room, resident, caplog):
    inner = [network(seed) for seed in range(3)]
    expected = blended(make_runner(*inner))
    device = Device(room)
    runner = make_runner(*(Guest(n, device) for n in inner))
    np.testing.assert_array_equal(blended(runner), expected)
    assert ("taking turns" in runner.description) != resident
    assert ("take turns" in caplog.text) != resident
    assert len(device.held) == (3 if resident else 0)


def test_one_fold_that_does_not_fit_is_an_error():
    with pytest.raises(torch.OutOfMemoryError):
        make_runner(Guest(network(), Device(0)))


def test_bfloat16_is_close_and_converts_convolutions_only():
    expected = blended(make_runner(network()))
    half = network()
    runner = make_runner(half, precision="bfloat16")
    assert "bfloat16" in runner.description
    kinds = {type(m).__name__: m.weight.dtype for m in half.modules() if hasattr(m, "weight")}
    assert {kind for kind, dtype in kinds.items() if dtype is torch.float32} == {"InstanceNorm3d"}
    difference = 1 / (1 + np.exp(-blended(runner))) - 1 / (1 + np.exp(-expected))
    # A random network of this size has logits that bfloat16 rounds coarsely; real ones: test_parity.py.
    assert np.abs(difference).mean() < 1e-2


def test_weights_that_are_shared_stay_shared():
    shared = network()
    before = [id(tensor) for tensor in shared.state_dict(keep_vars=True).values()]
    assert len(set(before)) < len(before)
    TorchNetworks(Ensemble([shared], PATCH), torch.device("cpu"), torch.bfloat16)
    after = shared.state_dict(keep_vars=True).values()
    assert [id(tensor) for tensor in after] == before
    assert any(tensor.dtype is torch.bfloat16 for tensor in after)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ({1: 1.0, 2: 0.6, 4: 0.4, 8: 0.39}, 4),  # no longer worth it
        ({1: 1.0, 2: 1.1}, 1),
        ({1: 1.0, 2: 0.6, 4: None}, 2),  # memory
        ({1: None}, 1),
        ({1: 1.0, 2: 0.5, 4: 0.25, 8: 0.12}, 8),  # the largest allowed
    ],
)
def test_the_batch_grows_while_tiles_get_faster(seconds, expected):
    tried = []

    def try_batch(size):
        tried.append(size)
        return seconds[size]

    assert find_batch_size(try_batch, 8) == (expected, seconds[expected])
    assert tried == sorted(seconds)


@pytest.mark.parametrize(
    ("room", "largest", "expected"), [(1e9, 4, 4), (1e9, 100, 32), (40.0, 100, 2), (0.0, 100, 1)]
)
def test_batches_are_found_within_memory(room, largest, expected, monkeypatch):
    """As on CUDA: a batch of n needs 5 n bytes here, of which a quarter of the room may be taken."""
    hungry = Hungry(network(), largest)
    monkeypatch.setattr(torch_runner, "_USUAL_BATCH", {})
    monkeypatch.setattr(torch_runner, "device_memory_bytes", lambda execution: room)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 7)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 7 + 5 * hungry.batches[-1])
    runner = make_runner(hungry)

    def seconds_per_tile(batch_size):
        hungry(torch.zeros(batch_size, 1, *PATCH))
        return 1 / batch_size

    monkeypatch.setattr(runner, "_seconds_per_tile", seconds_per_tile)
    assert runner.batch_size == expected
    assert max(hungry.batches) <= 2 * expected


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_compiling_is_chosen_where_the_run_is_long_enough(device):
    def choose(passes, wanted=Compile.AUTO):
        return should_compile(wanted, passes, 0.1, device)

    assert not choose(0)
    assert not choose(100)
    assert choose(1_000_000)
    assert choose(0, Compile.ALWAYS)
    assert not choose(1_000_000, Compile.NEVER)
    assert not should_compile(Compile.AUTO, 1_000_000, 0.1, "mps")


def test_full_batches_run_through_the_compiled_network(monkeypatch):
    # PyTorch's own way without a code generator, which takes minutes (benchmarks/runners.py --compile).
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    expected = blended(make_runner(network()), 5)
    runner = make_runner(network(), compile="always", batch_size=2)
    runner.warm_up()
    assert ", compiled" in runner.description
    np.testing.assert_allclose(blended(runner, 5), expected, atol=1e-4)  # the last batch is not full


@pytest.mark.slow
def test_without_a_toolchain_the_network_runs_as_it_is(monkeypatch, caplog):
    import torch._inductor.config as inductor

    monkeypatch.setattr(inductor.cpp, "cxx", ("no-such-compiler",))
    monkeypatch.setattr(inductor, "force_disable_caches", True)
    expected = blended(make_runner(network()))
    runner = make_runner(network(), compile="always")
    np.testing.assert_array_equal(blended(runner), expected)
    assert "not compiled" in runner.description
    (said,) = [record for record in caplog.records if record.name.startswith("napari_nnunet_em")]
    assert "could not compile" in said.getMessage()
