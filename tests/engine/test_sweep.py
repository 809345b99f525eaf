"""The sweep predicts each tile once per column and reads each row once; a fake network's answer is exact."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_nnunet_em.config import PredictionSettings, ProbabilityType
from napari_nnunet_em.engine.blending import gaussian_weights
from napari_nnunet_em.engine.column import column_boxes, tiles_run
from napari_nnunet_em.engine.output import Encoder
from napari_nnunet_em.engine.prepare import Spacings, prepare
from napari_nnunet_em.engine.statistics import collect_statistics
from napari_nnunet_em.engine.sweep import RowsDone, Sweep, TilesRun, constant_values
from napari_nnunet_em.errors import Cancelled
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import Volume
from napari_nnunet_em.model import ModelBundle
from napari_nnunet_em.progress import CancelToken, finish
from napari_nnunet_em.testing.runners import PointwiseRunner
from napari_nnunet_em.testing.tiny_models import make_model_folder

SHAPE = (21, 40, 53)
WHOLE = Box.whole(SHAPE)
PATCH = (8, 16, 16)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return ModelBundle.open(make_model_folder(tmp_path_factory.mktemp("model"), patch_size=PATCH))


class CountingArray:
    """Counts how often each voxel is read."""

    def __init__(self, array, chunks):
        self.array, self.chunks = array, chunks
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self.reads = np.zeros(array.shape, np.int64)

    def __getitem__(self, key):
        self.reads[key] += 1
        return self.array[key]


def make_sweep(bundle, array, runner, *, cancel=None):
    volume = Volume(array, "zyx", (1.0, 1.0, 1.0), "given by the caller")
    statistics = finish(collect_statistics(volume))
    spacings = Spacings((1.0, 1.0, 1.0), (1.0, 1.0, 1.0))
    source = finish(prepare(volume, bundle, statistics, spacings, PredictionSettings()))
    encoder = Encoder.of(bundle, ProbabilityType.FLOAT32)
    return Sweep(source, runner, encoder, cancel or CancelToken())


def image(seed=0):
    return np.random.default_rng(seed).integers(1, 255, SHAPE).astype(np.uint8)


def expected(data):
    normalized = (data.astype(np.float64) - data.mean()) / data.std()
    return 1 / (1 + np.exp(-normalized))


@given(st.tuples(st.integers(1, 22), st.integers(3, 54), st.integers(3, 54)), st.integers(1, 4))
def test_a_pointwise_network_gives_its_exact_answer_for_any_blocks(bundle, block, batch_size):
    data = image()
    sweep = make_sweep(bundle, data, PointwiseRunner(PATCH, batch_size=batch_size))
    answer = np.full(SHAPE, np.nan)
    for boxes in column_boxes(WHOLE, block, sweep.space):
        for result in sweep.results(boxes):
            answer[result.box.slices] = result.probabilities[0]
    np.testing.assert_allclose(answer, expected(data), atol=1e-5)


@given(st.tuples(st.integers(1, 22), st.integers(3, 54), st.integers(3, 54)))
def test_where_tiles_disagree_blending_does_not_depend_on_blocks(bundle, block):
    data = image()
    answers = []
    for shape in (SHAPE, block):
        sweep = make_sweep(bundle, data, PointwiseRunner(PATCH, tilt=5.0))
        answer = np.full(SHAPE, np.nan)
        for boxes in column_boxes(WHOLE, shape, sweep.space):
            for result in sweep.results(boxes):
                answer[result.box.slices] = result.probabilities[0]
        answers.append(answer)
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-5)
    assert np.abs(answers[0] - expected(data)).max() > 0.1


def test_one_column_runs_every_tile_of_the_grid_once(bundle):
    runner = PointwiseRunner(PATCH)
    sweep = make_sweep(bundle, image(), runner)
    columns = column_boxes(WHOLE, (5, 64, 64), sweep.space)
    assert len(columns) == 1
    list(sweep.results(columns[0]))
    assert runner.tiles == sweep.space.grid.count == tiles_run(sweep.space, columns)


def test_tiles_of_several_columns_are_counted_beforehand(bundle):
    runner = PointwiseRunner(PATCH)
    sweep = make_sweep(bundle, image(), runner)
    columns = column_boxes(WHOLE, (5, 20, 30), sweep.space)
    for boxes in columns:
        list(sweep.results(boxes))
    assert runner.tiles == tiles_run(sweep.space, columns) > sweep.space.grid.count


def test_one_column_reads_every_voxel_once(bundle):
    array = CountingArray(image(), (4, 20, 20))
    sweep = make_sweep(bundle, array, PointwiseRunner(PATCH))
    array.reads[:] = 0
    (boxes,) = column_boxes(WHOLE, (5, 64, 64), sweep.space)
    list(sweep.results(boxes))
    assert (array.reads == 1).all()


def test_the_blocks_left_of_a_column_give_the_same_answer(bundle):
    """As after a crash: some blocks of a column are there already, with a gap."""
    data = image()
    runner = PointwiseRunner(PATCH, tilt=5.0)
    (boxes,) = column_boxes(WHOLE, (2, 64, 64), make_sweep(bundle, data, runner).space)
    whole = {r.box: r.probabilities for r in make_sweep(bundle, data, runner).results(boxes)}
    left = [boxes[0], *boxes[6:8], boxes[-1]]
    runner.tiles = 0
    some = {r.box: r.probabilities for r in make_sweep(bundle, data, runner).results(left)}
    assert list(some) == left
    for box in left:
        np.testing.assert_array_equal(some[box], whole[box])
    assert runner.tiles < make_sweep(bundle, data, runner).space.grid.count


def test_blank_tiles_are_predicted_once_and_change_nothing(bundle):
    data = image()
    data[:, :, 18:] = 9
    answers, runners = [], []
    for reuse in (True, False):
        runner = PointwiseRunner(PATCH, tilt=5.0)
        sweep = replace(make_sweep(bundle, data, runner), reuse_constant=reuse)
        (boxes,) = column_boxes(WHOLE, (5, 64, 64), sweep.space)
        steps = list(sweep.run([boxes]))
        counts = [(step.count, step.constant) for step in steps if isinstance(step, TilesRun)]
        z, y, x = sweep.space.grid.starts
        blank = len(z) * len(y) * sum(start >= 18 for start in x)
        assert np.sum(counts, axis=0).tolist() == [sweep.space.grid.count, blank if reuse else 0]
        blocks = [block for step in steps if isinstance(step, RowsDone) for block in step.blocks()]
        answers.append(np.concatenate([b.probabilities[0] for b in blocks]))
        runners.append(runner)
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-6)
    assert runners[0].tiles == runners[1].tiles - blank + 1


@pytest.mark.parametrize("place", [(0, 0, 0, 0), (1, 7, 8, 8), (1, 7, 15, 15), (0, 3, 5, 11)])
def test_one_other_voxel_makes_a_tile_an_ordinary_one(place):
    tile = np.zeros((2, 8, 16, 16), np.float32)
    tile[1] = 3
    assert constant_values(tile) == (0.0, 3.0)
    tile[place] = 1
    assert constant_values(tile) is None


def test_columns_follow_each_other_and_share_what_is_read(bundle):
    array = CountingArray(image(), (4, 20, 20))
    sweep = make_sweep(bundle, array, PointwiseRunner(PATCH, tilt=5.0))
    array.reads[:] = 0
    columns = column_boxes(WHOLE, (5, 20, 20), sweep.space, (5, 20, 40))
    assert [len(boxes) for boxes in columns] == [10, 5, 10, 5]
    answer = np.full(SHAPE, np.nan)
    for step in sweep.run(columns):
        for block in step.blocks() if isinstance(step, RowsDone) else ():
            answer[block.box.slices] = block.probabilities[0]
    assert (array.reads == 1).all()
    whole = make_sweep(bundle, image(), PointwiseRunner(PATCH, tilt=5.0))
    (boxes,) = column_boxes(WHOLE, (30, 64, 64), whole.space)
    (expected,) = whole.results(boxes)
    np.testing.assert_allclose(answer, expected.probabilities[0], atol=1e-5)


def test_outside_the_nonzero_box_is_background(bundle):
    data = image()
    data[:6] = 0
    data[:, :, 30:] = 0
    runner = PointwiseRunner(PATCH)
    sweep = make_sweep(bundle, data, runner)
    answer = np.full(SHAPE, np.nan)
    for boxes in column_boxes(WHOLE, (4, 64, 16), sweep.space):
        for result in sweep.results(boxes):
            answer[result.box.slices] = result.probabilities[0]
    assert (answer[:6] == 0).all()
    assert (answer[:, :, 30:] == 0).all()
    inside = data[6:, :, :30]
    np.testing.assert_allclose(answer[6:, :, :30], expected(inside), atol=1e-5)


def test_a_region_is_a_part_of_the_whole(bundle):
    data = image()
    region = Box((3, 7, 11), (17, 31, 50))
    sweep = make_sweep(bundle, data, PointwiseRunner(PATCH, tilt=5.0))
    answers = {}
    for box, block in ((Box.whole(SHAPE), (30, 64, 64)), (region, (4, 9, 12))):
        answer = np.full(SHAPE, np.nan)
        for boxes in column_boxes(box, block, sweep.space):
            for result in sweep.results(boxes):
                answer[result.box.slices] = result.probabilities[0]
        answers[box] = answer
    part = answers[region]
    assert np.isnan(part).sum() == part.size - region.size
    np.testing.assert_allclose(part[region.slices], answers[Box.whole(SHAPE)][region.slices], atol=1e-5)


def test_cancelling_stops_between_batches(bundle):
    cancel = CancelToken()
    runner = PointwiseRunner(PATCH, batch_size=1)
    sweep = make_sweep(bundle, image(), runner, cancel=cancel)
    (boxes,) = column_boxes(WHOLE, (2, 64, 64), sweep.space)
    results = sweep.results(boxes)
    next(results)
    threading.Thread(target=cancel.cancel).start()
    while not cancel.cancelled:
        pass
    before = runner.tiles
    with pytest.raises(Cancelled, match="every finished block is kept"):
        next(results)
    assert runner.tiles == before


def test_regions_are_painted_in_their_order(bundle):
    encoder = replace(Encoder.of(bundle, ProbabilityType.UINT8), regions=(2, 1), class_count=2)
    logits = np.array([[[[5.0, 5.0, -5.0, -800.0]]], [[[-5.0, 5.0, 5.0, 800.0]]]], np.float32)
    probabilities, classes = encoder.encode(logits)
    assert classes.ravel().tolist() == [2, 1, 1, 1]
    assert probabilities[:, 0, 0, 3].tolist() == [0, 255]
    assert probabilities.dtype == np.uint8


@pytest.mark.parametrize("patch", [(8, 16, 16), (1, 32, 16), (5, 7, 9)])
def test_gaussian_weights_are_nnunets(patch):
    import torch
    from nnunetv2.inference.sliding_window_prediction import compute_gaussian

    axes, cpu = tuple(n for n in patch if n > 1), torch.device("cpu")
    theirs = compute_gaussian(axes, value_scaling_factor=10, dtype=torch.float32, device=cpu)
    np.testing.assert_allclose(gaussian_weights(patch).reshape(theirs.shape), theirs.numpy(), rtol=1e-6)
