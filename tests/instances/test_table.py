"""Sizes in voxels and µm³, and the object table as a file."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_nnunet_em.config import InstanceSettings
from napari_nnunet_em.errors import InputError, OutputError, SettingsError
from napari_nnunet_em.instances import ObjectTable
from napari_nnunet_em.instances.sizes import smallest_object_voxels, voxel_volume_um3

COLUMNS = [
    *("id", "voxels", "volume_um3"),
    *("centroid_z_nm", "centroid_y_nm", "centroid_x_nm"),
    *("bbox_z_min", "bbox_z_max", "bbox_y_min", "bbox_y_max", "bbox_x_min", "bbox_x_max"),
    "mean_probability",
]


def example(rows):
    rng = np.random.default_rng(rows)
    columns = {
        name: rng.random(rows) * 1e5 / 7
        if name.endswith(("nm", "um3", "ability"))
        else np.arange(1, rows + 1)
        for name in COLUMNS
    }
    if rows > 2:
        columns["volume_um3"][2] = np.nan  # as without a voxel size
    return ObjectTable(pd.DataFrame(columns))


@pytest.mark.parametrize("rows", [0, 1, 50])
def test_a_table_comes_back_bit_for_bit(tmp_path, rows):
    table = example(rows)
    table.to_csv(tmp_path / "new folder" / "mito.csv")
    back = ObjectTable.from_csv(tmp_path / "new folder" / "mito.csv")
    assert len(back) == rows
    assert list(back.frame.columns) == COLUMNS
    kinds = {name: "f" if name.endswith(("nm", "um3", "ability")) else "i" for name in COLUMNS}
    assert {name: dtype.kind for name, dtype in back.frame.dtypes.items()} == kinds
    for name in COLUMNS:
        np.testing.assert_array_equal(back.frame[name], table.frame[name])


def test_a_failed_write_leaves_the_old_table(tmp_path):
    path = tmp_path / "mito.csv"
    example(3).to_csv(path)
    (tmp_path / "mito.csv.partial").mkdir()  # stands for any reason why writing fails
    with pytest.raises(OutputError, match=r"mito\.csv"):
        example(50).to_csv(path)
    assert len(ObjectTable.from_csv(path)) == 3


def test_a_finished_write_leaves_nothing_else(tmp_path):
    example(3).to_csv(tmp_path / "mito.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["mito.csv"]


@pytest.mark.parametrize(
    "content", [None, "", "a,b\n1,2\n", ",".join(COLUMNS) + "\n" + ",".join("x" * 13) + "\n"]
)
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "other.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match="is not an object table"):
        ObjectTable.from_csv(path)


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
