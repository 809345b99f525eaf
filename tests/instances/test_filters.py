"""Sizes, the border of the volume and holes: filters on whole objects, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import ndimage

from napari_nnunet_em.config import Connectivity, FillHoles, InstanceSettings
from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.instances import ClassProbability
from napari_nnunet_em.instances.holes import filled
from napari_nnunet_em.instances.preview import PreviewRequest, preview_objects
from napari_nnunet_em.testing.strategies import block_shapes

SHAPE = (9, 30, 34)


def noise(seed, sigma=1.2, shape=SHAPE):
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), sigma)
    return np.rint((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)


def kept(labels, keep):
    """Labels of the objects, numbered from 1, that are kept."""
    return np.where(keep, np.cumsum(keep), 0)[labels]


@given(st.integers(0, 999), block_shapes(SHAPE), st.booleans())
def test_sizes_and_border_as_on_the_whole_volume(segmented, seed, block_shape, drop_border):
    probability = noise(seed)
    every, count = ndimage.label(probability / 255 > 0.6)
    voxels = np.bincount(every.ravel(), minlength=count + 1)
    least, most = int(np.quantile(voxels[1:], 0.3)), int(np.quantile(voxels[1:], 0.8))
    keep = (voxels >= least) & (voxels <= most)
    if drop_border:
        inner = np.zeros(SHAPE, dtype=bool)
        inner[1:-1, 1:-1, 1:-1] = True
        keep[np.unique(every[~inner])] = False
    keep[0] = False
    labels, found = segmented(
        probability,
        block_shape,
        threshold=0.6,
        min_voxels=least,
        max_voxels=most,
        drop_border=drop_border,
    )
    np.testing.assert_array_equal(labels, kept(every, keep))
    assert len(found.table) == keep.sum()


@pytest.mark.parametrize("split", ["none", "distance"])
def test_an_image_has_no_border_above_and_below(segmented, split):
    probability = noise(3, (0, 3, 3), (1, 200, 210))
    asked = {"threshold": 0.6, "split": split, "split_strength": 0.95}
    size = (8.0, 8.0, 8.0)
    every, _ = segmented(probability, (1, 50, 60), size, **asked)
    rim = np.concatenate([every[0, [0, -1]].ravel(), every[0, :, [0, -1]].ravel()])
    keep = np.isin(np.arange(every.max() + 1), rim, invert=True)
    assert 3 < keep.sum() < every.max()
    inner, found = segmented(probability, (1, 50, 60), size, drop_border=True, **asked)
    np.testing.assert_array_equal(inner, kept(every, keep))
    assert not found.table.frame["touches_border"].any()
    settings = InstanceSettings(min_voxels=0, drop_border=True, **asked)
    whole = Box.whole(probability.shape)
    seen = preview_objects(PreviewRequest(ClassProbability(probability), settings, whole, size))
    np.testing.assert_array_equal(seen.labels > 0, inner > 0)
    assert len(seen.voxels) == keep.sum()


def test_limits_in_um3_are_the_same_as_in_voxels(segmented):
    voxel_um3 = 40 * 8 * 8 * 1e-9
    by_voxels, _ = segmented(noise(1), (4, 9, 9), threshold=0.6, min_voxels=10, max_voxels=40)
    by_volume, _ = segmented(
        noise(1), (4, 9, 9), threshold=0.6, min_volume_um3=10 * voxel_um3, max_volume_um3=40 * voxel_um3
    )
    np.testing.assert_array_equal(by_volume, by_voxels)
    with pytest.raises(SettingsError, match=r"maximum volume of 0\.1"):
        segmented(noise(1), (4, 9, 9), size=None, max_volume_um3=0.1)


@given(st.integers(0, 999), st.sampled_from([FillHoles.VOLUME, FillHoles.SLICES]))
def test_holes_of_a_lone_object_are_scipys(seed, how):
    mask = np.pad(noise(seed, 0.8, (9, 16, 16)) > 90, 1)
    labels, _ = ndimage.label(mask)
    piece = labels == np.bincount(labels[labels > 0]).argmax()
    if how is FillHoles.VOLUME:
        expected = ndimage.binary_fill_holes(piece)
    else:
        expected = np.stack([ndimage.binary_fill_holes(plane) for plane in piece])
    assume((expected & ~piece).any())  # very few pieces have no hole
    out = filled(piece, np.zeros_like(piece), how, Connectivity.FACES, 0)
    np.testing.assert_array_equal(out, expected)


def shell(shape, start, stop, hollow):
    """A box with a hollow."""
    out = np.zeros(shape, dtype=bool)
    out[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = True
    out[tuple(slice(a, b) for a, b in hollow)] = False
    return out


@pytest.mark.parametrize("how", ["3d", "slices"])
@pytest.mark.parametrize("block_shape", [(12, 24, 24), (5, 7, 9), (1, 24, 24), (12, 3, 4)])
def test_a_hole_is_filled_unless_an_object_lies_in_it(segmented, how, block_shape):
    ring = shell((12, 24, 24), (1, 1, 1), (11, 20, 20), [(3, 9), (4, 16), (4, 16)])
    inner = np.zeros_like(ring)
    inner[5:7, 8:10, 8:10] = True
    probability = ((ring | inner) * 200).astype(np.uint8)
    empty, _ = segmented((ring * 200).astype(np.uint8), block_shape, fill_holes=how)
    np.testing.assert_array_equal(empty, ndimage.binary_fill_holes(ring))
    # A speck below the minimum size goes with the hole; an object keeps it open.
    speck, found = segmented(probability, block_shape, fill_holes=how, min_voxels=9)
    np.testing.assert_array_equal(speck, ndimage.binary_fill_holes(ring))
    assert found.table.frame["voxels"].tolist() == [10 * 19 * 19]
    both, _ = segmented(probability, block_shape, fill_holes=how, min_voxels=8)
    touched = np.zeros(12, dtype=bool)
    touched[5:7] = True
    expected = ring.astype(int) + 2 * inner
    if how == "slices":
        expected[~touched] = ndimage.binary_fill_holes(ring)[~touched]
    np.testing.assert_array_equal(both, expected)


def test_a_hollow_that_the_border_of_the_volume_opens_is_no_hole(segmented):
    bowl = shell((8, 16, 16), (0, 2, 2), (8, 14, 14), [(0, 5), (5, 11), (5, 11)])
    labels, _ = segmented((bowl * 200).astype(np.uint8), (3, 8, 8), fill_holes="3d")
    np.testing.assert_array_equal(labels, bowl)
    labels, _ = segmented((bowl * 200).astype(np.uint8), (3, 8, 8), fill_holes="slices")
    assert labels[:5, 5:11, 5:11].all()


@pytest.mark.parametrize("how", ["3d", "slices"])
def test_the_smallest_hole_is_found(segmented, how):
    cross = np.zeros((5, 5, 5), dtype=bool)
    near = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    for step in [*near, *(tuple(-s for s in n) for n in near)]:
        cross[tuple(2 + s for s in step)] = True
    labels, _ = segmented((cross * 200).astype(np.uint8), (2, 3, 5), fill_holes=how, connectivity=26)
    cross[2, 2, 2] = True
    np.testing.assert_array_equal(labels, cross)


def test_an_image_has_no_outside_above_and_below(segmented):
    ring = shell((1, 16, 16), (0, 2, 2), (1, 14, 14), [(0, 1), (5, 11), (5, 11)])
    labels, _ = segmented((ring * 200).astype(np.uint8), (1, 8, 8), fill_holes="3d")
    assert labels[0, 5:11, 5:11].all()


@given(st.integers(0, 999), st.sampled_from(list(Connectivity)), st.sampled_from(["3d", "slices"]))
def test_objects_never_fill_the_same_voxel(segmented, seed, connectivity, how):
    probability = noise(seed, 0.7, (6, 14, 14))
    before, _ = segmented(probability, (6, 14, 14), threshold=0.5, connectivity=connectivity, min_voxels=2)
    settings = {"threshold": 0.5, "connectivity": connectivity, "min_voxels": 2, "fill_holes": how}
    results = [segmented(probability, block, **settings) for block in [(6, 14, 14), (2, 5, 14), (6, 3, 3)]]
    for labels, found in results:
        np.testing.assert_array_equal(labels, results[0][0])
        assert found.table.frame.equals(results[0][1].table.frame)
    after = results[0][0]
    assert after.max() == before.max()
    inside = before > 0
    np.testing.assert_array_equal(after[inside], before[inside])
    assert (np.bincount(after.ravel())[1:] == results[0][1].table.frame["voxels"]).all()


def test_a_hole_that_holds_another_class_stays(segmented):
    ring = shell((6, 16, 16), (1, 1, 1), (5, 15, 15), [(2, 4), (4, 12), (4, 12)])
    classes = ring.astype(np.uint8)
    probability = (ring * 200).astype(np.uint8)
    source = ClassProbability(probability, classes=classes.copy(), class_value=1)
    assert (segmented(source, (6, 8, 8), fill_holes="3d")[0] == ndimage.binary_fill_holes(ring)).all()
    classes[2, 5, 5] = 2
    source = ClassProbability(probability, classes=classes, class_value=1)
    assert (segmented(source, (6, 8, 8), fill_holes="3d")[0] == ring).all()


def rings(seed=0):
    """Tilted tubes with holes, and things inside the holes that other tubes run through."""
    z, y, x = np.ogrid[:10, :40, :70]
    out = np.zeros((10, 40, 70), dtype=bool)
    for column in (14, 50):
        square = (y - 20) ** 2 + (x - column - z) ** 2
        out |= (square <= 144) & (square > 36)
    out[3:9, 18:22, 16:20] = True  # six slices of something in the hole of the first
    out[5, 20, 55] = True  # a speck in the hole of the second
    return (out * 200).astype(np.uint8)


@pytest.mark.parametrize("how", ["3d", "slices"])
def test_linked_objects_are_filled_slice_by_slice_whatever_the_blocks(segmented, how):
    probability = rings()
    settings = {"linking": "overlap", "min_voxels": 8, "fill_holes": how}
    before, _ = segmented(probability, probability.shape, linking="overlap", min_voxels=8)
    results = [
        segmented(probability, b, **settings) for b in [(10, 40, 70), (3, 40, 33), (1, 9, 70), (4, 11, 13)]
    ]
    first, found = results[0]
    for labels, other in results[1:]:
        np.testing.assert_array_equal(labels, first)
        assert other.table.frame.equals(found.table.frame)
    assert before.max() == first.max() == 3
    np.testing.assert_array_equal(first[before > 0], before[before > 0])
    if how == "slices":
        expected = before.copy()
        for plane, source in zip(expected, before, strict=True):
            for number in (1, 2):
                hole = ndimage.binary_fill_holes(source == number) & (source != number)
                if not source[hole].any():
                    plane[hole] = number
        np.testing.assert_array_equal(first, expected)
        assert (first > 0).sum() > (before > 0).sum() + 1000
    large, counted = segmented(probability, (4, 11, 13), **settings, split_memory_gb=0.0002)
    np.testing.assert_array_equal(large[before > 0], before[before > 0])
    assert counted.in_blocks == 2
    assert large.max() == 3


def test_linked_objects_are_not_split():
    with pytest.raises(ValidationError, match="linked slice by slice"):
        InstanceSettings(linking="overlap", split="distance")
