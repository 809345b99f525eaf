"""Small jobs: a random tiny model, a random small volume, and ways to interrupt."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_nnunet_em.config import Job
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.testing.tiny_models import make_model_folder


def smooth_noise(shape=(40, 60, 70), seed=0):
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), (1, 3, 3))
    return ((noise - noise.min()) / np.ptp(noise) * 250).astype(np.uint8)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    return make_model_folder(tmp_path_factory.mktemp("model"))


@pytest.fixture
def image():
    return smooth_noise()


@pytest.fixture
def image_file(image, tmp_path):
    path = tmp_path / "raw.npy.h5"
    import h5py

    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("raw", data=image, chunks=(8, 32, 32))
        dataset.attrs["resolution"] = (20.0, 10.0, 10.0)
    return path


@pytest.fixture
def make_job(tmp_path, image_file, model_folder):
    """A job over the image, with changes to its groups of settings."""

    def make(name="out.zarr", /, **groups):
        base = {
            "input": {"path": str(image_file)},
            "model": {"path": str(model_folder), "spacing_unit": "none"},
            "instances": {"min_voxels": 5, "threshold": 0.6},
            "output": {"path": str(tmp_path / name)},
            # OpenVINO would take longer to convert such a model than all its tiles take.
            "execution": {"backend": "pytorch"},
        }
        return Job.model_validate({k: {**base.get(k, {}), **groups.get(k, {})} for k in {*base, *groups}})

    return make


@pytest.fixture
def memory_volume(image):
    return open_volume(image, voxel_size_nm=(20, 10, 10))
