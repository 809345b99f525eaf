"""The contract of tile runners, which each of them passes: what it blends is what plain arithmetic blends."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from napari_nnunet_em.config import Backend, Device, ExecutionSettings
from napari_nnunet_em.engine.blending import gaussian_weights
from napari_nnunet_em.engine.ensemble import Ensemble, flip_combinations
from napari_nnunet_em.engine.open_runner import choose_runner
from napari_nnunet_em.engine.runner import TileRunner
from napari_nnunet_em.testing.runners import PointwiseRunner
from napari_nnunet_em.testing.tiny_models import TinyModel, tiny_network

PLANE = (24, 40)
CORNERS = ((0, 0), (0, 13), (0, 24), (8, 0), (8, 13), (8, 24))
STEPS = (3, 4, 8)


@dataclass(frozen=True)
class Case:
    """A runner, the logits it owes for one tile (c, z, y, x), and how close it has to come."""

    runner: TileRunner
    logits: Callable[[np.ndarray], np.ndarray]
    channels: int = 1
    tolerance: float = 1e-5


MODELS = {
    "3d": (TinyModel(), (), 1),
    "2d, all flips": (TinyModel(dim=2), (0, 1), 1),
    "two folds, two channels, flips": (TinyModel(channel_names=("a", "b")), (0, 2), 2),
    "four classes": (TinyModel(labels={"background": 0, "a": 1, "b": 2, "c": 3}), (1,), 1),
    "regions": (
        TinyModel(labels={"background": 0, "cell": (1, 2), "mitochondria": 2}, regions_class_order=(1, 2)),
        (),
        2,
    ),
}
BACKENDS = {
    "pytorch": ({"backend": Backend.PYTORCH, "device": Device.CPU}, 1e-5),
    "openvino": ({"backend": Backend.OPENVINO}, 1e-4),
}
if torch.cuda.is_available():
    BACKENDS["cuda"] = ({"backend": Backend.PYTORCH, "device": Device.CUDA}, 3e-2)


def ensemble_of(model, mirror_axes=(), folds=1):
    networks = [tiny_network(model, seed).eval() for seed in range(folds)]
    patch = (8, 16, 16) if model.dim == 3 else (1, 16, 16)
    relative = not model.regions_class_order
    return Ensemble(
        networks, patch, len(model.channel_names), model.num_outputs, tuple(mirror_axes), relative
    )


def reference(ensemble):
    """Logits of one tile, in nnU-Net's own words: every flip of every fold, averaged."""
    networks = [copy.deepcopy(network) for network in ensemble.networks]
    first = 2  # the network's axes follow batch and channel
    flips = [tuple(a + first for a in axes) for axes in flip_combinations(ensemble.mirror_axes)]

    @torch.inference_mode()
    def logits(tile):
        batch = torch.from_numpy(np.array(tile))[None]
        batch = batch[:, :, 0] if ensemble.flat else batch
        answers = [torch.flip(n(torch.flip(batch, f)), f) for n in networks for f in flips]
        mean = torch.stack(answers).mean(0)[0].numpy().reshape(-1, *ensemble.patch)
        return mean[1:] - mean[:1] if ensemble.relative else mean

    return logits


def make_case(backend, model, **execution):
    if backend == "fake":
        runner = PointwiseRunner((8, 16, 16), tilt=3.0)
        return Case(runner, lambda tile: PointwiseRunner((8, 16, 16), tilt=3.0).logits(tile[None])[0])
    description, mirror_axes, folds = MODELS[model]
    ensemble = ensemble_of(description, mirror_axes, folds)
    logits, channels = reference(ensemble), ensemble.channels
    settings, tolerance = BACKENDS[backend]
    return Case(
        choose_runner(ensemble, ExecutionSettings(**settings, **execution)), logits, channels, tolerance
    )


CASES = [("fake", "fake"), *((backend, model) for backend in BACKENDS for model in MODELS)]
FEW = [("fake", "fake"), *((backend, "two folds, two channels, flips") for backend in BACKENDS)]


def volume(case, rows=24, seed=0):
    return np.random.default_rng(seed).normal(size=(case.channels, rows, *PLANE)).astype(np.float32)


def blend(case, data, starts):
    """Plain blending of all tiles at some z starts, over the whole volume."""
    depth, height, width = case.runner.patch
    sums = np.zeros((case.runner.heads, data.shape[1], *PLANE))
    weights = np.zeros(data.shape[1:])
    for z in starts:
        for y, x in CORNERS:
            where = np.s_[z : z + depth, y : y + height, x : x + width]
            sums[(slice(None), *where)] += case.logits(data[(slice(None), *where)]) * gaussian_weights(
                case.runner.patch
            )
            weights[where] += gaussian_weights(case.runner.patch)
    with np.errstate(invalid="ignore"):
        return sums / weights


