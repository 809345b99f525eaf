"""Distances inside objects are SciPy's, whichever way they are found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_nnunet_em.instances.splitting import distances as module
from napari_nnunet_em.instances.splitting.distances import distances

SIZES = st.sampled_from([(8.0, 8.0, 8.0), (56.0, 8.0, 8.0), (4.6, 3.3, 7.7)])


@given(
    st.integers(0, 2**16),
    st.tuples(st.integers(1, 12), st.integers(1, 20), st.integers(1, 20)),
    st.floats(0.0, 2.0),
    SIZES,
    st.sampled_from([0, 10**9]),
    st.sets(st.integers(0, 2)),
)
def test_distances_are_scipys_by_both_ways(seed, shape, sigma, size, looks, closed):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), sigma)
    mask = noise > np.median(noise)
    mask = np.pad(mask, [(int(axis in closed),) * 2 for axis in range(3)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_LOOKS_PER_VOXEL", looks)
        found = distances(mask, size)
    assert found.dtype == np.float32
    if mask.all():
        np.testing.assert_array_equal(found, 1)
    else:
        np.testing.assert_allclose(found, ndimage.distance_transform_edt(mask, sampling=size), rtol=1e-6)


def test_nothing_beyond_the_array_is_taken_for_outside():
    mask = np.ones((3, 5, 7), dtype=bool)
    mask[1, 2, 0] = False
    expected = ndimage.distance_transform_edt(mask, sampling=(40, 8, 8))
    np.testing.assert_allclose(distances(mask, (40.0, 8.0, 8.0)), expected, rtol=1e-6)
    assert expected.max() > 6 * 8
