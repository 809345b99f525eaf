"""``export`` writes files of other formats, and says what it wrote."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
import tifffile

from napari_nnunet_em.cli import main
from napari_nnunet_em.cli.options import iter_options
from napari_nnunet_em.export import Export
from napari_nnunet_em.io import open_volume

SHAPE = (6, 24, 30)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with labels in it."""
    labels = np.random.default_rng(3).integers(0, 9, SHAPE, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["a"] = labels
        file["b"] = labels.astype(np.uint64) << 32
    monkeypatch.chdir(tmp_path)
    return tmp_path


def export(line: str) -> int:
    return main(["export", *line.split()])


def test_labels_go_through_every_format(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export("labels.tif a.zarr --voxel-size-nm 40,8,8 --ome-zarr-version 0.4 --name mito") == 0
    chain = ["a.zarr/labels/mito", "b.h5", "c.ome.tif", "d.nrrd", "e.nii.gz", "f.nii"]
    for source, target in itertools.pairwise(chain):
        assert export(f"{source} {target}") == 0
    last = open_volume("f.nii")
    np.testing.assert_array_equal(last.array[...], tifffile.imread("labels.tif"))
    assert last.voxel_size_nm == pytest.approx((40, 8, 8))
    shown = capsys.readouterr()
    facts = dict(line.split("  ", 1) for line in shown.out.splitlines()[-3:])
    assert facts["Written"].strip() == "f.nii"
    assert facts["Voxels"].strip() == "6 × 24 × 30 (z, y, x), uint16"
    assert facts["Voxel size"].strip() == "40 × 8 × 8 nm (z, y, x)"
    assert "Exporting 1/1 (100 %)" in shown.err


def test_a_region_for_machines(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = "two.h5:/a part.nii --region 1:3,2:20,4:30 --voxel-size-nm 40,8,8 --json"
    assert export(line) == 0
    *events, result = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert {event["stage"] for event in events} == {"export"}
    assert result["written"] == "part.nii"
    assert (result["shape"], result["voxel_size_nm"]) == ([2, 18, 26], [40, 8, 8])
    assert result["origin_nm"] == [40, 16, 32]
    assert nib.load("part.nii").shape == (26, 18, 2)


@pytest.mark.parametrize(
    ("code", "line", "phrase"),
    [
        (2, "labels.tif", "DESTINATION is missing"),
        (2, "", "SOURCE is missing"),
        (2, "labels.tif out.jpg", "stands for no format"),
        (2, "labels.tif out.tif --compression lzf", "choose gzip or zstd or none"),
        (2, "labels.tif out.tif --compression-level 10", "--compression-level"),
        (2, "labels.tif out.tif --region 0:9,0:9,0:9", "does not lie inside labels.tif"),
        (3, "missing.tif out.nii", "missing.tif does not exist"),
        (3, "two.h5 out.nii", "name one, for example two.h5:/a"),
        (3, "labels.tif out.zarr", r"state it (--voxel-size-nm)"),
        (3, "two.h5:/b out.nii", "holds the value"),
        (5, "labels.tif two.h5", "--overwrite"),
        (5, "labels.tif labels.tif --overwrite", "is the input"),
        (5, "labels.tif nowhere/out.nii", "no folder"),
    ],
)
def test_mistakes_end_with_one_sentence(
    files: Path, code: int, line: str, phrase: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(files.rglob("*"))
    assert export(line) == code
    error = capsys.readouterr().err
    assert phrase in error
    assert "Traceback" not in error
    assert sorted(files.rglob("*")) == before


def test_ctrl_c_leaves_nothing(files: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    from napari_nnunet_em.progress import CancelToken

    monkeypatch.setattr(CancelToken, "cancelled", property(lambda self: True))
    assert export("labels.tif out.nii") == 130
    assert "nothing was written to out.nii" in capsys.readouterr().err
    assert not (files / "out.nii").exists()


def test_every_setting_is_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(option.name in shown for option in iter_options(Export))
