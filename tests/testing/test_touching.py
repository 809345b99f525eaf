"""The phantom of touching mitochondria: its truth is exact, and honest about what touches."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_nnunet_em.testing.touching import TouchingStyle, touching_mitochondria

GRIDS = {
    "isotropic": ((120, 120, 120), (16.0, 16.0, 16.0)),
    "anisotropic": ((40, 200, 200), (40.0, 8.0, 8.0)),
    "image": ((1, 400, 400), (8.0, 8.0, 8.0)),
}


@pytest.fixture(scope="module", params=GRIDS)
def made(request):
    shape, size = GRIDS[request.param]
    return touching_mitochondria(3, shape, size), shape, size


def test_each_mitochondrion_is_one_piece_and_they_are_numbered_without_gaps(made):
    ids, shape, _ = made
    assert ids.shape == shape
    assert ids.dtype == np.uint32
    assert np.unique(ids).tolist() == list(range(ids.max() + 1))
    assert ids.max() >= 5
    for number in range(1, ids.max() + 1):
        assert ndimage.label(ids == number)[1] == 1


def test_some_touch_and_some_stand_alone(made):
    ids, _, _ = made
    groups, count = ndimage.label(ids > 0)
    members = [len(np.unique(ids[groups == group])) for group in range(1, count + 1)]
    assert 1 in members
    assert max(members) > 1
    assert sum(members) == ids.max()
    # Across edges and corners groups do not touch either.
    assert ndimage.label(ids > 0, np.ones((3, 3, 3)))[1] == count


def test_the_seed_decides():
    shape, size = GRIDS["image"]
    same = [touching_mitochondria(seed, shape, size) for seed in (5, 5, 6)]
    np.testing.assert_array_equal(same[0], same[1])
    assert (same[0] != same[2]).any()


def test_without_groups_nothing_touches():
    shape, size = GRIDS["image"]
    ids = touching_mitochondria(1, shape, size, TouchingStyle(group_sizes=(1,)))
    assert ndimage.label(ids > 0)[1] == ids.max() > 5
