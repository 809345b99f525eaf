"""What somebody looks at comes first, and every voxel is that of a sweep from end to end."""

from __future__ import annotations

import weakref
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_nnunet_em.config import PredictionSettings, ProbabilityType
from napari_nnunet_em.engine.column import Column, column_boxes, tiles_run
from napari_nnunet_em.engine.nearest import nearest_first
from napari_nnunet_em.engine.output import Encoder
from napari_nnunet_em.engine.prepare import Spacings, prepare
from napari_nnunet_em.engine.statistics import collect_statistics
from napari_nnunet_em.engine.sweep import RowsDone, Sweep, TilesRun
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import Volume
from napari_nnunet_em.model import ModelBundle
from napari_nnunet_em.progress import CancelToken, finish
from napari_nnunet_em.testing.runners import PointwiseRunner
from napari_nnunet_em.testing.tiny_models import make_model_folder

PATCHES = {
    "3d": {"patch_size": (6, 16, 16)},
    "2d": {"dim": 2, "patch_size": (16, 16)},
    "transposed": {"patch_size": (6, 16, 16), "transpose_forward": (2, 0, 1)},
}
DEEP = (60, 20, 26)
SHAPES = {"3d": DEEP, "2d": DEEP, "transposed": (20, 26, 60)}
BLOCK = (5, 8, 16)  # as the model sees it


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {
        name: ModelBundle.open(make_model_folder(root / name, **kwargs)) for name, kwargs in PATCHES.items()
    }


def image(shape, seed=0):
    return np.random.default_rng(seed).integers(1, 255, shape).astype(np.uint8)


def make_sweep(bundle, array, spacing=(1.0, 1.0, 1.0), runner=PointwiseRunner, overlap=0.5):
    volume = Volume(array, "zyx", spacing, "given by the caller")
    statistics = finish(collect_statistics(volume))
    prediction = PredictionSettings(overlap=overlap)
    spacings = Spacings(tuple(spacing[i] for i in bundle.transpose_forward), (1.0, 1.0, 1.0))
    source = finish(prepare(volume, bundle, statistics, spacings, prediction))
    fake = runner(source.space.grid.patch, tilt=5.0)
    return Sweep(source, fake, Encoder.of(bundle, ProbabilityType.FLOAT32), CancelToken())


def columns_of(sweep, shape, column=(1, 16, 16)):
    back = sweep.space.backward
    block, column = ([sides[i] for i in back] for sides in (BLOCK, column))
    return column_boxes(Box.whole(shape), tuple(block), sweep.space, tuple(column))


def swept(sweep, columns, shape):
    """Probabilities, and the blocks in the order in which they are done, each with the tiles run by then."""
    answer, done, tiles = np.full(shape, np.nan, np.float32), [], 0
    for step in sweep.run(columns):
        if isinstance(step, TilesRun):
            tiles += step.count
            continue
        for block in step.blocks():
            assert np.isnan(answer[block.box.slices]).all()
            answer[block.box.slices] = block.probabilities[0]
            done.append((block.box, tiles))
    assert not np.isnan(answer).any()
    return answer, done


def holds(box, voxel):
    return all(a <= v < b for a, v, b in zip(box.start, voxel, box.stop, strict=True))


def near_voxels(shape):
    return st.tuples(*[st.integers(0, n - 1) for n in shape])


@given(st.data())
@pytest.mark.parametrize("kind", list(PATCHES))
def test_every_voxel_is_that_of_a_sweep_from_end_to_end(bundles, kind, data):
    shape = SHAPES[kind]
    near = data.draw(near_voxels(shape), "near")
    voxels = image(shape)
    axis = bundles[kind].transpose_forward[0]
    blank = data.draw(st.sampled_from([0, 7]), "blank slices at both ends")
    if blank:
        voxels.swapaxes(0, axis)[:blank] = 0
        voxels.swapaxes(0, axis)[-blank:] = 0
    sweep = make_sweep(bundles[kind], voxels, overlap=data.draw(st.sampled_from([0.0, 0.5, 0.75]), "overlap"))
    plain = columns_of(sweep, shape)
    watched = nearest_first(sweep.space, plain, near)
    assert sorted(chain.from_iterable(watched)) == sorted(chain.from_iterable(plain))
    expected, _ = swept(sweep, plain, shape)
    sweep.runner.tiles = 0
    answer, done = swept(sweep, watched, shape)
    np.testing.assert_array_equal(answer, expected)
    if len(watched) > len(plain) and blank <= near[axis] < shape[axis] - blank:
        assert holds(done[0][0], near)


