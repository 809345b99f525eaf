"""Jobs on a level of a pyramid."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr

from napari_nnunet_em.errors import InputError, JobMismatchError
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.pipeline import plan_job, run
from napari_nnunet_em.pipeline.journal import JobFolder
from napari_nnunet_em.pipeline.opening import open_job


@pytest.fixture
def pyramid(tmp_path, image):
    """The image and its half, with their voxel sizes and places."""
    store = tmp_path / "em.zarr"
    group = zarr.open_group(store, mode="w", zarr_format=2)
    datasets = []
    for number, step in enumerate((1, 2)):
        group.create_array(str(number), data=image[:, ::step, ::step], chunks=(8, 32, 32))
        transforms = [
            {"type": "scale", "scale": [20.0, 10.0 * step, 10.0 * step]},
            {"type": "translation", "translation": [0.0, 5.0 * (step - 1), 5.0 * (step - 1)]},
        ]
        datasets.append({"path": str(number), "coordinateTransformations": transforms})
    axes = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    return store


def test_a_level_gives_what_its_array_alone_gives_in_its_place(make_job, pyramid):
    region = "0:16,4:30,6:34"
    level = make_job("level.zarr", input={"path": str(pyramid), "level": 1}, prediction={"region": region})
    alone = make_job("alone.zarr", input={"path": str(pyramid / "1")}, prediction={"region": region})
    result = run(level)
    assert result.voxel_size_nm == (20, 20, 20)
    assert "pyramid level 1" in result.voxel_size_source
    run(alone)
    for name in ("0", "labels/mitochondria/0"):
        mine, theirs = (zarr.open_array(job.store / name, mode="r")[:] for job in (level, alone))
        assert mine.shape == (16, 26, 28)
        np.testing.assert_array_equal(mine, theirs)
    # The centre of a voxel of level 1 is that of the four below it.
    assert open_volume(level.store).origin_nm == (0, 5 + 4 * 20, 5 + 6 * 20)
    document = JobFolder(level.store).load("job")
    assert document["job"]["input"]["level"] == 1
    assert document["digest"] == JobFolder(alone.store).load("job")["digest"]


def test_another_level_is_another_job(make_job, pyramid):
    region = {"region": "0:8,0:10,0:10"}
    run(make_job(input={"path": str(pyramid), "level": 1}, prediction=region))
    with pytest.raises(JobMismatchError, match=r"input\.content.*input\.shape.*voxel_size_nm"):
        run(make_job(input={"path": str(pyramid)}, prediction=region))


def test_a_volume_that_is_open_already_is_taken_at_its_level(make_job, pyramid):
    whole = open_volume(pyramid)
    opened = open_job(make_job(input={"level": 1}), whole)
    assert (opened.volume.level, opened.volume.shape) == (1, (40, 30, 35))
    assert opened.origin_nm == (0, 5, 5)
    again = open_job(make_job(), whole.at_level(1))
    assert again.identity == opened.identity
    given = open_job(make_job(input={"level": 1, "voxel_size_nm": (20, 16, 16)}), whole)
    assert given.voxel_size_nm == (20, 16, 16)
    plan = plan_job(make_job(input={"level": 1}), volume=whole, probe_seconds=0)
    assert plan.shape == (40, 30, 35)
    with pytest.raises(InputError, match="levels 0 to 1, but level 2"):
        open_job(make_job(input={"level": 2}), whole)


@pytest.mark.parametrize(("spacing", "level", "said"), [(20, 0, True), (20, 1, False), (10, 0, False)])
def test_a_job_says_which_level_suits_its_model(make_job, pyramid, tmp_path, spacing, level, said):
    from napari_nnunet_em.testing.tiny_models import make_model_folder

    folder = make_model_folder(tmp_path / "model", dim=2)
    plans = folder / "plans.json"
    document = json.loads(plans.read_text())
    for configuration in document["configurations"].values():
        configuration["spacing"] = [float(spacing)] * 2
    plans.write_text(json.dumps(document))
    model = {"path": str(folder), "spacing_unit": "nm"}
    notes = open_job(make_job(input={"path": str(pyramid), "level": level}, model=model)).notes()
    assert any("Level 1 of the pyramid, 20 × 20 × 20 nm" in note for note in notes) is said
