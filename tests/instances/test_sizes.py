"""Sizes in voxels and µm³."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_nnunet_em.config import InstanceSettings
from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.instances.sizes import smallest_object_voxels, voxel_volume_um3


def test_voxel_volume_is_in_cubic_micrometres():
    assert math.isclose(voxel_volume_um3((1000, 1000, 1000)), 1.0)
    assert math.isclose(voxel_volume_um3((40, 8, 8)), 2.56e-6)


@given(st.integers(1, 10**9), st.tuples(*3 * [st.sampled_from([4.6, 8.0, 10.0, 33.3, 50.0, 56.0])]))
def test_a_volume_of_whole_voxels_keeps_objects_of_that_many(voxels, size):
    settings = InstanceSettings(min_voxels=0, min_volume_um3=voxels * voxel_volume_um3(size))
    assert smallest_object_voxels(settings, size) == voxels


def test_the_larger_limit_wins():
    size = (40.0, 8.0, 8.0)
    volume = 100.5 * voxel_volume_um3(size)
    for min_voxels, expected in ((0, 101), (101, 101), (500, 500)):
        settings = InstanceSettings(min_voxels=min_voxels, min_volume_um3=volume)
        assert smallest_object_voxels(settings, size) == expected


def test_volume_needs_a_voxel_size():
    with pytest.raises(SettingsError, match="voxel size is unknown"):
        smallest_object_voxels(InstanceSettings(min_volume_um3=0.1), None)
    assert smallest_object_voxels(InstanceSettings(min_voxels=7), None) == 7
