"""Bad input: one sentence that says what, with which value, why and what to do, and nothing left behind."""

from __future__ import annotations

import errno
import os
import shutil

import h5py
import numpy as np
import pytest
import tifffile

from napari_nnunet_em.errors import InputError, ModelError, OutputError, SettingsError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.pipeline import load_result, run, segment
from napari_nnunet_em.pipeline.journal import JobFolder
from napari_nnunet_em.progress import Stage
from napari_nnunet_em.testing.tiny_models import make_model_folder


def refused(job, error, match, **kwargs):
    with pytest.raises(error, match=match) as caught:
        run(job, **kwargs)
    assert "\n" not in str(caught.value)
    assert not job.store.exists()
    return caught.value


def volume_of(array, **kwargs):
    return open_volume(array, **{"voxel_size_nm": (20, 10, 10), **kwargs})


def test_a_missing_file(make_job):
    error = refused(make_job(input={"path": "/nowhere/raw.tif"}), InputError, "/nowhere/raw.tif")
    assert error.exit_code == 3


def test_a_wrong_path_in_hdf5_lists_what_is_there(make_job, image_file):
    refused(make_job(input={"path": f"{image_file}:/cooked"}), InputError, "cooked.*raw")


@pytest.mark.parametrize("dtype", ["complex64", "object"])
def test_types_that_are_no_grey_values(dtype, make_job):
    with pytest.raises(InputError, match=dtype):
        volume_of(np.ones((3, 4, 5)).astype(dtype))


def test_an_empty_volume():
    with pytest.raises(InputError, match="0"):
        volume_of(np.ones((0, 4, 5), np.uint8))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity(value, make_job):
    array = np.random.default_rng(0).normal(size=(9, 20, 30)).astype(np.float32)
    array[3, 4, 5] = value
    refused(make_job(), InputError, "NaN or infinite", volume=volume_of(array))


def test_a_constant_volume(make_job):
    refused(make_job(), InputError, r"same value \(7\)", volume=volume_of(np.full((9, 20, 30), 7, np.uint8)))


def test_an_unknown_voxel_size(make_job):
    array = np.random.default_rng(0).integers(0, 255, (9, 20, 30)).astype(np.uint8)
    refused(make_job(), InputError, "voxel size.*not known.*--voxel-size-nm", volume=open_volume(array))


def test_a_volume_smaller_than_a_patch_works_and_says_so(make_job):
    array = np.random.default_rng(0).integers(0, 255, (3, 9, 11)).astype(np.uint8)
    job = make_job()
    result = run(job, volume=volume_of(array))
    assert any("3 × 9 × 11" in note and "padded with zeros" in note for note in result.notes)


def test_channels_that_do_not_fit(make_job):
    array = np.random.default_rng(0).integers(0, 255, (2, 9, 20, 30)).astype(np.uint8)
    refused(make_job(), InputError, r"2 channel.*expects 1 \(EM\)", volume=volume_of(array))


def test_a_model_without_plans(make_job, model_folder, tmp_path):
    folder = shutil.copytree(model_folder, tmp_path / model_folder.name)
    (folder / "plans.json").unlink()
    error = refused(make_job(model={"path": str(folder)}), ModelError, "plans.json")
    assert error.exit_code == 4


def test_a_truncated_checkpoint(make_job, model_folder, tmp_path):
    folder = shutil.copytree(model_folder, tmp_path / model_folder.name)
    file = folder / "fold_0/checkpoint_final.pth"
    file.write_bytes(file.read_bytes()[:5000])
    refused(make_job(model={"path": str(folder)}), ModelError, "checkpoint_final.pth")


def test_a_fold_that_is_not_there(make_job):
    refused(make_job(model={"folds": "7"}), ModelError, "7")


def test_a_voxel_size_far_from_the_models(make_job):
    job = make_job(model={"spacing_unit": "nm"}, input={"voxel_size_nm": (900, 10, 10)})
    refused(job, ModelError, "900 × 10 × 10 nm.*8-fold.*--spacing-unit")


def test_flips_that_the_model_does_not_allow(make_job, tmp_path):
    folder = make_model_folder(tmp_path / "model", mirror_axes=(1, 2))
    job = make_job(model={"path": str(folder)}, prediction={"tta": "zx"})
    error = refused(job, SettingsError, "'zx'.*allows yx.*along z")
    assert error.exit_code == 2


