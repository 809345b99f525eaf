"""A job on N5 is the job on the same voxels in another file."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

from napari_nnunet_em.pipeline import run, segment
from napari_nnunet_em.pipeline.journal import JobFolder
from napari_nnunet_em.progress import Stage

from ..n5_files import add_attributes, write_n5

ARRAYS = ("0", "labels/mitochondria/0")


@pytest.fixture
def container(tmp_path, image):
    """Levels in blocks that fit neither tiles nor the output; Paintera's words for sizes."""
    root = add_attributes(tmp_path / "cell.n5", n5="2.5.0")
    group = add_attributes(root / "raw", resolution=[10, 10, 20], multiScale=True)
    for number, step in enumerate((1, 2)):
        write_n5(
            group / f"s{number}", image[:, ::step, ::step], (7, 19, 33), downsamplingFactors=[step, step, 1]
        )
    return root


def same(job, other):
    for name in ARRAYS:
        mine, theirs = (zarr.open_array(j.store / name, mode="r")[:] for j in (job, other))
        np.testing.assert_array_equal(mine, theirs)
    assert JobFolder(job.store).load("job")["digest"] == JobFolder(other.store).load("job")["digest"]


def test_the_whole_run_equals_that_on_hdf5(make_job, container):
    wanted, job = make_job("wanted.zarr"), make_job(input={"path": str(container)})
    result = run(job)
    assert result.voxel_size_nm == run(wanted).voxel_size_nm == (20, 10, 10)
    assert result.voxel_size_source == "N5 attribute resolution"
    assert result.objects[0].count > 0
    same(job, wanted)


def test_a_job_begun_on_hdf5_continues_on_n5(make_job, container):
    """What decides the answer is the voxels, not where they lie."""
    wanted = make_job("wanted.zarr")
    run(wanted)
    events = segment(make_job())
    next(event for event in events if event.stage is Stage.PREDICT and event.box is not None)
    events.close()
    job = make_job(input={"path": str(container)})
    first = next(event for event in segment(job) if event.stage is Stage.PREDICT)
    assert first.done > 0
    run(job)
    same(job, wanted)


def test_a_level_equals_its_array_alone(make_job, container):
    level = make_job("level.zarr", input={"path": str(container), "level": 1})
    alone = make_job("alone.zarr", input={"path": str(container / "raw" / "s1")})
    assert run(level).voxel_size_nm == run(alone).voxel_size_nm == (20, 20, 20)
    same(level, alone)
