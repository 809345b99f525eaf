"""A dask array whose chunks are predicted when asked for, with the values of a full run."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import zarr
from pydantic import ValidationError

from napari_nnunet_em import predict
from napari_nnunet_em.pipeline import run


def test_chunks_have_the_values_of_the_whole(make_job, memory_volume, model_folder):
    job = make_job(output={"probability_type": "float32"})
    run(job)
    whole = zarr.open_array(job.store / "0", mode="r")[:]
    lazy = predict(memory_volume, model_folder, spacing_unit="none", chunks=(16, 33, 40))
    assert isinstance(lazy, da.Array)
    assert lazy.shape == (1, 40, 60, 70)
    assert lazy.chunks[1] == (16, 16, 8)
    assert lazy.dtype == np.float32
    part = lazy[0, 20:38, 10:40, 5:60].compute()
    np.testing.assert_allclose(part, whole[20:38, 10:40, 5:60], atol=1e-5)


def test_settings_and_arrays(image, model_folder):
    region = "2:20,5:30,5:40"
    lazy = predict(
        image, model_folder, voxel_size_nm=(1, 1, 1), region=region, tta="all", folds="0", device="cpu"
    )
    assert lazy.shape == (1, 18, 25, 35)
    assert 0 <= lazy[0, 0].compute().min() <= lazy[0, 0].compute().max() <= 1


def test_an_unknown_setting_is_refused(image, model_folder):
    with pytest.raises(ValidationError, match="flavour"):
        predict(image, model_folder, voxel_size_nm=(1, 1, 1), flavour="strawberry")
