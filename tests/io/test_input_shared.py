"""Real volumes in ../shared/data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import describe, open_volume

FILES = [
    ("sbem_mito/val_z050-059_raw.tif", (10, 1024, 1024)),
    ("vnc_mito/z00-09_raw.tif", (10, 1024, 1024)),
    ("flyem_medulla/sample1_raw.tif", (250, 250, 250)),
]


@pytest.mark.parametrize(("name", "shape"), FILES)
def test_real_stacks(shared_dir: Path, name: str, shape: tuple[int, int, int]) -> None:
    path = shared_dir / "data" / name
    volume = open_volume(path)
    facts = describe(volume)
    assert (facts["shape"], facts["axes"], facts["dtype"]) == (list(shape), "zyx", "uint8")
    # These files state no voxel size; the writer's "1 pixel per nothing" is not one.
    assert facts["voxel_size_nm"] is None
    box = Box((3, 100, 17), (9, 230, 200))
    np.testing.assert_array_equal(volume.read(box)[0], tifffile.imread(path)[box.slices])


def test_a_real_volume_keeps_its_fingerprint_as_zarr(shared_dir: Path, tmp_path: Path) -> None:
    path = shared_dir / "data" / FILES[2][0]
    zarr.create_array(tmp_path / "copy.zarr", data=tifffile.imread(path), chunks=(64, 64, 64))
    assert open_volume(path).fingerprint() == open_volume(tmp_path / "copy.zarr").fingerprint()
