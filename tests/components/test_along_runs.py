"""Components found along runs are those found in blocks, which are SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_nnunet_em.components import Runs, ValueSum, along_runs, find_along_runs, find_components
from napari_nnunet_em.components import runs as runs_module
from napari_nnunet_em.components.finder import ComponentFinder
from napari_nnunet_em.components.layout import Layout
from napari_nnunet_em.config import Connectivity
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.testing.strategies import boxes, shapes

SHAPE = (5, 12, 14)


def found_along_runs(mask, connectivity=Connectivity.FACES, *counted):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(along_runs, "_VOXELS_PER_RUN", 0)
        return find_along_runs(mask, connectivity, *counted)


def noise(shape, density, seed):
    return np.random.default_rng(seed).random(shape) < density


@given(
    shapes((6, 9, 11)),
    st.sampled_from([0.0, 0.05, 0.2, 0.35, 0.5, 0.8, 1.0]),
    st.integers(0, 999),
    st.sampled_from(list(Connectivity)),
)
def test_random_volumes_get_scipys_labels(scipy_labels, shape, density, seed, connectivity):
    mask = noise(shape, density, seed)
    table, runs = found_along_runs(mask, connectivity)
    expected, count = scipy_labels(mask, connectivity)
    assert table.count == runs.count == count
    whole = Box.whole(shape)
    np.testing.assert_array_equal(runs.painted(np.arange(count + 1, dtype=np.uint32), whole), expected)
    (block,) = table.layout.blocks()
    np.testing.assert_array_equal(table.labels(block, lambda box: mask[box.slices]), expected)


@given(st.integers(0, 999), st.sampled_from(list(Connectivity)), st.sampled_from([0.1, 0.4]))
def test_what_is_measured_is_what_blocks_measure(seed, connectivity, density):
    mask = noise(SHAPE, density, seed)
    values = np.random.default_rng(seed).integers(0, 2, SHAPE).astype(np.uint8)
    table, _ = found_along_runs(mask, connectivity, (ValueSum("bright"),), {"bright": values})
    with ComponentFinder(Layout(SHAPE, (2, 5, 6), connectivity), (ValueSum("bright"),)) as finder:
        for block in finder.layout.blocks():
            part = block.write.slices
            finder.add(block, mask[part], {"bright": values[part]})
        expected = finder.finish()
    assert table.statistics.keys() == expected.statistics.keys()
    for name, column in expected.statistics.items():
        np.testing.assert_array_equal(table.statistics[name], column, err_msg=name)


@given(st.integers(0, 999), boxes(Box.whole(SHAPE)), st.integers(1, 40))
def test_any_box_is_painted_however_many_lines_at_once(seed, box, at_once):
    mask = noise(SHAPE, 0.4, seed)
    table, runs = found_along_runs(mask)
    numbers = np.random.default_rng(seed).permutation(table.count + 1).astype(np.uint16)
    numbers[0] = 0
    labels = find_components(lambda part: mask[part.slices], SHAPE, SHAPE, 6).labels(box)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs_module, "_PAINTED_AT_ONCE", at_once)
        painted = runs.painted(numbers, box)
    assert painted.dtype == np.uint16
    np.testing.assert_array_equal(painted, numbers[labels])


def test_a_box_that_begins_elsewhere_is_painted_in_voxels_of_the_volume():
    labels = np.zeros((2, 3, 4), dtype=np.uint32)
    labels[1, 1, 1:3] = 1
    runs = Runs.of(labels, 1, Box.whole(labels.shape).shift((10, 20, 30)))
    painted = runs.painted(np.array([0, 7]), Box((11, 20, 32), (12, 23, 34)))
    assert painted.tolist() == [[[0, 0], [7, 0], [0, 0]]]


def test_noise_is_left_to_those_who_look_at_voxels():
    assert find_along_runs(noise((4, 30, 30), 0.5, 1), Connectivity.FACES) is None
    mask = np.zeros((4, 30, 30), dtype=bool)
    mask[1:3, 4:9, 5:25] = True
    table, runs = find_along_runs(mask, Connectivity.FACES)
    assert table.voxels.tolist() == [200]
    assert len(runs.length) == 10
