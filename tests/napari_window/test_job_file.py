"""The job in the form as a file that the command line runs."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
import yaml
from napari.utils.notifications import notification_manager
from qtpy.QtWidgets import QFileDialog

from napari_nnunet_em._napari.segment.job_file import job_text, save_job
from napari_nnunet_em.cli.jobfile import build_job
from napari_nnunet_em.config import Job
from napari_nnunet_em.errors import InputError, OutputError
from napari_nnunet_em.io import open_volume

from .conftest import VOXEL_SIZE_NM


@pytest.fixture
def job(tmp_path: Path) -> Job:
    tifffile.imwrite(tmp_path / "größe.tif", np.zeros((2, 8, 8), np.uint8))
    return Job.model_validate(
        {
            "input": {"path": str(tmp_path / "größe.tif"), "voxel_size_nm": VOXEL_SIZE_NM},
            "prediction": {"preset": "best", "region": "0:2,0:8,0:4"},
            "instances": {"split": "distance", "min_volume_um3": 0.002},
            "output": {"path": str(tmp_path / "out.zarr")},
            "execution": {"background": True, "max_ram_gb": 2.5},
        }
    )


def test_the_command_line_reads_the_same_job_which_no_longer_gives_way(job, tmp_path: Path) -> None:
    save_job(job, open_volume(job.input.path), tmp_path / "job.yaml")
    read = build_job(tmp_path / "job.yaml", {})
    assert not read.execution.background
    assert read == job.model_copy(update={"execution": read.execution})
    assert read.execution.max_ram_gb == 2.5
    first, *_ = (tmp_path / "job.yaml").read_text(encoding="utf-8").splitlines()
    assert first == "# Run it with: napari-nnunet-em segment --config job.yaml"


def test_an_image_without_a_file_and_a_place_that_cannot_be_written_are_refused(job, tmp_path: Path) -> None:
    nowhere = job.model_copy(update={"input": job.input.model_copy(update={"path": "SBEM"})})
    volume = open_volume(job.input.path)
    with pytest.raises(InputError, match="'SBEM' is in no file"):
        job_text(nowhere, volume, "job.yaml")
    with pytest.raises(OutputError, match=r"cannot be written: .*; choose another place"):
        save_job(job, volume, tmp_path / "none" / "job.yaml")


def test_the_file_is_named_that_holds_the_voxels_of_the_layer(job, tmp_path: Path) -> None:
    """A layer may be one of several in a file, or hold other voxels than its file."""
    images = np.random.default_rng(0).integers(0, 255, (2, 2, 8, 8), np.uint8)
    with h5py.File(tmp_path / "em.h5", "w") as file:
        for name, image in zip(("first", "second"), images, strict=True):
            file[name] = image
    layers = job.model_copy(update={"input": job.input.model_copy(update={"path": str(tmp_path / "em.h5")})})
    saved = yaml.safe_load(job_text(layers, open_volume(images[1], voxel_size_nm=VOXEL_SIZE_NM), "job.yaml"))
    assert saved["input"]["path"] == f"{tmp_path / 'em.h5'}:/second"
    for given in (layers, job):
        with pytest.raises(InputError, match=r"(em\.h5|größe\.tif) does not hold the voxels of the layer"):
            job_text(given, open_volume(images[1, :, :4]), "job.yaml")


@pytest.mark.gui
def test_the_form_is_saved_as_a_file(open_widget, em, qtbot, tmp_path: Path, monkeypatch) -> None:
    notification_manager.records.clear()
    tifffile.imwrite(tmp_path / "em.tif", em[:2])
    viewer, widget = open_widget()
    viewer.open(tmp_path / "em.tif", plugin="napari")
    widget.form.input["voxel_size_nm"].value = "40, 8, 8"
    widget.form.prediction["overlap"].value = 0.25
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "job"), ""))
    widget.progress.save_action.trigger()
    read = build_job(tmp_path / "job.yaml", {})
    assert read.prediction.overlap == 0.25
    assert read.input.voxel_size_nm == VOXEL_SIZE_NM
    assert Path(read.input.path) == tmp_path / "em.tif"
    assert "--config" in notification_manager.records[-1].message
    assert not (tmp_path / "out.zarr").exists()

    viewer.layers.clear()
    viewer.add_image(em[:2], name="in memory", scale=VOXEL_SIZE_NM, units=("nanometer",) * 3)
    (tmp_path / "job.yaml").unlink()
    widget.form.output["path"].value = ""
    widget.progress.save_action.trigger()
    assert "is in no file" in notification_manager.records[-1].message
    assert not (tmp_path / "job.yaml").exists()
