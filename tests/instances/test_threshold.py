"""Which voxels belong to objects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.instances.threshold import beyond_probability, is_above, is_bytes, object_voxels

GREY = np.arange(256, dtype=np.uint8)
thresholds = st.one_of(
    st.floats(0.001, 0.999), st.integers(1, 254).map(lambda v: v / 255), st.sampled_from([0.3, 0.5, 0.7])
)


@given(thresholds)
def test_stored_bytes_mean_shares_of_255(threshold):
    expected = [v / 255 > threshold for v in range(256)]
    assert is_above(GREY, threshold).tolist() == expected


@given(thresholds, st.sampled_from([np.float16, np.float32, np.float64]))
def test_floats_are_compared_without_rounding_the_threshold(threshold, dtype):
    near = dtype(threshold)
    values = np.array([np.nextafter(near, dtype(0)), near, np.nextafter(near, dtype(1)), 0, 1], dtype=dtype)
    assert is_above(values, threshold).tolist() == [float(v) > threshold for v in values]


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        (np.array([0, 255], np.uint8), None),
        (np.array([0, 1], np.float32), None),
        (np.array([-0.05, 1.08, np.nan], np.float32), None),  # resampled by a spline
        (np.array([np.nan, np.nan]), None),
        (np.zeros((0, 4)), None),
        (np.array([[0, 3.5], [np.nan, 1000]], np.float16), (0, 1000)),
        (np.array([-8.25, 0.9]), (-8.25, 0.9)),  # what a network gives before its softmax
        (np.array([0.5, np.inf]), (0.5, np.inf)),
    ],
)
def test_values_that_are_no_probabilities_are_known_by_their_ends(values, ends):
    assert beyond_probability(values) == ends


def test_nan_is_never_above():
    assert is_above(np.array([np.nan, 0.9], dtype=np.float32), 0.5).tolist() == [False, True]


def test_a_low_threshold_cannot_put_a_voxel_into_two_classes():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([1, 1, 1], size=(4, 5, 6)).transpose(3, 0, 1, 2).astype(np.float32)
    classes = probabilities.argmax(axis=0).astype(np.uint8)
    first, second = (object_voxels(probabilities[k], 0.2, classes, k) for k in (1, 2))
    assert (is_above(probabilities[1], 0.2) & is_above(probabilities[2], 0.2)).any()
    assert not (first & second).any()
    np.testing.assert_array_equal(first, (probabilities[1] > 0.2) & (classes == 1))


@pytest.mark.parametrize("dtype", [np.uint16, np.int8, bool])
def test_other_types_are_refused(dtype):
    with pytest.raises(InputError, match="are not understood"):
        is_bytes(np.dtype(dtype))
