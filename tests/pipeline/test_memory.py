"""Peak memory depends on the settings, not on the volume."""

from __future__ import annotations

import subprocess
import sys

import pytest

from napari_nnunet_em.testing.tiny_models import make_model_folder

SCRIPT = """
import sys
from napari_nnunet_em import Job, open_volume, run
from napari_nnunet_em.engine.space import patch_shape
from napari_nnunet_em.testing.lazy_noise import LazyNoise
from napari_nnunet_em.testing.runners import PointwiseRunner
model, output, side, planes = sys.argv[1:]
side = int(side)
volume = open_volume(LazyNoise((side, side * 4, side * 4), (16, 128, 128)), voxel_size_nm=(1, 1, 1))
job = Job(
    input={"path": "noise"}, model={"path": model}, output={"path": output},
    execution={"max_ram_gb": 0.3}, instances={"min_voxels": 500}, prediction={"planes": planes},
)
make_runner = lambda opened: PointwiseRunner(patch_shape(opened.bundle), batch_size=64)
result = run(job, volume=volume, make_runner=make_runner)
print(result.peak_memory_bytes)
"""


def peak(model_folder, output, side, planes="slices"):
    command = [sys.executable, "-c", SCRIPT, str(model_folder), str(output), str(side), planes]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="measured where peaks are comparable between processes")
def test_eight_times_the_volume_takes_the_same_memory(model_folder, tmp_path):
    small = peak(model_folder, tmp_path / "small.zarr", 64)
    large = peak(model_folder, tmp_path / "large.zarr", 128)
    assert large < 1.1 * small


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="measured where peaks are comparable between processes")
def test_so_do_orthogonal_planes(tmp_path):
    folder = make_model_folder(tmp_path / "model", dim=2, patch_size=(64, 64))
    small = peak(folder, tmp_path / "small.zarr", 64, "orthogonal")
    large = peak(folder, tmp_path / "large.zarr", 128, "orthogonal")
    assert large < 1.1 * small
