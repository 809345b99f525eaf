"""What is measured per component, choosing components, and the type of ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.measure import regionprops_table

from napari_nnunet_em.components import (
    ComponentFinder,
    Components,
    Layout,
    Reduction,
    Runs,
    ValueSum,
    label_dtype,
)
from napari_nnunet_em.config import Connectivity
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.testing.strategies import block_shapes, boxes

SHAPE = (7, 11, 13)


def random_mask(seed, density=0.35, shape=SHAPE):
    return np.random.default_rng(seed).random(shape) < density


def run(mask, layout, *, values=None, **options):
    """The first pass over an array, with measures of the caller."""
    with ComponentFinder(layout, **options) as finder:
        for block in layout.blocks():
            part = {name: array[block.write.slices] for name, array in (values or {}).items()}
            finder.add(block, mask[block.write.slices], part)
        return Components(lambda box: mask[box.slices], finder.finish())


@given(st.integers(0, 2**16), block_shapes(SHAPE), st.sampled_from(list(Connectivity)))
def test_statistics_equal_scikit_image(scipy_labels, seed, block_shape, connectivity):
    mask = random_mask(seed)
    grey = np.random.default_rng(seed + 1).integers(0, 256, SHAPE, dtype=np.uint8)
    layout = Layout(SHAPE, block_shape, connectivity)
    table = run(mask, layout, values={"grey": grey}, measures=[ValueSum("grey")]).table
    labels, _ = scipy_labels(mask, int(connectivity))
    expected = regionprops_table(labels, grey, properties=("area", "bbox", "centroid", "intensity_mean"))
    np.testing.assert_array_equal(table.voxels, expected["area"])
    for number, axis in enumerate("zyx"):
        np.testing.assert_array_equal(table.statistics[f"min_{axis}"], expected[f"bbox-{number}"])
        np.testing.assert_array_equal(table.statistics[f"max_{axis}"], expected[f"bbox-{number + 3}"])
        centroid = table.statistics[f"sum_{axis}"] / table.voxels
        np.testing.assert_allclose(centroid, expected[f"centroid-{number}"], rtol=1e-12)
    np.testing.assert_allclose(
        table.statistics["sum_grey"] / table.voxels, expected["intensity_mean"], rtol=1e-12
    )
    np.testing.assert_array_equal(mask.ravel()[table.statistics["first"]], True)
    np.testing.assert_array_equal(labels.ravel()[table.statistics["first"]], np.arange(1, table.count + 1))


@dataclass(frozen=True)
class DeepestSlice:
    """A measure of somebody else's: the last slice of each component."""

    @property
    def columns(self) -> Mapping[str, Reduction]:
        return {"deepest": Reduction.MAX}

    def __call__(self, runs: Runs, values):
        return {"deepest": runs.largest(runs.z)}


def test_measures_from_outside_merge_by_their_own_rule():
    mask = random_mask(8)
    table = run(mask, Layout(SHAPE, (2, 4, 3)), measures=[DeepestSlice()]).table
    np.testing.assert_array_equal(table.statistics["deepest"], table.statistics["max_z"] - 1)


@given(st.integers(0, 2**16), block_shapes(SHAPE))
def test_holes_of_a_mask_are_its_components_off_the_border(find, seed, block_shape):
    from scipy.ndimage import binary_fill_holes

    mask = random_mask(seed, density=0.75)
    background = find(~mask, block_shape)
    holes = background.select(~background.table.touches_border)
    filled = mask | holes.mask(Box.whole(SHAPE))
    np.testing.assert_array_equal(filled, binary_fill_holes(mask))


@given(st.integers(0, 2**16), block_shapes(SHAPE), boxes(Box.whole(SHAPE)))
def test_any_box_gives_its_part_of_the_labels(find, scipy_labels, seed, block_shape, box):
    mask = random_mask(seed)
    components = find(mask, block_shape)
    expected, _ = scipy_labels(mask, 6)
    np.testing.assert_array_equal(components.labels(box), expected[box.slices])
    np.testing.assert_array_equal(components.mask(box), mask[box.slices])


@given(st.integers(0, 2**16), block_shapes(SHAPE), st.integers(0, 12))
def test_small_components_go_and_the_rest_is_renumbered(assemble, scipy_labels, seed, block_shape, smallest):
    mask = random_mask(seed)
    labels, count = scipy_labels(mask, 6)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    keep = sizes >= smallest
    keep[0] = False
    expected = np.where(keep, np.cumsum(keep), 0)[labels]
    at_once = run(mask, Layout(SHAPE, block_shape), min_voxels=smallest)
    np.testing.assert_array_equal(assemble(at_once), expected)
    np.testing.assert_array_equal(at_once.table.voxels, sizes[keep])
    everything = run(mask, Layout(SHAPE, block_shape))
    later = everything.select(everything.table.voxels >= smallest)
    np.testing.assert_array_equal(assemble(later), expected)
    for name, column in later.table.statistics.items():
        np.testing.assert_array_equal(column, at_once.table.statistics[name])


def test_selecting_twice_equals_selecting_once(find, assemble):
    components = find(random_mask(5), (3, 4, 5))
    large = components.select(components.table.voxels >= 3)
    inside = large.select(~large.table.touches_border)
    keep = (components.table.voxels >= 3) & ~components.table.touches_border
    np.testing.assert_array_equal(assemble(inside), assemble(components.select(keep)))


def test_ids_beyond_the_limit_make_labels_uint64(assemble, scipy_labels):
    mask = random_mask(6, density=0.1)
    expected, count = scipy_labels(mask, 6)
    for limit, dtype in ((count, np.uint32), (count - 1, np.uint64)):
        components = run(mask, Layout(SHAPE, (3, 4, 5)), uint32_limit=limit)
        assert components.table.dtype == dtype
        labels = assemble(components)
        assert labels.dtype == dtype
        np.testing.assert_array_equal(labels, expected)
    fewer = components.select(components.table.voxels > 1)
    assert fewer.table.dtype == np.uint32
    np.testing.assert_array_equal(
        assemble(fewer) > 0, np.isin(expected, np.flatnonzero(np.bincount(expected.ravel()) > 1)[1:])
    )


def test_labels_are_uint32_up_to_its_largest_number():
    assert label_dtype(2**32 - 1) == np.uint32
    assert label_dtype(2**32) == np.uint64


def test_blocks_without_components_are_not_read_again():
    mask = np.zeros((4, 4, 40), dtype=bool)
    mask[1:3, 1:3, 17:19] = True
    asked = []

    def source(box):
        asked.append(box)
        return mask[box.slices]

    components = Components(source, run(mask, Layout(mask.shape, (4, 4, 10))).table)
    for block in components.table.layout.blocks():
        components.relabel(block)
    assert asked == [Box((0, 0, 10), (4, 4, 20))]


def test_a_volume_that_changes_between_the_passes_is_refused():
    mask = random_mask(7)
    components = run(mask, Layout(SHAPE, (3, 4, 5)))
    mask[:] = False
    with pytest.raises(InputError, match="changed while it was worked on"):
        components.labels(Box.whole(SHAPE))


def test_a_table_without_components_labels_nothing(find):
    mask = random_mask(9)
    table = find(mask, (3, 4, 5)).table
    nothing = table.select(np.zeros(table.count, dtype=bool))
    for block in nothing.layout.blocks():
        labels = nothing.relabel(block, mask[block.write.slices])
        assert labels.shape == block.write.shape
        assert not labels.any()