def sweep(case, data, steps, window=np.s_[:, :]):
    """The same through the runner; rows are handed over in one buffer that is overwritten each time."""
    runner = case.runner
    depth = runner.patch[0]
    sums = runner.accumulator(PLANE)
    buffer = np.empty((case.channels, depth, *PLANE), np.float32)
    start, parts = 0, []
    for step in steps:
        buffer[:] = data[:, start : start + depth]
        sums.load(buffer)
        for first in range(0, len(CORNERS), runner.batch_size):
            sums.add(CORNERS[first : first + runner.batch_size])
        parts.append(sums.take(min(step, depth), window))
        sums.advance(step)
        start += step
    return np.concatenate(parts, axis=1)


def starts_of(case, steps):
    depth = case.runner.patch[0]
    steps = [min(step, depth) for step in steps]
    return steps, np.cumsum([0, *steps[:-1]]).tolist()


@pytest.mark.parametrize(("backend", "model"), CASES)
def test_blended_logits_are_those_of_plain_arithmetic(backend, model):
    case = make_case(backend, model)
    steps, starts = starts_of(case, STEPS)
    data = volume(case)
    answer = sweep(case, data, steps)
    expected = blend(case, data, starts)[:, : sum(steps)]
    assert answer.dtype == np.float32
    scale = np.abs(expected).max()
    np.testing.assert_allclose(answer, expected, atol=case.tolerance * scale)


@pytest.mark.parametrize("batch_size", [1, 2, 5])
@pytest.mark.parametrize(("backend", "model"), FEW[1:])
def test_batches_do_not_show(backend, model, batch_size):
    data = volume(make_case(backend, model))
    usual = make_case(backend, model)
    other = make_case(backend, model, batch_size=batch_size)
    expected = sweep(usual, data, (8,))
    assert f"tiles per batch: {batch_size}" in other.runner.description
    np.testing.assert_allclose(
        sweep(other, data, (8,)), expected, atol=usual.tolerance * np.abs(expected).max()
    )


@pytest.mark.parametrize(("backend", "model"), FEW)
def test_constant_tiles_are_those_that_are_computed(backend, model):
    case = make_case(backend, model)
    values = (0.25, -1.5)[: case.channels]
    depth = case.runner.patch[0]
    filled = np.array(values, np.float32)[:, None, None, None]
    rows = np.broadcast_to(filled, (case.channels, depth, *PLANE))  # read-only, as such arrays are
    computed, reused = case.runner.accumulator(PLANE), case.runner.accumulator(PLANE)
    for sums in (computed, reused):
        sums.load(rows)
    computed.add(CORNERS)
    reused.add_constant(values, CORNERS[:2])
    reused.add_constant(values, CORNERS[2:])
    expected = computed.take(depth, np.s_[:, :])
    np.testing.assert_allclose(
        reused.take(depth, np.s_[:, :]), expected, atol=case.tolerance * np.abs(expected).max()
    )


@pytest.mark.parametrize(("backend", "model"), FEW)
def test_what_is_taken_is_the_callers_own(backend, model):
    case = make_case(backend, model)
    depth = case.runner.patch[0]
    sums = case.runner.accumulator(PLANE)
    sums.load(volume(case)[:, :depth])
    sums.add(CORNERS)
    window = np.s_[3:20, 5:33]
    first = sums.take(2, window)
    assert first.shape == (case.runner.heads, 2, 17, 28)
    kept = first.copy()
    first[:] = 7
    np.testing.assert_array_equal(sums.take(2, window), kept)
    second = sums.take(2, window)
    sums.advance(1)
    np.testing.assert_array_equal(second, kept)


@pytest.mark.parametrize(("backend", "model"), FEW)
def test_warming_up_in_another_thread_changes_nothing(backend, model):
    data = volume(make_case(backend, model))
    cold, warm = make_case(backend, model), make_case(backend, model)
    thread = threading.Thread(target=warm.runner.warm_up)
    thread.start()
    answer = sweep(warm, data, (8,))  # without waiting for it
    thread.join()
    np.testing.assert_array_equal(answer, sweep(cold, data, (8,)))


@pytest.mark.parametrize(("backend", "model"), CASES)
def test_what_a_runner_says_of_itself(backend, model):
    runner = make_case(backend, model).runner
    assert runner.batch_size >= 1
    if backend == "fake":
        return
    described, axes, folds = MODELS[model]
    assert runner.heads == described.num_outputs - (0 if described.regions_class_order else 1)
    assert f"folds: {folds}" in runner.description
    assert f"orientations: {2 ** len(axes)}" in runner.description
    assert {"pytorch": "float32", "openvino": "float32", "cuda": "float16"}[backend] in runner.description
