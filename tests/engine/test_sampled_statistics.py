"""Estimated statistics: near those of the whole volume, from a small part of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_nnunet_em.engine.sampled_statistics import PlainMask, sample_boxes, sample_statistics
from napari_nnunet_em.engine.statistics import collect_statistics
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.progress import finish

SHAPES = st.tuples(*[st.integers(1, 90)] * 3)


@given(SHAPES, SHAPES, st.tuples(*[st.integers(1, 5)] * 3))
def test_samples_lie_inside_and_never_meet(shape, largest, counts):
    boxes = sample_boxes(shape, largest, counts)
    seen = np.zeros(shape, int)
    for box in boxes:
        assert Box.whole(shape).contains(box)
        seen[box.slices] += 1
    assert seen.max() == 1
    assert len({box.shape for box in boxes}) == 1


@pytest.mark.parametrize("profile_axis", [None, 0, 2])
def test_a_large_volume_with_blank_borders(profile_axis):
    image = np.zeros((40, 900, 1100), np.uint8)
    inside = image[:, 60:800, 100:]
    inside[...] = np.clip(np.random.default_rng(0).normal(120, 25, inside.shape), 1, 255)
    volume = open_volume(image, voxel_size_nm=(40, 8, 8))
    exact = finish(collect_statistics(volume, profile_axis=profile_axis))
    estimate = finish(sample_statistics(volume, profile_axis=profile_axis))
    assert estimate.channels[0].mean == pytest.approx(exact.channels[0].mean, abs=0.5)
    assert estimate.channels[0].std == pytest.approx(exact.channels[0].std, rel=0.02)
    assert estimate.bbox.contains(exact.bbox)
    assert estimate.any_count <= estimate.bbox.size
    assert estimate.any_count == pytest.approx(exact.any_count, rel=0.15)
    if profile_axis is not None:
        assert estimate.profile.axis == profile_axis
        assert estimate.profile.lows.shape == exact.profile.lows.shape
        assert (estimate.profile.counts > 0).all()


def test_a_small_volume_is_its_own_sample():
    image = np.random.default_rng(1).integers(1, 99, (7, 50, 60)).astype(np.uint16)
    volume = open_volume(image, voxel_size_nm=(1, 1, 1))
    assert finish(sample_statistics(volume)) == finish(collect_statistics(volume))


def test_samples_of_one_value_tell_nothing():
    image = np.full((4, 900, 900), 7, np.uint8)
    image[0, 0, 0] = 9
    assert finish(sample_statistics(open_volume(image, voxel_size_nm=(1, 1, 1)))) is None


def test_values_that_are_no_numbers_are_refused():
    image = np.full((4, 90, 90), np.nan, np.float32)
    with pytest.raises(InputError, match="NaN"):
        finish(sample_statistics(open_volume(image, voxel_size_nm=(1, 1, 1))))


def test_the_plain_mask_knows_no_holes():
    voxels = np.zeros((2, 3, 4, 5), np.uint8)
    voxels[1, 1, 2, 3] = 1
    mask = PlainMask(planes=6)
    assert mask.hole_count == 0
    assert mask.hole_counts.tolist() == [0] * 6
    assert PlainMask().hole_counts is None
    assert np.argwhere(mask.of(Box.whole((3, 4, 5)), voxels)).tolist() == [[1, 2, 3]]