@given(near_voxels(DEEP))
def test_the_first_block_holds_the_voxel_or_is_hardly_waited_for(bundles, near):
    sweep = make_sweep(bundles["3d"], image(DEEP))
    plain = columns_of(sweep, DEEP)
    watched = nearest_first(sweep.space, plain, near)
    _, done = swept(sweep, watched, DEEP)
    per_row = len(Column.of(sweep.space, watched[0]).corners)
    waited = next(tiles for box, tiles in done if holds(box, near))
    # A layer of five rows is touched by at most four rows of tiles, two of which would be run twice.
    assert waited <= (4 + 3 * 2) * per_row
    extra = done[-1][1] - tiles_run(sweep.space, plain)
    assert extra <= 2 * per_row
    if extra:
        assert holds(done[0][0], near)
        assert waited <= 4 * per_row


@given(near_voxels(DEEP))
def test_tiles_are_counted_beforehand_and_run_once_by_2d_models(bundles, near):
    for kind in ("3d", "2d"):
        sweep = make_sweep(bundles[kind], image(DEEP))
        plain = columns_of(sweep, DEEP, (1, 32, 32))
        watched = nearest_first(sweep.space, plain, near)
        _, done = swept(sweep, watched, DEEP)
        assert sweep.runner.tiles == tiles_run(sweep.space, watched)
        if kind == "2d":
            assert sweep.runner.tiles == sweep.space.grid.count
            assert holds(done[0][0], near)


@given(near_voxels((12, 20, 26)))
def test_a_stack_not_much_deeper_than_the_patch_is_swept_from_its_first_slice(bundles, near):
    sweep = make_sweep(bundles["3d"], image((12, 20, 26)))
    plain = columns_of(sweep, (12, 20, 26))
    assert len(nearest_first(sweep.space, plain, near)) == len(plain)


@pytest.mark.parametrize("near", [(30, -9, 400), (-5, 3, 3), (99, 19, 25)])
def test_places_outside_are_near_something_too(bundles, near):
    sweep = make_sweep(bundles["3d"], image(DEEP))
    plain = columns_of(sweep, DEEP)
    watched = nearest_first(sweep.space, plain, near)
    assert sum(map(len, watched)) == sum(map(len, plain))
    assert len(watched) == len(plain) + (near[0] == 30)
    assert nearest_first(sweep.space, [[], []], near) == []


@given(st.integers(0, 59), st.sampled_from([(2.0, 1.0, 1.0), (0.75, 1.0, 1.0)]))
def test_also_where_the_slices_are_resampled(bundles, z, spacing):
    sweep = make_sweep(bundles["3d"], image(DEEP), spacing)
    plain = columns_of(sweep, DEEP, (1, 32, 32))
    watched = nearest_first(sweep.space, plain, (z, 9, 9))
    expected, _ = swept(sweep, plain, DEEP)
    answer, _ = swept(sweep, watched, DEEP)
    # Which rows are resampled together changes the order of additions there, as after any interruption.
    np.testing.assert_allclose(answer, expected, atol=1e-5)


@given(st.data())
def test_what_is_left_after_an_interruption_is_the_same(bundles, data):
    """Whatever was finished, in whatever order, and wherever one looks then."""
    sweep = make_sweep(bundles["3d"], image(DEEP))
    plain = columns_of(sweep, DEEP)
    expected, _ = swept(sweep, plain, DEEP)
    first = data.draw(near_voxels(DEEP), "near at first")
    ordered = list(chain.from_iterable(nearest_first(sweep.space, plain, first)))
    finished = set(ordered[: data.draw(st.integers(0, len(ordered)), "finished")])
    left = [[box for box in boxes if box not in finished] for boxes in plain]
    then = data.draw(st.none() | near_voxels(DEEP), "near then")
    visits = left if then is None else nearest_first(sweep.space, left, then)
    done = []
    for step in sweep.run(visits):
        for block in step.blocks() if isinstance(step, RowsDone) else ():
            np.testing.assert_array_equal(block.probabilities[0], expected[block.box.slices])
            done.append(block.box)
    assert sorted(done) == sorted(set(ordered) - finished)


class OneAtATime(PointwiseRunner):
    """Refuses to begin sums while others are held."""

    held = None

    def accumulator(self, plane):
        assert self.held is None or self.held() is None
        sums = super().accumulator(plane)
        self.held = weakref.ref(sums)
        return sums


def test_no_more_sums_are_kept_than_of_one_part(bundles):
    sweep = make_sweep(bundles["3d"], image(DEEP), runner=OneAtATime)
    watched = nearest_first(sweep.space, columns_of(sweep, DEEP), (30, 9, 9))
    assert watched[0][0].start[0] == 30
    assert watched[1][0].start[0] == 0
    swept(sweep, watched, DEEP)
    assert sweep.runner.held is not None
