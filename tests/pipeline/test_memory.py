"""Peak memory depends on the settings, not on the volume."""

from __future__ import annotations

import subprocess
import sys

import pytest

from napari_nnunet_em.testing.tiny_models import make_model_folder

SCRIPT = """
import sys
from napari_nnunet_em import Job, open_volume, run
from napari_nnunet_em.testing.lazy_noise import LazyNoise
from napari_nnunet_em.testing.runners import PointwiseRunner
model, output, side = sys.argv[1:]
side = int(side)
volume = open_volume(LazyNoise((side, side * 4, side * 4), (16, 128, 128)), voxel_size_nm=(1, 1, 1))
job = Job(
    input={"path": "noise"}, model={"path": model}, output={"path": output},
    execution={"max_ram_gb": 0.3}, instances={"min_voxels": 500},
)
result = run(job, volume=volume, make_runner=lambda opened: PointwiseRunner((8, 16, 16), batch_size=64))
print(result.peak_memory_bytes)
"""


def peak(model_folder, output, side, script=SCRIPT):
    command = [sys.executable, "-c", script, str(model_folder), str(output), str(side)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="measured where peaks are comparable between processes")
def test_eight_times_the_volume_takes_the_same_memory(model_folder, tmp_path):
    # Both are larger than a column, and their blocks have the same rows.
    small = peak(model_folder, tmp_path / "small.zarr", 96)
    large = peak(model_folder, tmp_path / "large.zarr", 192)
    assert large < 1.1 * small


ORTHOGONAL = """
import sys
from napari_nnunet_em import Job, open_volume, run
from napari_nnunet_em.engine import layout, statistics
from napari_nnunet_em.testing.lazy_noise import LazyNoise
from napari_nnunet_em.testing.runners import PointwiseRunner
# Columns that are narrow compared with both volumes in every orientation, and small blocks everywhere else.
layout.CHUNK_SIDE, layout._SMALLEST_BUDGET, statistics._BLOCK_BYTES = 64, 2e7, 1 << 18
model, output, side = sys.argv[1:]
side = int(side)
volume = open_volume(LazyNoise((side, side * 4, side * 4), (16, 64, 64)), voxel_size_nm=(1, 1, 1))
job = Job(
    input={"path": "noise"}, model={"path": model}, output={"path": output, "classes": False},
    execution={"max_ram_gb": 0.1}, instances={"enabled": False},
    prediction={"planes": "orthogonal", "overlap": 0},
)
result = run(job, volume=volume, make_runner=lambda opened: PointwiseRunner((1, 16, 16), batch_size=64))
print(result.peak_memory_bytes)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="measured where peaks are comparable between processes")
def test_so_do_orthogonal_planes(tmp_path):
    folder = make_model_folder(tmp_path / "model", dim=2)
    small = peak(folder, tmp_path / "small.zarr", 64, ORTHOGONAL)
    large = peak(folder, tmp_path / "large.zarr", 128, ORTHOGONAL)
    # 32 million more voxels, of which two orientations wait on disk: in memory they would take 128 MB more.
    assert large - small < 40e6
