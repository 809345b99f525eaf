"""Labels equal SciPy's, number for number, for any blocks and any connectivity."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_nnunet_em.components.layout import label_block
from napari_nnunet_em.config import Connectivity
from napari_nnunet_em.testing.strategies import block_shapes, shapes

CONNECTIVITIES = (6, 18, 26)


@st.composite
def blocked_masks(draw):
    """Random masks from almost empty to almost full, with the shape of their blocks."""
    shape = draw(shapes((9, 12, 14)))
    density = draw(st.sampled_from([0.03, 0.12, 0.25, 0.35, 0.5, 0.7, 0.95]))
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).random(shape) < density, draw(block_shapes(shape))


def serpent(shape):
    """One thread without branches that runs through every block, joined end to end only."""
    mask = np.zeros(shape, dtype=bool)
    for z in range(0, shape[0], 2):
        mask[z, ::2] = True
        rows = range(0, shape[1] - 2, 2)
        for y in rows:
            mask[z, y + 1, -1 if (y // 2) % 2 == 0 else 0] = True
        if z + 2 < shape[0]:
            last = shape[1] - 1 if shape[1] % 2 else shape[1] - 2
            end_at_right = len(rows) % 2 == 0
            y, x = (last, shape[2] - 1 if end_at_right else 0) if (z // 2) % 2 == 0 else (0, 0)
            mask[z + 1, y, x] = True
    return mask


@settings(max_examples=60)
@given(blocked_masks(), st.sampled_from(CONNECTIVITIES))
def test_random_volumes_get_scipys_labels(find, assemble, scipy_labels, volume, connectivity):
    mask, block_shape = volume
    components = find(mask, block_shape, connectivity)
    expected, count = scipy_labels(mask, connectivity)
    assert components.table.count == count
    np.testing.assert_array_equal(assemble(components), expected)


@pytest.mark.parametrize("connectivity", CONNECTIVITIES)
@pytest.mark.parametrize("block_shape", [(1, 1, 1), (2, 3, 4), (9, 5, 2), (4, 16, 16)])
def test_thread_through_all_blocks_is_one_object(find, assemble, connectivity, block_shape):
    mask = serpent((9, 13, 16))
    components = find(mask, block_shape, connectivity)
    assert components.table.count == 1
    np.testing.assert_array_equal(assemble(components), mask)
    assert components.table.voxels.tolist() == [mask.sum()]


def test_arms_that_join_in_the_last_block_are_one_object(find, assemble):
    mask = np.zeros((6, 10, 10), dtype=bool)
    mask[:, 1, ::3] = True  # four arms along z ...
    mask[5, 1] = True  # ... that meet in the last slice
    components = find(mask, (2, 4, 3))
    assert components.table.count == 1
    np.testing.assert_array_equal(assemble(components) > 0, mask)


@pytest.mark.parametrize("step", [s for s in itertools.product((-1, 0, 1), repeat=3) if any(s)])
@pytest.mark.parametrize("connectivity", CONNECTIVITIES)
def test_two_voxels_join_across_blocks_as_connectivity_says(find, step, connectivity):
    # The neighbour lies in another block along each axis of the step.
    first = [2 if s >= 0 else 3 for s in step]
    mask = np.zeros((6, 6, 6), dtype=bool)
    mask[tuple(first)] = mask[tuple(a + s for a, s in zip(first, step, strict=True))] = True
    joined = sum(map(abs, step)) <= {6: 1, 18: 2, 26: 3}[connectivity]
    assert find(mask, (3, 3, 3), connectivity).table.count == (1 if joined else 2)


@pytest.mark.parametrize("connectivity", CONNECTIVITIES)
def test_everything_and_nothing(find, assemble, connectivity):
    full = np.ones((5, 7, 9), dtype=bool)
    everything = find(full, (2, 2, 4), connectivity)
    assert everything.table.voxels.tolist() == [full.size]
    assert (assemble(everything) == 1).all()
    nothing = find(~full, (2, 2, 4), connectivity)
    assert nothing.table.count == 0
    assert not assemble(nothing).any()
    assert nothing.table.touches_border.shape == (0,)


def test_volume_without_voxels_has_no_components(find):
    assert find(np.zeros((0, 4, 4), dtype=bool), (2, 2, 2)).table.count == 0


@pytest.mark.parametrize("connectivity", list(Connectivity))
def test_densest_single_voxels_fit_in_blocks_of_any_shape(scipy_labels, connectivity):
    for shape in [*itertools.product((1, 2, 3, 4, 9), repeat=3), (1, 31, 31), (31, 1, 31), (31, 31, 1)]:
        z, y, x = np.indices(shape)
        mask = (z % 2 == 0) & (y % 2 == 0) & (x % 2 == 0)
        labels, count = label_block(mask, connectivity)
        expected, expected_count = scipy_labels(mask, int(connectivity))
        assert count == expected_count
        np.testing.assert_array_equal(labels, expected)


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_order_of_the_mask_does_not_matter(find, assemble, scipy_labels, order):
    mask = np.asarray(np.random.default_rng(3).random((6, 8, 10)) < 0.4, order=order)
    np.testing.assert_array_equal(assemble(find(mask, (6, 8, 10))), scipy_labels(mask, 6)[0])


def test_second_pass_may_run_in_many_threads(find, scipy_labels):
    mask = np.random.default_rng(4).random((12, 20, 20)) < 0.3
    components = find(mask, (3, 5, 5))
    blocks = list(components.table.layout.blocks())
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(components.relabel, reversed(blocks)))
    expected, _ = scipy_labels(mask, 6)
    for block, part in zip(reversed(blocks), parts, strict=True):
        np.testing.assert_array_equal(part, expected[block.write.slices])