@pytest.mark.parametrize("region", ["0:50,0:9,0:9", "3:3,0:9,0:9"])
def test_a_region_that_is_not_in_the_volume(region, make_job):
    refused(make_job(prediction={"region": region}), SettingsError, "40 × 60 × 70")


@pytest.mark.parametrize("scheme", ["RGBTo01Normalization", "MyOwnNormalization"])
def test_normalization_that_cannot_be_done_leaves_nothing_behind(scheme, make_job, tmp_path):
    folder = make_model_folder(tmp_path / "model", normalization=(scheme,))
    array = np.random.default_rng(0).integers(0, 999, (9, 20, 30)).astype(np.int16)
    match = "0 to 255" if scheme.startswith("RGB") else "MyOwnNormalization"
    error = InputError if scheme.startswith("RGB") else ModelError
    refused(make_job(model={"path": str(folder)}), error, match, volume=volume_of(array))


def test_an_output_inside_the_input(make_job, tmp_path, image):
    folder = tmp_path / "slices"
    folder.mkdir()
    for z in range(3):
        tifffile.imwrite(folder / f"{z:03d}.tif", image[z])
    job = make_job(
        input={"path": str(folder), "voxel_size_nm": (20, 10, 10)}, output={"path": str(folder / "out.zarr")}
    )
    error = refused(job, OutputError, "out.zarr")
    assert error.exit_code == 5


def test_an_output_that_is_somebody_elses(make_job):
    job = make_job()
    job.store.mkdir()
    (job.store / "thesis.txt").write_text("five years")
    with pytest.raises(OutputError, match="did not write"):
        run(job)
    assert [p.name for p in job.store.iterdir()] == ["thesis.txt"]


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="root and Windows write everywhere")
def test_an_unwritable_folder(make_job, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    refused(make_job(output={"path": str(locked / "out.zarr")}), OutputError, "may not write")


def test_a_folder_that_refuses_writing_also_refuses_root(make_job):
    refused(make_job(output={"path": "/proc/out.zarr"}), OutputError, "/proc")


@pytest.mark.parametrize("writes", [0, 3, 8, 15])
def test_a_full_disk_keeps_what_is_finished(writes, make_job, monkeypatch):
    """Every write after the first few fails as on a full disk; with space again, the job goes on."""
    job, whole = make_job(), make_job("whole.zarr")
    count = 0
    replace = os.replace

    def full(*args, **kwargs):
        nonlocal count
        count += 1
        if count > writes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(*args, **kwargs)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match=r"(?i)space|disk"):
        run(job)
    monkeypatch.undo()
    if count <= writes + 1 and writes == 0:
        assert not job.store.exists()
    run(whole)
    assert run(job).objects[0].count == load_result(whole.store).objects[0].count


def test_a_result_that_is_not_finished(make_job):
    job = make_job()
    events = segment(job)
    next(e for e in events if e.stage is Stage.PREDICT and e.box is not None)
    events.close()
    with pytest.raises(OutputError, match="no finished job"):
        load_result(job.store)


def test_a_damaged_job_folder(make_job):
    job = make_job()
    run(job)
    (job.store / ".nnunet-em/job.json").write_text("{")
    with pytest.raises(OutputError, match=r"job\.json cannot be read"):
        run(job)


def test_a_damaged_hdf5_chunk(make_job, tmp_path, image):
    path = tmp_path / "damaged.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("raw", data=image, chunks=(8, 32, 32), compression="gzip")
        offset = dataset.id.get_chunk_info(5).byte_offset
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\x00" * 64)
    refused(make_job(input={"path": str(path), "voxel_size_nm": (20, 10, 10)}), InputError, "cannot be read")


def test_an_output_that_is_gone_is_said_to_be_gone(tmp_path):
    folder = JobFolder(tmp_path / "out.zarr")
    folder.save("job", {})
    shutil.rmtree(folder.store)
    with pytest.raises(OutputError, match="its folder is gone: the output was moved or deleted"):
        folder.record(Box((0, 0, 0), (1, 2, 3)))
