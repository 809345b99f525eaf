"""A real prediction, split in five layouts of blocks."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_nnunet_em.config import Job
from napari_nnunet_em.pipeline import run

SIZE = (56.0, 8.0, 8.0)


@pytest.fixture(scope="module")
def prediction(shared_dir):
    """Probability of mitochondria in a crop of SBEM data by the bundled 2D model; kept between runs."""
    store = Path(tempfile.gettempdir()) / "nnunet-em-sbem-crop.zarr"
    job = Job.model_validate(
        {
            "input": {
                "path": str(shared_dir / "data" / "sbem_mito" / "val_z050-059_raw.tif"),
                "voxel_size_nm": SIZE,
            },
            "model": {"path": "mitochondria-2d"},
            "prediction": {"region": "0:10,0:384,0:384"},
            "instances": {"enabled": False},
            "output": {"path": str(store), "overwrite": True},
            "execution": {"threads": 1},
        }
    )
    run(job)
    return zarr.open_group(store, mode="r")["0"]


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"split": "distance"},
        {"split": "probability", "split_strength": 0.9},
        {"split": "distance", "fill_holes": "slices", "smooth_nm": 12.0, "threshold_high": 0.8},
        {"split": "distance", "split_memory_gb": 0.02, "fill_holes": "3d"},
    ],
    ids=lambda s: "-".join(str(v) for v in s.values()),
)
def test_five_layouts_of_blocks_give_the_same_labels(segmented, layouts, prediction, settings):
    results = [
        segmented(prediction, block_shape, SIZE, min_voxels=64, **settings)
        for block_shape in layouts(prediction.shape)
    ]
    first, found = results[0]
    plain, _ = segmented(prediction, prediction.shape, SIZE, min_voxels=64)
    assert first.max() > 15
    if settings["split"] == "distance" and "smooth_nm" not in settings:
        assert first.max() > plain.max()
    for labels, other in results[1:]:
        np.testing.assert_array_equal(labels, first)
        assert other.table.frame.equals(found.table.frame)
        assert other.in_blocks == found.in_blocks
